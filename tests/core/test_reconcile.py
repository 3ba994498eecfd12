"""What proves that an order never was, and what a position may differ by."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId, UnixMs, VenueOrderId
from opensqt.core.orders import Order, OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.reconcile import (
    LOOKUP_MAX_MS,
    TRADE_OVERLAP_MS,
    PositionVerdict,
    compare_position,
    lookup_wait_ms,
    proves_absence,
    trades_since_ms,
)
from opensqt.core.symbol import SymbolState

H, V = 20_000, 5_000
DEADLINE = 100_000
ORDER = Order(
    client_order_id=ClientOrderId("q1aaa00000000000000000001"),
    slot=1,
    side=Side.BUY,
    purpose=Purpose.OPEN,
    generation=1,
    attempt=0,
    price=Decimal(100),
    quantity=Decimal(2),
    time_in_force=TimeInForce.GTX,
    reduce_only=False,
    epoch=1,
    created_ms=UnixMs(DEADLINE - 3_000),
    deadline_ms=UnixMs(DEADLINE),
    status=OrderStatus.UNKNOWN,
)
PROOF = {
    "not_found_ms": [DEADLINE + H, DEADLINE + H + V],
    "in_open_list": False,
    "has_trade": False,
    "is_pass_complete": True,
    "now_ms": DEADLINE + H + V,
    "horizon_ms": H,
    "visibility_ms": V,
}


def proven(order: Order = ORDER, /, **changes: object) -> bool:
    return proves_absence(order, **(PROOF | changes))  # type: ignore[arg-type]


def test_all_conditions_together_prove_absence() -> None:
    assert proven()


@pytest.mark.parametrize(
    "missing",
    [
        {"in_open_list": True},
        {"has_trade": True},
        {"is_pass_complete": False},
        {"not_found_ms": [DEADLINE + H]},
        {"not_found_ms": [DEADLINE + H, DEADLINE + H + V - 1]},
        {"not_found_ms": [DEADLINE + H - 1, DEADLINE + H + V - 2]},
        {"not_found_ms": [DEADLINE, DEADLINE + 1, DEADLINE + 2, DEADLINE + H]},
        {"not_found_ms": []},
        {"now_ms": DEADLINE + H - 1},
    ],
)
def test_each_missing_condition_leaves_the_order_unknown(missing: dict[str, object]) -> None:
    assert not proven(**missing)


@pytest.mark.parametrize("status", [s for s in OrderStatus if s.is_terminal])
def test_only_an_order_that_may_still_trade_can_be_proven_absent(status: OrderStatus) -> None:
    assert not proven(replace(ORDER, status=status))


@given(st.lists(st.integers(0, DEADLINE + H - 1), max_size=50), st.integers(0, 10**9))
def test_no_number_of_early_look_ups_proves_anything(early: list[int], now_ms: int) -> None:
    assert not proven(not_found_ms=early, now_ms=now_ms)


def test_look_ups_back_off_to_a_bound() -> None:
    waits = [lookup_wait_ms(n) for n in range(12)]

    assert waits == sorted(waits)
    assert waits[:3] == [250, 500, 1_000]
    assert waits[-1] == LOOKUP_MAX_MS


def state(*orders: Order, position: str = "0") -> SymbolState:
    empty = SymbolState(
        unit=UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp")), deployment="abc"
    )
    book = replace(empty.position, quantity=Decimal(position))
    return replace(empty, orders={o.client_order_id: o for o in orders}, position=book)


def test_trades_are_asked_for_since_before_the_oldest_open_question() -> None:
    settled = replace(ORDER, status=OrderStatus.CANCELED)

    assert trades_since_ms(state(), now_ms=10**6) == 10**6 - TRADE_OVERLAP_MS
    assert trades_since_ms(state(settled), now_ms=10**6) == 10**6 - TRADE_OVERLAP_MS
    assert trades_since_ms(state(ORDER), now_ms=10**6) == ORDER.created_ms - TRADE_OVERLAP_MS
    assert trades_since_ms(state(ORDER), now_ms=0) == 0


def test_after_a_restore_trades_are_asked_for_since_the_backup_as_far_as_venues_remember() -> None:
    day_ms, now_ms = 86_400_000, 10**12
    week = replace(state(), restored_ms=UnixMs(now_ms - 7 * day_ms))
    year = replace(state(), restored_ms=UnixMs(now_ms - 365 * day_ms))

    since_ms = now_ms - 7 * day_ms - TRADE_OVERLAP_MS
    assert trades_since_ms(week, now_ms=now_ms) == since_ms
    assert trades_since_ms(year, now_ms=now_ms) > now_ms - 90 * day_ms
    booked_ms = UnixMs(now_ms - 5)
    later = trades_since_ms(week, now_ms=now_ms, booked_ms=booked_ms)
    assert later == booked_ms - TRADE_OVERLAP_MS


def test_orders_that_rest_for_days_do_not_have_their_trades_asked_for_again_and_again() -> None:
    resting = replace(
        ORDER, status=OrderStatus.WORKING, venue_order_id=VenueOrderId("v"), created_ms=UnixMs(5)
    )
    short = replace(resting, cumulative_quantity=Decimal(1))
    unnamed = replace(resting, venue_order_id=None)
    now_ms, booked_ms = 10**9, UnixMs(10**9 - 30_000)

    assert trades_since_ms(state(resting), now_ms=now_ms) == 0
    since_ms = trades_since_ms(state(resting), now_ms=now_ms, booked_ms=booked_ms)
    assert since_ms == booked_ms - TRADE_OVERLAP_MS
    for order in (short, unnamed, replace(ORDER, created_ms=UnixMs(5))):
        assert trades_since_ms(state(order), now_ms=now_ms, booked_ms=booked_ms) == 0


@pytest.mark.parametrize(
    ("venue", "orders", "verdict"),
    [
        ("1", (), PositionVerdict.EQUAL),
        ("1.5", (), PositionVerdict.DIFFERENT),
        ("3", (ORDER,), PositionVerdict.PENDING),
        ("3.1", (ORDER,), PositionVerdict.DIFFERENT),
        ("0.5", (ORDER,), PositionVerdict.DIFFERENT),
        ("0.5", (replace(ORDER, side=Side.SELL),), PositionVerdict.PENDING),
        ("2", (replace(ORDER, status=OrderStatus.CANCELED),), PositionVerdict.DIFFERENT),
    ],
)
def test_a_difference_is_pending_only_while_open_orders_can_explain_it(
    venue: str, orders: tuple[Order, ...], verdict: PositionVerdict
) -> None:
    assert compare_position(state(*orders, position="1"), Decimal(venue)) is verdict


@pytest.mark.parametrize(
    ("venue", "verdict"),
    [
        ("1", PositionVerdict.EQUAL),
        ("0.5", PositionVerdict.PENDING),
        ("0", PositionVerdict.PENDING),
        ("-0.1", PositionVerdict.DIFFERENT),
        ("1.5", PositionVerdict.DIFFERENT),
    ],
)
def test_what_was_booked_while_the_venue_answered_may_be_missing_from_the_answer(
    venue: str, verdict: PositionVerdict
) -> None:
    now = state(position="1")
    asked = replace(now.position, bought_quantity=now.position.bought_quantity - 1)

    assert compare_position(now, Decimal(venue), asked=asked) is verdict
