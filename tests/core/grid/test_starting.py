from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.facts import GridAnchored, InventorySeeded, PositionAdjusted
from opensqt.core.grid.config import StartingPosition
from opensqt.core.grid.planner import plan
from opensqt.core.grid.starting import LEVELS_MAX, Start, starting_position
from opensqt.core.intents import PlaceOrder
from opensqt.core.orders import Side
from opensqt.core.symbol import SymbolState, apply, replay
from tests.core.builders import ETH, GRID, UNIT, D, grid_state, inventory, price

ADOPT = replace(GRID, starting_position=StartingPosition.ADOPT)
QUOTED = apply(grid_state(), price(3000))


def start(state: SymbolState, quantity: object, *, average: object = 3000) -> Start:
    return starting_position(
        state,
        ADOPT,
        venue_quantity=D(str(quantity)),
        venue_average_price=D(str(average)),
        now_ms=0,
    )


def test_a_strange_position_is_refused_unless_told_otherwise() -> None:
    found = starting_position(
        QUOTED, GRID, venue_quantity=D("0.5"), venue_average_price=D(3000), now_ms=0
    )

    assert "0.5 ETHUSDT:perp" in found.refusal
    assert "adopt or ignore" in found.refusal
    assert found.facts == ()


def test_it_may_be_ignored() -> None:
    config = replace(GRID, starting_position=StartingPosition.IGNORE)

    found = starting_position(
        QUOTED, config, venue_quantity=D("0.5"), venue_average_price=D(3000), now_ms=0
    )

    assert found == Start()


@pytest.mark.parametrize("mode", StartingPosition)
def test_a_position_the_book_explains_is_not_strange(mode: StartingPosition) -> None:
    config = replace(GRID, starting_position=mode)

    found = starting_position(
        QUOTED, config, venue_quantity=D(0), venue_average_price=D(0), now_ms=0
    )

    assert found == Start()


def test_a_long_grid_adopts_no_short_position() -> None:
    assert "short" in start(QUOTED, "-0.5").refusal


def test_nothing_is_adopted_before_there_is_a_price() -> None:
    assert "price" in start(grid_state(), "0.5").refusal


def test_adopted_inventory_is_offered_upward_from_its_average_price() -> None:
    found = start(QUOTED, "0.035")
    state = replay(QUOTED, found.facts)

    offers = [
        (one.slot, one.price, one.quantity)
        for one in plan(state, GRID, now_ms=0).intents
        if isinstance(one, PlaceOrder) and one.side is Side.SELL
    ]

    assert [
        (state.level_price(fact.slot), fact.quantity)
        for fact in found.facts
        if isinstance(fact, InventorySeeded)
    ] == [
        (D(3002), D("0.009")),
        (D(3004), D("0.009")),
        (D(3006), D("0.009")),
        (D(3008), D("0.008")),
    ]
    assert offers == [
        (1, D(3004), D("0.009")),
        (2, D(3006), D("0.009")),
        (3, D(3008), D("0.009")),
        (4, D(3010), D("0.008")),
    ]
    assert state.position.average_price == 3000


def test_adopting_anchors_a_lattice_that_is_not_yet_fixed() -> None:
    state = SymbolState(unit=UNIT, deployment="000", instrument=ETH, price=price(3000))

    found = start(state, "0.035", average=2950)

    assert [type(fact) for fact in found.facts[:2]] == [GridAnchored, PositionAdjusted]
    assert replay(state, found.facts).slots.keys() == {-24, -23, -22, -21}


@given(
    lots=st.integers(1, 30_000),
    average=st.integers(0, 500_000),
    is_exempt=st.booleans(),
)
def test_everything_adopted_is_on_levels_and_can_be_offered_where_it_is_enough(
    lots: int, average: int, is_exempt: bool
) -> None:
    instrument = replace(ETH, reduce_only_exempt=is_exempt)
    state = apply(grid_state(instrument=instrument), price(3000))
    quantity = Decimal(lots) / 1000

    found = start(state, quantity, average=Decimal(average) / 100)
    state = replay(state, found.facts)

    assert found.refusal == ""
    assert inventory(state) == state.position.quantity == quantity
    assert 1 <= len(state.slots) <= LEVELS_MAX
    bought_at = Decimal(average) / 100 or Decimal(3000)
    assert all(state.level_price(index) > bought_at for index in state.slots)
    faults = [
        instrument.fault(
            price=state.level_price(slot.index + 1), quantity=slot.quantity, reduce_only=True
        )
        for slot in state.slots.values()
    ]
    assert not any(faults) or len(faults) == 1
