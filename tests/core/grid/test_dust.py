"""Inventory too small to be offered is never lost and never blocks a level."""

from dataclasses import replace

from opensqt.core.grid.planner import (
    plan,
)
from opensqt.core.orders import Side
from opensqt.core.symbol import apply
from tests.core.builders import (
    ETH,
    GRID,
    D,
    grid_state,
    price,
)
from tests.core.grid_builders import (
    COARSE_GRID,
    S,
    coarse,
    ended,
    levels,
    moves,
    places,
    record,
    seeded,
    working,
)


def test_dust_is_topped_up_while_its_level_may_open() -> None:
    state = ended(working(coarse(), COARSE_GRID, 1005), 0, S.CANCELED, done=3)

    [again] = places(plan(state, COARSE_GRID, now_ms=0))

    assert (again.slot, again.side, again.quantity) == (0, Side.BUY, D(7))
    assert (again.generation, again.attempt) == (1, 1)


def test_a_top_up_the_venue_would_refuse_becomes_a_full_order_of_a_new_generation() -> None:
    config = replace(COARSE_GRID, order_quantity=D(6))
    state = ended(working(coarse(), config, 1005), 0, S.CANCELED, done=3)

    [again] = places(plan(state, config, now_ms=0))

    assert (again.quantity, again.generation, again.attempt) == (D(6), 3, 0)


def test_dust_above_the_window_joins_the_level_that_is_about_to_be_offered() -> None:
    state = apply(seeded(coarse(), s2=3, s3=8), price(1005))

    found = plan(state, COARSE_GRID, now_ms=0)

    assert moves(found) == [(2, 3, D(3))]
    [offer] = [one for one in places(found) if one.side is Side.SELL]
    assert (offer.slot, offer.quantity) == (3, D(11))
    assert found.intents.index(offer) > 0
    assert plan(record(state, found.intents), COARSE_GRID, now_ms=0).intents == ()


def test_dust_waits_while_nothing_near_is_about_to_be_offered() -> None:
    state = working(seeded(coarse(), s3=8), COARSE_GRID, 1005)
    state = seeded(state, s2=3)

    assert plan(state, COARSE_GRID, now_ms=0).intents == ()


def test_dust_far_away_is_not_sold_here() -> None:
    state = apply(seeded(coarse(), s9=3, s1=8), price(1005))

    assert moves(plan(state, COARSE_GRID, now_ms=0)) == []


def test_dust_on_several_levels_is_offered_together_from_the_highest() -> None:
    state = apply(seeded(coarse(), s1=3, s2=3), price(1005))

    found = plan(state, COARSE_GRID, now_ms=0)

    assert moves(found) == [(1, 2, D(3))]
    [offer] = [one for one in places(found) if one.side is Side.SELL]
    assert (offer.slot, offer.price, offer.quantity) == (2, D(1030), D(6))


def test_an_oversold_level_is_settled_by_the_level_about_to_be_offered() -> None:
    state = apply(seeded(coarse(), s2=-3, s3=10), price(1005))

    found = plan(state, COARSE_GRID, now_ms=0)

    assert moves(found) == [(2, 3, D(-3))]
    assert [one.quantity for one in places(found) if one.side is Side.SELL] == [7]


def test_reduce_only_orders_may_be_small_where_the_venue_says_so() -> None:
    config = replace(GRID, buy_window_size=1)
    state = apply(seeded(grid_state(), s1="0.001"), price(3000))
    strict = replace(ETH, reduce_only_exempt=False)

    exempt = plan(state, config, now_ms=0)
    bound = plan(replace(state, instrument=strict), config, now_ms=0)

    assert levels(exempt, Side.SELL) == [1]
    assert levels(bound, Side.SELL) == []
