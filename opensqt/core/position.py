"""The position of one unit: average-cost accounting of fills.

Invariants: quantity = sum of signed fills and adjustments; what the fills cost in cash equals the
cost of the open quantity minus the realized profit, exactly; realized profit is gross of fees; fees
are kept per asset. Quantities are signed base units, money is in quote units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from opensqt.core.money import ZERO
from opensqt.core.records import replace

_STORED: Final = Decimal("1E-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBook:
    """Signed position with its cost and what it has earned."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    """Signed price times quantity of the open quantity at its average entry price."""
    realized_pnl: Decimal = ZERO
    """Quote units, before fees."""
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    """Asset -> paid (negative: earned)."""
    fills: int = 0
    bought_quantity: Decimal = ZERO
    sold_quantity: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Return the average entry price of the open quantity, 0 when flat; for people."""
        return (self.cost / self.quantity).quantize(_STORED) if self.quantity else ZERO

    def unrealized_pnl(self, price: Decimal, contract_size: Decimal) -> Decimal:
        """Return the profit of closing everything at ``price``, quote units, before fees."""
        return (price * self.quantity - self.cost) * contract_size

    def fees_in(self, asset: str) -> Decimal:
        """Return what was paid in ``asset`` (negative: earned)."""
        return self.fees.get(asset, ZERO)

    def with_fee(self, asset: str, fee: Decimal) -> "PositionBook":
        """Return the book after paying (positive) or earning (negative) a fee."""
        return replace(self, fees={**self.fees, asset: self.fees_in(asset) + fee})


def apply_fill(
    book: PositionBook, *, signed_quantity: Decimal, price: Decimal, contract_size: Decimal
) -> PositionBook:
    """Return the book after trading ``signed_quantity`` (positive buys) at ``price``."""
    held = book.quantity
    after = held + signed_quantity
    closed = ZERO
    if held * signed_quantity < ZERO:
        closed = min(abs(held), abs(signed_quantity)).copy_sign(held)
    # The one division of the book; what rounding leaves stays in the cost of the rest.
    released = book.cost if closed == held else (book.cost * closed / held).quantize(_STORED)
    return replace(
        book,
        quantity=after,
        cost=book.cost - released + price * (signed_quantity + closed),
        realized_pnl=book.realized_pnl + (price * closed - released) * contract_size,
        fills=book.fills + 1,
        bought_quantity=book.bought_quantity + max(signed_quantity, ZERO),
        sold_quantity=book.sold_quantity - min(signed_quantity, ZERO),
    )
