"""``starting_position: ignore``: what was there is not ours, and nothing else is let pass."""

from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import PositionIgnored
from opensqt.core.grid.adopting import AdoptionWish
from opensqt.core.grid.config import StartingPosition
from opensqt.core.ids import ClientOrderId
from opensqt.core.orders import Side, TimeInForce
from opensqt.market.types import OrderRequest
from tests.engine.doubles import SYMBOL
from tests.engine.stage import CONFIG, UNIT, Stage, play

IGNORING = replace(CONFIG, grid=replace(CONFIG.grid, starting_position=StartingPosition.IGNORE))


def by_hand(stage: Stage, quantity: str) -> None:
    """Sell as a human does, to whoever bids."""
    stage.model.place(
        OrderRequest(
            account=UNIT.account,
            symbol=SYMBOL,
            client_order_id=ClientOrderId(f"by-hand-{stage.clock.now_ms()}"),
            side=Side.SELL,
            price=Decimal(951),
            quantity=Decimal(quantity),
            time_in_force=TimeInForce.GTC,
        ),
        stage.clock.now_ms(),
    )
    stage.quote("1000", size="1")


def ignored(stage: Stage) -> list[Decimal]:
    return [fact.quantity for fact in stage.disk.facts if isinstance(fact, PositionIgnored)]


def test_what_was_there_at_the_first_start_is_ignored_and_a_later_change_is_not() -> None:
    async def story(stage: Stage) -> None:
        stage.quote("1000")
        by_hand(stage, "0.02")
        await stage.open()
        assert ignored(stage) == [Decimal("-0.02")]
        await stage.sleep(65_000)  # two audits
        assert not stage.state.quarantine

        by_hand(stage, "0.01")
        await stage.until(lambda: bool(stage.state.quarantine))

        assert "beside the -0.02 that is ignored" in stage.state.quarantine
        assert ignored(stage) == [Decimal("-0.02")]

    play(story, config=IGNORING)


def test_a_start_without_a_position_ignores_nothing_that_comes_later() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        assert ignored(stage) == [Decimal(0)]

        by_hand(stage, "0.02")
        await stage.until(lambda: bool(stage.state.quarantine))

    play(story, config=IGNORING)


def test_a_human_may_have_more_ignored() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        by_hand(stage, "0.02")
        await stage.until(lambda: bool(stage.state.quarantine))
        await stage.until(lambda: stage.state.is_quiescent)

        wish = AdoptionWish(operator="ann", reason="my hedge")
        done = await stage.engine.adopting.ask(wish, dry_run=False)

        assert not done.refusal
        await stage.sleep(65_000)
        assert not stage.state.quarantine
        assert ignored(stage) == [Decimal(0), Decimal("-0.02")]

    play(story, config=IGNORING)


@pytest.mark.parametrize("moves", [0, 1])
def test_a_unit_that_has_traded_notes_what_it_ignores_once_that_stays_the_same(moves: int) -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        by_hand(stage, "0.02")
        stage.engine._config = IGNORING  # an older build has kept no note
        await stage.sleep(35_000)
        for _ in range(moves):
            by_hand(stage, "0.01")
        moved_ms = stage.clock.monotonic_ms()
        assert not ignored(stage)
        assert not stage.state.quarantine

        await stage.until(lambda: bool(ignored(stage)), within_ms=150_000)

        assert ignored(stage) == [Decimal("-0.02") - moves * Decimal("0.01")]
        assert stage.clock.monotonic_ms() - moved_ms > 60_000 * moves  # three audits, from anew
        assert len(stage.live) >= 3

    play(story)
