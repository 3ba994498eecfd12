"""The other processes of a deployment that nobody supervises: paper venue and connectors.

On a plain Ray cluster (``ray start`` and ``ray job submit``) there is no supervisor. Then the
orchestrator's process keeps these children: started detached, they survive its death, and its
successor finds them in the run directory by id and start time.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from opensqt.config.deployment import Deployment
from opensqt.config.overrides import has_own_paper_venue, overrides
from opensqt.ports.clock import ClockPort
from opensqt.ports.telemetry import LogPort
from opensqt.system.process import ProcessName, start_ticks
from opensqt.system.rundir import RunDir, write_atomically

PAPER: Final = "paper-venue"
SUPERVISED: Final = "OPENSQT_UP"
"""The supervisor puts this into the environment of everything it starts."""
LOOK_MS: Final = 500
READY_PREFIX: Final = b"ready: "
STEADY_MS: Final = 60_000
"""A child that ran this long had no failure in a row before."""
BACKOFF_MS: Final = (0, 500, 1_000, 2_000, 5_000, 10_000)
_READY_BYTES_MAX: Final = 1 << 20
# Forks once more before it becomes the program: nobody's child, so nobody's death ends it.
_DETACH: Final = (
    "import os, sys\n"
    "pid = os.fork()\n"
    "if pid: print(pid, flush=True); os._exit(0)\n"
    "os.setsid()\n"
    "sink = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)\n"
    "os.dup2(sink, 1); os.dup2(sink, 2)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One process that shall run."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    needs: str = ""
    """Another child that must serve first."""


@dataclass(slots=True)
class _Known:
    restarts: int = 0
    failures: int = 0
    due_ms: int = 0
    process: ProcessName | None = None
    started: int = field(default=0)


def is_supervised(environ: Mapping[str, str]) -> bool:
    """Tell whether a supervisor looks after the other processes."""
    return SUPERVISED in environ


def children_of(deployment: Deployment, run: RunDir) -> tuple[Child, ...]:
    """Return the children a deployment needs beside its actors; announces where the venue is."""
    has_paper = has_own_paper_venue(deployment)
    paper = deployment.paper
    ports = _ports(run) if has_paper else {}
    port = paper.port or ports.get("port", 0)
    control_port = paper.control_port or ports.get("control_port", 0)
    environment = overrides(deployment, port=port, control_port=control_port)
    environment["PYTHONUNBUFFERED"] = "1"
    children = []
    if has_paper:
        run.set_endpoint("paper_control", f"http://{paper.host}:{control_port}")
        children.append(
            Child(name=PAPER, arguments=_serve(PAPER, deployment), environment=environment)
        )
    if not deployment.remote.address:
        children += [
            Child(
                name=f"connector-{account.name}",
                arguments=(*_serve("connector", deployment), "--account", account.name),
                environment=environment,
                needs=PAPER if has_paper else "",
            )
            for account in deployment.accounts
        ]
    return tuple(children)


class Standalone:
    """Keeps the children running; every look is synchronous and short."""

    def __init__(
        self,
        children: tuple[Child, ...],
        *,
        run: RunDir,
        logs: Path,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Adopt what the run directory names and what still runs."""
        self._children = children
        self._run = run
        self._logs = logs
        self._clock = clock
        self._log = log
        live = run.live_processes()
        self._known = {child.name: _Known(process=live.get(child.name)) for child in children}

    @property
    def processes(self) -> tuple[dict[str, object], ...]:
        """Return ``{"name", "pid", "restarts"}`` of every child."""
        return tuple(
            {
                "name": name,
                "pid": known.process.pid if known.process and known.process.is_alive else None,
                "restarts": known.restarts,
            }
            for name, known in self._known.items()
        )

    async def keep(self) -> None:
        """Start what is missing, for ever."""
        while True:
            for child in self._children:
                try:
                    self._look(child)
                except OSError as error:
                    self._log.warning("child.failed", child=child.name, error=repr(error))
            await self._clock.sleep_ms(LOOK_MS)

    async def stop(self, *, grace_ms: int = 3_000) -> None:
        """End the children: asked first, then forced."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            give_up_ms = self._clock.monotonic_ms() + grace_ms
            for child in self._children:
                _send(self._known[child.name].process, signum)
            while self._is_any_alive() and self._clock.monotonic_ms() < give_up_ms:
                await self._clock.sleep_ms(50)
        for child in self._children:
            self._run.set_process(child.name, None)

    def _is_any_alive(self) -> bool:
        return any(one.process and one.process.is_alive for one in self._known.values())

    def _look(self, child: Child) -> None:
        known = self._known[child.name]
        now = self._clock.monotonic_ms()
        if known.process is not None:
            if known.process.is_alive:
                return
            self._log.warning("child.ended", child=child.name, pid=known.process.pid)
            known.process = None
            known.restarts += 1
            known.failures = known.failures + 1 if now - known.started < STEADY_MS else 1
            known.due_ms = now + BACKOFF_MS[min(known.failures, len(BACKOFF_MS) - 1)]
        if now >= known.due_ms and (not child.needs or self._serves(child.needs)):
            known.process = self._start(child)
            known.started = now

    def _start(self, child: Child) -> ProcessName:
        sink = self._logs / f"{child.name}.log"
        sink.parent.mkdir(parents=True, exist_ok=True)
        sink.write_bytes(b"")
        answer = subprocess.run(
            (sys.executable, "-c", _DETACH, str(sink), *child.arguments),
            env={**os.environ, **child.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            timeout=10,
        )
        pid = int(answer.stdout)
        process = ProcessName(pid=pid, start=start_ticks(pid) or 0)
        self._run.set_process(child.name, process)
        self._log.info("child.started", child=child.name, pid=pid)
        return process

    def _serves(self, name: str) -> bool:
        process = self._known[name].process
        if process is None or not process.is_alive:
            return False
        with suppress(FileNotFoundError), (self._logs / f"{name}.log").open("rb") as stream:
            return READY_PREFIX in stream.read(_READY_BYTES_MAX)
        return False


def _serve(what: str, deployment: Deployment) -> tuple[str, ...]:
    config = str(deployment.source)
    return (sys.executable, "-m", "opensqt.cli.main", "serve", what, "-c", config)


def _ports(run: RunDir) -> dict[str, int]:
    """Return the paper venue's ports: chosen once per run directory."""
    path = run.path / "standalone.json"
    with suppress(FileNotFoundError, ValueError, TypeError):
        return {name: int(port) for name, port in json.loads(path.read_text("utf-8")).items()}
    with socket.socket() as first, socket.socket() as second:
        ports = {}
        for name, probe in (("port", first), ("control_port", second)):
            probe.bind(("127.0.0.1", 0))
            ports[name] = int(probe.getsockname()[1])
    write_atomically(path, json.dumps(ports))
    return ports


def _send(process: ProcessName | None, signum: signal.Signals) -> None:
    if process is not None and process.is_alive:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signum)
