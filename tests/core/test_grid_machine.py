"""The stateful test proper, and the proof that it would find the bugs it is for.

Each mutant plants one bug the design exists to prevent. The machine must find every one of them;
a machine that finds none of its planted bugs proves nothing by passing.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from opensqt.core import symbol
from opensqt.core.facts import CancelIntended, Fact, GridAnchored, OrderIntended, TradeFilled
from opensqt.core.grid import desk, opening, planner
from opensqt.core.intents import PlaceOrder
from opensqt.core.money import ZERO
from opensqt.core.orders import Anomaly, Order, OrderStatus, join_report
from opensqt.core.risk import review
from opensqt.core.symbol import Slot, SymbolState
from tests.core.grid_machine import GridMachine
from tests.core.world import World

MUST_VISIT: Final = frozenset(
    {
        "InventoryMoved",
        "top_up",
        "open_retry",
        "close_retry",
        "flatten_retry",
        "TradeFilled",
        "intent->unknown",
        "intent->working",
        "unknown->absent",
        "unknown->working",
        "unknown->filled",
        "working->filled",
        "working->canceled",
        "working->expired",
        "filled->working",
        "accepted",
        "reply_lost",
        "request_lost",
        "rejected",
        "post_only",
        "not_sent",
    }
)


def machine_settings(*, examples: int, is_hunting: bool) -> settings:
    phases = [Phase.generate] if is_hunting else [Phase.explicit, Phase.generate, Phase.shrink]
    return settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        phases=phases,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.property
def test_no_order_of_faults_breaks_a_grid() -> None:
    GridMachine.visited.clear()

    run_state_machine_as_test(
        GridMachine, settings=machine_settings(examples=200, is_hunting=False)
    )

    missed = MUST_VISIT - GridMachine.visited.keys()
    assert not missed, f"the machine never got to {missed}"


def accept_smaller_cumulative(patch: pytest.MonkeyPatch) -> None:
    def join(
        order: Order,
        *,
        status: OrderStatus,
        cumulative_quantity: Decimal,
        is_proven: bool = False,
    ) -> tuple[OrderStatus, Decimal, Anomaly | None]:
        joined, _, anomaly = join_report(
            order, status=status, cumulative_quantity=cumulative_quantity, is_proven=is_proven
        )
        return joined, cumulative_quantity, anomaly

    patch.setattr(symbol, "join_report", join)


def apply_a_trade_twice(patch: pytest.MonkeyPatch) -> None:
    original = symbol._apply_trade

    def apply_trade(state: SymbolState, fact: TradeFilled) -> SymbolState:
        order = state.orders.get(fact.client_order_id)
        if order is not None:
            forgetful = replace(order, trade_ids=())
            state = replace(state, orders={**state.orders, fact.client_order_id: forgetful})
        return original(state, fact)

    patch.setattr(symbol, "_apply_trade", apply_trade)


def release_a_slot_before_it_settles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Order, "is_settled", property(lambda order: order.status.is_terminal))


def forget_the_anchor(patch: pytest.MonkeyPatch) -> None:
    original = World.record

    def record(world: World, facts: tuple[Fact, ...]) -> None:
        original(world, facts)
        world.journal = [one for one in world.journal if not isinstance(one, GridAnchored)]

    patch.setattr(World, "record", record)


def reuse_generations(patch: pytest.MonkeyPatch) -> None:
    original = opening._opening

    def open_level(
        at: desk.Desk, index: int, generation_next: int
    ) -> PlaceOrder | opening.Skip | None:
        return original(at, index, 1)

    original_slot = symbol._slot_for

    def slot_for(state: SymbolState, fact: OrderIntended) -> Slot:
        return original_slot(replace(state, generation_next=0), fact)

    patch.setattr(opening, "_opening", open_level)
    patch.setattr(symbol, "_slot_for", slot_for)


def take_a_cancel_for_done(patch: pytest.MonkeyPatch) -> None:
    original = symbol.apply

    def apply(state: SymbolState, fact: Fact) -> SymbolState:
        after = original(state, fact)
        if isinstance(fact, CancelIntended):
            order = after.orders[fact.client_order_id]
            done = replace(order, status=OrderStatus.CANCELED)
            after = symbol._with_updated(after, done, at_ms=fact.at_ms)
        return after

    patch.setattr(symbol, "apply", apply)
    patch.setattr(symbol, "replay", lambda state, facts: _fold(apply, state, facts))


def release_an_order_of_unknown_outcome(patch: pytest.MonkeyPatch) -> None:
    free = property(lambda order: order.status.is_terminal or order.status is OrderStatus.UNKNOWN)
    patch.setattr(Order, "is_settled", free)


def reserve_nothing_for_unknown_orders(patch: pytest.MonkeyPatch) -> None:
    original = Order.reserved_quantity.fget  # type: ignore[attr-defined]
    patch.setattr(
        Order,
        "reserved_quantity",
        property(lambda order: ZERO if order.status is OrderStatus.UNKNOWN else original(order)),
    )


def top_up_without_counting(patch: pytest.MonkeyPatch) -> None:
    original = opening._opening

    def open_level(
        at: desk.Desk, index: int, generation_next: int
    ) -> PlaceOrder | opening.Skip | None:
        found = original(at, index, generation_next)
        slot = at.state.slots.get(index)
        if isinstance(found, PlaceOrder) and slot is not None:
            return at.opening_order(
                index=index,
                generation=slot.generation,
                attempt=slot.open_attempts,
                price=found.price,
                quantity=at.target_quantity(found.price),
            )
        return found

    patch.setattr(opening, "_opening", open_level)


def forget_that_a_cancel_was_asked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner, "next_cancel_ms", lambda order: 0)


def close_more_than_is_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(review, "_CONTROLS", ())
    original = desk.Desk.offerable_quantity

    def offerable(at: desk.Desk, quantity: Decimal, *, price: Decimal) -> Decimal:
        lots = original(at, quantity, price=price)
        return lots + 1 if lots else lots

    patch.setattr(desk.Desk, "offerable_quantity", offerable)


def _fold(
    apply: Callable[[SymbolState, Fact], SymbolState], state: SymbolState, facts: list[Fact]
) -> SymbolState:
    for fact in facts:
        state = apply(state, fact)
    return state


@pytest.mark.property
@pytest.mark.parametrize(
    "plant",
    [
        accept_smaller_cumulative,
        apply_a_trade_twice,
        release_a_slot_before_it_settles,
        forget_the_anchor,
        reuse_generations,
        take_a_cancel_for_done,
        release_an_order_of_unknown_outcome,
        reserve_nothing_for_unknown_orders,
        top_up_without_counting,
        forget_that_a_cancel_was_asked_for,
        close_more_than_is_held,
    ],
)
def test_the_machine_finds_a_planted_bug(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    with pytest.raises((AssertionError, symbol.StateError)):
        run_state_machine_as_test(
            GridMachine, settings=machine_settings(examples=300, is_hunting=True)
        )
