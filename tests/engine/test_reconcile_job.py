"""When a unit asks its venue: often enough, never in step with others, and not for ever."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise

from opensqt.core.facts import UnitQuarantined
from opensqt.core.ids import Symbol
from opensqt.core.instrument import Instrument
from opensqt.engine.incoming import Reconciled, TradesFound
from opensqt.engine.reconcile_job import (
    AUDIT_EVERY_MS,
    DELISTED_MS,
    TRADES_EVERY_MS,
    ReconcileJob,
)
from opensqt.engine.reconciler import Findings, Reconciler
from opensqt.ports.exchange import UnknownSymbolError, VenueUnavailableError
from opensqt.simulation.venue import VenueConnection
from tests.engine.doubles import HandClock, QuietLog
from tests.engine.stage import Stage, play

SECOND_MS = 1_000


@dataclass
class Asked(Reconciler):
    """Finds nothing, and remembers when it was asked."""

    clock: HandClock
    passes: list[int] = field(default_factory=list)
    trades: list[int] = field(default_factory=list)

    async def full(self) -> Findings:
        self.passes.append(self.clock.ms)
        return Findings()

    async def add_trades(self, findings: Findings) -> None:
        _ = findings
        self.trades.append(self.clock.ms)


async def asked_for(name: str, *, minutes: int) -> Asked:
    """Return what a unit of that name asks in quiet times."""
    clock = HandClock()
    asked = Asked(clock)

    def deliver(found: Reconciled | TradesFound | UnitQuarantined) -> None:
        if isinstance(found, Reconciled):
            job.complete(found.number)

    job = ReconcileJob(
        asked, name=name, deliver=deliver, ended=lambda: None, clock=clock, log=QuietLog()
    )
    job.want("start")
    for _ in range(minutes * 60):
        clock.ms += SECOND_MS
        job.step(is_attached=True)
        for _ in range(3):
            await asyncio.sleep(0)
        if job._trades_task is not None:
            job._trades_task.cancel()  # it waits on a clock of its own
    job.abandon()
    return asked


async def test_trades_are_asked_for_four_times_a_minute_and_everything_twice() -> None:
    asked = await asked_for("paper BTCUSDT:perp", minutes=20)

    between = [b - a for a, b in pairwise(asked.passes)]
    assert all(AUDIT_EVERY_MS * 0.9 <= one <= AUDIT_EVERY_MS + SECOND_MS for one in between)
    moments = sorted(asked.passes + asked.trades)
    gaps = [b - a for a, b in pairwise(moments)]
    assert max(gaps) <= TRADES_EVERY_MS + 2 * SECOND_MS
    assert len(set(between)) > 1


async def test_two_units_do_not_ask_in_step() -> None:
    one = await asked_for("paper BTCUSDT:perp", minutes=10)
    other = await asked_for("paper ETHUSDT:perp", minutes=10)

    assert one.passes[1:] != other.passes[1:]


class Delisting(VenueConnection):
    """Knows its symbol until it is told otherwise."""

    is_gone = False
    is_down = False

    async def instrument(self, symbol: Symbol) -> Instrument:
        if self.is_down:
            raise VenueUnavailableError("down")
        if self.is_gone:
            raise UnknownSymbolError(f"{symbol} is not traded here")
        return await super().instrument(symbol)


def test_a_symbol_that_is_gone_for_good_waits_for_a_human() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.venue.is_gone = True  # type: ignore[attr-defined]
        stage.engine.on_gap("test")
        await stage.sleep(DELISTED_MS - 10_000)
        assert not stage.state.quarantine

        await stage.until(lambda: bool(stage.state.quarantine))

        assert stage.state.quarantine.startswith("delisted: ")
        assert len(stage.facts(UnitQuarantined)) == 1

    play(story, venue_type=Delisting)


def test_a_venue_that_does_not_answer_is_no_delisting() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.venue.is_down = True  # type: ignore[attr-defined]
        stage.engine.on_gap("test")
        await stage.sleep(3 * DELISTED_MS)
        stage.venue.is_down = False  # type: ignore[attr-defined]

        await stage.until(lambda: stage.engine.is_ready)
        assert not stage.state.quarantine

    play(story, venue_type=Delisting)
