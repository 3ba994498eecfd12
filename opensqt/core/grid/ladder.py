"""The lattice of a grid: which price it follows, how far its levels lie apart, where the top is.

Level ``k`` lies at anchor + k * interval, floored to the tick (``SymbolState.level_price``). Anchor
and interval are fixed once, journaled, and never derived again from a moving price. The *top* is
the highest level that may open: the only way in which a price reaches a decision of the planner.
"""

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from opensqt.core.facts import PriceTicked
from opensqt.core.grid.config import GridConfig, IntervalUnit, PriceSource
from opensqt.core.money import ZERO, ceil_to
from opensqt.core.symbol import SymbolState

_PERCENT: Final = Decimal(100)


def reference_price(price: PriceTicked | None, source: PriceSource) -> Decimal | None:
    """Return the price the grid follows, None while there is none (also no mark, an empty book)."""
    if price is None:
        return None
    found: Decimal | None = price.last
    if source is PriceSource.MID:
        found = price.mid_price
    elif source is PriceSource.MARK:
        found = price.mark
    return found if found is not None and found > ZERO else None


def lattice_interval(config: GridConfig, *, anchor: Decimal, tick_size: Decimal) -> Decimal:
    """Return the absolute distance of two levels, quote units: at least one tick."""
    distance = config.price_interval
    if config.price_interval_unit is IntervalUnit.PERCENT:
        distance = ceil_to(anchor * distance / _PERCENT, tick_size)
    return max(distance, tick_size)


def top_level(state: SymbolState, config: GridConfig, reference: Decimal) -> int:
    """Return the highest level whose price lies below ``reference`` minus the buffer."""
    assert state.anchor is not None
    assert state.interval is not None
    threshold = reference - buffer(state, config)
    index = int(((threshold - state.anchor) / state.interval).to_integral_value(ROUND_FLOOR)) + 1
    while state.level_price(index) >= threshold:
        index -= 1
    return index


def buffer(state: SymbolState, config: GridConfig) -> Decimal:
    """Return the distance kept from the price before a level may open, quote units."""
    assert state.interval is not None
    return config.buffer_fraction * state.interval
