"""A Ray cluster of our own, a venue, and what a user does with them."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ray

from actors.names import NAMESPACE, ORCHESTRATOR
from opensqt.cli.processes import MARK, family, mark_of, process_table, send
from opensqt.system.process import ProcessName

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
START_PATIENCE_S = 150.0
FoundT = TypeVar("FoundT")
CONFIG = """
app: {{mode: paper, current_exchange: remote, timezone: UTC, data_dir: {data}}}
accounts:
  paper:
    venue: paper
    capital: "10000"
    base_url: http://127.0.0.1:1
    api_key: ${{K:-paper}}
    secret_key: ${{S:-paper}}
trading:
  grid_mode: long
  price_interval: "0.02"
  price_interval_unit: percent
  order_quantity: "200"
  order_quantity_unit: quote
  buy_window_size: 3
  sell_window_size: 3
symbols:
  - target: BTCUSDT:perp
  - target: ETHUSDT:perp
"""


class StuckError(Exception):
    """Something did not come true in time."""


@dataclass(frozen=True)
class Accepted:
    """An order the venue took, as its own ledger has it."""

    client_order_id: str
    symbol: str
    at_ms: int


@dataclass
class Cluster:
    """Everything below one folder; ended by mark, never by name."""

    folder: Path
    address: str
    dashboard: str

    @property
    def config(self) -> Path:
        return self.folder / "paper.yaml"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "RAY_ADDRESS": self.address,
            "RAY_USAGE_STATS_ENABLED": "0",
            "XDG_RUNTIME_DIR": str(self.folder),
            # The entrypoint of a job says `python` and means the one that runs the tests.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            MARK: mark_of(self.folder, "test"),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m actors`` as a user does."""
        return self._run("actors", *arguments)

    def submit(self, *entrypoint: str) -> subprocess.CompletedProcess[str]:
        """Run ``ray job submit`` with the checkout as the working directory."""
        options = ("--address", self.dashboard, "--working-dir", str(ROOT), "--log-style", "record")
        return self._run("ray.scripts.scripts", "job", "submit", *options, "--", *entrypoint)

    def _run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def call(self, method: str, *arguments: Any, timeout_s: float = 90) -> dict[str, Any]:
        """Ask the orchestrator's actor; raise what Ray raises."""
        actor = ray.get_actor(ORCHESTRATOR, namespace=NAMESPACE)
        answer: dict[str, Any] = ray.get(
            getattr(actor, method).remote(*arguments), timeout=timeout_s
        )
        return answer

    def symbol(self, name: str) -> Mapping[str, Any]:
        entries = self.call("status")["symbols"]
        return next(entry for entry in entries if entry["symbol"] == name)

    def pid(self, name: str) -> int:
        """Return the process of an actor, waiting until it is known."""

        def look() -> int | None:
            found = [one["pid"] for one in self.call("status")["processes"] if one["name"] == name]
            return found[0] if found else None

        return until(look)

    def accepted(self, symbol: str, *, after_ms: float = 0) -> list[Accepted]:
        lines = self.ledger.read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return [
            Accepted(one["client_order_id"], one["symbol"], one["at_ms"])
            for one in found
            if one["kind"] == "accepted" and one["symbol"] == symbol and one["at_ms"] > after_ms
        ]

    def open_orders(self, symbol: str) -> set[str]:
        """Return what is open according to the venue's own ledger."""
        left: set[str] = set()
        for line in self.ledger.read_text("utf-8").splitlines():
            one = json.loads(line)
            if one["symbol"] != symbol:
                continue
            if one["status"] == "working":
                left.add(one["client_order_id"])
            else:
                left.discard(one["client_order_id"])
        return left

    def trades_again(self, symbol: str, *, after_ms: float) -> float:
        """Return seconds until the venue took a new order; raise ``StuckError``."""
        first = until(lambda: self.accepted(symbol, after_ms=after_ms))[0]
        return (first.at_ms - after_ms) / 1_000


def until(look: Callable[[], FoundT | None], *, patience_s: float = PATIENCE_S) -> FoundT:
    """Return the first answer that says something."""
    give_up = time.monotonic() + patience_s
    problem: Exception | None = None
    while time.monotonic() < give_up:
        try:
            found = look()
        except (ray.exceptions.RayError, ValueError, StopIteration) as error:
            problem, found = error, None
        if found:
            return found
        time.sleep(0.05)
    raise StuckError(f"nothing after {patience_s:g} s; last error: {problem!r}")


def kill(pid: int) -> float:
    """End a process without warning; return the wall-clock milliseconds of it."""
    now_ms = time.time() * 1_000
    os.kill(pid, signal.SIGKILL)
    return now_ms


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """Start Ray and the venue, connect, and end everything afterwards."""
    port, dashboard = free_port(), free_port()
    cluster = Cluster(
        folder=folder,
        address=f"127.0.0.1:{port}",
        dashboard=f"http://127.0.0.1:{dashboard}",
    )
    cluster.config.write_text(CONFIG.format(data=folder / "data"), "utf-8")
    cluster.ledger.touch()
    try:
        with (
            spawned(cluster, "ray", ray_arguments(folder, port, dashboard), "Ray runtime started"),
            spawned(cluster, "venue", venue_arguments(cluster), "ready: "),
        ):
            ray.init(
                address=cluster.address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            try:
                yield cluster
            finally:
                ray.shutdown()
    finally:
        sweep(folder)


@contextmanager
def spawned(
    cluster: Cluster, name: str, arguments: list[str], ready: str
) -> Iterator[subprocess.Popen[bytes]]:
    log = cluster.folder / f"{name}.log"
    environment = cluster.environment
    if name == "ray":
        del environment["RAY_ADDRESS"]  # a head must not take itself for a client
    with log.open("wb") as sink:
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        # A Ray head needs 5 s on an idle machine and was seen to need a minute on a busy one.
        until(lambda: ready in log.read_text("utf-8") or None, patience_s=START_PATIENCE_S)
        yield process
    finally:
        process.kill()  # what it has started goes with the sweep
        process.wait()


def sweep(folder: Path) -> None:
    """End what is left of ours: processes with our mark and their descendants."""

    def left() -> frozenset[ProcessName]:
        mark = mark_of(folder)
        return family(process_table(), mark=mark, leaders=[], spared=[os.getpid()])

    for process in left():
        send(process, signal.SIGKILL)
    until(lambda: not left() or None, patience_s=10)


def ray_arguments(folder: Path, port: int, dashboard: int) -> list[str]:
    options = {
        "node-ip-address": "127.0.0.1",
        "port": port,
        "temp-dir": folder / "ray",
        "num-cpus": 2,
        "object-store-memory": 80_000_000,
        "include-dashboard": "true",
        "dashboard-host": "127.0.0.1",
        "dashboard-port": dashboard,
        "ray-client-server-port": free_port(),
        "dashboard-agent-listen-port": free_port(),
        "min-worker-port": 0,
        "max-worker-port": 0,
    }
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *(f"--{name}={value}" for name, value in options.items()),
        "--disable-usage-stats",
    ]


def venue_arguments(cluster: Cluster) -> list[str]:
    folder = cluster.folder
    return [
        *(sys.executable, "-m", "tests.actors.venue_process"),
        *(str(folder / "data"), str(folder), str(cluster.ledger), "paper"),
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
