"""A human trades on the account of a running unit: what adopting does then, and what not."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import (
    Directive,
    Fact,
    JournalRestored,
    PositionAdjusted,
    QuarantineLifted,
    UnitQuarantined,
)
from opensqt.core.grid.adopting import Adoption, AdoptionWish
from opensqt.core.ids import ClientOrderId, Symbol
from opensqt.core.orders import Side, TimeInForce
from opensqt.engine.adopting import AdoptionError
from opensqt.market.types import Accepted, OrderRequest
from opensqt.ports.exchange import VenuePosition, VenueUnavailableError
from opensqt.ports.journal import JournalError
from opensqt.simulation.journal import CommitPoint
from opensqt.simulation.venue import VenueConnection
from tests.engine.doubles import SYMBOL
from tests.engine.stage import TAG, UNIT, Stage, play

WISH = AdoptionWish(operator="ann", reason="bought by hand")


def by_hand(stage: Stage, quantity: str, *, side: Side = Side.BUY, name: str = "hand") -> None:
    """Trade at the market as a human does, with an id of his own."""
    price = Decimal(1_100) if side is Side.BUY else Decimal(900)
    order = OrderRequest(
        account=UNIT.account,
        symbol=SYMBOL,
        client_order_id=ClientOrderId(name),
        side=side,
        price=price,
        quantity=Decimal(quantity),
        time_in_force=TimeInForce.IOC,
        reduce_only=False,
    )
    assert isinstance(stage.model.place(order, stage.clock.now_ms()), Accepted)


async def stuck(stage: Stage, quantity: str = "0.5") -> None:
    """Bring the unit to where only a human can decide: a position it did not trade."""
    await stage.open()
    by_hand(stage, quantity)
    await stage.until(lambda: bool(stage.state.quarantine), within_ms=120_000)


async def paused(stage: Stage) -> None:
    stage.direct(Directive.CANCEL)
    await stage.until(
        lambda: stage.state.directive is Directive.CANCEL and stage.state.is_quiescent
    )


async def adopt(stage: Stage, wish: AdoptionWish = WISH, *, dry_run: bool = False) -> Adoption:
    return await stage.engine.adopting.ask(wish, dry_run=dry_run)


def test_a_position_bought_by_hand_is_shown_adopted_and_sold_by_the_grid() -> None:
    async def story(stage: Stage) -> None:
        await stuck(stage)
        assert "position: book 0, venue 0.5" in stage.state.quarantine
        await paused(stage)
        before = len(stage.disk.facts)

        shown = await adopt(stage, dry_run=True)
        assert len(stage.disk.facts) == before
        done = await adopt(stage)

        assert shown.steps == done.steps
        assert done.difference == Decimal("0.5")
        (booked,) = stage.facts(PositionAdjusted)
        assert isinstance(booked, PositionAdjusted)
        assert (booked.operator, booked.reason) == ("ann", "bought by hand")
        assert stage.state.position.quantity == Decimal("0.5")
        assert stage.state.quarantine == ""
        assert stage.engine.is_ready is False  # compared with the venue anew before it quotes
        stage.direct(Directive.RUN)
        await stage.until(lambda: stage.engine.is_ready and len(stage.open_orders) > 3)
        for price in range(1_002, 1_036, 2):
            stage.quote(str(price), size="1")
            await stage.sleep(1_500)
        await stage.sleep(40_000)
        assert not stage.state.quarantine
        assert stage.state.position.quantity == Decimal(0)

    play(story)


def test_adopting_twice_books_once() -> None:
    async def story(stage: Stage) -> None:
        await stuck(stage)
        await paused(stage)

        await adopt(stage)
        again = await adopt(stage)

        assert (again.facts, again.refusal) == ((), "")
        assert len(stage.facts(PositionAdjusted)) == 1
        assert len(stage.facts(QuarantineLifted)) == 1

    play(story)


def test_of_two_who_adopt_at_once_one_is_told_to_wait() -> None:
    async def story(stage: Stage) -> None:
        await stuck(stage)
        await paused(stage)

        first, second = await asyncio.gather(adopt(stage), adopt(stage), return_exceptions=True)

        assert isinstance(first, Adoption)
        assert isinstance(second, AdoptionError)
        assert len(stage.facts(PositionAdjusted)) == 1

    play(story)


def test_nothing_is_booked_while_an_order_may_still_trade() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.quote("998.4")  # bought; its closing order rests on
        await stage.until(lambda: any(order.side is Side.SELL for order in stage.live))
        by_hand(stage, "0.5")
        await stage.until(lambda: bool(stage.state.quarantine), within_ms=120_000)

        refused = await adopt(stage)

        assert "may still trade" in refused.refusal
        assert stage.facts(PositionAdjusted) == []

    play(story)


def test_a_quarantine_whose_cause_is_gone_is_only_lifted() -> None:
    async def story(stage: Stage) -> None:
        await stuck(stage)
        by_hand(stage, "0.5", side=Side.SELL, name="back")

        done = await adopt(stage)

        assert [type(fact) for fact in done.facts] == [JournalRestored, QuarantineLifted]
        await stage.until(lambda: stage.engine.is_ready and len(stage.open_orders) >= 3)
        assert stage.facts(PositionAdjusted) == []

    play(story)


def test_an_order_of_another_deployment_keeps_the_quarantine() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        resting = OrderRequest(
            account=UNIT.account,
            symbol=SYMBOL,
            client_order_id=ClientOrderId("q1zzz" + "0" * 20),
            side=Side.BUY,
            price=Decimal(900),
            quantity=Decimal("0.5"),
            time_in_force=TimeInForce.GTC,
            reduce_only=False,
        )
        stage.model.place(resting, stage.clock.now_ms())
        await stage.until(lambda: bool(stage.state.quarantine), within_ms=120_000)

        refused = await adopt(stage)

        assert f"q1zzz{'0' * 20}" in refused.refusal
        assert stage.state.quarantine
        assert TAG not in refused.refusal

    play(story)


class Deaf(VenueConnection):
    """A venue that does not tell its position when it is told not to."""

    is_deaf = False

    async def position(self, symbol: Symbol) -> VenuePosition:
        if Deaf.is_deaf:
            raise VenueUnavailableError("no answer")
        return await super().position(symbol)


def test_a_venue_that_does_not_answer_is_a_problem_and_nothing_is_booked() -> None:
    async def story(stage: Stage) -> None:
        await stuck(stage)
        await paused(stage)
        Deaf.is_deaf = True
        try:
            with pytest.raises(AdoptionError, match="the venue could not be asked: no answer"):
                await adopt(stage)
        finally:
            Deaf.is_deaf = False
        assert stage.facts(PositionAdjusted) == []

    play(story, venue_type=Deaf)


def test_a_position_that_moves_meanwhile_is_not_booked() -> None:
    async def story(stage: Stage) -> None:
        await stuck(stage)
        await paused(stage)
        real = stage.engine.adopting._looked

        async def looked_too_early() -> object:
            findings = await real()
            assert findings.book is not None
            findings.book = replace(findings.book, quantity=Decimal(9))
            return findings

        stage.engine.adopting._looked = looked_too_early  # type: ignore[method-assign,assignment]
        with pytest.raises(AdoptionError, match="has just moved"):
            await adopt(stage)
        assert stage.facts(PositionAdjusted) == []

    play(story)


class Disk:
    """A commit hook that fails while it is full."""

    is_full = False

    async def __call__(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        if self.is_full and point is CommitPoint.BEFORE:
            raise JournalError("disk full")


def test_a_full_disk_delays_an_adoption_and_books_it_once() -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stuck(stage)
        await paused(stage)
        disk.is_full = True
        asked = asyncio.get_running_loop().create_task(adopt(stage))
        await stage.sleep(3_000)
        assert not asked.done()
        with pytest.raises(AdoptionError, match="another adoption"):
            await adopt(stage)
        disk.is_full = False

        done = await asked

        assert done.difference == Decimal("0.5")
        assert len(stage.facts(PositionAdjusted)) == 1
        assert len(stage.facts(UnitQuarantined)) == 1

    play(story, hook=disk)
