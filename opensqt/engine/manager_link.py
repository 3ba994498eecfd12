"""The manager's end of the link: one symbol's view of the exchange process.

``ManagerLink`` keeps one connection alive (back-off 100, 100, 500 ms), introduces itself, and is an
``ExchangePort`` for its unit. What was in flight when a connection ended is UNKNOWN, never sent
again. Facts arrive in sequence; anything else is reported as a gap, and the owner reconciles.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final, Protocol

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Purpose
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    TradeUpdate,
    UnknownSymbolError,
    VenueCode,
    VenueOrder,
    VenuePosition,
    VenueUnavailableError,
)
from opensqt.ports.link import (
    NOT_TRADED,
    Ack,
    Answer,
    Band,
    Cancel,
    Declare,
    Downward,
    Gap,
    Heartbeat,
    Hello,
    LinkClosedError,
    LinkFact,
    LinkPort,
    LinkPrice,
    LinkRefusedError,
    ManagerTransport,
    Place,
    Query,
    QueryKind,
    Reply,
    Welcome,
)
from opensqt.ports.telemetry import LogPort

BACKOFF_MS: Final = (100, 100, 500)
# A reply that takes longer than request expiry plus the venue's own wait will be looked up anyway.
REPLY_TIMEOUT_MS: Final = 10_000
# Heartbeats come each second: so long without any message and nobody is there, whatever the socket
# says. Above the pauses of a busy machine.
SILENCE_MS_MAX: Final = 10_000
CLOCK_SKEW: Final = "ErrClockSkew"
"""A refusal that may be wrong: a Hello that waited looks like a clock that is behind."""
QUERY_TIMEOUT_MS: Final = 10_000


class LinkOwner(Protocol):
    """Who hears what the link brings; called on the event loop, must not wait."""

    def hello(self, *, session: str, acked_seq: int) -> Hello:
        """Return the introduction for a new connection."""

    def on_attached(self, *, resumed: bool) -> None:
        """The connection is up; unless resumed, facts may be missing."""

    def on_detached(self, reason: str) -> None:
        """The connection is gone."""

    def on_refused(self, error: LinkRefusedError) -> None:
        """The exchange refuses us for good."""

    def on_gap(self, reason: str) -> None:
        """Facts may be missing."""

    def on_update(self, seq: int, update: OrderUpdate | TradeUpdate) -> None:
        """The venue reported something of our symbol; ``seq`` rises over all sessions."""

    def on_price(self, price: PriceTicked) -> None:
        """Prices changed."""

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """The exchange process is alive."""


@dataclass(slots=True)
class _Session:
    """What survives a lost connection: which facts we have seen."""

    name: str = ""
    last_seq: int = 0
    acked_seq: int = 0
    before: int = 0
    """Facts of earlier sessions; the owner's numbers go on where those ended."""


class ManagerLink:
    """One unit's connection to the exchange process of its account."""

    def __init__(self, link: LinkPort, *, owner: LinkOwner, clock: ClockPort, log: LogPort) -> None:
        """Connect through ``link`` once ``run`` is awaited."""
        self._link = link
        self._owner = owner
        self._clock = clock
        self._log = log
        self._transport: ManagerTransport | None = None
        self._session = _Session()
        self._waiting: dict[int, asyncio.Future[Reply | Answer]] = {}
        self._next_request = 1
        self._attached = False
        self._heard_ms = 0
        self.account_epoch = 0
        self.problem = ""
        """Why the newest connection ended or could not be made."""

    @property
    def is_attached(self) -> bool:
        """Tell whether orders can be sent now."""
        return self._attached

    @property
    def last_seq(self) -> int:
        """Return the last fact received in this session."""
        return self._session.last_seq

    async def run(self) -> None:
        """Keep a connection until cancelled, or until the exchange refuses us for good."""
        attempt = 0
        while True:
            try:
                await self._serve_once()
                attempt = 0
            except LinkClosedError as error:
                if isinstance(error, LinkRefusedError) and error.code != CLOCK_SKEW:
                    self._drop(str(error))
                    self._owner.on_refused(error)
                    return
                self.problem = str(error)
                was_attached = self._attached
                self._drop(str(error))
                attempt = 0 if was_attached else attempt + 1
            await self._clock.sleep_ms(BACKOFF_MS[min(attempt, len(BACKOFF_MS) - 1)])

    async def _serve_once(self) -> None:
        self._transport = await self._link.connect()
        hello = self._owner.hello(session=self._session.name, acked_seq=self._session.acked_seq)
        self._transport.send(hello)
        self._heard_ms = self._clock.monotonic_ms()
        watch = asyncio.get_running_loop().create_task(self._end_silence(self._transport))
        try:
            while True:
                messages = await self._transport.receive()
                self._heard_ms = self._clock.monotonic_ms()
                for message in messages:
                    self._handle(message)
        finally:
            watch.cancel()
            transport, self._transport = self._transport, None
            await transport.close()

    async def _end_silence(self, transport: ManagerTransport) -> None:
        left_ms = SILENCE_MS_MAX
        while left_ms > 0:
            await self._clock.sleep_ms(left_ms)
            left_ms = self._heard_ms + SILENCE_MS_MAX - self._clock.monotonic_ms()
        self._log.warning("link.silent", silence_ms=SILENCE_MS_MAX)
        await transport.close()

    def _handle(self, message: Downward) -> None:
        match message:
            case LinkPrice():
                self._owner.on_price(self.local_price(message.price, age_ms=message.age_ms))
            case LinkFact():
                self._on_fact(message)
            case Heartbeat():
                self._on_heartbeat(message)
            case Reply() | Answer():
                self._on_reply(message)
            case Gap():
                self._owner.on_gap(message.reason)
            case Welcome():
                self._on_welcome(message)

    def _on_reply(self, message: Reply | Answer) -> None:
        future = self._waiting.pop(message.request_id, None)
        if future is not None and not future.done():
            future.set_result(message)

    def _on_heartbeat(self, message: Heartbeat) -> None:
        if message.last_seq > self._session.last_seq:
            self._owner.on_gap("the heartbeat names facts that did not arrive")
            self._session.last_seq = message.last_seq
        self._owner.on_heartbeat(message)

    def _on_welcome(self, message: Welcome) -> None:
        if not message.resumed:
            ended = self._session
            self._session = _Session(name=message.session, before=ended.before + ended.last_seq)
        self.account_epoch = message.account_epoch
        self._attached = True
        self._owner.on_attached(resumed=message.resumed)

    def _on_fact(self, message: LinkFact) -> None:
        expected = self._session.last_seq + 1
        if message.seq < expected:
            return
        if message.seq > expected:
            self._owner.on_gap(f"expected fact {expected}, got {message.seq}")
        self._session.last_seq = message.seq
        self._owner.on_update(self._session.before + message.seq, message.update)

    def local_price(self, price: PriceUpdate, *, age_ms: int) -> PriceTicked:
        """Return the price with its read time on our own clock: ages travel, stamps do not."""
        return PriceTicked(
            bid=price.bid,
            ask=price.ask,
            last=price.last,
            mark=price.mark,
            at_ms=price.venue_ms,
            read_ms=UnixMs(self._clock.now_ms() - age_ms),
        )

    def _drop(self, reason: str) -> None:
        was_attached, self._attached = self._attached, False
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LinkClosedError(reason))
        if was_attached:
            self._owner.on_detached(reason)

    # -- messages without an answer

    def acknowledge(self, seq: int) -> None:
        """Tell the exchange that all facts up to number ``seq`` are committed.

        A session that has ended asks for no word about its facts: the present one numbers anew.
        """
        seq -= self._session.before
        if seq > self._session.acked_seq:
            self._session.acked_seq = seq
            self._tell(Ack(seq=seq))

    def set_band(self, band: Band) -> None:
        """Ask not to be disturbed while the price stays inside."""
        self._tell(band)

    def declare(self, declaration: Declare) -> None:
        """State the unit's exposure."""
        self._tell(declaration)

    def _tell(self, message: Ack | Band | Declare) -> None:
        """Send if attached; what is lost here is repeated after the next attach."""
        if self._transport is None or not self._attached:
            return
        try:
            self._transport.send(message)
        except LinkClosedError as error:
            self._log.debug("link.unsent", what=type(message).__name__, reason=str(error))

    # -- ExchangePort

    def place(
        self, request: PlaceRequest, *, purpose: Purpose = Purpose.OPEN
    ) -> Coroutine[object, object, Outcome]:
        """Send the order once through the gate, before this returns; a lost answer is UNKNOWN."""
        return self._order(
            lambda number: Place(request_id=number, request=request, purpose=purpose)
        )

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Send the cancel once through the gate."""
        return await self._order(lambda number: Cancel(request_id=number, request=request))

    async def instrument(self, symbol: Symbol) -> Instrument:
        """Return the venue's current rules."""
        try:
            answer = await self._ask(QueryKind.INSTRUMENT, symbol)
        except VenueUnavailableError as error:
            if str(error).startswith(NOT_TRADED):
                raise UnknownSymbolError(str(error)) from error
            raise
        if answer.instrument is None:
            message = "the answer holds no instrument"
            raise VenueUnavailableError(message)
        return answer.instrument

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        """Return the order, or None when the venue says there is none."""
        answer = await self._ask(
            QueryKind.ORDER,
            symbol,
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
        )
        return answer.order

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        """Return the symbol's open orders; the link carries one symbol only."""
        if symbol is None:
            message = "a manager may ask for its own symbol only"
            raise VenueUnavailableError(message)
        answer = await self._ask(QueryKind.OPEN_ORDERS, symbol)
        return _listing(answer)

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        """Return our executions since then, oldest first."""
        return _listing(await self._ask(QueryKind.TRADES, symbol, since_ms=since_ms))

    async def position(self, symbol: Symbol) -> VenuePosition:
        """Return the account's position in the symbol."""
        answer = await self._ask(QueryKind.POSITION, symbol)
        if answer.position is None:
            message = "the answer holds no position"
            raise VenueUnavailableError(message)
        return answer.position

    async def balances(self) -> tuple[Balance, ...]:
        """Return the account's balances."""
        hello = self._owner.hello(session="", acked_seq=0)
        return (await self._ask(QueryKind.BALANCES, hello.unit.symbol)).balances

    async def server_time_ms(self) -> UnixMs:
        """Return the venue's clock."""
        hello = self._owner.hello(session="", acked_seq=0)
        return (await self._ask(QueryKind.TIME, hello.unit.symbol)).time_ms

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        """Have an order never leave; return for how long it certainly has not, 0 = who knows."""
        hello = self._owner.hello(session="", acked_seq=0)
        answer = await self._ask(
            QueryKind.DISOWN,
            hello.unit.symbol,
            client_order_id=client_order_id,
            deadline_ms=deadline_ms,
        )
        return answer.unsent_ms

    def _order(self, build: Callable[[int], Place | Cancel]) -> Coroutine[object, object, Outcome]:
        """Send now; what is returned waits for the answer."""
        if self._transport is None or not self._attached:
            return _not_sent("not attached")
        number, future = self._expect()
        try:
            self._transport.send(build(number))
        except LinkClosedError as error:
            self._waiting.pop(number, None)
            return _not_sent(str(error))
        return self._answered(number, future)

    async def _answered(self, number: int, future: "asyncio.Future[Reply | Answer]") -> Outcome:
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_MS / 1_000):
                reply = await future
        except (LinkClosedError, TimeoutError) as error:
            self._waiting.pop(number, None)
            return Outcome(
                outcome=OutcomeClass.UNKNOWN, code=VenueCode.LINK_DOWN, message=str(error)
            )
        if not isinstance(reply, Reply):
            return Outcome(
                outcome=OutcomeClass.UNKNOWN, code=VenueCode.UNKNOWN_STATE, message="wrong answer"
            )
        return reply.outcome

    async def _ask(
        self,
        kind: QueryKind,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
        since_ms: UnixMs | None = None,
        deadline_ms: UnixMs | None = None,
    ) -> Answer:
        transport = self._transport
        if transport is None or not self._attached:
            message = "the link is down"
            raise VenueUnavailableError(message)
        number, future = self._expect()
        query = Query(
            request_id=number,
            kind=kind,
            symbol=symbol,
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
            since_ms=since_ms or UnixMs(0),
            deadline_ms=deadline_ms or UnixMs(0),
        )
        try:
            transport.send(query)
            async with asyncio.timeout(QUERY_TIMEOUT_MS / 1_000):
                answer = await future
        except (LinkClosedError, TimeoutError) as error:
            self._waiting.pop(number, None)
            message = f"no answer to {kind}: {error}"
            raise VenueUnavailableError(message) from error
        if not isinstance(answer, Answer) or answer.error:
            raise VenueUnavailableError(getattr(answer, "error", "wrong answer"))
        return answer

    def _expect(self) -> tuple[int, asyncio.Future[Reply | Answer]]:
        number = self._next_request
        self._next_request += 1
        future: asyncio.Future[Reply | Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        return number, future


async def _not_sent(message: str) -> Outcome:
    return Outcome(outcome=OutcomeClass.NOT_SENT, code=VenueCode.LINK_DOWN, message=message)


def _listing(answer: Answer) -> Listing:
    if answer.listing is None:
        message = "the answer holds no listing"
        raise VenueUnavailableError(message)
    return answer.listing
