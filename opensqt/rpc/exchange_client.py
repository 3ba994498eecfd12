"""A venue account behind a connector: ``VenuePort`` over ``ExchangeService``.

An order is written once. It is NOT_SENT only when that is proven: no connection before the call, a
request that could not be encoded, or a refusal that a server gives before it asks the venue.
Everything else that is not an answer is UNKNOWN.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.market_maker.v1 import exchange_pb2
from opensqt.market_maker.v1.exchange_pb2_grpc import ExchangeServiceStub
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    FenceRefusedError,
    Listing,
    Outcome,
    PlaceRequest,
    UnknownSymbolError,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePosition,
    VenueUnavailableError,
)
from opensqt.rpc.auth import ClientSecurity
from opensqt.rpc.channel import (
    CONNECT_TIMEOUT_MS,
    CallLostError,
    Connection,
    Locate,
    NotConnectedError,
    completed,
)
from opensqt.rpc.order_stream import OrderStream, not_sent
from opensqt.wire.errors import WireError
from opensqt.wire.exchange import encode_cancel, encode_place
from opensqt.wire.facts import (
    decode_balance,
    decode_event,
    decode_instrument,
    decode_listing,
    decode_order,
    decode_position,
    decode_trade,
)

ResultT = TypeVar("ResultT")
_Method: TypeAlias = Callable[[ExchangeServiceStub], grpc.aio.UnaryUnaryMultiCallable[Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTimeouts:
    """How long to wait; all below the time a replaced channel is kept."""

    connect_ms: int = CONNECT_TIMEOUT_MS
    order_ms: int = 10_000
    """Longer than request expiry plus the venue's own wait: afterwards it is looked up anyway."""
    query_ms: int = 10_000


class GrpcExchange:
    """``VenuePort`` of one connector."""

    def __init__(
        self,
        locate: Locate,
        *,
        subscriber: str,
        account: str = "",
        deployment: str = "",
        security: ClientSecurity | None = None,
        timeouts: ExchangeTimeouts | None = None,
    ) -> None:
        """Connect when first asked; ``subscriber`` names this process at the connector.

        With an ``account``, a connector of another account refuses our orders; with the tag of a
        ``deployment``, a connector that serves another deployment refuses to be fenced.
        """
        self._account = account
        self._deployment = deployment
        self._security = security or ClientSecurity()
        self._timeouts = timeouts or ExchangeTimeouts()
        self._connection = Connection(
            locate, security=self._security, timeout_ms=self._timeouts.connect_ms
        )
        self._orders = OrderStream(
            self._connection, security=self._security, timeout_ms=self._timeouts.order_ms
        )
        self._subscriber = subscriber
        self._symbols: frozenset[Symbol] = frozenset()
        self._subscribed: frozenset[Symbol] | None = None

    async def close(self) -> None:
        """End all calls, orders and the event stream."""
        await self._orders.close()
        await self._connection.close()

    # -- orders

    async def place(self, request: PlaceRequest) -> Outcome:
        """Send one order once; a lost answer is UNKNOWN."""
        try:
            order = encode_place(request, account=self._account)
        except WireError as error:
            return not_sent(VenueCode.INVALID_ORDER, str(error))
        submit = exchange_pb2.SubmitOrderRequest(order=order)
        return await self._orders.ask(exchange_pb2.OrderCommand(submit=submit))

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Ask for a cancel once; a lost answer is UNKNOWN."""
        try:
            cancel = encode_cancel(request, account=self._account)
        except WireError as error:
            return not_sent(VenueCode.INVALID_ORDER, str(error))
        withdraw = exchange_pb2.WithdrawOrderRequest(cancel=cancel)
        return await self._orders.ask(exchange_pb2.OrderCommand(withdraw=withdraw))

    # -- evidence

    async def instrument(self, symbol: Symbol) -> Instrument:
        """Return the venue's current rules of a symbol."""
        request = exchange_pb2.GetInstrumentRequest(symbol=symbol)
        response = await self._ask(lambda stub: stub.GetInstrument, request)
        return _understood(lambda: decode_instrument(response.instrument))

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        """Return the order, or None when the venue says there is none."""
        request = exchange_pb2.LookupOrderRequest(
            symbol=symbol,
            client_order_id=client_order_id or "",
            venue_order_id=venue_order_id or "",
        )
        response = await self._ask(lambda stub: stub.LookupOrder, request)
        if not response.HasField("order"):
            return None
        return _understood(lambda: decode_order(response.order))

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        """Return all open orders of one symbol or of the account."""
        request = exchange_pb2.ListOpenOrdersRequest(symbol=symbol or "")
        response = await self._ask(lambda stub: stub.ListOpenOrders, request)
        return _understood(lambda: decode_listing(response.listing))

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        """Return the account's executions on the symbol since then, oldest first."""
        request = exchange_pb2.GetTradesRequest(symbol=symbol, since_ms=since_ms)
        response = await self._ask(lambda stub: stub.GetTrades, request)
        return _understood(
            lambda: Listing(
                trades=tuple(decode_trade(one) for one in response.trades),
                is_complete=response.complete,
            )
        )

    async def position(self, symbol: Symbol) -> VenuePosition:
        """Return the account's position; quantity 0 when flat."""
        request = exchange_pb2.LookupPositionRequest(symbol=symbol)
        response = await self._ask(lambda stub: stub.LookupPosition, request)
        return _understood(lambda: decode_position(response.position))

    async def balances(self) -> tuple[Balance, ...]:
        """Return the account's balances."""
        request = exchange_pb2.ListBalancesRequest()
        response = await self._ask(lambda stub: stub.ListBalances, request)
        return _understood(lambda: tuple(decode_balance(one) for one in response.balances))

    async def server_time_ms(self) -> UnixMs:
        """Return the venue's clock."""
        request = exchange_pb2.GetServerTimeRequest()
        response = await self._ask(lambda stub: stub.GetServerTime, request)
        return UnixMs(response.venue_time_ms)

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        """Have older epochs refused; return the ids that can no longer be recalled."""
        request = exchange_pb2.FenceRequest(
            account_epoch=account_epoch, kill_epoch=kill_epoch, deployment=self._deployment
        )
        response = await self._ask(lambda stub: stub.Fence, request)
        return tuple(map(ClientOrderId, response.in_flight_client_order_ids))

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        """Have an order never written; return for how long it certainly was not, 0 = who knows."""
        request = exchange_pb2.DisownOrderRequest(
            client_order_id=client_order_id, deadline_ms=deadline_ms
        )
        response = await self._ask(lambda stub: stub.DisownOrder, request)
        return int(response.unsent_ms)

    # -- events

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        """Set whose prices are wanted; kept for the next ``events`` when there is no stream."""
        self._symbols = symbols
        if self._subscribed is None or self._subscribed == symbols:
            return
        request = exchange_pb2.WatchSymbolsRequest(
            subscriber=self._subscriber, symbols=sorted(symbols)
        )
        await self._ask(lambda stub: stub.WatchSymbols, request)
        self._subscribed = symbols

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        """Yield batches until the connection ends, which raises ``VenueUnavailableError``.

        Whoever asks again gets the present state of the venue's streams first. What happened in
        between is not repeated: it is a gap.
        """
        wanted = self._symbols
        request = exchange_pb2.SubscribeEventsRequest(
            subscriber=self._subscriber, symbols=sorted(wanted)
        )
        try:
            channel = await self._connection.channel()
            call = ExchangeServiceStub(channel).SubscribeEvents(
                request, metadata=self._security.metadata
            )
            try:
                while True:
                    response = await completed(call.read())
                    if not isinstance(response, exchange_pb2.SubscribeEventsResponse):
                        break
                    if self._subscribed is None:
                        self._subscribed = wanted
                        await self.watch(self._symbols)
                    events = tuple(decode_event(one) for one in response.events)
                    if events:
                        yield events
            finally:
                self._subscribed = None
                call.cancel()
        except (NotConnectedError, CallLostError, WireError) as error:
            raise VenueUnavailableError(str(error)) from error
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        message = "the connector has ended the event stream"
        raise VenueUnavailableError(message)

    async def _ask(self, method: _Method, message: Message) -> Any:
        try:
            channel = await self._connection.channel()
            return await completed(
                method(ExchangeServiceStub(channel))(
                    message,
                    timeout=self._timeouts.query_ms / 1_000,
                    metadata=self._security.metadata,
                )
            )
        except (NotConnectedError, CallLostError) as error:
            raise VenueUnavailableError(str(error)) from error
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise UnknownSymbolError(error.details()) from error
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                raise FenceRefusedError(error.details()) from error
            raise _unavailable(error) from error


def _understood(decode: Callable[[], ResultT]) -> ResultT:
    # An answer that cannot be read teaches nothing.
    try:
        return decode()
    except WireError as error:
        message = f"unreadable answer: {error}"
        raise VenueUnavailableError(message) from error


def _unavailable(error: grpc.aio.AioRpcError) -> VenueUnavailableError:
    return VenueUnavailableError(f"{error.code().name.lower()}: {error.details()}")
