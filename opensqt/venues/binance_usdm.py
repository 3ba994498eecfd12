"""Binance USD-M futures: one account, one-way position mode.

What the venue does *not* promise and this adapter therefore does not pretend: a client order id is
unique among open orders only; a lost answer says nothing; a trade history does not carry our ids;
the private stream replays nothing. Writes are sent once, reads are the caller's to repeat.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, TypeVar

import aiohttp

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    UnknownSymbolError,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePosition,
    VenueTrade,
    VenueUnavailableError,
)
from opensqt.ports.telemetry import LogPort
from opensqt.venues.binance_feed import BinanceFeed
from opensqt.venues.clock_sync import measure_offset_ms
from opensqt.venues.codec import binance
from opensqt.venues.codec.fields import PayloadError
from opensqt.venues.errors import VenueFamily, classify
from opensqt.venues.request_limiter import BanNote, LimiterConfig, ReadPriority, RequestLimiter
from opensqt.venues.trade_history import PAGE_SIZE, read_history
from opensqt.venues.transport import (
    Credentials,
    DeadlinePassedError,
    Endpoint,
    NoReplyError,
    Reply,
    Transport,
    VenueConfigError,
)

DOMAINS: Final = frozenset({"binance.com"})
"""Domains under which the venue's hosts are."""

_TIME: Final = Endpoint(path="time", section="fapiPublic", method="GET")
_RULES: Final = Endpoint(path="exchangeInfo", section="fapiPublic", method="GET")
_LAST_PRICE: Final = Endpoint(path="ticker/price", section="fapiPublic", method="GET")
_QUOTE: Final = Endpoint(path="ticker/bookTicker", section="fapiPublic", method="GET", weight=2)
_PLACE: Final = Endpoint(path="order", section="fapiPrivate", method="POST", weight=0)
_CANCEL: Final = Endpoint(path="order", section="fapiPrivate", method="DELETE")
_FIND: Final = Endpoint(path="order", section="fapiPrivate", method="GET")
_OPEN: Final = Endpoint(path="openOrders", section="fapiPrivate", method="GET")
_OPEN_ALL: Final = Endpoint(path="openOrders", section="fapiPrivate", method="GET", weight=40)
_TRADES: Final = Endpoint(path="userTrades", section="fapiPrivate", method="GET", weight=5)
_POSITION: Final = Endpoint(path="positionRisk", section="fapiPrivateV3", method="GET", weight=5)
_ACCOUNT: Final = Endpoint(path="account", section="fapiPrivateV3", method="GET", weight=5)
_MODE: Final = Endpoint(path="positionSide/dual", section="fapiPrivate", method="GET", weight=30)
_KEY_NEW: Final = Endpoint(path="listenKey", section="fapiPrivate", method="POST")
_KEY_ALIVE: Final = Endpoint(path="listenKey", section="fapiPrivate", method="PUT")

# The venue's published limits per address and account.
_LIMITS: Final = LimiterConfig(
    weight_per_minute=2_400, orders_per_ten_seconds=300, orders_per_minute=1_200
)
_KEY_UNKNOWN: Final = "-1125"
_CLOCK_SYNC_MS: Final = 60_000
_CLOCK_RETRY_MS: Final = 5_000
_LAST_RETRY_MS: Final = 1_000
_RULES_MS: Final = 5 * 60 * 1_000
_RULES_DOUBTED_MS: Final = 4_000
"""Below the pause in which the gate asks again; each reading costs weight."""
_CLIENT_IDS_MAX: Final = 100_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """The private stream's key, over signed requests."""

    send: Callable[[Endpoint], Coroutine[Any, Any, Reply]]

    async def create(self) -> str:
        reply = await self.send(_KEY_NEW)
        if not reply.is_success:
            raise _unavailable(reply)
        return _decoded(binance.listen_key_of, reply)

    async def keep_alive(self) -> bool:
        reply = await self.send(_KEY_ALIVE)
        if reply.is_success:
            return True
        if binance.refusal_of(reply.payload)[0] == _KEY_UNKNOWN:
            return False
        raise _unavailable(reply)


class BinanceUsdm:
    """One account at Binance USD-M, or at a venue that speaks its dialect."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        clock: ClockPort,
        log: LogPort,
        limits: LimiterConfig = _LIMITS,
        ban: BanNote | None = None,
    ) -> None:
        """Reach the venue through ``session``, which this object closes in the end."""
        self._session = session
        self._clock = clock
        self._log = log
        self._transport = Transport(
            "binanceusdm",
            session=session,
            credentials=credentials,
            clock=clock,
            options={"recvWindow": 5_000},
        )
        self._limiter = RequestLimiter(limits, clock=clock, note=ban)
        self._feed = BinanceFeed(
            session=session,
            keys=_Keys(send=self._send_key),
            seen=lambda update: self._remember(update.order),
            last_wanted=self._want_last,
            quote_of=self._ask_quote,
            clock=clock,
            log=log,
        )
        self._client_ids: OrderedDict[VenueOrderId, ClientOrderId] = OrderedDict()
        self._rules: Mapping[Symbol, Instrument] = {}
        self._rules_ms: int | None = None
        self._rules_lock = asyncio.Lock()
        self._seeding: set[asyncio.Task[None]] = set()
        self._has_started = False

    # ------------------------------------------------------------------------------ life

    async def start(self) -> None:
        """Check the account and open the streams; once.

        Raise ``VenueConfigError`` for an account in hedge mode, ``VenueUnavailableError`` when the
        venue could not be asked (call again).
        """
        assert not self._has_started
        await self._sync_clock()
        mode = await self._read(_MODE, {}, ReadPriority.STATE)
        if _decoded(binance.is_hedge_mode, mode):
            raise VenueConfigError(
                "the account is in hedge mode: set the position mode to one-way and start again"
            )
        self._has_started = True
        self._feed.start()
        self._feed.run("clock_sync", self._sync_clock_forever())

    async def close(self) -> None:
        """Close the streams and the session; requests in flight are given up as unknown."""
        await self._feed.close()
        for task in tuple(self._seeding):
            task.cancel()
        self._limiter.close()
        await self._transport.close()
        await self._session.close()

    @property
    def weight_used(self) -> int:
        """Return the request weight of the current minute."""
        return self._limiter.weight_used

    @property
    def facts_pending(self) -> int:
        """Return how many facts the consumer has not taken yet."""
        return self._feed.facts_pending

    # ---------------------------------------------------------------------------- writes

    async def place(self, request: PlaceRequest) -> Outcome:
        """Send a limit order once; the venue refuses it itself after the deadline."""
        window_ms = request.deadline_ms - self._clock.now_ms()
        if window_ms <= 0:
            return _not_sent(VenueCode.DEADLINE, "deadline passed")
        try:
            params = binance.place_params(
                request, recv_window_ms=min(window_ms, binance.RECV_WINDOW_MS_MAX)
            )
        except UnknownSymbolError as error:
            return _not_sent(VenueCode.INVALID_ORDER, str(error))
        outcome = await self._write(
            _PLACE, params, request.client_order_id, deadline_ms=request.deadline_ms
        )
        if outcome.code is VenueCode.INVALID_ORDER:
            self._doubt_rules()
        return outcome

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Ask for a cancel once."""
        try:
            params = binance.cancel_params(request)
        except UnknownSymbolError as error:
            return _not_sent(VenueCode.INVALID_ORDER, str(error))
        return await self._write(_CANCEL, params, request.client_order_id)

    async def _write(
        self,
        endpoint: Endpoint,
        params: binance.Params,
        client_order_id: ClientOrderId,
        *,
        deadline_ms: UnixMs | None = None,
    ) -> Outcome:
        is_order = endpoint is _PLACE
        refusal = self._limiter.refuse_write(weight=endpoint.weight, is_order=is_order)
        if refusal is not None:
            return refusal
        try:
            with self._limiter.write(weight=endpoint.weight, is_order=is_order):
                reply = await self._transport.call(endpoint, params, deadline_ms=deadline_ms)
        except DeadlinePassedError as error:
            return _not_sent(VenueCode.DEADLINE, str(error))
        except NoReplyError as error:
            if error.was_written:
                return _unknown(str(error))
            return _not_sent(VenueCode.LINK_DOWN, str(error))
        self._limiter.observe(status=reply.status, headers=reply.headers)
        outcome = self._outcome(reply, client_order_id)
        if outcome.code is VenueCode.RATE_LIMITED:
            return replace(outcome, retry_after_ms=self._limiter.paused_ms)
        return outcome

    def _outcome(self, reply: Reply, client_order_id: ClientOrderId) -> Outcome:
        if not reply.is_success:
            code, message = binance.refusal_of(reply.payload)
            meaning = classify(VenueFamily.BINANCE, status=reply.status, code=code, text=message)
            said = f"HTTP {reply.status} {code} {message or reply.body[:200]}"
            return Outcome(outcome=meaning.outcome, code=meaning.code, message=said)
        try:
            order = binance.order_of(reply.payload)
        except PayloadError as error:
            return _unknown(f"answer not understood: {error}")
        if order.client_order_id != client_order_id:
            return _unknown(f"answer is about another order: {order.client_order_id}")
        self._remember(order)
        return Outcome(outcome=OutcomeClass.ACCEPTED, code=order.reason, order=order)

    # ----------------------------------------------------------------------------- reads

    def _doubt_rules(self) -> None:
        """Read the rules anew when next asked, unless they are newer than their change can be."""
        read_ms = self._rules_ms
        if read_ms is not None and self._clock.monotonic_ms() - read_ms >= _RULES_DOUBTED_MS:
            self._rules_ms = None

    async def instrument(self, symbol: Symbol) -> Instrument:
        """Return the rules of a symbol: five minutes old at most, newer than a refused order."""
        binance.venue_symbol(symbol)
        async with self._rules_lock:
            now = self._clock.monotonic_ms()
            if self._rules_ms is None or now - self._rules_ms > _RULES_MS:
                reply = await self._read(_RULES, {}, ReadPriority.RULES)
                self._rules = _decoded(binance.instruments_of, reply)
                self._rules_ms = now
        found = self._rules.get(symbol)
        if found is None:
            raise UnknownSymbolError(f"{symbol} is not traded here")
        return found

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        """Return the order, or None when the venue says there is none (which proves little)."""
        params = binance.find_params(
            symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
        )
        reply = await self._ask(_FIND, params, ReadPriority.LOOK_UP)
        if not reply.is_success:
            code, message = binance.refusal_of(reply.payload)
            meaning = classify(VenueFamily.BINANCE, status=reply.status, code=code, text=message)
            if meaning.code is VenueCode.NOT_FOUND:
                return None
            raise _unavailable(reply)
        order = _decoded(binance.order_of, reply)
        self._remember(order)
        return order

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        """Return all open orders of one symbol or of the account; always complete."""
        if symbol is None:
            reply = await self._read(_OPEN_ALL, {}, ReadPriority.STATE)
        else:
            params: binance.Params = {"symbol": binance.venue_symbol(symbol)}
            reply = await self._read(_OPEN, params, ReadPriority.STATE)
        orders = _decoded(binance.orders_of, reply)
        for order in orders:
            self._remember(order)
        return Listing(orders=orders)

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        """Return the account's trades since then, oldest first.

        ``since_ms`` 0 means as far back as the venue's history is asked, ninety days; an older
        time than that is answered as incomplete.
        """
        name = binance.venue_symbol(symbol)

        async def page(span: Mapping[str, int]) -> tuple[VenueTrade, ...]:
            params: binance.Params = {"symbol": name, "limit": PAGE_SIZE, **span}
            reply = await self._read(_TRADES, params, ReadPriority.TRADES)
            return _decoded(
                lambda payload: binance.trades_of(payload, client_ids=self._client_ids), reply
            )

        return await read_history(page, since_ms=since_ms, now_ms=self._clock.now_ms())

    async def position(self, symbol: Symbol) -> VenuePosition:
        """Return the account's position; quantity 0 when flat."""
        params: binance.Params = {"symbol": binance.venue_symbol(symbol)}
        reply = await self._read(_POSITION, params, ReadPriority.STATE)
        return _decoded(lambda payload: binance.position_of(payload, symbol), reply)

    async def balances(self) -> tuple[Balance, ...]:
        """Return the account's balances."""
        return _decoded(binance.balances_of, await self._read(_ACCOUNT, {}, ReadPriority.STATE))

    async def server_time_ms(self) -> UnixMs:
        """Return the venue's clock."""
        return _decoded(binance.server_time_of, await self._read(_TIME, {}, ReadPriority.LOOK_UP))

    # ---------------------------------------------------------------------------- events

    def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        """Yield batches of events; one consumer at a time."""
        return self._feed.events()

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        """Set which symbols' prices are wanted; sockets stay open."""
        await self._feed.watch(symbols)

    async def _ask_quote(self, symbol: Symbol) -> tuple[Decimal, Decimal]:
        params: binance.Params = {"symbol": binance.venue_symbol(symbol)}
        reply = await self._read(_QUOTE, params, ReadPriority.STATE)
        return _decoded(binance.ticker_quote_of, reply)

    def _want_last(self, symbol: Symbol) -> None:
        seeding = asyncio.create_task(self._seed_last(symbol))
        self._seeding.add(seeding)
        seeding.add_done_callback(self._seeding.discard)

    async def _seed_last(self, symbol: Symbol) -> None:
        # A symbol may not trade for minutes.
        while self._feed.lacks_last(symbol):
            try:
                params: binance.Params = {"symbol": binance.venue_symbol(symbol)}
                reply = await self._read(_LAST_PRICE, params, ReadPriority.STATE)
                price, _ = _decoded(binance.last_price_of, reply)
            except VenueUnavailableError as error:
                self._log.warning("stream.no_last_price", symbol=symbol, error=str(error))
                await self._clock.sleep_ms(_LAST_RETRY_MS)
            else:
                self._feed.seed_last(symbol, price)

    # -------------------------------------------------------------------------- internal

    async def _sync_clock(self) -> None:
        offset = await measure_offset_ms(self.server_time_ms, clock=self._clock)
        self._transport.set_clock_offset(offset)
        self._log.info("venue.clock_synced", offset_ms=offset)

    async def _sync_clock_forever(self) -> None:
        wait_ms = _CLOCK_SYNC_MS
        while True:
            await self._clock.sleep_ms(wait_ms)
            try:
                await self._sync_clock()
                wait_ms = _CLOCK_SYNC_MS
            except VenueUnavailableError as error:
                self._log.warning("venue.clock_sync_failed", error=str(error))
                wait_ms = _CLOCK_RETRY_MS

    async def _ask(
        self, endpoint: Endpoint, params: binance.Params, priority: ReadPriority
    ) -> Reply:
        async with self._limiter.read(weight=endpoint.weight, priority=priority):
            try:
                reply = await self._transport.call(endpoint, params)
            except NoReplyError as error:
                raise VenueUnavailableError(str(error)) from error
        self._limiter.observe(status=reply.status, headers=reply.headers)
        return reply

    async def _read(
        self, endpoint: Endpoint, params: binance.Params, priority: ReadPriority
    ) -> Reply:
        reply = await self._ask(endpoint, params, priority)
        if not reply.is_success:
            raise _unavailable(reply)
        return reply

    async def _send_key(self, endpoint: Endpoint) -> Reply:
        return await self._ask(endpoint, {}, ReadPriority.LOOK_UP)

    def _remember(self, order: VenueOrder) -> None:
        self._client_ids[order.venue_order_id] = order.client_order_id
        self._client_ids.move_to_end(order.venue_order_id)
        if len(self._client_ids) > _CLIENT_IDS_MAX:
            self._client_ids.popitem(last=False)


def _decoded(decode: Callable[[Any], _T], reply: Reply) -> _T:
    try:
        return decode(reply.payload)
    except PayloadError as error:
        raise VenueUnavailableError(f"answer not understood: {error}") from error


def _unavailable(reply: Reply) -> VenueUnavailableError:
    code, message = binance.refusal_of(reply.payload)
    return VenueUnavailableError(f"HTTP {reply.status} {code} {message or reply.body[:200]}")


def _not_sent(code: VenueCode, message: str) -> Outcome:
    return Outcome(outcome=OutcomeClass.NOT_SENT, code=code, message=message)


def _unknown(message: str) -> Outcome:
    return Outcome(outcome=OutcomeClass.UNKNOWN, code=VenueCode.UNKNOWN_STATE, message=message)
