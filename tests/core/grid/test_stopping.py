"""Drain, cancel, flatten and quarantine: what they take back and when they are done."""

from dataclasses import replace

import pytest

from opensqt.core.facts import Directive, UnitQuarantined
from opensqt.core.grid.planner import (
    CANCEL_REPEAT_MS,
    Idle,
    Plan,
    plan,
)
from opensqt.core.intents import CancelReason
from opensqt.core.orders import Purpose, Side, TimeInForce
from opensqt.core.symbol import apply, replay
from tests.core.builders import (
    D,
    directed,
    filled,
    grid_state,
    ms,
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


def test_drain_takes_openings_back_and_keeps_offering() -> None:
    state = apply(running(), directed(Directive.DRAIN))

    found = plan(state, SMALL, now_ms=0)

    assert [state.orders[one.client_order_id].slot for one in cancels(found)] == [-2]
    assert levels(found, Side.SELL) == [-1]
    assert levels(found, Side.BUY) == []


def test_cancel_takes_everything_back() -> None:
    state = apply(running(), directed(Directive.CANCEL))

    found = plan(state, SMALL, now_ms=0)

    assert {state.orders[one.client_order_id].slot for one in cancels(found)} == {-2, 1}
    assert places(found) == []
    assert {one.reason for one in cancels(found)} == {CancelReason.STOPPED}


def test_flatten_cancels_first_and_sells_settled_levels_at_once_with_a_cap() -> None:
    state = apply(running(), directed(Directive.FLATTEN))

    found = plan(state, SMALL, now_ms=0)

    assert {state.orders[one.client_order_id].slot for one in cancels(found)} == {-2, 1}
    [sale] = places(found)
    assert (sale.slot, sale.purpose, sale.time_in_force) == (-1, Purpose.FLATTEN, TimeInForce.IOC)
    assert sale.reduce_only
    rest = order_at(state, -2)
    assert rest.side is Side.BUY
    assert sale.price == rest.price + D("0.01")  # never a trade with ourselves

    settled = replay(state, [reported(rest.client_order_id, S.CANCELED)])
    [sale] = [one for one in places(plan(settled, SMALL, now_ms=0)) if one.slot == -1]
    assert sale.price == D("2985.00")  # 2999.99 less half a percent, rounded towards the touch


def test_flatten_buys_an_oversold_position_back() -> None:
    state = working(coarse(), COARSE_GRID, 1005)
    order = order_at(state, 0)
    state = ended(state, 0, S.FILLED, done=10)
    [offer] = [one for one in places(plan(state, COARSE_GRID, now_ms=0)) if one.slot == 0]
    state = record(state, [offer])
    sale = order_at(state, 0)
    state = replay(
        state,
        [filled(sale, 16, trade_id="s", at=1010), directed(Directive.FLATTEN), price(1005)],
    )
    state = replace(state, quarantine="")
    assert order.side is Side.BUY

    found = places(plan(state, COARSE_GRID, now_ms=0))

    assert [(one.side, one.quantity, one.price) for one in found] == [(Side.BUY, D(6), D(1010))]


def test_a_quarantined_unit_places_nothing_and_takes_openings_back() -> None:
    state = apply(running(), UnitQuarantined(reason="seen", at_ms=ms(0)))

    found = plan(state, SMALL, now_ms=0)

    assert [state.orders[one.client_order_id].slot for one in cancels(found)] == [-2]
    assert places(found) == []


def test_stopping_needs_neither_price_nor_lattice() -> None:
    state = replace(apply(running(), directed(Directive.CANCEL)), price=None)

    assert len(cancels(plan(state, SMALL, now_ms=0))) == 2


def test_a_cancel_is_repeated_only_after_a_while() -> None:
    state = apply(running(), directed(Directive.CANCEL))
    state = record(state, plan(state, SMALL, now_ms=1_000).intents, now_ms=1_000)

    assert plan(state, SMALL, now_ms=1_000 + CANCEL_REPEAT_MS - 1).intents == ()
    assert len(cancels(plan(state, SMALL, now_ms=1_000 + CANCEL_REPEAT_MS))) == 2


def test_an_order_not_yet_sent_is_never_cancelled_and_one_of_unknown_outcome_is() -> None:
    state = apply(grid_state(), price(3000))
    state = record(state, plan(state, SMALL, now_ms=0).intents)
    state = apply(state, directed(Directive.CANCEL))
    first = order_at(state, -1).client_order_id
    assert cancels(plan(state, SMALL, now_ms=0)) == []

    state = apply(state, reported(first, S.UNKNOWN))

    assert [one.client_order_id for one in cancels(plan(state, SMALL, now_ms=0))] == [first]


@pytest.mark.parametrize(
    ("directive", "busy", "empty"),
    [
        (Directive.DRAIN, Idle.DRAINING, Idle.DRAINED),
        (Directive.FLATTEN, Idle.FLATTENING, Idle.FLAT),
        (Directive.CANCEL, Idle.PAUSED, Idle.PAUSED),
    ],
)
def test_stopping_says_when_it_is_done(directive: Directive, busy: Idle, empty: Idle) -> None:
    state = apply(working(grid_state(), SMALL, 3000), directed(directive))
    state = record(state, plan(state, SMALL, now_ms=0).intents)
    assert plan(state, SMALL, now_ms=0) == Plan(intents=(), idle=busy)

    for order in state.live_orders:
        state = apply(state, reported(order.client_order_id, S.CANCELED))

    assert plan(state, SMALL, now_ms=0) == Plan(intents=(), idle=empty)


@pytest.mark.parametrize("directive", [Directive.DRAIN, Directive.FLATTEN])
def test_stopping_says_when_only_dust_is_left(directive: Directive) -> None:
    state = apply(apply(seeded(coarse(), s1=3), price(1005)), directed(directive))

    assert plan(state, COARSE_GRID, now_ms=0) == Plan(intents=(), idle=Idle.LEFTOVER)
