"""The gate's own account of what a unit may still do to its position.

Declared by the manager on attach and after reconciliations, kept up to date in between by the
orders and fills that pass. It errs on one side only: what is not known to have ended stays
reserved in full.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import ClientOrderId, TradeId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side
from opensqt.core.risk.view import Reservation, RiskView
from opensqt.ports.exchange import (
    PlaceRequest,
    VenueOrder,
    VenueTrade,
)
from opensqt.ports.link import Declare, Hello, Reserved

# Orders that ended here not long ago: their late fills are still counted.
_ENDED_KEPT: Final = 256


@dataclass(slots=True)
class _Held:
    """One order that may still move the position."""

    sign: int
    price: Decimal
    left: Decimal
    """Base units that may still trade, positive."""
    is_live: bool = True
    final: Decimal | None = None
    """Executed quantity the order ended with, once the venue has said that it ended."""
    counted: dict[TradeId, Decimal] = field(default_factory=dict)
    """Trades that have moved from here to the position."""


class UnitExposure:
    """Position and reservations of one unit."""

    def __init__(self) -> None:
        """Start flat; nothing may be opened before the unit has declared itself."""
        # The declared position with the buys seen since, and with the sells seen since.
        self._high = self._low = Decimal(0)
        self._held: dict[ClientOrderId, _Held] = {}
        self._ended: dict[ClientOrderId, _Held] = {}
        self._loose: dict[TradeId, VenueTrade] = {}
        self.is_declared = False
        """Whether the unit has ever said what it has on order."""

    def declare(self, declaration: Hello | Declare) -> None:
        """Replace everything by what the journal knows.

        Whether it knows a trade that crosses it on the link cannot be told here; the manager
        declares again after every trade, and always before it sends what depends on one. An order
        that ended here meanwhile stays ended: its end alone is not declared.
        """
        self.is_declared = True
        self._high = self._low = declaration.position
        before, self._held = self._held, {}
        for one in declaration.reserved:
            known = before.pop(one.client_order_id, None) or self._ended.get(one.client_order_id)
            self._take(one, final=None if known is None else known.final)
        for client_order_id, held in before.items():
            self._end(client_order_id, held)
        self._loose.clear()

    def _take(self, one: Reserved, *, final: Decimal | None) -> None:
        declared = abs(one.signed_quantity)
        left = declared if final is None else min(declared, final)
        if left > 0:
            self._held[one.client_order_id] = _Held(
                sign=1 if one.signed_quantity > 0 else -1,
                price=one.price,
                left=left,
                is_live=final is None,
                final=final,
            )

    @property
    def has_live(self) -> bool:
        """Tell whether an order of the unit may still be open at the venue, or arrive there."""
        return any(held.is_live for held in self._held.values())

    def reserve(self, request: PlaceRequest) -> None:
        """Count an order that is about to be written."""
        self._held[request.client_order_id] = _Held(
            sign=request.side.sign, price=request.price, left=request.quantity
        )

    def release(self, client_order_id: ClientOrderId) -> None:
        """Forget an order that is for sure no order."""
        self._held.pop(client_order_id, None)

    def on_trade(self, trade: VenueTrade) -> None:
        """Move executed quantity from the reservation to the position, each trade once.

        A fill after the end of its order waits as a reservation: the manager may have declared it
        as part of the position already, and says so again soon.
        """
        held = self._held.get(trade.client_order_id)
        if held is None:
            ended = self._ended.get(trade.client_order_id)
            if ended is not None and trade.trade_id not in ended.counted:
                self._loose[trade.trade_id] = trade
            return
        if trade.trade_id in held.counted:
            return
        held.counted[trade.trade_id] = trade.quantity
        self._move(trade)
        held.left -= trade.quantity
        if held.left <= 0:
            held.final = sum(held.counted.values(), Decimal(0))
            self._end(trade.client_order_id, self._held.pop(trade.client_order_id))

    def _move(self, trade: VenueTrade) -> None:
        # The declaration may hold the trade already: it only ever counts against what is asked.
        if trade.side is Side.BUY:
            self._high += trade.quantity
        else:
            self._low -= trade.quantity

    def on_order(self, order: VenueOrder) -> None:
        """Shrink the reservation of an order that has ended to what was executed but not seen.

        Reports come late and twice, so this depends on the totals only, never on what was shrunk.
        """
        held = self._held.get(order.client_order_id)
        if held is None or not order.status.is_terminal:
            return
        held.final = order.cumulative_quantity
        unseen = order.cumulative_quantity - sum(held.counted.values())
        held.left = min(held.left, unseen)
        held.is_live = False
        if held.left <= 0:
            self._end(order.client_order_id, self._held.pop(order.client_order_id))

    def _end(self, client_order_id: ClientOrderId, held: _Held) -> None:
        self._ended[client_order_id] = held
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    @property
    def _reservations(self) -> Iterator[Reservation]:
        for client_order_id, held in self._held.items():
            yield Reservation(
                client_order_id=client_order_id,
                signed_quantity=held.left * held.sign,
                price=held.price,
                is_live=held.is_live,
            )
        for trade in self._loose.values():
            yield Reservation(
                client_order_id=trade.client_order_id,
                signed_quantity=trade.quantity * trade.side.sign,
                price=trade.price,
                is_live=False,
            )

    def view(
        self,
        asking: ClientOrderId,
        *,
        side: Side,
        instrument: Instrument | None,
        price: PriceTicked | None,
    ) -> RiskView:
        """Return what the review may look at, without the order that asks.

        The manager reserves an order before it sends it, and may have declared it already.
        """
        return RiskView(
            position=self._high if side is Side.BUY else self._low,
            reserved=tuple(one for one in self._reservations if one.client_order_id != asking),
            instrument=instrument,
            price=price,
        )
