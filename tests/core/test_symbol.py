"""The aggregate: what each fact does, above all the ones that come late, twice or never should."""

from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import (
    Directive,
    Evidence,
    Fact,
    InventoryMoved,
    InventorySeeded,
    OrderIntended,
    PositionAdjusted,
    PriceTicked,
    ProcessStarted,
    QuarantineLifted,
    UnitQuarantined,
)
from opensqt.core.grid.planner import plan, stop_cancels
from opensqt.core.ids import ClientOrderId, TradeId, client_order_id
from opensqt.core.intents import PlaceOrder
from opensqt.core.orders import Anomaly, Order, OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.symbol import (
    SETTLED_KEPT,
    StateError,
    SymbolState,
    apply,
    replay,
    retry_at_ms,
)
from tests.core.builders import (
    GRID,
    UNIT,
    D,
    directed,
    filled,
    grid_state,
    intended,
    inventory,
    ms,
    price,
    reported,
    without_price,
)

S = OrderStatus


def intent(
    slot: int = -1,
    *,
    purpose: Purpose = Purpose.OPEN,
    generation: int = 1,
    attempt: int = 0,
    quantity: object = 10,
    now_ms: int = 0,
) -> OrderIntended:
    side = Side.BUY if purpose is Purpose.OPEN else Side.SELL
    found = intended(
        PlaceOrder(
            client_order_id=client_order_id(
                deployment="000",
                unit=UNIT,
                slot=slot,
                side=side,
                generation=generation,
                attempt=attempt,
            ),
            slot=slot,
            side=side,
            purpose=purpose,
            generation=generation,
            attempt=attempt,
            price=D(3000 + 2 * slot),
            quantity=D(str(quantity)),
            time_in_force=TimeInForce.GTX,
            reduce_only=purpose is not Purpose.OPEN,
        ),
        now_ms=now_ms,
    )
    assert isinstance(found, OrderIntended)
    return found


def with_order(state: SymbolState, fact: OrderIntended) -> tuple[SymbolState, Order]:
    state = apply(state, fact)
    return state, state.orders[fact.client_order_id]


def test_an_intent_reserves_its_level_and_its_exposure() -> None:
    state, order = with_order(grid_state(), intent())

    assert order.status is S.INTENT
    assert order.reserved_quantity == 10
    assert state.slots[-1].order == order.client_order_id
    assert state.generation_next == 2
    assert state.sequence == 3


def test_a_fill_moves_position_level_and_order_together() -> None:
    state, order = with_order(grid_state(), intent())

    state = apply(state, filled(order, 4, trade_id="t1", fee="0.01"))

    assert state.position.quantity == 4
    assert state.position.fees == {"USDT": D("0.01")}
    assert state.slots[-1].quantity == 4
    assert state.slots[-1].opened_quantity == 4
    known = state.orders[order.client_order_id]
    assert known.status is S.WORKING
    assert known.cumulative_quantity == 4
    assert known.venue_order_id is not None


def test_a_trade_heard_twice_counts_once() -> None:
    state, order = with_order(grid_state(), intent())
    trade = filled(order, 4, trade_id="t1")

    once = apply(state, trade)
    twice = apply(once, trade)

    assert twice == replace(once, sequence=once.sequence + 1, late_reports=1)


def test_a_level_is_released_only_when_the_trades_have_come() -> None:
    state, order = with_order(grid_state(), intent())

    state = apply(state, reported(order.client_order_id, S.FILLED, 10))
    assert state.slots[-1].order == order.client_order_id
    assert not state.is_quiescent

    state = apply(state, filled(order, 10, trade_id="t1"))
    assert state.slots[-1].order is None
    assert state.is_quiescent


def test_a_cancel_may_cross_a_partial_fill() -> None:
    state, order = with_order(grid_state(), intent())
    told = reported(order.client_order_id, S.CANCELED, 4)
    trade = filled(order, 4, trade_id="t1")

    one, other = replay(state, [told, trade]), replay(state, [trade, told])

    assert one.slots == other.slots
    assert one.position == other.position
    assert one.slots[-1].quantity == 4
    assert one.is_quiescent


def test_a_fill_later_than_the_confirmed_cancel_is_booked_under_a_fresh_generation() -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, S.CANCELED))
    assert -1 not in state.slots

    state = apply(state, filled(order, 4, trade_id="t1"))

    assert state.position.quantity == 4
    assert inventory(state) == 4
    assert state.slots[-1].generation == 2
    assert state.generation_next == 3
    assert not state.quarantine


def test_ids_stay_unique_after_a_late_fill_of_a_level_that_had_closed() -> None:
    state, opening = with_order(grid_state(), intent())
    state = apply(state, filled(opening, 4, trade_id="t1"))
    state = apply(state, reported(opening.client_order_id, S.CANCELED, 4))
    closing = intent(purpose=Purpose.CLOSE, quantity=4)
    state, close = with_order(state, closing)
    state = apply(state, filled(close, 4, trade_id="t2"))
    assert not state.slots
    state = apply(state, filled(opening, 6, trade_id="t3"))

    state = apply(state, price(3001))
    offers = [one for one in plan(state, GRID, now_ms=0).intents if isinstance(one, PlaceOrder)]

    assert offers[0].side is Side.SELL
    assert offers[0].quantity == 6
    assert not {one.client_order_id for one in offers} & state.orders.keys()


def test_a_fill_wins_over_a_cancel_that_crossed_it() -> None:
    state, order = with_order(grid_state(), intent())

    state = apply(state, reported(order.client_order_id, S.CANCELED))
    state = apply(state, reported(order.client_order_id, S.FILLED, 10))

    assert state.orders[order.client_order_id].status is S.FILLED
    assert state.unsettled_orders
    assert not state.quarantine


@pytest.mark.parametrize(
    ("known", "anomaly"),
    [
        (S.ABSENT, Anomaly.RESURRECTED),
        (S.NOT_SENT, Anomaly.IMPOSSIBLE),
    ],
)
def test_an_order_that_cannot_exist_quarantines_and_is_believed(
    known: OrderStatus, anomaly: Anomaly
) -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, known))

    state = apply(state, reported(order.client_order_id, S.WORKING))

    assert state.quarantine == f"{anomaly}: {order.client_order_id}"
    assert state.live_orders[0].client_order_id == order.client_order_id


@pytest.mark.parametrize("known", [S.REJECTED, S.CANCELED, S.EXPIRED])
def test_an_ended_order_that_is_proven_open_works_again_and_quarantines(
    known: OrderStatus,
) -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, known))
    state, twin = with_order(state, intent(attempt=1, generation=state.generation_next))
    seen = reported(order.client_order_id, S.WORKING)

    late = apply(state, seen)
    proven = apply(state, replace(seen, evidence=Evidence.AUDIT))

    assert [one.client_order_id for one in late.live_orders] == [twin.client_order_id]
    assert not late.quarantine
    assert {one.client_order_id for one in proven.live_orders} == {
        order.client_order_id,
        twin.client_order_id,
    }
    assert proven.quarantine == f"{Anomaly.RESURRECTED}: {order.client_order_id}"
    assert proven.slots[-1].order == twin.client_order_id


def test_a_quarantine_takes_back_an_offer_that_came_back_and_leaves_the_levels_own() -> None:
    state, opening = with_order(grid_state(), intent())
    state = apply(state, filled(opening, 10, trade_id="t1"))
    state, gone = with_order(state, intent(purpose=Purpose.CLOSE))
    state = apply(state, reported(gone.client_order_id, S.CANCELED))
    state, own = with_order(state, intent(purpose=Purpose.CLOSE, attempt=1))
    state = apply(state, reported(own.client_order_id, S.WORKING))
    state = apply(
        state, replace(reported(gone.client_order_id, S.WORKING), evidence=Evidence.AUDIT)
    )

    assert [one.client_order_id for one in stop_cancels(state, 0)] == [gone.client_order_id]


def test_a_trade_of_a_refused_order_is_booked_and_quarantines() -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, S.REJECTED))

    state = apply(state, filled(order, 4, trade_id="t1"))

    assert state.position.quantity == 4
    assert state.quarantine == f"{Anomaly.IMPOSSIBLE}: {order.client_order_id}"
    assert state.live_orders[0].reserved_quantity == 6


def test_a_level_with_a_resurrected_order_is_left_alone_once_the_quarantine_is_lifted() -> None:
    state, order = with_order(grid_state(), intent(quantity="0.010"))
    state = replay(
        state,
        [
            reported(order.client_order_id, S.ABSENT),
            reported(order.client_order_id, S.WORKING),
            QuarantineLifted(operator="me", reason="seen", at_ms=ms(0)),
            price(3000),
        ],
    )

    levels = [
        one.slot for one in plan(state, GRID, now_ms=0).intents if isinstance(one, PlaceOrder)
    ]

    assert levels == [-2, -3, -4, -5, -6, -7, -8, -9, -10]


def test_more_than_was_asked_for_is_booked_and_quarantines() -> None:
    state, order = with_order(grid_state(), intent())

    state = apply(state, filled(order, 12, trade_id="t1"))

    assert state.position.quantity == 12
    assert state.quarantine.startswith(Anomaly.OVERFILLED)
    assert state.is_quiescent


@pytest.mark.parametrize("is_trade", [False, True])
def test_an_order_nobody_intended_quarantines_and_its_fill_counts(is_trade: bool) -> None:
    _, stranger = with_order(grid_state(), intent())
    state = grid_state()

    if is_trade:
        state = apply(state, filled(stranger, 4, trade_id="t1"))
    else:
        state = apply(state, reported(stranger.client_order_id, S.WORKING))

    assert state.quarantine == f"{Anomaly.UNKNOWN_ORDER}: {stranger.client_order_id}"
    assert state.position.quantity == (4 if is_trade else 0)


def test_the_first_reason_of_a_quarantine_stays() -> None:
    state = replay(
        grid_state(),
        [
            UnitQuarantined(reason="first", at_ms=ms(0)),
            UnitQuarantined(reason="second", at_ms=ms(0)),
        ],
    )

    assert state.quarantine == "first"


def test_a_level_has_one_unsettled_order() -> None:
    state, _ = with_order(grid_state(), intent())

    with pytest.raises(StateError, match="unsettled"):
        apply(state, intent(attempt=1))


def test_an_id_is_intended_once() -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, S.REJECTED))

    with pytest.raises(StateError, match="twice"):
        apply(state, intent())


def test_a_generation_is_used_once() -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, S.CANCELED))

    with pytest.raises(StateError, match="used up"):
        apply(state, intent(generation=1, attempt=1))


def test_refusals_back_off_and_a_fill_ends_that() -> None:
    state, order = with_order(grid_state(), intent())
    state = apply(state, reported(order.client_order_id, S.EXPIRED, now_ms=500))
    assert retry_at_ms(state.slots[-1], backoff_ms=1_000) == 1_500
    state, order = with_order(state, intent(attempt=1))
    state = apply(state, reported(order.client_order_id, S.REJECTED, now_ms=2_000))
    assert retry_at_ms(state.slots[-1], backoff_ms=1_000) == 4_000
    state, order = with_order(state, intent(attempt=2))

    state = apply(state, filled(order, 1, trade_id="t1"))

    assert state.slots[-1].refusals == 0


def test_the_back_off_stops_doubling() -> None:
    state, _ = with_order(grid_state(), intent())
    slot = replace(state.slots[-1], refusals=40, refused_ms=ms(0))

    assert retry_at_ms(slot, backoff_ms=1_000) == 64_000


def test_settled_orders_are_forgotten_oldest_first_and_unsettled_ones_never() -> None:
    state, first = with_order(grid_state(), intent(slot=-500))
    ids: list[ClientOrderId] = []
    for number in range(SETTLED_KEPT + 10):
        state, order = with_order(state, intent(generation=number + 2))
        state = apply(state, reported(order.client_order_id, S.CANCELED))
        ids.append(order.client_order_id)

    # Forgetting happens when an order is added, so the last one of them has settled since.
    assert list(state.orders) == [first.client_order_id, *ids[-SETTLED_KEPT - 1 :]]


def test_an_order_that_rested_for_long_is_remembered_once_it_has_settled() -> None:
    state, old = with_order(grid_state(), intent(slot=-500))
    for number in range(SETTLED_KEPT + 10):
        state, order = with_order(state, intent(generation=number + 2))
        state = apply(state, reported(order.client_order_id, S.CANCELED))

    state = apply(state, reported(old.client_order_id, S.CANCELED))
    state, _ = with_order(state, intent(generation=1_000))

    assert old.client_order_id in state.orders, "its other reports are still on the way"


def test_inventory_moves_between_levels_and_an_emptied_level_is_forgotten() -> None:
    state = replay(
        grid_state(),
        [
            InventorySeeded(slot=3, quantity=D(1), at_ms=ms(0)),
            InventorySeeded(slot=5, quantity=D(2), at_ms=ms(0)),
        ],
    )

    moved = apply(state, InventoryMoved(source=3, target=5, quantity=D(1), at_ms=ms(0)))

    assert [slot.index for slot in moved.slots.values()] == [5]
    assert inventory(moved) == inventory(state)


@pytest.mark.parametrize(("source", "target"), [(3, 3), (3, 4), (4, 3)])
def test_inventory_moves_only_between_two_known_levels(source: int, target: int) -> None:
    state = apply(grid_state(), InventorySeeded(slot=3, quantity=D(1), at_ms=ms(0)))

    with pytest.raises(StateError, match="inventory"):
        apply(state, InventoryMoved(source=source, target=target, quantity=D(1), at_ms=ms(0)))


def test_an_adjustment_moves_the_position_and_is_no_fill() -> None:
    adjustment = PositionAdjusted(
        quantity=D(2), price=D(3000), operator="me", reason="adopted", at_ms=ms(0)
    )

    state = apply(grid_state(), adjustment)

    assert state.position.quantity == 2
    assert state.position.average_price == 3000
    assert state.position.fills == 0


def test_a_replay_of_everything_is_the_state_without_prices() -> None:
    state, order = with_order(grid_state(), intent())
    facts: list[Fact] = [
        ProcessStarted(epoch=7, build="b", at_ms=ms(0)),
        price(2999),
        reported(order.client_order_id, S.WORKING),
        filled(order, 3, trade_id="t1"),
        price(2998),
        directed(Directive.DRAIN),
    ]

    state = replay(state, facts)
    journaled = [one for one in facts if not isinstance(one, PriceTicked)]
    again = replay(grid_state(), [intent(), *journaled])

    assert without_price(state) == without_price(again)
    assert state.epoch == 7
    assert state.sequence == again.sequence == 7


def test_prices_do_not_count() -> None:
    state = grid_state()

    assert apply(state, price(1)).sequence == state.sequence


def test_a_trade_without_the_level_it_came_from_still_sums_up() -> None:
    state, order = with_order(grid_state(), intent(purpose=Purpose.CLOSE, quantity=4))
    state = apply(state, filled(order, 4, trade_id="t1"))

    assert state.position.quantity == Decimal(-4)
    assert inventory(state) == -4
    assert TradeId("t1") in state.orders[order.client_order_id].trade_ids
