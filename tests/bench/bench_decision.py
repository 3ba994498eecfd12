"""The way of a decision: heard in the symbol process, committed, sent, read by the venue.

A venue, a connector, an exchange process and one or ten symbol processes, all production code,
over TLS, gRPC and unix sockets. The market steps between two prices. Driven by fills, each step
makes each unit decide on exactly one order: a buy that was filled is offered one level up, and the
other way round. Driven by prices, each step down opens one level below an order that stays open,
and each step up takes it back: half as many orders a second, because the gate counts cancels too.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

from opensqt.bootstrap.runtime import fresh_bytes
from opensqt.core import codec
from opensqt.core.facts import Directive
from opensqt.core.grid.config import GridConfig, IntervalUnit
from opensqt.core.ids import Symbol, UnitId, UnixMs
from opensqt.core.money import floor_to, to_text
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.unit_config import UnitConfig
from opensqt.market.instruments import INSTRUMENTS, PROFILES
from opensqt.paper.dialect import venue_symbol
from opensqt.storage.control import open_control
from opensqt.storage.upgrade import upgrade
from tests.bench.decision_part import CONTROL, stamps_of
from tests.bench.measure import CHECKOUT, MeasureError, wait_for
from tests.bench.part import ACCOUNT
from tests.bench.plan import Plan
from tests.bench.row import Row

FOLDER = "/tmp"
"""Short, because paths of unix sockets are; where the journals lie."""
PER_SECOND = 20
SAMPLES = 1_000
ALONE = Symbol("BTCUSDT:perp")
TOGETHER = 10
ROUNDS = 60
ROUND_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """What makes the units decide."""

    low: Decimal
    """Where the market steps down to, in intervals above the anchor."""
    high: Decimal
    hysteresis: int
    trigger: str
    """Which orders count, by what they were decided on; empty = all."""

    @property
    def grid(self) -> GridConfig:
        """Return the grid of every unit."""
        return GridConfig(
            price_interval=Decimal("0.5"),
            price_interval_unit=IntervalUnit.PERCENT,
            order_quantity=Decimal(200),
            buy_window_size=1,
            sell_window_size=1,
            hysteresis=self.hysteresis,
        )


# A little beyond the level below, where we buy, and beyond the anchor, where we sell.
FILLS = Drive(low=Decimal("-1.05"), high=Decimal("0.05"), hysteresis=2, trigger="")
# So close to our order, one interval down, that the level below it opens; and back.
PRICES = Drive(low=Decimal("-0.95"), high=Decimal(0), hysteresis=0, trigger="price")
BUDGETS = {"simple": (2.5, 12.0, 30.0), "dbos": (5.5, 25.0, 120.0)}
"""Milliseconds: median and p99 of one symbol, slowest of ten that decide at the same instant."""


def run(_: Plan) -> list[Row]:
    """Measure both engines, one symbol and ten."""
    rows = []
    for engine, (median, tail, slowest) in BUDGETS.items():
        alone = measured(engine, [ALONE], steps=SAMPLES, every_s=1 / PER_SECOND)
        taken = sorted(alone.delays.values())
        priced = measured(engine, [ALONE], steps=SAMPLES, every_s=1 / PER_SECOND, drive=PRICES)
        swift = sorted(priced.delays.values())
        ten = measured(engine, sorted(INSTRUMENTS)[:TOGETHER], steps=ROUNDS, every_s=ROUND_S)
        slow = sorted(ten.slowest(TOGETHER))
        rows += [
            Row(name=f"decision.{engine}_samples", value=len(taken), unit="1"),
            Row(name=f"decision.{engine}_p50", value=at(taken, 0.5), unit="ms", budget=median),
            Row(name=f"decision.{engine}_p99", value=at(taken, 0.99), unit="ms", budget=tail),
            Row(name=f"decision.{engine}_price_samples", value=len(swift), unit="1"),
            Row(
                name=f"decision.{engine}_price_p50", value=at(swift, 0.5), unit="ms", budget=median
            ),
            Row(name=f"decision.{engine}_price_p99", value=at(swift, 0.99), unit="ms", budget=tail),
            Row(
                name=f"decision.{engine}_slowest_of_{TOGETHER}",
                value=at(slow, 0.5),
                unit="ms",
                budget=slowest,
            ),
            Row(name=f"decision.{engine}_slowest_p95", value=at(slow, 0.95), unit="ms"),
        ]
    return rows


def at(ranked: Sequence[float], share: float) -> float:
    """Return the value below which a share of the ranked ones lies.

    >>> at([1.0, 2.0, 3.0, 4.0], 0.5), at([1.0, 2.0], 0.99)
    (3.0, 2.0)
    """
    return ranked[int(len(ranked) * share)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the processes noted."""

    moments: Sequence[int]
    """When the market began to step, wall nanoseconds."""
    heard: Mapping[str, int]
    """When the unit's process heard of what it placed an order on, by client order id."""
    read: Mapping[str, int]
    """When the venue had read the order."""

    @property
    def delays(self) -> dict[str, float]:
        """Return the milliseconds each order of a step took."""
        begin = self.moments[0]
        return {
            name: (read_ns - self.heard[name]) / 1e6
            for name, read_ns in self.read.items()
            if read_ns >= begin and name in self.heard
        }

    def slowest(self, units: int) -> list[float]:
        """Return the slowest order of each step on which every unit placed one."""
        delays, found = self.delays, []
        for begin, end in pairwise([*self.moments, self.moments[-1] + 10**9]):
            of_step = [taken for name, taken in delays.items() if begin <= self.read[name] < end]
            if len(of_step) == units:
                found.append(max(of_step))
        if len(found) <= len(self.moments) // 2:
            message = f"only {len(found)} of {len(self.moments)} steps made {units} orders"
            raise MeasureError(message)
        return found


def measured(
    engine: str,
    symbols: Sequence[Symbol],
    *,
    steps: int,
    every_s: float,
    drive: Drive = FILLS,
) -> Found:
    """Let the market step, end the processes, return what they noted."""
    with tempfile.TemporaryDirectory(prefix="oqd-", dir=FOLDER) as name:
        folder = Path(name)
        with running(folder, engine, symbols, drive) as market:
            moments = market.step(steps, every_s=every_s)
        load = os.getloadavg()[0]
        print(f"  {engine}, {len(symbols)} symbols: load {load:.1f}", file=sys.stderr, flush=True)
        return Found(
            moments=moments, heard=stamps_of(folder / "heard"), read=stamps_of(folder / "read")
        )


@contextmanager
def running(
    folder: Path, engine: str, symbols: Sequence[Symbol], drive: Drive
) -> Iterator["Market"]:
    """Start everything and yield once each step of the market makes one order for each unit."""
    upgrade(folder, writer="bench", random_bytes=fresh_bytes())
    units = [UnitId(account=ACCOUNT, symbol=symbol) for symbol in symbols]
    asyncio.run(_register(folder, units, drive.grid))
    with ExitStack() as stack:
        stack.enter_context(part("decision_part", "venue", folder))
        market = Market((folder / CONTROL).read_text("utf-8"), symbols, drive)
        stack.enter_context(part("part", "connector", folder))
        stack.enter_context(part("part", "exchange", folder))
        for unit in units:
            asked = (unit.path, engine, drive.trigger)
            stack.enter_context(part("decision_part", "symbol", folder, *asked))
        wait_for(lambda: market.has_orders(len(symbols)) or None, "an order of every unit")
        # The first step down opens one level more, which stays.
        _ = market.step(4, every_s=1.0)
        yield market


class Market:
    """The venue's market, scripted."""

    def __init__(self, control: str, symbols: Sequence[Symbol], drive: Drive) -> None:
        """Know where every symbol stands and between which prices it steps."""
        self._control = control
        anchors = {symbol: PROFILES[symbol].price for symbol in symbols}
        self._sides: list[dict[str, str]] = [{}, {}]
        for symbol, anchor in anchors.items():
            tick = INSTRUMENTS[symbol].tick_size
            interval = anchor * drive.grid.price_interval / 100
            for side, distance in zip(self._sides, (drive.low, drive.high), strict=True):
                price = anchor + interval * distance
                side[venue_symbol(symbol)] = to_text(floor_to(price, tick))
        self._anchors = {venue_symbol(one): to_text(anchors[one]) for one in anchors}

    def step(self, count: int, *, every_s: float) -> list[int]:
        """Let all symbols step so often, down first; return when each step began."""
        moments, due = [], time.monotonic()
        for side in islice(cycle(self._sides), count):
            moments.append(time.time_ns())
            self._move(side)
            due += every_s
            time.sleep(max(0.0, due - time.monotonic()))
        time.sleep(1.0)
        return moments

    def has_orders(self, count: int) -> bool:
        """Let all symbols trade where they stand; tell whether so many have orders of ours."""
        self._move(self._anchors)
        orders = self._get("ledger?since_ms=0")["orders"]
        return len({order["symbol"] for order in orders}) >= count

    def _move(self, prices: Mapping[str, str]) -> None:
        data = json.dumps({"all": prices}).encode()
        request = urllib.request.Request(f"{self._control}/market", data=data, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._control}/{path}", timeout=10) as answer:
            return json.load(answer)


async def _register(folder: Path, units: Sequence[UnitId], grid: GridConfig) -> None:
    registry = open_control(folder, writer="bench", random_bytes=fresh_bytes())
    config = codec.encode(UnitConfig(capital=Decimal(10_000), grid=grid))
    for unit in units:
        row = UnitRecord(
            unit=unit,
            desire=Desire.RUNNING,
            directive=Directive.RUN,
            config_text=config,
            config_version=1,
            revision=1,
            updated_ms=UnixMs(0),
        )
        await registry.put_unit(row, expected_revision=0)
    registry.close()


@contextmanager
def part(module: str, what: str, folder: Path, *arguments: str) -> Iterator[int]:
    """Run one of the processes; yield its id once it serves."""
    child = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}", what, str(folder), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready", f"{what} did not start"
        yield child.pid
    finally:
        child.terminate()
        child.wait(timeout=20)
