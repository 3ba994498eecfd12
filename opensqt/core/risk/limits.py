"""Limits of the pre-trade review, relative to the capital of the account."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Absolute limits of one unit, derived from the account's capital before trading starts."""

    order_notional_max: Decimal
    """Largest value of one opening order, quote units."""
    exposure_notional_max: Decimal
    """Largest worst-case position value of the symbol, quote units, either direction."""
    orders_open_max: int
    """Most live orders of the unit."""
    crossing_collar: Decimal
    """Largest distance through the touch of an order that takes, as a fraction."""
    passive_band: Decimal
    """Largest distance of a resting price from the reference, as a fraction."""
    price_age_ms_max: int
    """Oldest price frame on which risk may be increased, milliseconds."""

    @classmethod
    @lru_cache(maxsize=64)
    def from_capital(cls, capital: Decimal, *, venue_orders_open_max: int) -> "Limits":
        """Return the default limits: order 5 %, symbol 25 % of capital, 80 % of venue's orders."""
        return cls(
            order_notional_max=capital * Decimal("0.05"),
            exposure_notional_max=capital * Decimal("0.25"),
            orders_open_max=venue_orders_open_max * 8 // 10,
            crossing_collar=Decimal("0.005"),
            passive_band=Decimal("0.5"),
            price_age_ms_max=3_000,
        )
