"""What opens, what is offered, what is taken back while a grid runs."""

from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.grid.config import GridMode
from opensqt.core.grid.planner import (
    Idle,
    Plan,
    UnsupportedModeError,
    plan,
)
from opensqt.core.ids import Symbol, UnitId
from opensqt.core.intents import CancelReason
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.symbol import SymbolState, apply, replay
from tests.core.builders import (
    GRID,
    D,
    filled,
    grid_state,
    price,
    reported,
)
from tests.core.grid_builders import (
    COARSE_GRID,
    SMALL,
    S,
    cancels,
    coarse,
    ended,
    levels,
    order_at,
    places,
    record,
    running,
    seeded,
    working,
)


@pytest.mark.parametrize("mode", [GridMode.NEUTRAL, GridMode.SHORT])
def test_only_long_grids_are_planned(mode: GridMode) -> None:
    with pytest.raises(UnsupportedModeError, match=mode):
        plan(grid_state(), replace(GRID, mode=mode), now_ms=0)


@pytest.mark.parametrize(
    ("state", "idle"),
    [
        (replace(grid_state(), instrument=None, anchor=None), Idle.NO_INSTRUMENT),
        (replace(grid_state(), anchor=None, price=price(3000)), Idle.NOT_ANCHORED),
        (grid_state(), Idle.NO_PRICE),
        (replace(grid_state(), price=price(0)), Idle.NO_PRICE),
    ],
)
def test_what_is_missing_is_named(state: SymbolState, idle: Idle) -> None:
    assert plan(state, GRID, now_ms=0) == Plan(intents=(), idle=idle)


def test_opening_orders_are_post_only_and_numbered_in_order() -> None:
    found = places(plan(apply(grid_state(), price(3000)), SMALL, now_ms=0))

    assert [(one.slot, one.generation, one.attempt) for one in found] == [(-1, 1, 0), (-2, 2, 0)]
    assert {one.time_in_force for one in found} == {TimeInForce.GTX}
    assert not any(one.reduce_only for one in found)


def test_levels_are_not_opened_below_zero() -> None:
    state = apply(grid_state(3, interval=1), price(3))

    found = plan(state, replace(GRID, order_quantity=D(60)), now_ms=0)

    assert [one.price for one in places(found)] == [2, 1]
    assert {one.reason for one in found.skipped} == {"price"}


@pytest.mark.parametrize(
    ("last", "hysteresis", "taken_back"),
    [
        ("3000.3", 0, [-2]),
        ("3000.3", 1, []),
        ("3002.3", 1, [-2]),
        ("3004.3", 1, [-1, -2]),
        ("3004.3", 2, [-2]),
    ],
)
def test_an_order_is_taken_back_beyond_the_hysteresis_only(
    last: str, hysteresis: int, taken_back: list[int]
) -> None:
    state = working(grid_state(), SMALL, 3000)  # -1 and -2

    found = plan(apply(state, price(last)), replace(SMALL, hysteresis=hysteresis), now_ms=0)

    assert [state.orders[one.client_order_id].slot for one in cancels(found)] == taken_back
    assert {one.reason for one in cancels(found)} <= {CancelReason.OUT_OF_WINDOW}


def test_an_order_the_price_has_crossed_is_left_alone() -> None:
    state = working(grid_state(), SMALL, 3000)

    state = apply(state, price(2980))

    assert cancels(plan(state, SMALL, now_ms=0)) == []


def test_an_order_not_yet_known_to_work_is_not_taken_back_for_distance() -> None:
    state = apply(grid_state(), price(3000))
    state = record(state, plan(state, SMALL, now_ms=0).intents)

    state = apply(state, price(3100))

    assert cancels(plan(state, SMALL, now_ms=0)) == []


def test_a_refused_level_waits_and_then_tries_again_under_a_new_attempt() -> None:
    state = ended(working(grid_state(), SMALL, 3000), -1, S.EXPIRED)

    early = plan(state, SMALL, now_ms=999)
    [again] = places(plan(state, SMALL, now_ms=1_000))

    assert early.intents == ()
    assert early.idle is Idle.BACKING_OFF
    assert (again.slot, again.generation, again.attempt) == (-1, 1, 1)


@pytest.mark.parametrize("status", [S.ABSENT, S.CANCELED])
def test_an_order_that_ended_without_a_fill_is_followed_by_a_new_generation(
    status: OrderStatus,
) -> None:
    state = ended(working(grid_state(), SMALL, 3000), -1, status)

    [again] = places(plan(state, SMALL, now_ms=0))

    assert (again.slot, again.generation, again.attempt) == (-1, 3, 0)


def test_an_unknown_outcome_keeps_its_level() -> None:
    state = working(grid_state(), SMALL, 3000)
    state = apply(state, price(3000))
    slot = replace(state.orders[order_at(state, -1).client_order_id], status=S.UNKNOWN)
    state = replace(state, orders={**state.orders, slot.client_order_id: slot})

    assert plan(state, SMALL, now_ms=10**6).intents == ()


def test_inventory_is_offered_one_level_higher_reduce_only_and_post_only() -> None:
    state = ended(working(grid_state(), SMALL, 3000), -1, S.FILLED, done="0.010")

    [offer] = [one for one in places(plan(state, SMALL, now_ms=0)) if one.side is Side.SELL]

    assert (offer.slot, offer.price, offer.quantity) == (-1, D(3000), D("0.010"))
    assert (offer.generation, offer.attempt) == (1, 0)
    assert offer.purpose is Purpose.CLOSE
    assert offer.reduce_only
    assert offer.time_in_force is TimeInForce.GTX


def test_spot_inventory_is_offered_without_the_flag_spot_does_not_know() -> None:
    spot = UnitId(account=grid_state().unit.account, symbol=Symbol("ETHUSDT:spot"))
    state = seeded(replace(grid_state(), unit=spot), m1="0.010")

    [offer] = [
        one
        for one in places(plan(apply(state, price(3000)), SMALL, now_ms=0))
        if one.purpose is Purpose.CLOSE
    ]

    assert not offer.reduce_only


@pytest.mark.parametrize(
    ("bid", "ask", "offered"),
    [
        ("2999.50", "3000.10", "3000"),  # the level itself rests
        ("2999.99", "3000.10", "3000"),
        ("3000.00", "3000.10", "3000.01"),  # the level would take
        ("3050.00", "3050.10", "3050.01"),  # the market is far above: as low as it can rest
    ],
)
def test_an_offer_never_takes_and_never_undercuts_its_level(
    bid: str, ask: str, offered: str
) -> None:
    state = apply(seeded(grid_state(), m1="0.010"), price(bid, bid=bid, ask=ask))

    [offer] = [one for one in places(plan(state, SMALL, now_ms=0)) if one.side is Side.SELL]

    assert offer.price == Decimal(offered)


def test_the_nearest_levels_are_offered_and_no_more_than_the_window() -> None:
    state = seeded(grid_state(), m3="0.01", m1="0.01", s1="0.01", s2="0.01", s9="0.01")

    found = plan(apply(state, price(3000)), SMALL, now_ms=0)  # top is -1

    assert levels(found, Side.SELL) == [-1, 1]


def test_far_offers_that_rest_do_not_keep_near_inventory_waiting() -> None:
    state = working(seeded(grid_state(), s1="0.01", s2="0.01"), SMALL, 3003)
    assert sorted(order.slot for order in state.live_orders if order.side is Side.SELL) == [1, 2]

    state = apply(seeded(state, m3="0.01", m4="0.01"), price(2994))

    assert levels(plan(state, SMALL, now_ms=0), Side.SELL) == [-4, -3]
    assert cancels(plan(state, SMALL, now_ms=0)) == []


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_inventory_above_the_sell_window_waits(reach: int) -> None:
    config = replace(SMALL, sell_window_size=reach)
    state = seeded(grid_state(), s1="0.01", s2="0.01", s3="0.01", s5="0.01", s6="0.01")

    found = plan(apply(state, price("2998.3")), config, now_ms=0)  # top is -1

    assert levels(found, Side.SELL) == [1, 2, 3, 5][: min(reach, 4)]
    assert all(index <= -1 + 1 + reach for index in levels(found, Side.SELL))


def test_a_partly_filled_order_is_offered_once_it_has_ended() -> None:
    state = working(coarse(), COARSE_GRID, 1005)
    order = order_at(state, 0)
    state = apply(state, filled(order, 6, trade_id="t1"))
    assert places(plan(state, COARSE_GRID, now_ms=0)) == []

    state = apply(state, reported(order.client_order_id, S.CANCELED, 6))

    [offer] = places(plan(state, COARSE_GRID, now_ms=0))
    assert (offer.slot, offer.side, offer.quantity) == (0, Side.SELL, D(6))


def test_a_large_level_is_offered_in_orders_the_venue_takes() -> None:
    state = apply(seeded(coarse(), s0=40), price(1005))

    [offer] = [one for one in places(plan(state, COARSE_GRID, now_ms=0)) if one.side is Side.SELL]

    assert offer.quantity == 15


def test_a_running_grid_with_everything_placed_says_so() -> None:
    state = working(grid_state(), SMALL, 3000)

    assert plan(state, SMALL, now_ms=0) == Plan(intents=(), idle=Idle.IN_WINDOW)


def test_a_plan_does_not_depend_on_how_often_the_price_was_seen() -> None:
    state = running()

    often = replay(state, [price(3050), price(2900), *[price(3000)] * 5])

    assert plan(often, SMALL, now_ms=0) == plan(apply(state, price(3000)), SMALL, now_ms=0)
