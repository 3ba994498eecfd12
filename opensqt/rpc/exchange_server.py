"""``ExchangeService`` over a venue account: what the connector offers to the exchange process.

Epochs, deadlines and the kill switch are the business of the venue it is given: a guarded one.
``INVALID_ARGUMENT`` and ``UNAUTHENTICATED`` are answered only before the venue was asked: a client
may take them for NOT_SENT. An order that is being sent is finished even when its caller is gone, so
that the venue's answer is not lost twice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, cast

import grpc

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId, tag_of
from opensqt.market_maker.v1 import exchange_pb2
from opensqt.market_maker.v1.exchange_pb2_grpc import (
    ExchangeServiceServicer,
    add_ExchangeServiceServicer_to_server,
)
from opensqt.market_maker.v1.resources_pb2 import PlaceOrderRequest
from opensqt.ports.exchange import (
    CancelRequest,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    UnknownSymbolError,
    VenueCode,
    VenueEvent,
    VenuePort,
    VenueUnavailableError,
)
from opensqt.ports.telemetry import LogPort
from opensqt.rpc.fanout import Fanout
from opensqt.rpc.outbox import Outbox
from opensqt.rpc.server import Service
from opensqt.wire.errors import WireError
from opensqt.wire.exchange import decode_cancel, decode_place
from opensqt.wire.facts import (
    encode_balance,
    encode_event,
    encode_instrument,
    encode_listing,
    encode_order,
    encode_outcome,
    encode_position,
    encode_trade,
)
from opensqt.wire.scalars import text_required

SENDING_MAX: Final = 200
"""Orders and cancels being sent at once; beyond it the venue's own limits are long exceeded."""
EVENTS_PER_MESSAGE: Final = 2_000
"""Keeps a message far below the size limit: an event has a few hundred bytes."""

_BUSY: Final = Outcome(
    outcome=OutcomeClass.NOT_SENT,
    code=VenueCode.BUSY,
    message="too many orders are being sent already",
)
ResultT = TypeVar("ResultT")
RequestT = TypeVar("RequestT", PlaceRequest, CancelRequest)
AddressedT = TypeVar("AddressedT", PlaceOrderRequest, exchange_pb2.CancelOrderRequest)
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeServerConfig:
    """What the connector serves."""

    venue: str
    """Name of the venue, such as ``paper``."""
    account: str
    market: str
    """``perp`` or ``spot``."""
    order_ttl_ms: int = 3_000
    """Deadline of orders of clients that give none."""


class ExchangeServicer(ExchangeServiceServicer):
    """Answers for one venue account. What is not overridden answers UNIMPLEMENTED."""

    def __init__(self, venue: VenuePort, *, config: ExchangeServerConfig, log: LogPort) -> None:
        """Serve ``venue``; its events flow while ``fanout.run`` is awaited."""
        self.venue = venue
        self.config = config
        self.fanout = Fanout(venue)
        self._log = log
        self._deployment = ""
        self._fenced = (0, 0)
        self._sending: set[asyncio.Task[Outcome]] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    # -- orders

    async def SubmitOrder(
        self, request: exchange_pb2.SubmitOrderRequest, context: Context
    ) -> exchange_pb2.SubmitOrderResponse:
        """Place one order once."""
        order = await decoded(context, lambda: self.own(request.order, decode_place))
        outcome = await self.place(order)
        return exchange_pb2.SubmitOrderResponse(outcome=encode_outcome(outcome))

    async def WithdrawOrder(
        self, request: exchange_pb2.WithdrawOrderRequest, context: Context
    ) -> exchange_pb2.WithdrawOrderResponse:
        """Cancel one order once."""
        cancel = await decoded(context, lambda: self.own(request.cancel, decode_cancel))
        outcome = await self.cancel(cancel)
        return exchange_pb2.WithdrawOrderResponse(outcome=encode_outcome(outcome))

    async def StreamOrders(
        self, request_iterator: AsyncIterator[exchange_pb2.StreamOrdersRequest], context: Context
    ) -> AsyncIterator[exchange_pb2.StreamOrdersResponse]:
        """Place and cancel over one stream; a stream that breaks does not stop what was begun."""
        outbox: Outbox[exchange_pb2.OrderAnswer] = Outbox()
        # The library may abandon this generator without closing it; the callback always comes.
        # (The cast: the stubs take a class of theirs where a function is meant.)
        context.add_done_callback(cast("Any", lambda _: outbox.end()))
        reading = asyncio.create_task(self._obey(request_iterator, outbox), name="exchange.obey")
        try:
            while answers := await outbox.take():
                yield exchange_pb2.StreamOrdersResponse(answers=answers)
        finally:
            reading.cancel()

    async def _obey(
        self,
        requests: AsyncIterator[exchange_pb2.StreamOrdersRequest],
        outbox: Outbox[exchange_pb2.OrderAnswer],
    ) -> None:
        try:
            async for request in requests:
                for command in request.commands:
                    task = asyncio.create_task(self._answer(command, outbox), name="exchange.send")
                    self._sending.add(task)
                    task.add_done_callback(self._sent)
        except grpc.RpcError as error:
            self._log.debug("exchange.orders_ended", error=repr(error))
        finally:
            outbox.end()

    async def _answer(
        self, command: exchange_pb2.OrderCommand, outbox: Outbox[exchange_pb2.OrderAnswer]
    ) -> Outcome:
        outcome = await self._carried_out(command)
        outbox.put(
            exchange_pb2.OrderAnswer(request_id=command.request_id, outcome=encode_outcome(outcome))
        )
        return outcome

    async def _carried_out(self, command: exchange_pb2.OrderCommand) -> Outcome:
        if len(self._sending) > SENDING_MAX:  # this one included
            return _BUSY
        try:
            call = self._call_of(command)
        except WireError as error:
            return Outcome(
                outcome=OutcomeClass.NOT_SENT, code=VenueCode.INVALID_ORDER, message=str(error)
            )
        try:
            return await call
        except Exception as error:  # noqa: BLE001 - whatever failed, the request may have left
            self._log.error("exchange.send_failed", error=repr(error))
            return Outcome(
                outcome=OutcomeClass.UNKNOWN, code=VenueCode.UNKNOWN_STATE, message=repr(error)
            )

    def _call_of(self, command: exchange_pb2.OrderCommand) -> Awaitable[Outcome]:
        match command.WhichOneof("command"):
            case "submit":
                return self.venue.place(self.own(command.submit.order, decode_place))
            case "withdraw":
                return self.venue.cancel(self.own(command.withdraw.cancel, decode_cancel))
            case _:
                raise WireError("command", expected="submit or withdraw", got="neither")

    async def place(self, request: PlaceRequest) -> Outcome:
        """Send an order, unless too many are being sent."""
        return self._refusal() or await self._send(self.venue.place(request))

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Send a cancel, unless too many are being sent."""
        return self._refusal() or await self._send(self.venue.cancel(request))

    def own(self, message: AddressedT, decode: Callable[[AddressedT], RequestT]) -> RequestT:
        """Return what a request for this account holds; no account means this one.

        Orders of another deployment than the one that fenced us are none of ours either.
        """
        if message.account not in ("", self.config.account):
            raise WireError("account", expected=self.config.account, got=message.account)
        request = decode(message)
        tag = tag_of(request.client_order_id)
        if self._deployment and tag not in (None, self._deployment):
            expected = f"an id of deployment {self._deployment}"
            raise WireError("client_order_id", expected=expected, got=request.client_order_id)
        return request

    def _refusal(self) -> Outcome | None:
        return _BUSY if len(self._sending) >= SENDING_MAX else None

    async def _send(self, call: Coroutine[object, object, Outcome]) -> Outcome:
        task = asyncio.create_task(call, name="exchange.send")
        self._sending.add(task)
        task.add_done_callback(self._sent)
        return await asyncio.shield(task)

    def _sent(self, task: asyncio.Task[Outcome]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.error("exchange.send_failed", error=repr(task.exception()))

    # -- evidence

    async def LookupOrder(
        self, request: exchange_pb2.LookupOrderRequest, context: Context
    ) -> exchange_pb2.LookupOrderResponse:
        """Look one order up by one of its ids."""
        symbol = await decoded(context, lambda: symbol_of(request.symbol))
        order = await asked(
            context,
            self.venue.find_order(
                symbol,
                client_order_id=ClientOrderId(request.client_order_id) or None,
                venue_order_id=VenueOrderId(request.venue_order_id) or None,
            ),
        )
        return exchange_pb2.LookupOrderResponse(
            order=None if order is None else encode_order(order)
        )

    async def ListOpenOrders(
        self, request: exchange_pb2.ListOpenOrdersRequest, context: Context
    ) -> exchange_pb2.ListOpenOrdersResponse:
        """Return open orders of a symbol, or of the account."""
        symbol = Symbol(request.symbol) if request.symbol else None
        listing = await asked(context, self.venue.open_orders(symbol))
        return exchange_pb2.ListOpenOrdersResponse(listing=encode_listing(listing))

    async def GetTrades(
        self, request: exchange_pb2.GetTradesRequest, context: Context
    ) -> exchange_pb2.GetTradesResponse:
        """Return trades of a symbol since a moment."""
        symbol = await decoded(context, lambda: symbol_of(request.symbol))
        listing = await asked(context, self.venue.trades(symbol, since_ms=UnixMs(request.since_ms)))
        return exchange_pb2.GetTradesResponse(
            trades=map(encode_trade, listing.trades), complete=listing.is_complete
        )

    async def LookupPosition(
        self, request: exchange_pb2.LookupPositionRequest, context: Context
    ) -> exchange_pb2.LookupPositionResponse:
        """Return the position of a symbol."""
        symbol = await decoded(context, lambda: symbol_of(request.symbol))
        position = await asked(context, self.venue.position(symbol))
        return exchange_pb2.LookupPositionResponse(position=encode_position(position))

    async def ListBalances(
        self, _request: exchange_pb2.ListBalancesRequest, context: Context
    ) -> exchange_pb2.ListBalancesResponse:
        """Return the balances of the account."""
        balances = await asked(context, self.venue.balances())
        return exchange_pb2.ListBalancesResponse(balances=map(encode_balance, balances))

    async def GetInstrument(
        self, request: exchange_pb2.GetInstrumentRequest, context: Context
    ) -> exchange_pb2.GetInstrumentResponse:
        """Return the rules of a symbol."""
        symbol = await decoded(context, lambda: symbol_of(request.symbol))
        rules = await asked(context, self.venue.instrument(symbol))
        return exchange_pb2.GetInstrumentResponse(instrument=encode_instrument(rules))

    async def GetServerTime(
        self, _request: exchange_pb2.GetServerTimeRequest, context: Context
    ) -> exchange_pb2.GetServerTimeResponse:
        """Return the venue's clock."""
        now_ms = await asked(context, self.venue.server_time_ms())
        return exchange_pb2.GetServerTimeResponse(venue_time_ms=now_ms)

    async def Fence(
        self, request: exchange_pb2.FenceRequest, context: Context
    ) -> exchange_pb2.FenceResponse:
        """Raise the epochs below which orders are refused; for one deployment only.

        Deployments with control stores of their own know nothing of each other's leases.
        """
        self._deployment = self._deployment or request.deployment
        if request.deployment not in ("", self._deployment):
            message = (
                f"account {self.config.account} is traded by deployment {self._deployment}, not by"
                f" {request.deployment}; to hand it over, end that one and restart the connector"
            )
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, message)
        epochs = (request.account_epoch, request.kill_epoch)
        in_flight = await asked(
            context, self.venue.fence(account_epoch=epochs[0], kill_epoch=epochs[1])
        )
        if epochs != self._fenced:
            self._fenced = epochs
            self._log.info("exchange.fenced", account_epoch=epochs[0], kill_epoch=epochs[1])
        return exchange_pb2.FenceResponse(in_flight_client_order_ids=in_flight)

    async def DisownOrder(
        self, request: exchange_pb2.DisownOrderRequest, context: Context
    ) -> exchange_pb2.DisownOrderResponse:
        """Refuse an order from now on, and say for how long it was not written."""
        name = await decoded(
            context, lambda: text_required(request.client_order_id, "client_order_id")
        )
        unsent_ms = await asked(
            context,
            self.venue.disown(ClientOrderId(name), deadline_ms=UnixMs(request.deadline_ms)),
        )
        self._log.info("exchange.disowned", client_order_id=name, unsent_ms=unsent_ms)
        return exchange_pb2.DisownOrderResponse(unsent_ms=unsent_ms)

    # -- events

    async def SubscribeEvents(
        self, request: exchange_pb2.SubscribeEventsRequest, context: Context
    ) -> AsyncIterator[exchange_pb2.SubscribeEventsResponse]:
        """Stream everything; the first message comes at once and says that the stream stands."""
        name = await decoded(context, lambda: text_required(request.subscriber, "subscriber"))
        symbols = frozenset(map(Symbol, request.symbols))
        sequences: dict[Symbol, int] = {}
        async for events in self.subscription(name, symbols, context):
            for start in range(0, max(len(events), 1), EVENTS_PER_MESSAGE):
                part = events[start : start + EVENTS_PER_MESSAGE]
                yield exchange_pb2.SubscribeEventsResponse(
                    events=[encode_event(one, sequence=next_number(sequences, one)) for one in part]
                )

    async def subscription(
        self, name: str, symbols: frozenset[Symbol], context: Context
    ) -> AsyncIterator[list[VenueEvent]]:
        """Yield an empty batch, then all events of a subscription until it is ended."""
        subscriber = await asked(context, self.fanout.subscribe(name, symbols))

        def gone(_: object) -> None:
            subscriber.end("the subscriber is gone")
            task = asyncio.create_task(self.fanout.unsubscribe(subscriber))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

        # The library may abandon this generator without closing it; the callback always comes.
        # (The cast: the stubs take a class of theirs where a function is meant.)
        context.add_done_callback(cast("Any", gone))
        try:
            yield []
            while events := await subscriber.take():
                yield events
            self._log.warning("exchange.subscription_ended", reason=subscriber.end_reason)
            await context.abort(grpc.StatusCode.ABORTED, subscriber.end_reason)
        finally:
            await self.fanout.unsubscribe(subscriber)

    async def WatchSymbols(
        self, request: exchange_pb2.WatchSymbolsRequest, context: Context
    ) -> exchange_pb2.WatchSymbolsResponse:
        """Replace the symbols whose prices a subscriber wants."""
        symbols = frozenset(map(Symbol, request.symbols))
        if not await asked(context, self.fanout.watch(request.subscriber, symbols)):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no subscriber {request.subscriber!r}")
        return exchange_pb2.WatchSymbolsResponse()


def exchange_service(servicer: ExchangeServiceServicer) -> Service:
    """Return the service to be served."""
    return Service(
        name=exchange_pb2.DESCRIPTOR.services_by_name["ExchangeService"].full_name,
        register=lambda server: add_ExchangeServiceServicer_to_server(servicer, server),
    )


async def decoded(context: Context, decode: Callable[[], ResultT]) -> ResultT:
    """Return what a request holds; end the call if it holds something else."""
    try:
        return decode()
    except WireError as error:
        await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))


async def asked(context: Context, question: Awaitable[ResultT]) -> ResultT:
    """Return the venue's answer; end the call if nothing was learnt."""
    try:
        return await question
    except VenueUnavailableError as error:
        await refuse(context, grpc.StatusCode.UNAVAILABLE, str(error))
    except UnknownSymbolError as error:
        await refuse(context, grpc.StatusCode.NOT_FOUND, str(error))


async def refuse(context: Context, code: grpc.StatusCode, details: str) -> NoReturn:
    """End the call with an error."""
    await context.abort(code, details)


def symbol_of(text: str) -> Symbol:
    """Return the symbol a request must name."""
    return Symbol(text_required(text, "symbol"))


def next_number(sequences: dict[Symbol, int], event: VenueEvent) -> int:
    """Return the number of a price within its stream; 0 for other events."""
    if not isinstance(event, PriceUpdate):
        return 0
    number = sequences.get(event.symbol, 0) + 1
    sequences[event.symbol] = number
    return number
