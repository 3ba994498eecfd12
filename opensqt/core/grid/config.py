"""What an operator chooses for a grid."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class GridMode(StrEnum):
    """Which way the grid opens."""

    LONG = "long"
    NEUTRAL = "neutral"
    SHORT = "short"


class IntervalUnit(StrEnum):
    """What ``price_interval`` counts."""

    QUOTE = "quote"
    """Quote units between two levels."""
    PERCENT = "percent"
    """Percent of the anchor price; the absolute step is fixed and journaled at the anchor."""


class QuantityUnit(StrEnum):
    """What ``order_quantity`` counts."""

    QUOTE = "quote"
    BASE = "base"


class PriceSource(StrEnum):
    """Which price the grid follows."""

    LAST = "last"
    MID = "mid"
    MARK = "mark"


class StartingPosition(StrEnum):
    """What to do with a venue position the journal knows nothing of."""

    REFUSE = "refuse"
    ADOPT = "adopt"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfig:
    """Frozen knobs of one grid; validated before it is built, see the config package."""

    mode: GridMode = GridMode.LONG
    price_interval: Decimal
    """Distance of two levels, in ``price_interval_unit``; > 0 and at least one tick."""
    price_interval_unit: IntervalUnit = IntervalUnit.QUOTE
    order_quantity: Decimal
    """Size of one level, in ``order_quantity_unit``; > 0."""
    order_quantity_unit: QuantityUnit = QuantityUnit.QUOTE
    buy_window_size: int = 10
    """Opening levels kept below the price; 1-200."""
    sell_window_size: int = 10
    """Levels above the price within which inventory is offered; 1-200."""
    buffer_fraction: Decimal = Decimal("0.1")
    """Distance kept from the price before a level may open, in intervals; 0 to 1."""
    hysteresis: int = 1
    """Levels beyond the window before an opening order is canceled; >= 0."""
    price_source: PriceSource = PriceSource.LAST
    starting_position: StartingPosition = StartingPosition.REFUSE
    retry_backoff_ms: int = 1_000
    """First wait after the venue refuses an order of a level; doubles up to 64 times that."""
    flatten_slippage: Decimal = Decimal("0.005")
    """How far through the touch a flattening order may trade, as a fraction of the price."""
