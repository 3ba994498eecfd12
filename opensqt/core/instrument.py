"""The venue's rules for one symbol: steps, minimums, limits."""

from dataclasses import dataclass
from decimal import Decimal

from opensqt.core.ids import Symbol
from opensqt.core.money import ZERO, floor_to, is_multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Trading rules as the venue publishes them, never as a config claims them."""

    symbol: Symbol
    venue_symbol: str
    """The venue's own spelling, such as ``BTCUSDT``."""
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    """Smallest price step, quote units."""
    lot_size: Decimal
    """Smallest quantity step, base units."""
    quantity_min: Decimal
    """Smallest order quantity, base units."""
    quantity_max: Decimal
    """Largest order quantity, base units."""
    notional_min: Decimal
    """Smallest price times quantity of an order that may open a position, quote units."""
    contract_size: Decimal
    """Base units of one contract; 1 where the venue counts base units."""
    orders_open_max: int
    """Most open orders the venue accepts on this symbol."""
    reduce_only_exempt: bool
    """Whether the venue waives ``notional_min`` for reduce-only orders."""
    price_band: Decimal
    """Largest distance of an order price from the mark price, as a fraction (0.05 = 5 %)."""

    def quantity_for(self, notional: Decimal, price: Decimal) -> Decimal:
        """Return the largest lot multiple whose value at ``price`` is at most ``notional``."""
        return floor_to(notional / (price * self.contract_size), self.lot_size)

    def notional(self, price: Decimal, quantity: Decimal) -> Decimal:
        """Return the order value in quote units, never negative."""
        return abs(price * quantity * self.contract_size)

    def fault(self, *, price: Decimal, quantity: Decimal, reduce_only: bool) -> str | None:
        """Return which rule an order would break, or None: tick, lot, quantity, notional."""
        if price <= ZERO or not is_multiple(price, self.tick_size):
            return "tick"
        if quantity <= ZERO or not is_multiple(quantity, self.lot_size):
            return "lot"
        if not self.quantity_min <= quantity <= self.quantity_max:
            return "quantity"
        exempt = reduce_only and self.reduce_only_exempt
        if not exempt and self.notional(price, quantity) < self.notional_min:
            return "notional"
        return None
