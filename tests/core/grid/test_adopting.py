"""What adopting books, at which price, on which levels, and what it refuses."""

from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import (
    GridAnchored,
    InventorySeeded,
    JournalRestored,
    PositionAdjusted,
    PositionIgnored,
    QuarantineLifted,
    UnitQuarantined,
)
from opensqt.core.grid.adopting import Adoption, AdoptionWish, Holding, adoption
from opensqt.core.grid.config import StartingPosition
from opensqt.core.grid.planner import plan
from opensqt.core.orders import Side
from opensqt.core.symbol import SymbolState, apply, replay
from tests.core.builders import GRID, D, filled, grid_state, inventory, ms, price
from tests.core.grid_builders import SMALL, levels, working

QUOTED = apply(grid_state(), price(3000))
STUCK = apply(QUOTED, UnitQuarantined(reason="position: book 0, venue 0.05", at_ms=ms(0)))


def adopt(
    state: SymbolState,
    venue: object,
    *,
    average: object = 0,
    quantity: object = None,
    at: object = None,
    reason: str = "moved by hand",
    doubts: tuple[str, ...] = (),
    starting: StartingPosition = StartingPosition.REFUSE,
) -> Adoption:
    wish = AdoptionWish(
        operator="ann",
        reason=reason,
        quantity=None if quantity is None else D(str(quantity)),
        price=None if at is None else D(str(at)),
    )
    holding = Holding(quantity=D(str(venue)), average_price=D(str(average)), doubts=doubts)
    config = replace(GRID, starting_position=starting)
    return adoption(state, config, wish, holding, now_ms=0)


def adjusted(found: Adoption) -> list[tuple[Decimal, Decimal]]:
    return [
        (fact.quantity, fact.price) for fact in found.facts if isinstance(fact, PositionAdjusted)
    ]


def test_a_position_nobody_journaled_is_booked_with_operator_and_reason() -> None:
    found = adopt(STUCK, "0.05", average=2990)

    (first, *_, last) = found.facts
    assert isinstance(first, PositionAdjusted)
    assert (first.operator, first.reason) == ("ann", "moved by hand")
    assert adjusted(found) == [(D("0.05"), D(2990))]
    assert isinstance(last, QuarantineLifted)
    after = replay(STUCK, found.facts)
    assert after.position.quantity == inventory(after) == D("0.05")
    assert after.position.average_price == 2990
    assert levels(plan(after, GRID, now_ms=0), Side.SELL)
    assert found.steps == (
        "book an adjustment of 0.05 at 2990",
        "offer 0.05 on 5 levels above 2990",
        "end the quarantine: position: book 0, venue 0.05",
    )


def test_before_the_first_order_the_lattice_is_anchored_too() -> None:
    fresh = replace(STUCK, anchor=None, interval=None)

    found = adopt(fresh, "0.05", average=2990)

    assert any(isinstance(fact, GridAnchored) for fact in found.facts)
    assert replay(fresh, found.facts).anchor == 3000


@pytest.mark.parametrize(
    ("average", "at", "booked"),
    [
        (2998, None, "2998"),  # the venue's average of the whole, ours at 2998 beneath it
        (3000, None, "3002"),
        (3000, 2500, "2500"),
        (0, None, "3000"),  # the venue does not say: the last price
    ],
)
def test_a_growing_position_is_booked_so_that_the_averages_agree(
    average: int, at: int | None, booked: str
) -> None:
    state = working(grid_state(), SMALL, 3000)
    first = state.orders[next(iter(state.orders))]
    state = apply(state, filled(first, first.quantity, trade_id="t1"))
    state = replace(apply(state, price(3000)), orders={})
    state = replace(state, slots={k: v for k, v in state.slots.items() if v.quantity})

    found = adopt(state, first.quantity * 2, average=average, at=at)

    assert adjusted(found) == [(first.quantity, D(booked))]


def test_a_position_sold_by_hand_is_taken_off_the_highest_levels() -> None:
    seeds = [InventorySeeded(slot=k, quantity=D("0.01"), at_ms=ms(0)) for k in (-3, 2, 5)]
    book = PositionAdjusted(
        quantity=D("0.03"), price=D(3000), operator="x", reason="x", at_ms=ms(0)
    )
    state = replay(QUOTED, [book, *seeds])

    found = adopt(state, "0.015")

    assert adjusted(found) == [(D("-0.015"), D(3000))]
    after = replay(state, found.facts)
    assert {k: v.quantity for k, v in after.slots.items()} == {-3: D("0.01"), 2: D("0.005")}


def test_inventory_of_fills_without_a_level_is_offered_again() -> None:
    lost = PositionAdjusted(
        quantity=D("0.02"), price=D(2990), operator="x", reason="x", at_ms=ms(0)
    )
    state = apply(QUOTED, lost)

    found = adopt(state, "0.02", average=2990)

    assert adjusted(found) == []
    assert inventory(replay(state, found.facts)) == D("0.02")


def test_a_quarantine_without_a_difference_is_only_lifted() -> None:
    found = adopt(STUCK, 0)

    assert [type(fact) for fact in found.facts] == [JournalRestored, QuarantineLifted]
    assert found.quarantine == STUCK.quarantine
    assert adopt(QUOTED, 0).facts == ()


def test_an_ignored_position_is_not_booked() -> None:
    found = adopt(STUCK, "0.05", average=2990, starting=StartingPosition.IGNORE)

    assert [type(fact) for fact in found.facts] == [
        PositionIgnored,
        JournalRestored,
        QuarantineLifted,
    ]
    after = replay(STUCK, found.facts)
    assert after.ignored_quantity == D("0.05")
    assert after.position == STUCK.position
    again = adopt(after, "0.05", average=2990, starting=StartingPosition.IGNORE)
    assert again.facts == ()


def test_what_is_ignored_does_not_move_while_an_order_may_trade() -> None:
    state = working(QUOTED, GRID, 3000)

    found = adopt(state, "0.05", starting=StartingPosition.IGNORE)

    assert "may still trade" in found.refusal


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            adopt(STUCK, "0.05", quantity="0.04"),
            "expected to adopt 0.04, found a",
        ),
        (adopt(STUCK, "-0.05"), "a long grid cannot adopt a short position"),
        (adopt(STUCK, "0.05", at="0"), "expected a price above 0"),
        (adopt(STUCK, "0.05", at="NaN"), "expected a price above 0"),
        (adopt(STUCK, "0", at="3000"), "no price is needed"),
        (adopt(STUCK, "0.05", reason=" "), "expected the name of the operator and a reason"),
        (adopt(STUCK, "0.05", doubts=("a trade is not booked",)), "a trade is not booked; try"),
        (adopt(replace(STUCK, price=None), "0.05"), "there is no price yet"),
        (adopt(replace(STUCK, price=None), "0.05", at="3000"), "there is no price yet"),
        (adopt(working(grid_state(), SMALL, 3000), "0.05"), "2 orders of ours may still trade"),
    ],
)
def test_what_is_not_clear_is_refused_and_books_nothing(found: Adoption, said: str) -> None:
    assert said in found.refusal
    assert found.facts == ()
