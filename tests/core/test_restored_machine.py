"""A journal put back to any older point: no id comes again, nothing is booked twice or lost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeGuard

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from opensqt.core import symbol
from opensqt.core.facts import Directive, Fact, JournalRestored, OrderIntended, TradeFilled
from opensqt.core.grid.adopting import AdoptionWish, Holding, adoption
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import ClientOrderId
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus
from opensqt.core.reconcile import trades_since_ms
from opensqt.core.symbol import SymbolState
from tests.core.builders import UNIT, WIDE, D, inventory, ms, reported
from tests.core.grid_machine import machine_instrument
from tests.core.market_machine import MarketMachine
from tests.core.test_grid_machine import machine_settings
from tests.core.world import World

WISH = AdoptionWish(operator="ann", reason="restored")


@dataclass
class RestorableWorld(World):
    """A world whose journal may be put back."""

    used: set[ClientOrderId] = field(default_factory=set)
    """Every id a journal ever held, lost ones included."""
    restores: int = 0

    def record(self, facts: Iterable[Fact]) -> None:
        """Journal facts; an id that was used in a lost past is a crime."""
        batch = list(facts)
        for fact in batch:
            if isinstance(fact, OrderIntended):
                assert fact.client_order_id not in self.used, "an id of a lost past came again"
                self.used.add(fact.client_order_id)
        super().record(batch)

    def restore(self, length: int) -> None:
        """Put the journal back and do what a start does then: ask the venue for everything."""
        self.restores += 1
        backup_ms = ms(self.now_ms)
        self.journal = self.journal[: max(1, length)]
        self.places, self.cancels, self.reports = [], [], []
        self.shadow, self.shadowed = SymbolState(unit=UNIT, deployment="000"), 0
        self.state = symbol.replay(self.shadow, self.journal)
        generation = self.restores * 1_000_000
        self.record([JournalRestored(backup_ms=backup_ms, generation=generation, at_ms=backup_ms)])
        assert trades_since_ms(self.state, now_ms=self.now_ms + 10**9) <= backup_ms
        self._withdraw_orphans()
        self._look_everything_up()
        self.tick(0, wait_ms=1)

    def _withdraw_orphans(self) -> None:
        known = {one.client_order_id for one in self.journal if isinstance(one, OrderIntended)}
        for own, order in list(self.venue.orders.items()):
            if order.is_open and own not in known:
                self.venue.end(own, OrderStatus.CANCELED)

    def _look_everything_up(self) -> None:
        for order in self.state.unsettled_orders:
            if order.client_order_id in self.venue.orders:
                self._look_up(order.client_order_id)
            else:
                self.record([reported(order.client_order_id, OrderStatus.ABSENT)])
        known = {one.trade_id for one in (*self.journal, *self.reports) if _is_trade(one)}
        self.reports += [one for one in self.venue.trades if one.trade_id not in known]
        while self.reports:
            self.hear(0)

    def adopt(self) -> None:
        """Let a human take over what the journal lost."""
        self.give(Directive.CANCEL)
        for _ in range(3):
            self._calm(lost=False)
        quantity = self.venue.position
        holding = Holding(quantity=quantity, average_price=D(1000) if quantity else D(0))
        found = adoption(self.state, self.config, WISH, holding, now_ms=self.now_ms)
        assert not found.refusal
        assert not found.difference, "a fill of our own was lost"
        self.record(found.facts)
        assert not self.state.quarantine
        assert inventory(self.state) == self.state.position.quantity == quantity
        self.give(Directive.RUN)

    def check(self) -> None:
        """Assert what holds at every moment."""
        self.shadow = symbol.replay(self.shadow, self.journal[self.shadowed :])
        self.shadowed = len(self.journal)
        assert self.shadow.position == self.state.position
        assert self.shadow.slots == self.state.slots
        moved = {
            one.trade_id: one.quantity * one.side.sign
            for one in self.journal
            if isinstance(one, TradeFilled)
        }
        assert self.state.position.quantity == sum(moved.values(), ZERO), "a trade counted twice"
        assert not self.state.quarantine


def _is_trade(fact: Fact) -> TypeGuard[TradeFilled]:
    return isinstance(fact, TradeFilled)


class RestoredMachine(MarketMachine[RestorableWorld]):
    """The market, and an operator who puts the journal back whenever he likes."""

    seen: ClassVar[set[str]] = set()

    def made(self, config: GridConfig) -> RestorableWorld:
        return RestorableWorld(
            config=config, instrument=machine_instrument(is_exempt=True), limits=WIDE
        )

    @rule(kept=st.floats(0, 1))
    def restore(self, kept: float) -> None:
        world = self.world
        world.restore(int(len(world.journal) * kept))
        self.seen.add("quarantined" if world.state.quarantine else "nothing lost")
        if world.state.quarantine:
            assert "restored from an older backup" in world.state.quarantine
        if world.state.quarantine or inventory(world.state) != world.state.position.quantity:
            world.adopt()
        world.cycle()

    def end(self) -> None:
        self.world.adopt()
        self.world.flatten()
        assert self.world.state.position.quantity == self.world.venue.position


@pytest.mark.property
def test_no_older_point_brings_an_id_back_or_loses_a_fill() -> None:
    RestoredMachine.seen.clear()

    run_state_machine_as_test(
        RestoredMachine, settings=machine_settings(examples=40, is_hunting=False)
    )

    assert RestoredMachine.seen == {"quarantined", "nothing lost"}


def forget_the_generation(fact: JournalRestored) -> JournalRestored:
    return JournalRestored(backup_ms=fact.backup_ms, generation=1, at_ms=fact.at_ms)


@pytest.mark.parametrize("is_only_of_levels", [False, True])
def test_the_machine_finds_ids_that_come_again(
    monkeypatch: pytest.MonkeyPatch, is_only_of_levels: bool
) -> None:
    original: Callable[..., SymbolState] = symbol._apply_restored

    def restored(state: SymbolState, fact: JournalRestored) -> SymbolState:
        after = original(state, fact)
        if is_only_of_levels:  # levels go on in the generation they were in
            return replace(after, slots=state.slots)
        return original(state, forget_the_generation(fact))

    monkeypatch.setattr(symbol, "_apply_restored", restored)

    with pytest.raises(AssertionError, match="came again"):
        run_state_machine_as_test(
            RestoredMachine, settings=machine_settings(examples=200, is_hunting=True)
        )
