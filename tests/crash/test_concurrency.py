"""Ten thousand events from several processes and tasks, in no order, into one engine and journal.

Processes say what happens: prices, trades, directives, and venue reports told again long after.
The venue itself loses replies, repeats and reorders its events and lets orders land late. Another
process reads the journal all the time, and one of an older epoch insists on writing. What is left
must be one story: state = replay of the journal = the venue's trades.
"""

import asyncio
import json
import multiprocessing
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opensqt.core.facts import Directive, OrderIntended, TradeFilled
from opensqt.core.symbol import SymbolState, replay
from opensqt.engine.decider import Identity
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import OrderUpdate, TradeUpdate, VenueEvent
from opensqt.simulation.faults import Faults
from opensqt.simulation.venue import VenueConnection
from opensqt.storage.journal import SqlJournal, open_journal
from opensqt.system.clock import SystemClock
from tests.crash import crowd
from tests.engine.doubles import SYMBOL
from tests.engine.stage import CONFIG, TAG, UNIT, Stage

pytestmark = [pytest.mark.crash]

EVENTS = 10_000
TELLERS = 4
EPOCH = 2
_CONTEXT = multiprocessing.get_context("forkserver")
HOSTILE = Faults(
    drop_reply=0.05,
    late_landing=0.03,
    late_ms_max=300,
    latency_ms_max=10,
    duplicate_event=0.2,
    event_delay_ms_max=20,
)
KIND = OrderUpdate | TradeUpdate


class Recorded(VenueConnection):
    """Keeps what the venue has told, to be told again."""

    told: list[VenueEvent]

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        async for batch in super().events():
            self.told = [*getattr(self, "told", []), *(e for e in batch if isinstance(e, KIND))]
            yield batch


@dataclass
class CrowdedStage(Stage):
    """A unit in real time with a journal on disk."""

    data: Path = field(default_factory=Path)

    def make_clock(self) -> ClockPort:
        return SystemClock()

    def make_engine(self, *, epoch: int) -> SymbolEngine:
        self.journal: SqlJournal = open_journal(self.data, UNIT, may_migrate=True)
        return SymbolEngine(
            Identity(unit=UNIT, deployment=TAG, epoch=EPOCH, build="t", host="t", pid=epoch),
            self.config,
            config_version=1,
            journal=self.journal,
            link=self,
            workflows=self.workflows(),
            clock=self.clock,
            log=self.log,
        )


@dataclass
class Happenings:
    """Does to a stage what the tellers say."""

    stage: CrowdedStage
    rng: random.Random
    counts: dict[str, int] = field(default_factory=dict)
    at: int = 10_000
    """Price in ticks."""

    async def follow(self, channel: socket.socket) -> None:
        """Do what one teller says until it has nothing more to say."""
        reader, writer = await asyncio.open_connection(sock=channel)
        while line := await reader.readline():
            kind, value = json.loads(line)
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.do(kind, value)
            if self.rng.random() < 0.1:
                await asyncio.sleep(self.rng.random() * 0.01)
        writer.close()

    def do(self, kind: str, value: Any) -> None:
        stage = self.stage
        match kind:
            case "price" | "trade":
                self.at = max(9_800, min(10_200, self.at + value))
                size = "0.001" if kind == "price" else "0.013"
                stage.quote(str(Decimal(self.at) / 10), size=size)
            case "direct":
                stage.direct(Directive(value))
            case "again":
                told = stage.venue.told if isinstance(stage.venue, Recorded) else []
                if told:
                    stage.world.tell(told[int(value * len(told))])
            case _:
                pass


def spawned(work: Callable[..., None], *arguments: object) -> tuple[Any, socket.socket]:
    ours, theirs = socket.socketpair()
    process = _CONTEXT.Process(target=work, args=(theirs, *arguments))
    process.start()
    theirs.close()
    return process, ours


async def finish(process: Any, channel: socket.socket) -> str:
    """End a process that works until it is told to; return what it says."""
    channel.sendall(b".")
    said = await asyncio.to_thread(channel.recv, 100)
    await asyncio.to_thread(process.join)
    channel.close()
    assert process.exitcode == 0
    return said.decode()


@pytest.mark.parametrize("seed", [1])
async def test_ten_thousand_events_leave_one_story(tmp_path: Path, seed: int) -> None:
    stage = CrowdedStage(
        asyncio.get_running_loop(),
        data=tmp_path,
        venue_type=Recorded,
        faults=HOSTILE,
        config=replace(CONFIG, order_ttl_ms=600, horizon_ms=500, visibility_ms=200),
    )
    await stage.open()
    # Claimed and fenced by the engine, so that the one of the older epoch comes too late.
    reader = spawned(crowd.read_on, str(tmp_path))
    zombie = spawned(crowd.insist, str(tmp_path))
    happenings = Happenings(stage, random.Random(seed))
    tellers = [
        spawned(crowd.tell, seed * 100 + number, EVENTS // TELLERS) for number in range(TELLERS)
    ]
    await asyncio.gather(*(happenings.follow(channel) for _, channel in tellers))
    for process, _ in tellers:
        await asyncio.to_thread(process.join)

    stage.direct(Directive.RUN)
    stage.direct(Directive.CANCEL)
    await stage.until(lambda: stage.engine.is_stopped, within_ms=120_000)

    tried, worked = (await finish(*zombie)).split()
    reads = await finish(*reader)
    await agree(stage)
    assert sum(happenings.counts.values()) == EVENTS
    assert (int(tried) > 20, worked) == (True, "0")
    assert int(reads) > 10
    await end(stage)


async def agree(stage: CrowdedStage) -> None:
    """Compare engine, journal and venue once nothing moves any more."""
    facts = await stage.journal.history()
    state = replay(SymbolState(unit=UNIT, deployment=TAG), facts)
    now = stage.engine.state
    assert [name for name in SymbolState.__dataclass_fields__ if _differ(state, now, name)] == []
    booked = [one.trade_id for one in facts if isinstance(one, TradeFilled)]
    filled = [one.trade_id for one in stage.model.fills(UNIT.account, SYMBOL)]
    assert sorted(booked) == sorted(filled)
    assert len(set(stage.accepted)) == len(stage.accepted)
    intended = [one.client_order_id for one in facts if isinstance(one, OrderIntended)]
    assert len(set(intended)) == len(intended)
    assert set(stage.accepted) <= set(intended)
    assert stage.model.position(UNIT.account, SYMBOL).quantity == now.position.quantity
    assert len(filled) > 10
    assert len(intended) > 20


def _differ(one: SymbolState, other: SymbolState, name: str) -> bool:
    return name != "price" and getattr(one, name) != getattr(other, name)


async def end(stage: CrowdedStage) -> None:
    for task in stage.tasks:
        task.cancel()
    for task in stage.tasks:
        with suppress(asyncio.CancelledError):
            await task
    stage.journal.close()
