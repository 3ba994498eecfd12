"""The published calls of ``ExchangeService``, kept for clients that do not know the newer ones.

They can read everything a grid needs. Their orders carry no epoch, so a guarded venue refuses them
unless the operator allows it. What is not here answers UNIMPLEMENTED.
"""

from collections.abc import AsyncIterator

import grpc

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus
from opensqt.market_maker.v1 import events_pb2, exchange_pb2, resources_pb2, types_pb2
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    VenueOrder,
    VenuePort,
)
from opensqt.ports.telemetry import LogPort
from opensqt.rpc.exchange_server import (
    Context,
    ExchangeServerConfig,
    ExchangeServicer,
    asked,
    decoded,
    next_number,
    refuse,
    symbol_of,
)
from opensqt.wire.exchange import (
    decode_cancel,
    decode_place,
    encode_decimal,
    encode_order_resource,
    encode_order_update,
    encode_position_resource,
    encode_price_change,
    encode_symbol_info,
)

_STATUS_OF = {
    OutcomeClass.REJECTED: grpc.StatusCode.FAILED_PRECONDITION,
    OutcomeClass.NOT_SENT: grpc.StatusCode.ABORTED,
    OutcomeClass.DUPLICATE: grpc.StatusCode.ALREADY_EXISTS,
    OutcomeClass.UNKNOWN: grpc.StatusCode.UNKNOWN,
}
_TYPES = {"spot": types_pb2.EXCHANGE_TYPE_SPOT, "perp": types_pb2.EXCHANGE_TYPE_FUTURES}


class FullExchangeServicer(ExchangeServicer):
    """The newer calls and the published ones."""

    def __init__(
        self, venue: VenuePort, *, config: ExchangeServerConfig, clock: ClockPort, log: LogPort
    ) -> None:
        """Serve ``venue``; ``clock`` gives deadlines and ages to clients that know neither."""
        super().__init__(venue, config=config, log=log)
        self._clock = clock
        self._subscriptions = 0

    async def GetName(
        self, _request: exchange_pb2.GetNameRequest, _context: Context
    ) -> exchange_pb2.GetNameResponse:
        """Return the name of the venue."""
        return exchange_pb2.GetNameResponse(name=self.config.venue)

    async def GetType(
        self, _request: exchange_pb2.GetTypeRequest, _context: Context
    ) -> exchange_pb2.GetTypeResponse:
        """Return what the account trades."""
        return exchange_pb2.GetTypeResponse(type=_TYPES[self.config.market])

    async def PlaceOrder(
        self, request: resources_pb2.PlaceOrderRequest, context: Context
    ) -> resources_pb2.Order:
        """Place one order; every class but ACCEPTED is an error of its own."""
        if not request.deadline_ms:
            request.deadline_ms = self._clock.now_ms() + self.config.order_ttl_ms
        order = await decoded(context, lambda: self.own(request, decode_place))
        outcome = await self.place(order)
        if outcome.outcome is not OutcomeClass.ACCEPTED:
            await self._fail(context, outcome)
        accepted = outcome.order or _new_order(order, now_ms=self._clock.now_ms())
        return encode_order_resource(accepted, account=self.config.account)

    async def CancelOrder(
        self, request: exchange_pb2.CancelOrderRequest, context: Context
    ) -> exchange_pb2.CancelOrderResponse:
        """Cancel one order; by the venue's number if the client does not know our id."""
        if not request.client_order_id:
            found = await self._find(
                context, request.symbol, "", request.venue_order_id, request.order_id
            )
            request.client_order_id = found.client_order_id
            request.venue_order_id = found.venue_order_id
        cancel = await decoded(context, lambda: self.own(request, decode_cancel))
        outcome = await self.cancel(cancel)
        if outcome.outcome is not OutcomeClass.ACCEPTED:
            await self._fail(context, outcome)
        return exchange_pb2.CancelOrderResponse()

    async def GetOrder(
        self, request: exchange_pb2.GetOrderRequest, context: Context
    ) -> resources_pb2.Order:
        """Look one order up."""
        found = await self._find(
            context,
            request.symbol,
            request.client_order_id,
            request.venue_order_id,
            request.order_id,
        )
        return encode_order_resource(found, account=self.config.account)

    async def GetOpenOrders(
        self, request: exchange_pb2.GetOpenOrdersRequest, context: Context
    ) -> exchange_pb2.GetOpenOrdersResponse:
        """Return the open orders of a symbol."""
        symbol = Symbol(request.symbol) if request.symbol else None
        listing = await asked(context, self.venue.open_orders(symbol))
        account = self.config.account
        return exchange_pb2.GetOpenOrdersResponse(
            orders=[encode_order_resource(one, account=account) for one in listing.orders],
            complete=listing.is_complete,
        )

    async def GetPositions(
        self, request: exchange_pb2.GetPositionsRequest, context: Context
    ) -> exchange_pb2.GetPositionsResponse:
        """Return the position of a symbol."""
        symbol = await decoded(context, lambda: symbol_of(request.symbol))
        position = await asked(context, self.venue.position(symbol))
        found = encode_position_resource(position, account=self.config.account)
        return exchange_pb2.GetPositionsResponse(positions=[found])

    async def GetBalance(
        self, request: exchange_pb2.GetBalanceRequest, context: Context
    ) -> exchange_pb2.GetBalanceResponse:
        """Return the free balance of an asset; 0 for one the account does not hold."""
        balances = await asked(context, self.venue.balances())
        free = next((one.free for one in balances if one.asset == request.asset), ZERO)
        return exchange_pb2.GetBalanceResponse(balance=encode_decimal(free, "balance"))

    async def GetLatestPrice(
        self, request: exchange_pb2.GetLatestPriceRequest, context: Context
    ) -> exchange_pb2.GetLatestPriceResponse:
        """Return the last price of a symbol that somebody watches."""
        price = self.fanout.price(Symbol(request.symbol))
        if price is None:
            await refuse(context, grpc.StatusCode.UNAVAILABLE, f"no price of {request.symbol!r}")
        return exchange_pb2.GetLatestPriceResponse(price=encode_decimal(price.last, "price"))

    async def GetSymbolInfo(
        self, request: exchange_pb2.GetSymbolInfoRequest, context: Context
    ) -> resources_pb2.SymbolInfo:
        """Return the rules of a symbol."""
        symbol = await decoded(context, lambda: symbol_of(request.symbol))
        return encode_symbol_info(await asked(context, self.venue.instrument(symbol)))

    async def SubscribePrice(
        self, request: exchange_pb2.SubscribePriceRequest, context: Context
    ) -> AsyncIterator[events_pb2.PriceChange]:
        """Stream prices of symbols."""
        sequences: dict[Symbol, int] = {}
        symbols = frozenset(map(Symbol, request.symbols))
        async for events in self.subscription(self._next_name(), symbols, context):
            for event in events:
                if isinstance(event, PriceUpdate):
                    yield encode_price_change(
                        event,
                        exchange=self.config.venue,
                        sequence=next_number(sequences, event),
                        now_ms=self._clock.now_ms(),
                    )

    async def SubscribeOrders(
        self, _request: exchange_pb2.SubscribeOrdersRequest, context: Context
    ) -> AsyncIterator[events_pb2.OrderUpdate]:
        """Stream order changes; they are cumulative, so fills show in the executed quantity."""
        async for events in self.subscription(self._next_name(), frozenset(), context):
            for event in events:
                if isinstance(event, OrderUpdate):
                    yield encode_order_update(
                        event.order, exchange=self.config.venue, account=self.config.account
                    )

    async def _find(
        self, context: Context, symbol: str, client_order_id: str, venue_order_id: str, number: int
    ) -> VenueOrder:
        venue_id = venue_order_id or (str(number) if number else "")
        if not client_order_id and not venue_id:
            await refuse(
                context, grpc.StatusCode.INVALID_ARGUMENT, "order: expected one of its ids"
            )
        found = await asked(
            context,
            self.venue.find_order(
                await decoded(context, lambda: symbol_of(symbol)),
                client_order_id=ClientOrderId(client_order_id) if client_order_id else None,
                venue_order_id=VenueOrderId(venue_id) if venue_id else None,
            ),
        )
        if found is None:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "the venue knows no such order")
        return found

    async def _fail(self, context: Context, outcome: Outcome) -> None:
        text = f"{outcome.code or outcome.outcome}: {outcome.message}"
        await refuse(context, _STATUS_OF[outcome.outcome], text)

    def _next_name(self) -> str:
        self._subscriptions += 1
        return f"reader-{self._subscriptions}"


def _new_order(request: PlaceRequest, *, now_ms: UnixMs) -> VenueOrder:
    # Some venues confirm an order without describing it.
    return VenueOrder(
        symbol=request.symbol,
        client_order_id=request.client_order_id,
        venue_order_id=VenueOrderId(""),
        side=request.side,
        price=request.price,
        quantity=request.quantity,
        cumulative_quantity=ZERO,
        status=OrderStatus.WORKING,
        reduce_only=request.reduce_only,
        updated_ms=now_ms,
    )
