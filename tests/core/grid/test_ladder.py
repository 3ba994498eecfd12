from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.grid.config import GridConfig, IntervalUnit, PriceSource
from opensqt.core.grid.ladder import lattice_interval, reference_price, top_level
from opensqt.core.grid.planner import anchor_facts
from opensqt.core.symbol import SymbolState, replay
from tests.core.builders import ETH, GRID, UNIT, D, grid_state, price


@given(
    anchor=st.integers(1, 10**7),
    interval=st.integers(1, 10**4),
    last=st.integers(1, 10**7),
    buffer=st.sampled_from(["0", "0.1", "0.5", "1"]),
)
def test_the_top_is_the_highest_level_strictly_below_the_price_less_the_buffer(
    anchor: int, interval: int, last: int, buffer: str
) -> None:
    state = grid_state(Decimal(anchor) / 100, interval=Decimal(interval) / 1000 + Decimal("0.01"))
    config = GridConfig(price_interval=D(1), order_quantity=D(1), buffer_fraction=Decimal(buffer))
    assert state.interval is not None
    bound = Decimal(last) / 100 - Decimal(buffer) * state.interval

    top = top_level(state, config, Decimal(last) / 100)

    assert state.level_price(top) < bound <= state.level_price(top + 1)


@pytest.mark.parametrize(
    ("unit", "value", "anchor", "expected"),
    [
        (IntervalUnit.QUOTE, "2", "3000", "2"),
        (IntervalUnit.QUOTE, "0.001", "3000", "0.01"),
        (IntervalUnit.PERCENT, "0.1", "3000", "3"),
        (IntervalUnit.PERCENT, "0.1", "3000.01", "3.01"),
        (IntervalUnit.PERCENT, "0.0000001", "3000", "0.01"),
    ],
)
def test_the_interval_is_absolute_on_the_tick_and_never_less_than_one(
    unit: IntervalUnit, value: str, anchor: str, expected: str
) -> None:
    config = GridConfig(
        price_interval=Decimal(value), price_interval_unit=unit, order_quantity=D(30)
    )

    found = lattice_interval(config, anchor=Decimal(anchor), tick_size=ETH.tick_size)

    assert found == Decimal(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [(PriceSource.LAST, "3000"), (PriceSource.MID, "3001"), (PriceSource.MARK, None)],
)
def test_the_grid_follows_the_price_it_is_told_to(
    source: PriceSource, expected: str | None
) -> None:
    tick = price(3000, bid=3000, ask=3002)

    assert reference_price(tick, source) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize("source", PriceSource)
def test_without_a_price_there_is_no_reference(source: PriceSource) -> None:
    assert reference_price(None, source) is None
    assert reference_price(price(0, bid=0, ask=3002), source) is None


def test_the_first_price_anchors_on_the_tick_once() -> None:
    state = SymbolState(unit=UNIT, deployment="000", instrument=ETH, price=price("3000.019"))

    [fact] = anchor_facts(state, GRID, now_ms=5)
    anchored = replay(state, [fact])

    assert (anchored.anchor, anchored.interval) == (Decimal("3000.01"), Decimal(2))
    assert anchor_facts(anchored, GRID, now_ms=6) == ()


def test_nothing_is_anchored_before_rules_and_price_are_known() -> None:
    bare = SymbolState(unit=UNIT, deployment="000")

    assert anchor_facts(bare, GRID, now_ms=0) == ()
    assert anchor_facts(replay(bare, [price(3000)]), GRID, now_ms=0) == ()
