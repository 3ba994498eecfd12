"""A venue on a bad network: the pure venue model behind requests that get lost, late or doubled.

A request that was written lands at the venue whatever happens to its sender; a crash of our
process therefore never recalls one. Queries lag behind the truth by up to the drawn bound; events
may be dropped, repeated, delayed and reordered.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.market.types import (
    Accepted,
    BookOrder,
    OrderEvent,
    OrderRequest,
    Refusal,
)
from opensqt.market.venue import VenueModel
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePosition,
    VenueUnavailableError,
)
from opensqt.simulation.faults import Faults
from opensqt.simulation.reports import frame_age, price_update, venue_order, venue_trade

__all__ = ["SimulatedVenue", "VenueConnection", "frame_age", "price_update", "venue_order"]

ItemT = TypeVar("ItemT")
TIMEOUT_MS = 5_000
REJECT_MS_MAX = 2_000
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
        self.denied: Callable[[BookOrder], None] = lambda _: None
        """Hears of every order that is taken and answered as refused."""
        self._visible_ms: dict[str, int] = {}
        self._landings: set[asyncio.Task[object]] = set()
        self.streams: list[Stream] = []
        self.silent_until_ms = 0
        """The private stream says nothing before this wall time."""
        self.banned_until_ms = 0
        """No request is taken before this wall time."""
        self.strikes: Counter[str] = Counter()
        """How often what is rare has happened."""
        self._past: dict[VenueOrderId, list[tuple[int, BookOrder]]] = {}
        """What was known of each order, and since when."""
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
        if self.happens(self.faults.denial):
            self.strikes["denial"] += 1
            self.denied(result.order)
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.UPSTREAM_REJECTED)
        if self.happens(self.faults.late_reject):
            _ = self.land(self._reject_later(result.order))
        return Outcome(outcome=OutcomeClass.ACCEPTED, order=venue_order(result.order))

    async def _reject_later(self, order: BookOrder) -> None:
        """Refuse an order that was taken, unless it has ended or traded meanwhile."""
        await self._clock.sleep_ms(self._rng.randint(0, REJECT_MS_MAX))
        own = order.client_order_id
        now = self.model.order(self.account, order.symbol, client_order_id=own)
        if now == order and order.is_open:
            self.strikes["late reject"] += 1
            reject = self.model._end  # noqa: SLF001 - no other venue of ours does this
            self.publish((reject(order, OrderStatus.REJECTED, self._clock.now_ms()),))

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
            known = self._past.setdefault(event.order.venue_order_id, [])
            known.append((self._clock.now_ms(), event.order))
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

    def age_ms(self) -> int:
        """Draw how old an answer about orders is."""
        oldest_ms = self.faults.stale_ms_max
        return self._rng.randint(0, oldest_ms) if oldest_ms else 0

    def as_of(self, order: BookOrder, age_ms: int) -> BookOrder:
        """Return what was known of an order a while ago, or first."""
        if not age_ms:
            return order
        past = self._past[order.venue_order_id]
        until_ms = self._clock.now_ms() - age_ms
        found = next((one for at_ms, one in reversed(past) if at_ms <= until_ms), past[0][1])
        self.strikes["stale"] += found != order
        return found

    def listed(self, symbol: Symbol | None) -> list[BookOrder]:
        """Return the orders that an open list of a certain age shows."""
        age_ms = self.age_ms()
        known: Iterable[BookOrder] = self.model.open_orders(self.account, symbol)
        if age_ms:
            newest = (past[-1][1] for past in self._past.values())
            known = [one for one in newest if symbol in (None, one.symbol)]
        shown = (self.as_of(one, age_ms) for one in known if self.sees(one.venue_order_id))
        return [one for one in shown if one.is_open]

    def forgets(self, order: BookOrder) -> bool:
        """Tell whether an order has ended too long ago to be found by our id."""
        ended_ms = self._clock.now_ms() - order.updated_ms
        has_forgotten = 0 < self.faults.forget_ms < ended_ms and not order.is_open
        self.strikes["forgotten"] += has_forgotten
        return has_forgotten

    def cut(self, found: Sequence[ItemT]) -> tuple[tuple[ItemT, ...], bool]:
        """Return a list and whether it is whole."""
        if not self.happens(self.faults.partial_list):
            return tuple(found), True
        self.strikes["partial list"] += 1
        return tuple(found[: self._rng.randint(0, len(found))]), False


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
        if client_order_id is not None and self._venue.forgets(order):
            return None
        return venue_order(self._venue.as_of(order, self._venue.age_ms()))

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        """Return the open orders that are visible."""
        await self._query()
        orders, is_complete = self._venue.cut(self._venue.listed(symbol))
        return Listing(orders=tuple(map(venue_order, orders)), is_complete=is_complete)

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        """Return the trades that are visible, without our order ids, as most venues do."""
        await self._query()
        fills = self._venue.model.fills(self._venue.account, symbol, since_ms=since_ms)
        visible = [fill for fill in fills if self._venue.sees(f"t{fill.trade_id}")]
        shown, is_complete = self._venue.cut(visible)
        return Listing(
            trades=tuple(venue_trade(fill, named=False) for fill in shown), is_complete=is_complete
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
        # Of this call: the connector serves two exchange processes while one is replaced, and each
        # hears the end of its own stream.
        stream = self._stream = Stream()
        self._venue.streams.append(stream)
        now_ms = self._clock.now_ms()
        yield tuple(
            StreamState(kind=kind, phase=StreamPhase.LIVE, reason="connected", at_ms=now_ms)
            for kind in StreamKind
        )
        while True:
            event = await stream.queue.get()
            if event is None or self._is_dead:
                return
            yield (event,)
