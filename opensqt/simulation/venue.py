"""A venue on a bad network: the pure venue model behind requests that get lost, late or doubled.

A request that was written lands at the venue whatever happens to its sender; a crash of our
process therefore never recalls one. Queries lag behind the truth by up to the drawn bound; events
may be dropped, repeated, delayed and reordered.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side, TimeInForce
from opensqt.market.types import (
    Accepted,
    BookOrder,
    Fill,
    OrderEvent,
    OrderRequest,
    Refusal,
)
from opensqt.market.venue import VenueModel
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    FrameAge,
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePosition,
    VenueTrade,
    VenueUnavailableError,
)
from opensqt.simulation.faults import Faults

TIMEOUT_MS = 5_000
LIMIT_WINDOW_MS = 10_000
HUMAN_PRICE = Decimal(800)
HUMAN_QUANTITY = Decimal("0.01")
_CODES = {
    Refusal.DUPLICATE_ID: VenueCode.ALREADY_EXISTS,
    Refusal.WOULD_CROSS: VenueCode.POST_ONLY_WOULD_CROSS,
    Refusal.REDUCE_ONLY: VenueCode.REDUCE_ONLY,
    Refusal.MARGIN: VenueCode.INSUFFICIENT_COLLATERAL,
    Refusal.UNKNOWN_ORDER: VenueCode.NOT_FOUND,
}


@dataclass(slots=True)
class Stream:
    """One connection to the venue's event stream."""

    queue: "asyncio.Queue[VenueEvent | None]" = field(default_factory=asyncio.Queue)


class SimulatedVenue:
    """The truth, and the world between us and it. Shared by all incarnations of our processes."""

    def __init__(
        self,
        model: VenueModel,
        *,
        account: AccountName,
        faults: Faults,
        rng: random.Random,
        clock: ClockPort,
        accepted: Callable[[BookOrder], None],
    ) -> None:
        """Drive ``model``; ``accepted`` is the checker's hook for every accepted order."""
        self.model = model
        self.account = account
        self.faults = faults
        self._rng = rng
        self._clock = clock
        self._accepted = accepted
        self.canceled: Callable[[CancelRequest], None] = lambda _: None
        """Hears of every cancel that arrives."""
        self._visible_ms: dict[str, int] = {}
        self._landings: set[asyncio.Task[object]] = set()
        self.streams: list[Stream] = []
        self.silent_until_ms = 0
        """The private stream says nothing before this wall time."""
        self.banned_until_ms = 0
        """No request is taken before this wall time."""
        self._requests_ms: deque[int] = deque()
        self._by_hand = 0

    # -- the network

    def land(self, work: Coroutine[object, object, object]) -> "asyncio.Task[object]":
        """Let a written request reach the venue, whatever becomes of its sender."""
        task = asyncio.get_running_loop().create_task(work)
        self._landings.add(task)
        task.add_done_callback(self._landings.discard)
        return task

    async def latency(self) -> None:
        """Let a message travel."""
        await self._clock.sleep_ms(self._rng.randint(0, self.faults.latency_ms_max))

    def happens(self, probability: float) -> bool:
        """Draw whether a fault happens."""
        return probability > 0 and self._rng.random() < probability

    def refuses_request(self) -> bool:
        """Count a request; tell whether it is one too many, or the address is banned."""
        now_ms, allowed = self._clock.now_ms(), self.faults.requests_max
        if now_ms < self.banned_until_ms:
            return True
        if not allowed:
            return False
        while self._requests_ms and now_ms - self._requests_ms[0] > LIMIT_WINDOW_MS:
            self._requests_ms.popleft()
        if len(self._requests_ms) >= allowed:
            return True
        self._requests_ms.append(now_ms)
        return False

    # -- requests as the venue takes them

    async def take_order(self, request: PlaceRequest) -> Outcome:
        """Accept or refuse an order that has arrived."""
        if self.refuses_request():
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.RATE_LIMITED)
        if self._clock.now_ms() > request.deadline_ms + 2_000:
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.CLOCK_SKEW)
        if self.happens(self.faults.reject):
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.UPSTREAM_REJECTED)
        if self.happens(self.faults.inner_wait):
            await self._clock.sleep_ms(self._rng.randint(0, self.faults.inner_wait_ms_max))
        result = self.model.place(
            OrderRequest(
                account=self.account,
                symbol=request.symbol,
                client_order_id=request.client_order_id,
                side=request.side,
                price=request.price,
                quantity=request.quantity,
                time_in_force=request.time_in_force,
                reduce_only=request.reduce_only,
            ),
            self._clock.now_ms(),
        )
        if not isinstance(result, Accepted):
            code = _CODES.get(result.reason, VenueCode.INVALID_ORDER)
            duplicate = result.reason is Refusal.DUPLICATE_ID
            outcome = OutcomeClass.DUPLICATE if duplicate else OutcomeClass.REJECTED
            return Outcome(outcome=outcome, code=code, message=result.reason)
        self._accepted(result.events[0].order)
        self.publish(result.events)
        return Outcome(outcome=OutcomeClass.ACCEPTED, order=venue_order(result.order))

    async def take_cancel(self, request: CancelRequest) -> Outcome:
        """Cancel an order, or say that none is open."""
        self.canceled(request)
        if self.refuses_request():
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.RATE_LIMITED)
        result = self.model.cancel(
            self.account,
            request.symbol,
            now_ms=self._clock.now_ms(),
            client_order_id=request.client_order_id,
        )
        if not isinstance(result, Accepted):
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.NOT_FOUND)
        self.publish(result.events)
        return Outcome(outcome=OutcomeClass.ACCEPTED, order=venue_order(result.order))

    def trade_by_hand(self, symbol: Symbol) -> None:
        """Place an order of a human's, too far from the market to trade."""
        self._by_hand += 1
        result = self.model.place(
            OrderRequest(
                account=self.account,
                symbol=symbol,
                client_order_id=ClientOrderId(f"human-{self._by_hand}"),
                side=Side.BUY,
                price=HUMAN_PRICE,
                quantity=HUMAN_QUANTITY,
                time_in_force=TimeInForce.GTC,
            ),
            self._clock.now_ms(),
        )
        assert isinstance(result, Accepted), f"the venue takes no order of a human's: {result}"
        self.publish(result.events)

    @property
    def touched_by_us(self) -> bool:
        """Tell whether an order of a human's is not open any more."""
        orders = self.model.open_orders(self.account, None)
        still_open = sum(order.client_order_id.startswith("human-") for order in orders)
        return still_open < self._by_hand

    # -- events

    def publish(self, events: Iterable[OrderEvent]) -> None:
        """Send order events to every stream, through the bad network."""
        for event in events:
            lag = self._rng.randint(0, self.faults.lookup_lag_ms_max)
            self._visible_ms.setdefault(event.order.venue_order_id, self._clock.now_ms() + lag)
            if event.fill is not None:
                lag = self._rng.randint(0, self.faults.lookup_lag_ms_max)
                self._visible_ms[f"t{event.fill.trade_id}"] = self._clock.now_ms() + lag
                self._emit(TradeUpdate(trade=venue_trade(event.fill)))
            self._emit(OrderUpdate(order=venue_order(event.order)))

    def tell(self, event: VenueEvent) -> None:
        """Send an event that is never lost: prices and stream states."""
        for stream in self.streams:
            stream.queue.put_nowait(event)

    def _emit(self, event: VenueEvent) -> None:
        if self.happens(self.faults.drop_event) or self._clock.now_ms() < self.silent_until_ms:
            return
        copies = 2 if self.happens(self.faults.duplicate_event) else 1
        for stream in self.streams:
            for _ in range(copies):
                delay_ms = self._rng.randint(0, self.faults.event_delay_ms_max)
                asyncio.get_running_loop().call_later(
                    delay_ms / 1_000, stream.queue.put_nowait, event
                )

    def cut_streams(self) -> None:
        """Disconnect every stream; what is on its way is lost."""
        for stream in self.streams:
            stream.queue.put_nowait(None)
        self.streams = []

    # -- what queries may see

    def sees(self, key: str) -> bool:
        """Tell whether an order id, or ``t`` and a trade id, is visible to queries by now."""
        return self._visible_ms.get(key, 0) <= self._clock.now_ms()


class VenueConnection:
    """``VenuePort`` of one incarnation of the exchange process."""

    def __init__(self, venue: SimulatedVenue, clock: ClockPort) -> None:
        """Connect to the shared venue."""
        self._venue = venue
        self._clock = clock
        self._is_dead = False
        self._stream: Stream | None = None

    def kill(self) -> None:
        """End with the process: nothing more is written or read."""
        self._is_dead = True
        if self._stream in self._venue.streams:
            self._venue.streams.remove(self._stream)

    async def _alive(self) -> None:
        if self._is_dead:
            # A dead process does not see exceptions either.
            await asyncio.get_running_loop().create_future()

    async def place(self, request: PlaceRequest) -> Outcome:
        """Write the order once; a lost answer is UNKNOWN."""
        await self._alive()
        if self._clock.now_ms() > request.deadline_ms:
            return Outcome(outcome=OutcomeClass.NOT_SENT, code=VenueCode.DEADLINE)
        return await self._request(lambda: self._venue.take_order(request))

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Write the cancel once."""
        await self._alive()
        return await self._request(lambda: self._venue.take_cancel(request))

    async def _request(self, take: Callable[[], Awaitable[Outcome]]) -> Outcome:
        venue, faults = self._venue, self._venue.faults
        is_lost = venue.happens(faults.drop_request)
        is_late = venue.happens(faults.late_landing)
        late_ms = venue._rng.randint(0, faults.late_ms_max) if is_late else 0  # noqa: SLF001 - one seed

        async def travel() -> Outcome | None:
            await self._clock.sleep_ms(late_ms)
            await venue.latency()
            if is_lost:
                return None
            outcome = await take()
            if venue.happens(faults.drop_reply):
                return None
            await venue.latency()
            return outcome

        landing = venue.land(travel())
        try:
            async with asyncio.timeout(TIMEOUT_MS / 1_000):
                outcome = await asyncio.shield(landing)
        except TimeoutError:
            outcome = None
        await self._alive()
        if not isinstance(outcome, Outcome):
            return Outcome(outcome=OutcomeClass.UNKNOWN, code=VenueCode.UNKNOWN_STATE)
        return outcome

    async def _query(self) -> None:
        await self._alive()
        await self._venue.latency()
        if self._venue.happens(self._venue.faults.query_failure):
            message = "the query was lost"
            raise VenueUnavailableError(message)
        if self._venue.refuses_request():
            message = "429 Too Many Requests"
            raise VenueUnavailableError(message)
        await self._alive()

    async def instrument(self, symbol: Symbol) -> Instrument:
        """Return the venue's rules."""
        await self._query()
        return self._venue.model.instrument(symbol)

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        """Return the order once it is visible."""
        await self._query()
        order = self._venue.model.order(
            self._venue.account,
            symbol,
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
        )
        if order is None or not self._venue.sees(order.venue_order_id):
            return None
        return venue_order(order)

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        """Return the open orders that are visible."""
        await self._query()
        orders = self._venue.model.open_orders(self._venue.account, symbol)
        return Listing(
            orders=tuple(venue_order(o) for o in orders if self._venue.sees(o.venue_order_id))
        )

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        """Return the trades that are visible, without our order ids, as most venues do."""
        await self._query()
        fills = self._venue.model.fills(self._venue.account, symbol, since_ms=since_ms)
        return Listing(
            trades=tuple(
                venue_trade(fill, named=False)
                for fill in fills
                if self._venue.sees(f"t{fill.trade_id}")
            )
        )

    async def position(self, symbol: Symbol) -> VenuePosition:
        """Return the position as it is."""
        await self._query()
        position = self._venue.model.position(self._venue.account, symbol)
        return VenuePosition(
            symbol=symbol, quantity=position.quantity, average_price=position.average_price
        )

    async def balances(self) -> tuple[Balance, ...]:
        """Return the balances."""
        await self._query()
        return tuple(
            Balance(asset=one.asset, free=one.free, locked=one.locked)
            for one in self._venue.model.balances(self._venue.account)
        )

    async def server_time_ms(self) -> UnixMs:
        """Return the venue's clock."""
        await self._query()
        return self._clock.now_ms()

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        """Accept any set: the simulation streams every symbol."""

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        """Name nothing: the simulated connector writes at once."""
        _ = account_epoch, kill_epoch
        return ()

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        """Vouch for nothing: only a connector can."""
        _ = client_order_id, deadline_ms
        return 0

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        """Yield events of a new stream until it is cut."""
        self._stream = Stream()
        self._venue.streams.append(self._stream)
        now_ms = self._clock.now_ms()
        yield tuple(
            StreamState(kind=kind, phase=StreamPhase.LIVE, reason="connected", at_ms=now_ms)
            for kind in StreamKind
        )
        while True:
            event = await self._stream.queue.get()
            if event is None or self._is_dead:
                return
            yield (event,)


def venue_order(order: BookOrder) -> VenueOrder:
    """Return a model order as the port describes it."""
    return VenueOrder(
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        side=order.side,
        price=order.price if order.price is not None else order.average_price,
        quantity=order.quantity,
        cumulative_quantity=order.filled_quantity,
        status=order.status,
        reduce_only=order.reduce_only,
        updated_ms=order.updated_ms,
    )


def venue_trade(fill: Fill, *, named: bool = True) -> VenueTrade:
    """Return a model fill as the port describes it."""
    return VenueTrade(
        symbol=fill.symbol,
        trade_id=fill.trade_id,
        venue_order_id=fill.venue_order_id,
        client_order_id=fill.client_order_id if named else ClientOrderId(""),
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        is_maker=fill.is_maker,
        at_ms=fill.at_ms,
    )


def price_update(venue: SimulatedVenue, symbol: Symbol, now_ms: UnixMs) -> PriceUpdate | None:
    """Return the newest prices of a symbol, None before the first quote."""
    quote = venue.model.quote(symbol)
    last = venue.model.last_price(symbol)
    if quote is None or last is None:
        return None
    return PriceUpdate(
        symbol=symbol,
        bid=quote.bid,
        ask=quote.ask,
        last=last,
        mark=venue.model.mark_price(symbol),
        venue_ms=now_ms,
        read_ms=now_ms,
    )


def frame_age(now_ms: UnixMs) -> FrameAge:
    """Return the report that every stream is fresh."""
    return FrameAge(public_ms=0, private_ms=0, at_ms=now_ms)
