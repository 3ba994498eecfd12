"""Which processes a deployment consists of, and on which ports they listen.

Ports are chosen once per run directory and kept, so that a restarted process is found where the
others look for it.
"""

import fcntl
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from opensqt.cli.supervision import ChildSpec, Kind
from opensqt.config.deployment import Deployment
from opensqt.config.overrides import has_own_paper_venue, overrides
from opensqt.system.rundir import RunDir, write_atomically

PAPER: Final = "paper-venue"
RAY: Final = "ray"
ACTORS: Final = "actors"
READY_PREFIX: Final = "ready: "
"""A process of ours says so on a line of its own once it serves."""

_RAY_READY: Final = "Ray runtime started."
_MEBIBYTE: Final = 1024 * 1024
_PORTS: Final = "ports.json"
_DASHBOARD_S: Final = 300
_PORT_MAX: Final = 65_535


class PortError(Exception):
    """No free port was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the processes listen; all but the first two are Ray's."""

    paper: int
    paper_control: int
    head: int
    dashboard: int
    client: int
    agent: int
    agent_grpc: int
    runtime_env: int
    metrics: int
    node_manager: int
    object_manager: int
    dashboard_metrics: int
    autoscaler_metrics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """What `--replay`, `--speed` and `--loop` said; it wins over the file."""

    files: tuple[Path, ...] = ()
    speed: str = ""
    is_looping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything the children are told."""

    deployment: Deployment
    run: RunDir
    ports: Ports
    playback: Playback

    @property
    def paper_url(self) -> str:
        """Return the address of the paper venue's control API."""
        return f"http://{self.deployment.paper.host}:{self.ports.paper_control}"

    @property
    def ray_address(self) -> str:
        """Return the address of the Ray head."""
        return f"127.0.0.1:{self.ports.head}"

    @property
    def token_path(self) -> Path:
        """Return the file with the token of our Ray cluster."""
        return self.run.path / "ray.token"

    @property
    def dashboard_url(self) -> str:
        """Return the address of Ray's dashboard."""
        return f"http://127.0.0.1:{self.ports.dashboard}"

    @property
    def ray_environment(self) -> dict[str, str]:
        """Return what a client of our Ray cluster needs to know."""
        return {
            "RAY_ADDRESS": self.ray_address,
            "RAY_API_SERVER_ADDRESS": self.dashboard_url,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_path),
            "RAY_USAGE_STATS_ENABLED": "0",
        }


def connector_child(account: str) -> str:
    """Return the name of the connector of an account."""
    return f"connector-{account}"


def own_connectors(deployment: Deployment) -> tuple[str, ...]:
    """Return the accounts whose connector we have to start."""
    if deployment.remote.address:
        return ()
    return tuple(account.name for account in deployment.accounts)


def child_specs(layout: Layout) -> tuple[ChildSpec, ...]:
    """Return all children in the order in which they are shown."""
    deployment = layout.deployment
    shared = shared_environment(layout)
    needs_paper = (PAPER,) if has_own_paper_venue(deployment) else ()
    specs = [_paper(layout, shared)] if needs_paper else []
    specs += [
        ChildSpec(
            name=connector_child(account),
            arguments=(*_serve("connector", layout), "--account", account),
            environment=shared,
            needs=needs_paper,
            ready_text=READY_PREFIX,
        )
        for account in own_connectors(deployment)
    ]
    specs.append(_ray(layout, shared))
    specs.append(
        ChildSpec(
            name=ACTORS,
            arguments=(sys.executable, "-m", "actors", "--config", str(deployment.source)),
            environment=shared | layout.ray_environment,
            needs=(RAY,),
            kind=Kind.TASK,
        )
    )
    return tuple(specs)


def shared_environment(layout: Layout) -> dict[str, str]:
    """Return what every process of the deployment finds in its environment.

    The same overrides reach a Ray actor, because Ray hands its environment down, and a job that
    an operator submits to our cluster.
    """
    ports = layout.ports
    found = overrides(layout.deployment, port=ports.paper, control_port=ports.paper_control)
    return found | {"PYTHONUNBUFFERED": "1"}


def choose_ports(run: RunDir, deployment: Deployment) -> Ports:
    """Return the ports of this run directory, choosing those not chosen before."""
    with _choosing(run):
        return read_ports(run.path) or _chosen(run, deployment)


def read_ports(folder: Path) -> Ports | None:
    """Return the ports chosen for a run directory, if they were."""
    try:
        return Ports(**json.loads((folder / _PORTS).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _chosen(run: RunDir, deployment: Deployment) -> Ports:
    # What another deployment of this user has chosen is taken even before it listens.
    others = map(read_ports, run.path.parent.iterdir())
    taken = {port for ports in others if ports for port in asdict(ports).values()}

    def free(first: int) -> int:
        port = next((p for p in range(first, _PORT_MAX) if p not in taken and _is_free(p)), 0)
        if not port:
            raise PortError(f"no free port from {first} on")
        taken.add(port)
        return port

    head = deployment.ray.port
    ports = Ports(
        paper=deployment.paper.port or free(head - 1_000),
        paper_control=deployment.paper.control_port or free(head - 900),
        head=free(head),
        dashboard=free(deployment.ray.dashboard_port),
        client=free(head + 10),
        agent=free(head + 20),
        agent_grpc=free(head + 30),
        runtime_env=free(head + 40),
        metrics=free(head + 50),
        node_manager=free(head + 60),
        object_manager=free(head + 70),
        dashboard_metrics=free(head + 80),
        autoscaler_metrics=free(head + 90),
    )
    keep_ports(run, ports)
    return ports


@contextmanager
def _choosing(run: RunDir) -> Iterator[None]:
    """Let one deployment of this user choose at a time."""
    handle = os.open(run.path.parent / ".ports.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def keep_ports(run: RunDir, ports: Ports) -> None:
    """Have a run directory stay with these ports."""
    write_atomically(run.path / _PORTS, json.dumps(asdict(ports)))


def forget_ports(run: RunDir) -> None:
    """Choose anew next time."""
    (run.path / _PORTS).unlink(missing_ok=True)


def make_token(path: Path) -> None:
    """Write a new token for our Ray cluster, readable by its owner only, unless there is one."""
    if not path.exists():
        write_atomically(path, secrets.token_hex(32))
    path.chmod(0o600)


def _paper(layout: Layout, shared: dict[str, str]) -> ChildSpec:
    playback = layout.playback
    extra: list[str] = []
    for file in playback.files:
        extra += ["--replay", str(file.absolute())]
    if playback.speed:
        extra += ["--speed", playback.speed]
    if playback.is_looping:
        extra.append("--loop")
    return ChildSpec(
        name=PAPER,
        arguments=(*_serve("paper-venue", layout), *extra),
        environment=shared,
        ready_text=READY_PREFIX,
    )


def _ray(layout: Layout, shared: dict[str, str]) -> ChildSpec:
    ports, ray = layout.ports, layout.deployment.ray
    options = {
        "port": ports.head,
        "dashboard-host": "127.0.0.1",
        "dashboard-port": ports.dashboard,
        "include-dashboard": "true",
        # A node that is told these ports does not wait for its agents to report them, which
        # takes a third of the start and fails on a busy machine.
        "dashboard-agent-listen-port": ports.agent,
        "dashboard-agent-grpc-port": ports.agent_grpc,
        "runtime-env-agent-port": ports.runtime_env,
        "metrics-export-port": ports.metrics,
        "node-manager-port": ports.node_manager,
        "object-manager-port": ports.object_manager,
        # Copies output of actors to drivers; ours do not ask for it.
        "include-log-monitor": "false",
        "ray-client-server-port": ports.client,
        # 0 = any: two clusters on one machine would hand out the same ports otherwise.
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": ray.cpus or os.cpu_count() or 1,
        "object-store-memory": ray.object_store_mb * _MEBIBYTE,
        "temp-dir": layout.run.path / "ray",
        "log-style": "record",
        "log-color": "false",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    own = layout.ray_environment
    # A head must not take itself for a client of a cluster.
    own.pop("RAY_ADDRESS")
    # The entrypoint of a submitted job says `python` and means the one that runs us.
    own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # A machine that is very busy takes longer than the minute Ray allows.
    own["RAY_DASHBOARD_STARTUP_TIMEOUT_S"] = str(_DASHBOARD_S)
    # Ray's default of 15 puts every actor behind whatever else this machine has to do.
    own["RAY_worker_niceness"] = "0"
    own["DASHBOARD_METRIC_PORT"] = str(ports.dashboard_metrics)
    own["AUTOSCALER_METRIC_PORT"] = str(ports.autoscaler_metrics)
    return ChildSpec(
        name=RAY,
        arguments=(
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *(*arguments, "--disable-usage-stats"),
        ),
        environment=shared | own,
        ready_text=_RAY_READY,
    )


def _serve(what: str, layout: Layout) -> tuple[str, ...]:
    config = str(layout.deployment.source)
    return (sys.executable, "-m", "opensqt.cli.main", "serve", what, "-c", config)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
