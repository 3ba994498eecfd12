"""Whatever a human trades by hand, adopting it brings book, levels and venue together, once."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from opensqt.core import symbol
from opensqt.core.facts import (
    Directive,
    Fact,
    OrderIntended,
    PositionAdjusted,
    QuarantineLifted,
    TradeFilled,
    UnitQuarantined,
)
from opensqt.core.grid import adopting
from opensqt.core.grid.adopting import Adoption, AdoptionWish, Holding, adoption
from opensqt.core.grid.config import GridConfig
from opensqt.core.money import ZERO
from opensqt.core.orders import Order, OrderStatus, Side
from tests.core.builders import WIDE, D, inventory, ms, without_price
from tests.core.grid_machine import machine_instrument
from tests.core.market_machine import MarketMachine
from tests.core.model_venue import ModelVenue
from tests.core.test_grid_machine import machine_settings
from tests.core.world import World

WISH = AdoptionWish(operator="ann", reason="sold by hand")


class SharedVenue(ModelVenue):
    """A venue on which somebody else trades with the account's keys."""

    by_hand = 0
    """Signed base units a human has traded."""

    @property
    def position(self) -> Decimal:
        return super().position + self.by_hand

    def accept(self, request: Order) -> list[Fact]:
        left = self.position - self.remaining(Side.SELL)
        if request.reduce_only and request.quantity > left:
            return self.refuse(request, OrderStatus.REJECTED)
        return super().accept(request)


@dataclass
class HumanWorld(World):
    """A world in which somebody trades on the same account."""

    venue: SharedVenue = field(default_factory=SharedVenue)  # type: ignore[mutable-override]

    @property
    def held(self) -> Holding:
        """Return what the venue says it holds."""
        quantity = self.venue.position
        return Holding(quantity=quantity, average_price=D(1000) if quantity else ZERO)

    def check(self) -> None:
        """Assert what holds at every moment, adjustments included."""
        replayed = symbol.replay(self.shadow, self.journal[self.shadowed :])
        self.shadow, self.shadowed = replayed, len(self.journal)
        assert self.shadow == without_price(self.state)
        moved = {
            one.trade_id: one.quantity * one.side.sign
            for one in self.journal
            if isinstance(one, TradeFilled)
        }
        adjusted = [one.quantity for one in self.journal if isinstance(one, PositionAdjusted)]
        booked = sum(moved.values(), ZERO) + sum(adjusted, ZERO)
        assert self.state.position.quantity == booked
        assert inventory(self.state) == booked
        ids = [one.client_order_id for one in self.journal if isinstance(one, OrderIntended)]
        assert len(ids) == len(set(ids))


class HumanMachine(MarketMachine[HumanWorld]):
    """The market, a human with the account's keys, and an operator who adopts."""

    seen: ClassVar[set[str]] = set()

    def made(self, config: GridConfig) -> HumanWorld:
        return HumanWorld(config=config, instrument=machine_instrument(is_exempt=True), limits=WIDE)

    @rule(lots=st.integers(-30, 30))
    def trade_by_hand(self, lots: int) -> None:
        self.world.venue.by_hand += lots

    @rule()
    def pause(self) -> None:
        self.world.give(Directive.CANCEL)
        for _ in range(3):
            self.world._calm(lost=False)

    @rule()
    def resume(self) -> None:
        self.world.give(Directive.RUN)
        self.world.cycle()

    @rule()
    def quarantine(self) -> None:
        self.world.record([UnitQuarantined(reason="position differs", at_ms=ms(0))])

    @rule()
    def adopt(self) -> None:
        world = self.world
        before = world.state
        found = self._asked()
        if found.refusal:
            self._must_be_refused(found)
            return
        self.seen.add("adopted" if found.difference else "nothing")
        self.seen.add("taken" if found.difference < ZERO else "given")
        world.record(found.facts)
        lifted = [one for one in found.facts if isinstance(one, QuarantineLifted)]
        assert bool(lifted) == bool(before.quarantine)
        assert world.state.quarantine == ""
        assert world.state.position.quantity == world.held.quantity == found.venue
        assert world.state.position.fills == before.position.fills
        adjusted = [one.quantity for one in world.journal if isinstance(one, PositionAdjusted)]
        assert sum(adjusted, ZERO) == world.venue.by_hand, "a trade of our own was adopted"
        assert not before.quarantine or found.steps[-1].startswith("end the quarantine")
        again = self._asked()
        assert (again.facts, again.refusal, again.difference) == ((), "", ZERO)

    @rule()
    def pause_and_adopt(self) -> None:
        self.pause()
        self.adopt()

    def end(self) -> None:
        world = self.world
        self.pause()
        world.venue.by_hand -= min(0, int(world.venue.position))
        self.adopt()
        world.flatten()
        assert world.state.position.quantity == world.held.quantity

    def _asked(self) -> Adoption:
        world = self.world
        return adoption(world.state, world.config, WISH, world.held, now_ms=world.now_ms)

    def _must_be_refused(self, found: Adoption) -> None:
        assert found.facts == ()
        if self.world.held.quantity < ZERO:
            self.seen.add("short")
            assert "cannot adopt a short" in found.refusal
        else:
            self.seen.add("unsettled")
            assert not self.world.state.is_quiescent
            assert "may still trade" in found.refusal


@pytest.mark.property
def test_no_trade_by_hand_leaves_book_and_venue_apart() -> None:
    HumanMachine.seen.clear()

    run_state_machine_as_test(
        HumanMachine, settings=machine_settings(examples=40, is_hunting=False)
    )

    assert HumanMachine.seen >= {"adopted", "nothing", "taken", "given", "short", "unsettled"}


def test_the_machine_finds_levels_that_were_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting._Maker, "lay_out", lambda _: None)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            HumanMachine, settings=machine_settings(examples=60, is_hunting=True)
        )
