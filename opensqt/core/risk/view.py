"""What the pre-trade review knows of a unit: its position, what is reserved, the market.

A manager builds the view from its state. The gate, which has no state of the unit, builds it from
the position and reservations the manager declared on attach, kept up to date by the orders and
fills that pass through it.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import ClientOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.intents import PlaceOrder
from opensqt.core.money import ZERO
from opensqt.core.orders import Side
from opensqt.core.records import replace
from opensqt.core.symbol import SymbolState


class IntentKey(NamedTuple):
    """Identity of an intent; its attempts are numbered, one at a time may be unsettled."""

    slot: int
    side: Side
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Exposure of one unsettled order: what it may still add to the position."""

    client_order_id: ClientOrderId
    signed_quantity: Decimal
    """Base units, positive buys."""
    price: Decimal
    """Limit price, quote units."""
    is_live: bool = True
    """Whether the order may still rest at the venue (and counts as an open order)."""
    key: IntentKey | None = None
    """None where the view's owner does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskView:
    """Everything ``review`` may look at."""

    position: Decimal
    """Signed base units."""
    reserved: tuple[Reservation, ...] = ()
    """All unsettled orders, those of unknown outcome included in full."""
    instrument: Instrument | None = None
    price: PriceTicked | None = None

    def reserved_quantity(self, side: Side) -> Decimal:
        """Return what unsettled orders of ``side`` may still trade, base units, positive."""
        return sum(
            (abs(one.signed_quantity) for one in self.reserved if _is_on(one, side)), start=ZERO
        )

    def worst_quantity(self, side: Side) -> Decimal:
        """Return the position after all reserved orders of ``side`` and no other have traded."""
        return self.position + side.sign * self.reserved_quantity(side)

    def highest_price(self, side: Side) -> Decimal:
        """Return the highest limit price of the reserved orders of ``side``, 0 when none."""
        return max((one.price for one in self.reserved if _is_on(one, side)), default=ZERO)

    def with_order(self, order: PlaceOrder) -> "RiskView":
        """Return the view once ``order`` is reserved too."""
        reservation = Reservation(
            client_order_id=order.client_order_id,
            signed_quantity=order.side.sign * order.quantity,
            price=order.price,
            key=key_of(order),
        )
        return replace(self, reserved=(*self.reserved, reservation))


def key_of(order: PlaceOrder) -> IntentKey:
    """Return the intent an order is an attempt of."""
    return IntentKey(slot=order.slot, side=order.side, generation=order.generation)


def view_of(state: SymbolState) -> RiskView:
    """Return what the review may know, from a unit's own state."""
    return RiskView(
        position=state.position.quantity,
        reserved=tuple(
            Reservation(
                client_order_id=order.client_order_id,
                signed_quantity=order.side.sign * order.reserved_quantity,
                price=order.price,
                is_live=order.is_live,
                key=IntentKey(slot=order.slot, side=order.side, generation=order.generation),
            )
            for order in state.unsettled_orders
        ),
        instrument=state.instrument,
        price=state.price,
    )


def committed_notional(state: SymbolState) -> Decimal:
    """Return what the unit may have in the market at worst, quote units.

    The cost of its position plus every unsettled order that may still add to it, at its limit;
    orders of unknown outcome count in full.
    """
    held = state.position.quantity
    contract_size = Decimal(1) if state.instrument is None else state.instrument.contract_size
    adding = dict.fromkeys(Side, ZERO)
    for order in state.unsettled_orders:
        if not order.reduce_only:
            adding[order.side] += order.reserved_quantity * order.price
    long, short = adding[Side.BUY], adding[Side.SELL]
    cost = abs(state.position.cost)
    worst = max(cost + long, short) if held >= ZERO else max(cost + short, long)
    return worst * contract_size


def _is_on(reservation: Reservation, side: Side) -> bool:
    return reservation.signed_quantity * side.sign > ZERO
