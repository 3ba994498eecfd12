"""The position of one unit: average-cost accounting of fills.

Invariants: quantity = sum of signed fills and adjustments; realized profit is gross of fees; fees
are kept per asset. Quantities are signed base units, money is in quote units.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from opensqt.core.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBook:
    """Signed position with its cost and what it has earned."""

    quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    """Average entry price of the open quantity; 0 when flat."""
    realized_pnl: Decimal = ZERO
    """Quote units, before fees."""
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    """Asset -> paid (negative: earned)."""
    fills: int = 0
    bought_quantity: Decimal = ZERO
    sold_quantity: Decimal = ZERO

    def unrealized_pnl(self, price: Decimal, contract_size: Decimal) -> Decimal:
        """Return the profit of closing everything at ``price``, quote units, before fees."""
        return (price - self.average_price) * self.quantity * contract_size

    def with_fee(self, asset: str, fee: Decimal) -> "PositionBook":
        """Return the book after paying (positive) or earning (negative) a fee."""
        return replace(self, fees={**self.fees, asset: self.fees.get(asset, ZERO) + fee})


def apply_fill(
    book: PositionBook, *, signed_quantity: Decimal, price: Decimal, contract_size: Decimal
) -> PositionBook:
    """Return the book after trading ``signed_quantity`` (positive buys) at ``price``."""
    held, average = book.quantity, book.average_price
    after = held + signed_quantity
    closed = ZERO
    if held * signed_quantity < ZERO:
        closed = min(abs(held), abs(signed_quantity)).copy_sign(held)
    if after == ZERO:
        new_average = ZERO
    elif held * after <= ZERO:
        new_average = price
    elif abs(after) > abs(held):
        new_average = (average * held + price * signed_quantity) / after
    else:
        new_average = average
    return replace(
        book,
        quantity=after,
        average_price=new_average,
        realized_pnl=book.realized_pnl + (price - average) * closed * contract_size,
        fills=book.fills + 1,
        bought_quantity=book.bought_quantity + max(signed_quantity, ZERO),
        sold_quantity=book.sold_quantity - min(signed_quantity, ZERO),
    )
