"""The way of a price: frame read by the connector, exchange process, handler of the manager.

A sender, a connector, an exchange process and a process that holds the managers' ends of twenty
links, all production code, at 10,000 messages a second over TLS, gRPC and unix sockets.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop

from opensqt.bootstrap.runtime import link_name
from opensqt.core.facts import PriceTicked
from opensqt.core.ids import Symbol, UnitId, UnixMs
from opensqt.engine.manager_link import ManagerLink
from opensqt.ports.exchange import PriceUpdate
from opensqt.ports.link import Band, Hello, LinkRefusedError
from opensqt.rpc.endpoint import UnixLocator
from opensqt.rpc.link_client import GrpcLink
from opensqt.system import log, process
from opensqt.system.clock import SystemClock
from tests.bench.measure import CHECKOUT
from tests.bench.part import ACCOUNT, RATE, runtime
from tests.bench.plan import Plan
from tests.bench.row import Row

SYMBOLS = tuple(Symbol(f"COIN{number:02}USDT:perp") for number in range(20))
SETTLE_S = 4.0
SECONDS = 12.0
HALF_BAND = Decimal(6)
"""A jump of the price leaves it, whichever way."""


class Manager:
    """A unit that wants to hear of every jump, and stamps what it hears."""

    def __init__(self, symbol: Symbol, seen: Callable[[float, float], None]) -> None:
        self._unit = UnitId(account=ACCOUNT, symbol=symbol)
        self._seen = seen
        self._clock = SystemClock()
        self.link = _Link(
            GrpcLink(UnixLocator(runtime_path(), link_name(ACCOUNT))),
            owner=self,
            clock=self._clock,
            log=log.get("opensqt.bench"),
        )

    def hello(self, *, session: str, acked_seq: int) -> Hello:
        return Hello(
            unit=self._unit,
            host="bench",
            pid=os.getpid(),
            epoch=1,
            build="bench",
            session=session,
            acked_seq=acked_seq,
            now_ms=self._clock.now_ms(),
            position=Decimal(0),
            capital=Decimal(10_000),
        )

    def on_price(self, price: PriceTicked) -> None:
        now = time.time() * 1_000
        self._seen(now - self.link.frame_read_ms, now - price.at_ms)
        self.link.set_band(
            Band(
                reference="last",
                low=price.last - HALF_BAND,
                high=price.last + HALF_BAND,
                valid_until_ms=UnixMs(int(now) + 3_600_000),
                after_seq=self.link.last_seq,
            )
        )

    def on_refused(self, error: LinkRefusedError) -> None:
        raise error

    def on_attached(self, *, resumed: bool) -> None: ...
    def on_detached(self, reason: str) -> None: ...
    def on_gap(self, reason: str) -> None: ...
    def on_update(self, seq: int, update: Any) -> None: ...
    def on_heartbeat(self, heartbeat: Any) -> None: ...


class _Link(ManagerLink):
    """Remembers when the frame of the newest price was read: one clock, one machine."""

    frame_read_ms = 0

    def local_price(self, price: PriceUpdate, *, age_ms: int) -> PriceTicked:
        self.frame_read_ms = price.read_ms
        return super().local_price(price, age_ms=age_ms)


_folder: Path | None = None


def runtime_path() -> Path:
    """Return the run directory of this bench."""
    assert _folder is not None
    return runtime(_folder).open_run_dir().path


def run(_: Plan) -> list[Row]:
    """Start the processes, let the flow settle, measure."""
    global _folder  # noqa: PLW0603 - one bench, one folder
    with tempfile.TemporaryDirectory(prefix="oqb-") as folder:
        _folder = Path(folder)
        with (
            part("venue"),
            part("connector") as connector,
            part("exchange") as exchange,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            return runner.run(measure((connector, exchange)))


@contextmanager
def part(what: str) -> Iterator[int]:
    """Run one of the processes; yield its id once it serves."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.part", what, str(_folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready", f"the {what} did not start"
        yield child.pid
    finally:
        child.terminate()
        child.wait(timeout=20)


async def measure(pids: tuple[int, int]) -> list[Row]:
    """Attach the managers and return what they saw, and what the two processes used meanwhile."""
    read: list[float] = []
    sent: list[float] = []

    def seen(since_read: float, since_sent: float) -> None:
        read.append(since_read)
        sent.append(since_sent)

    managers = [Manager(symbol, seen) for symbol in SYMBOLS]
    process.spare_collector()
    tasks = [asyncio.create_task(manager.link.run()) for manager in managers]
    try:
        await asyncio.sleep(SETTLE_S)
        read.clear()
        sent.clear()
        before, begun = [process.cpu_ms(pid) or 0 for pid in pids], time.monotonic()
        await asyncio.sleep(SECONDS)
        wall_ms = (time.monotonic() - begun) * 1_000
        used = [(process.cpu_ms(pid) or 0) - one for pid, one in zip(pids, before, strict=True)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    read.sort()
    sent.sort()
    assert len(read) > 100, f"only {len(read)} prices left a band"
    last = int(len(read) * 0.99)
    return [
        Row(name="band.messages_per_s", value=RATE, unit="1/s"),
        Row(name="band.exits_per_s", value=len(read) / SECONDS, unit="1/s"),
        Row(name="band.exit_p50", value=read[len(read) // 2], unit="ms"),
        Row(name="band.exit_p99", value=read[last], unit="ms", budget=10),
        Row(name="band.sent_to_handler_p99", value=sent[last], unit="ms"),
        Row(name="prices.connector_core", value=used[0] / wall_ms, unit="core"),
        Row(name="prices.exchange_core", value=used[1] / wall_ms, unit="core"),
        Row(name="prices.remote_both", value=sum(used) / wall_ms, unit="core", budget=1),
    ]
