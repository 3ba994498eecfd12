"""A venue that holds the truth: it books requests, fills orders and says what it did.

It is honest but not kind: its messages are returned to the caller, who may lose, repeat, delay and
reorder them. It asserts what every real venue would punish: an id used twice, a reduce-only order
larger than the position.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from opensqt.core.facts import Evidence, Fact, OrderReported, TradeFilled
from opensqt.core.ids import ClientOrderId, TradeId, VenueOrderId
from opensqt.core.money import ZERO
from opensqt.core.orders import Order, OrderStatus, Side, TimeInForce
from tests.core.builders import ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """One order as the venue knows it."""

    request: Order
    filled: Decimal = ZERO
    status: OrderStatus = OrderStatus.WORKING

    @property
    def is_open(self) -> bool:
        return self.status is OrderStatus.WORKING

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.filled if self.is_open else ZERO


@dataclass(slots=True)
class ModelVenue:
    """Orders and trades of one account and symbol."""

    orders: dict[ClientOrderId, Resting] = field(default_factory=dict)
    trades: list[TradeFilled] = field(default_factory=list)

    @property
    def position(self) -> Decimal:
        return sum((trade.quantity * trade.side.sign for trade in self.trades), start=ZERO)

    @property
    def open_orders(self) -> list[Resting]:
        return [order for order in self.orders.values() if order.is_open]

    def remaining(self, side: Side) -> Decimal:
        """Return what open orders of ``side`` may still trade."""
        return sum(
            (one.remaining for one in self.open_orders if one.request.side is side), start=ZERO
        )

    def accept(self, request: Order) -> list[Fact]:
        """Book an order and return what the venue says about it."""
        client_order_id = request.client_order_id
        assert client_order_id not in self.orders, f"{client_order_id} was sent twice"
        if request.reduce_only:
            left = self.position - self.remaining(Side.SELL)
            assert request.quantity <= left, "a reduce-only order is larger than the position"
        self.orders[client_order_id] = Resting(request=request)
        if request.time_in_force is TimeInForce.IOC:
            half = request.quantity - request.quantity // 2
            facts = self.fill(client_order_id, half)
            return [*facts, *self.end(client_order_id, OrderStatus.EXPIRED)]
        return [self.report(client_order_id)]

    def refuse(self, request: Order, status: OrderStatus) -> list[Fact]:
        """Book a refusal: the id is used up, nothing rests."""
        client_order_id = request.client_order_id
        assert client_order_id not in self.orders, f"{client_order_id} was sent twice"
        self.orders[client_order_id] = Resting(request=request, status=status)
        return [self.report(client_order_id)]

    def fill(self, client_order_id: ClientOrderId, quantity: Decimal) -> list[Fact]:
        """Execute up to ``quantity`` of an open order."""
        order = self.orders[client_order_id]
        quantity = min(quantity, order.remaining)
        if quantity <= ZERO:
            return []
        done = order.filled + quantity
        status = OrderStatus.FILLED if done == order.request.quantity else order.status
        self.orders[client_order_id] = replace(order, filled=done, status=status)
        trade = TradeFilled(
            trade_id=TradeId(f"t{len(self.trades)}"),
            client_order_id=client_order_id,
            venue_order_id=_venue_id(client_order_id),
            side=order.request.side,
            price=order.request.price,
            quantity=quantity,
            fee=ZERO,
            fee_asset="USDT",
            is_maker=True,
            at_ms=ms(0),
        )
        self.trades.append(trade)
        return [self.report(client_order_id), trade]

    def end(self, client_order_id: ClientOrderId, status: OrderStatus) -> list[Fact]:
        """End an open order; an order that has ended stays what it is."""
        order = self.orders.get(client_order_id)
        if order is None:
            return []  # "unknown order" proves nothing, and nobody may conclude from it
        if order.is_open:
            self.orders[client_order_id] = replace(order, status=status)
        return [self.report(client_order_id)]

    def report(
        self, client_order_id: ClientOrderId, *, evidence: Evidence = Evidence.STREAM
    ) -> OrderReported:
        """Return the current state of an order."""
        order = self.orders[client_order_id]
        return OrderReported(
            client_order_id=client_order_id,
            status=order.status,
            cumulative_quantity=order.filled,
            venue_order_id=_venue_id(client_order_id),
            evidence=evidence,
            at_ms=ms(0),
        )


def _venue_id(client_order_id: ClientOrderId) -> VenueOrderId:
    return VenueOrderId("v" + client_order_id[1:])
