"""The review control by control, and the promise that no batch ever passes a limit."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.grid.planner import plan
from opensqt.core.ids import ClientOrderId
from opensqt.core.intents import CancelOrder, CancelReason, MoveInventory, PlaceOrder
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import Refusal, exposure_notional, review
from opensqt.core.risk.view import IntentKey, Reservation, RiskView, view_of
from opensqt.core.symbol import apply, replay
from tests.core.builders import (
    ETH,
    GRID,
    WIDE,
    D,
    filled,
    grid_state,
    intended,
    price,
    reported,
)
from tests.core.grid_builders import order_at, places, working

VIEW = RiskView(position=ZERO, instrument=ETH, price=price(3000, at_ms=0))


def opening(
    slot: int = -1, *, at: object = 2998, quantity: object = "0.010", side: Side = Side.BUY
) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=ClientOrderId(f"q-{slot}-{side}"),
        slot=slot,
        side=side,
        purpose=Purpose.OPEN,
        generation=1,
        attempt=0,
        price=D(str(at)),
        quantity=D(str(quantity)),
        time_in_force=TimeInForce.GTX,
        reduce_only=False,
    )


def closing(
    slot: int = -1,
    *,
    at: object = 3002,
    quantity: object = "0.010",
    time_in_force: TimeInForce = TimeInForce.GTX,
) -> PlaceOrder:
    return replace(
        opening(slot, at=at, quantity=quantity, side=Side.SELL),
        purpose=Purpose.CLOSE if time_in_force is TimeInForce.GTX else Purpose.FLATTEN,
        time_in_force=time_in_force,
        reduce_only=True,
    )


def held(position: object, *reserved: Reservation) -> RiskView:
    return replace(VIEW, position=D(str(position)), reserved=reserved)


def reserved(
    quantity: object, *, at: object = 2990, name: str = "q-other", key: IntentKey | None = None
) -> Reservation:
    return Reservation(
        client_order_id=ClientOrderId(name),
        signed_quantity=D(str(quantity)),
        price=D(str(at)),
        key=key,
    )


def verdict(
    order: PlaceOrder, view: RiskView = VIEW, limits: Limits = WIDE, *, now_ms: int = 0
) -> Refusal | None:
    """Return why an order alone is refused, None when it is approved."""
    found = review([order], view, limits, now_ms=now_ms)
    assert len(found.approved) + len(found.refused) == 1
    return found.refused[0].reason if found.refused else None


def test_a_plain_opening_and_a_plain_offer_pass() -> None:
    assert verdict(opening()) is None
    assert verdict(closing(), held("0.010")) is None


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (opening(at="NaN"), Refusal.INVALID_NUMBER),
        (opening(at="Infinity"), Refusal.INVALID_NUMBER),
        (opening(at=0), Refusal.INVALID_NUMBER),
        (opening(at=-1), Refusal.INVALID_NUMBER),
        (opening(quantity="NaN"), Refusal.INVALID_NUMBER),
        (opening(quantity="sNaN"), Refusal.INVALID_NUMBER),
        (opening(quantity=0), Refusal.INVALID_NUMBER),
        (opening(quantity="-0.010"), Refusal.INVALID_NUMBER),
        (opening(at="2998.001"), Refusal.INSTRUMENT_RULE),
        (opening(quantity="0.0105"), Refusal.INSTRUMENT_RULE),
        (opening(quantity="0.006"), Refusal.INSTRUMENT_RULE),  # 17.988 < 20
        (opening(quantity="10001"), Refusal.INSTRUMENT_RULE),
        (opening(quantity="0.007"), None),
        (opening(at="3015.00"), None),  # half a percent through the ask is still inside
        (opening(at="3015.06"), Refusal.CROSSING_COLLAR),
        (opening(at=2999), None),
        (opening(at="1500.00", quantity="0.020"), None),
        (opening(at="1499.99", quantity="0.020"), Refusal.PASSIVE_BAND),
    ],
)
def test_each_number_of_an_opening_is_checked(order: PlaceOrder, expected: Refusal | None) -> None:
    assert verdict(order) is expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (closing(at="2985.00", time_in_force=TimeInForce.IOC), None),
        (closing(at="2984.98", time_in_force=TimeInForce.IOC), Refusal.CROSSING_COLLAR),
        (closing(at="4500.00"), None),
        (closing(at="4500.01"), Refusal.PASSIVE_BAND),
        (closing(quantity="0.011"), Refusal.EXCEEDS_POSITION),
        (closing(quantity="0.001"), None),  # exempt from the minimum
        (replace(closing(), side=Side.BUY, price=D(2999)), Refusal.EXCEEDS_POSITION),
    ],
)
def test_each_number_of_a_reducing_order_is_checked(
    order: PlaceOrder, expected: Refusal | None
) -> None:
    assert verdict(order, held("0.010")) is expected


@pytest.mark.parametrize(
    ("change", "opens", "closes"),
    [
        ({"instrument": None}, Refusal.INSTRUMENT_MISSING, Refusal.INSTRUMENT_MISSING),
        ({"price": None}, Refusal.PRICE_MISSING, None),
        ({"price": price(3000, bid=0)}, Refusal.PRICE_MISSING, None),
        ({"price": price(3000, bid=3001, ask=3000)}, Refusal.PRICE_MISSING, None),
        ({"price": price(3000, bid=3000, ask=3000)}, Refusal.PRICE_MISSING, None),
    ],
)
def test_missing_reference_data_refuses_all_that_could_take_risk(
    change: dict[str, object], opens: Refusal, closes: Refusal | None
) -> None:
    view = replace(held("0.010"), **change)  # type: ignore[arg-type]

    assert verdict(opening(), view) is opens
    assert verdict(closing(), view) is closes
    taker = closing(at=2990, time_in_force=TimeInForce.IOC)
    assert verdict(taker, view) is (closes or opens)


@pytest.mark.parametrize(("age_ms", "expected"), [(3_000, None), (3_001, Refusal.PRICE_STALE)])
def test_a_stale_price_stops_openings_only(age_ms: int, expected: Refusal | None) -> None:
    assert verdict(opening(), now_ms=age_ms) is expected
    assert verdict(closing(), held("0.010"), now_ms=10**9) is None


def test_a_stop_is_never_refused() -> None:
    cancel = CancelOrder(client_order_id=ClientOrderId("q"), reason=CancelReason.STOPPED)
    move = MoveInventory(source=1, target=2, quantity=D(1))
    nothing = Limits(
        order_notional_max=ZERO,
        exposure_notional_max=ZERO,
        orders_open_max=0,
        crossing_collar=ZERO,
        passive_band=ZERO,
        price_age_ms_max=0,
    )

    found = review([cancel, move], RiskView(position=ZERO), nothing, now_ms=10**9)

    assert found.approved == (cancel, move)
    assert found.refused == ()


@pytest.mark.parametrize(
    ("limit", "expected"), [("29.98", None), ("29.97", Refusal.ORDER_NOTIONAL)]
)
def test_an_opening_order_has_a_largest_value(limit: str, expected: Refusal | None) -> None:
    limits = replace(WIDE, order_notional_max=D(limit))

    assert verdict(opening(), limits=limits) is expected
    assert verdict(closing(), held("0.010"), limits) is None


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (held(0), None),
        (held("0.010"), None),
        (held("0.011"), Refusal.EXPOSURE),
        (held(0, reserved("0.010")), None),
        (held(0, reserved("0.011")), Refusal.EXPOSURE),
        (held(0, reserved("0.010", at=2999)), Refusal.EXPOSURE),  # valued at the highest price
        (held("0.010", reserved("-0.010", at=3002)), None),
        (held("0.011", reserved("-0.011", at=3002)), Refusal.EXPOSURE),  # a sale is not yet sold
        (held("-0.5"), None),  # buying back a short position
    ],
)
def test_the_worst_case_counts_the_position_and_every_unsettled_order(
    view: RiskView, expected: Refusal | None
) -> None:
    limits = replace(WIDE, exposure_notional_max=D("59.96"))  # 0.020 at 2998

    assert verdict(opening(), view, limits) is expected


def test_selling_short_is_exposure_too() -> None:
    limits = replace(WIDE, exposure_notional_max=D("60.04"))
    short = opening(side=Side.SELL, at=3002)

    assert verdict(short, held("-0.010"), limits) is None
    assert verdict(short, held("-0.011"), limits) is Refusal.EXPOSURE


@pytest.mark.parametrize(
    ("live", "opens", "closes"),
    [
        (1, None, None),
        (2, Refusal.ORDERS_OPEN, None),
        (3, Refusal.ORDERS_OPEN, Refusal.ORDERS_OPEN),
    ],
)
def test_the_last_places_at_the_venue_are_kept_for_orders_that_reduce(
    live: int, opens: Refusal | None, closes: Refusal | None
) -> None:
    limits = replace(WIDE, orders_open_max=2)
    others = [reserved("0.001", name=f"q{n}") for n in range(live)]
    ended = replace(reserved("0.001", name="late"), is_live=False)
    view = replace(held("0.5", *others, ended), instrument=replace(ETH, orders_open_max=3))

    assert verdict(opening(), view, limits) is opens
    assert verdict(closing(), view, limits) is closes


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (reserved("0.01", name="q--1-buy"), Refusal.DUPLICATE),
        (reserved("0.01", key=IntentKey(-1, Side.BUY, 1)), Refusal.DUPLICATE),
        (reserved("0.01", key=IntentKey(-1, Side.BUY, 2)), None),
        (reserved("0.01", key=IntentKey(-2, Side.BUY, 1)), None),
        (reserved("-0.01", key=IntentKey(-1, Side.SELL, 1)), None),
        (reserved("0.01"), None),
    ],
)
def test_an_intent_has_one_unsettled_attempt(other: Reservation, expected: Refusal | None) -> None:
    assert verdict(opening(), held(0, other)) is expected


def test_what_is_offered_already_cannot_be_offered_again() -> None:
    view = held("0.020", reserved("-0.011", at=3004))

    assert verdict(closing(quantity="0.009"), view) is None
    assert verdict(closing(quantity="0.010"), view) is Refusal.EXCEEDS_POSITION


def test_the_purpose_alone_excuses_nothing() -> None:
    limits = replace(WIDE, exposure_notional_max=ZERO)
    claimed = replace(opening(), purpose=Purpose.CLOSE, reduce_only=True)

    assert verdict(claimed, held("0.010"), limits) is Refusal.EXCEEDS_POSITION


def test_the_venue_bounds_the_side_on_which_an_order_would_take() -> None:
    wide = replace(WIDE, crossing_collar=D(1))
    view = replace(VIEW, price=replace(price(3000), mark=D(2800)))

    assert verdict(opening(at=2940), view, wide) is None
    assert verdict(opening(at="2940.01"), view, wide) is Refusal.VENUE_BAND
    assert verdict(opening(at=2000), view, wide) is None
    assert (
        verdict(opening(at=2990), replace(view, instrument=replace(ETH, price_band=D(0)))) is None
    )


def test_a_batch_is_judged_as_if_its_first_orders_were_out() -> None:
    limits = replace(WIDE, exposure_notional_max=D("59.96"))

    found = review(
        [opening(-1), opening(-2, at=2996), opening(-3, at=2994)], VIEW, limits, now_ms=0
    )

    assert [one.slot for one in found.approved if isinstance(one, PlaceOrder)] == [-1, -2]
    assert [(one.intent.slot, one.reason) for one in found.refused] == [(-3, Refusal.EXPOSURE)]
    assert found.refused[0].detail == "worst exposure 89.94 is above 59.96"


def test_a_refused_order_reserves_nothing() -> None:
    limits = replace(WIDE, order_notional_max=D(30))

    found = review([opening(-1, quantity="1"), opening(-1)], VIEW, limits, now_ms=0)

    assert len(found.approved) == 1


@pytest.mark.parametrize("reason", Refusal)
def test_only_prices_and_time_make_a_refusal_pass_by_itself(reason: Refusal) -> None:
    fleeting = {
        Refusal.PRICE_MISSING,
        Refusal.PRICE_STALE,
        Refusal.CROSSING_COLLAR,
        Refusal.PASSIVE_BAND,
        Refusal.VENUE_BAND,
    }

    assert reason.is_lasting == (reason not in fleeting)


def test_a_view_of_a_state_reserves_all_that_is_not_settled() -> None:
    state = working(grid_state(), GRID, 3000)
    first, second = order_at(state, -1), order_at(state, -2)
    state = replay(
        state,
        [
            filled(first, "0.004", trade_id="t1"),
            reported(second.client_order_id, OrderStatus.CANCELED, "0.003"),
        ],
    )

    view = view_of(state)
    found = {one.client_order_id: one for one in view.reserved}

    assert view.position == D("0.004")
    assert found[first.client_order_id].signed_quantity == D("0.006")
    assert found[second.client_order_id].signed_quantity == D("0.003")
    assert not found[second.client_order_id].is_live
    assert found[first.client_order_id].key == IntentKey(-1, Side.BUY, 1)
    assert view.worst_quantity(Side.BUY) == D("0.093")


def test_an_unknown_outcome_is_reserved_in_full() -> None:
    state = apply(grid_state(), price(3000))
    state = replay(state, [intended(one) for one in places(plan(state, GRID, now_ms=0))])
    before = view_of(state)
    unknown = [reported(one.client_order_id, OrderStatus.UNKNOWN) for one in state.live_orders]

    assert view_of(replay(state, unknown)).reserved == before.reserved


ORDERS = st.builds(
    lambda make, slot, at, lots: make(slot, at=at, quantity=Decimal(lots) / 1000),
    st.sampled_from([opening, closing]),
    st.integers(-5, 5),
    st.integers(2900, 3100),
    st.integers(1, 40),
)
VIEWS = st.builds(
    lambda position, others: held(
        Decimal(position) / 1000,
        *(
            reserved(Decimal(lots) / 1000, at=at, name=f"q{n}")
            for n, (lots, at) in enumerate(others)
        ),
    ),
    st.integers(-20, 60),
    st.lists(st.tuples(st.integers(-20, 20).filter(bool), st.integers(2900, 3100)), max_size=4),
)


@pytest.mark.property
@given(
    orders=st.lists(ORDERS, max_size=8),
    view=VIEWS,
    exposure=st.integers(0, 400),
    orders_open=st.integers(0, 6),
    age_ms=st.integers(0, 6_000),
)
def test_what_is_approved_never_passes_a_limit(
    orders: list[PlaceOrder], view: RiskView, exposure: int, orders_open: int, age_ms: int
) -> None:
    limits = replace(WIDE, exposure_notional_max=D(exposure), orders_open_max=orders_open)

    found = review(orders, view, limits, now_ms=age_ms)

    after = view
    for one in found.approved:
        assert isinstance(one, PlaceOrder)
        after = after.with_order(one)
    opened = [o for o in found.approved if isinstance(o, PlaceOrder) and o.purpose is Purpose.OPEN]
    if opened:
        assert exposure_notional(after, Side.BUY) <= limits.exposure_notional_max
        assert age_ms <= limits.price_age_ms_max
        assert len(view.reserved) + len(opened) <= limits.orders_open_max
    if len(opened) < len(found.approved):
        assert after.worst_quantity(Side.SELL) >= ZERO
    assert len({one.client_order_id for one in after.reserved}) == len(after.reserved)
    judged = [*found.approved, *(one.intent for one in found.refused)]
    assert sorted(judged, key=str) == sorted(orders, key=str)


@pytest.mark.property
@given(orders=st.lists(ORDERS, max_size=6), view=VIEWS, exposure=st.integers(0, 400))
def test_reviewing_the_approved_again_approves_them(
    orders: list[PlaceOrder], view: RiskView, exposure: int
) -> None:
    limits = replace(WIDE, exposure_notional_max=D(exposure))

    once = review(orders, view, limits, now_ms=0)
    twice = review(once.approved, view, limits, now_ms=0)

    assert twice.approved == once.approved
