"""The gate's own account of what a unit may still do to its position.

Declared by the manager on attach and after reconciliations, kept up to date in between by the
orders and fills that pass. It errs on one side only: what is not known to have ended stays
reserved in full.
"""

from collections.abc import Sequence
from decimal import Decimal

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import ClientOrderId, TradeId
from opensqt.core.instrument import Instrument
from opensqt.core.risk.view import Reservation, RiskView
from opensqt.ports.exchange import (
    OrderUpdate,
    PlaceRequest,
    TradeUpdate,
    VenueOrder,
    VenueTrade,
)
from opensqt.ports.link import Declare, Hello


class UnitExposure:
    """Position and reservations of one unit."""

    def __init__(self) -> None:
        """Start flat; nothing may be opened before the unit has declared itself."""
        self._position = Decimal(0)
        self._reserved: dict[ClientOrderId, Reservation] = {}
        self._counted: dict[ClientOrderId, set[TradeId]] = {}

    def declare(
        self, declaration: Hello | Declare, *, unseen: Sequence[OrderUpdate | TradeUpdate] = ()
    ) -> None:
        """Replace everything by what the journal knows, and add what it did not know yet.

        ``unseen`` are the reports that were sent to the manager and not acknowledged, oldest first.
        Without them a fill that crosses a declaration on its way would be forgotten here, and the
        order that closes it refused.
        """
        self._position = declaration.position
        declared = {
            one.client_order_id: Reservation(
                client_order_id=one.client_order_id,
                signed_quantity=one.signed_quantity,
                price=one.price,
            )
            for one in declaration.reserved
        }
        self._reserved = declared
        self._counted = {key: self._counted.get(key, set()) for key in declared}
        for update in unseen:
            if isinstance(update, OrderUpdate):
                self.on_order(update.order)
            else:
                trade = update.trade
                self._counted.get(trade.client_order_id, set()).discard(trade.trade_id)
                self.on_trade(trade)

    def reserve(self, request: PlaceRequest) -> None:
        """Count an order that is about to be written."""
        self._reserved[request.client_order_id] = Reservation(
            client_order_id=request.client_order_id,
            signed_quantity=request.quantity * request.side.sign,
            price=request.price,
        )

    def release(self, client_order_id: ClientOrderId) -> None:
        """Forget an order that is for sure no order."""
        self._reserved.pop(client_order_id, None)
        self._counted.pop(client_order_id, None)

    def on_trade(self, trade: VenueTrade) -> None:
        """Move executed quantity from the reservation to the position, each trade once."""
        held = self._reserved.get(trade.client_order_id)
        counted = self._counted.setdefault(trade.client_order_id, set())
        if held is None or trade.trade_id in counted:
            return
        counted.add(trade.trade_id)
        signed = trade.quantity * trade.side.sign
        self._position += signed
        left = held.signed_quantity - signed
        if left * held.signed_quantity <= 0:
            self.release(trade.client_order_id)
        else:
            self._reserved[trade.client_order_id] = Reservation(
                client_order_id=held.client_order_id, signed_quantity=left, price=held.price
            )

    def on_order(self, order: VenueOrder) -> None:
        """Shrink the reservation of an order that has ended to what was executed but not seen."""
        held = self._reserved.get(order.client_order_id)
        if held is None or not order.status.is_terminal:
            return
        unfilled = (order.quantity - order.cumulative_quantity) * order.side.sign
        left = held.signed_quantity - unfilled
        if left * held.signed_quantity <= 0:
            self.release(order.client_order_id)
        else:
            self._reserved[order.client_order_id] = Reservation(
                client_order_id=held.client_order_id,
                signed_quantity=left,
                price=held.price,
                is_live=False,
            )

    def view(
        self,
        asking: ClientOrderId,
        *,
        instrument: Instrument | None,
        price: PriceTicked | None,
    ) -> RiskView:
        """Return what the review may look at, without the order that asks.

        The manager reserves an order before it sends it, and may have declared it already.
        """
        return RiskView(
            position=self._position,
            reserved=tuple(one for key, one in self._reserved.items() if key != asking),
            instrument=instrument,
            price=price,
        )
