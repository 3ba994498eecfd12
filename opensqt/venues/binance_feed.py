"""Binance USD-M's streams put together: two public sockets, the private one, one event stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import aiohttp

from opensqt.core.ids import Symbol
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import FrameAge, OrderUpdate, VenueEvent
from opensqt.ports.telemetry import LogPort
from opensqt.venues.codec.binance import venue_symbol
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.native_stream import STREAMS_PER_SOCKET_MAX, Feed, PriceBoard, PublicReader
from opensqt.venues.quote_watch import AskQuote, QuoteWatch
from opensqt.venues.socket_keeper import SocketConfig, SocketKeeper
from opensqt.venues.user_stream import ListenKeys, UserReader

SYMBOLS_MAX: Final = STREAMS_PER_SOCKET_MAX // len(Feed)
_PUBLIC_URL: Final = "wss://fstream.binance.com/public/stream"
_MARKET_URL: Final = "wss://fstream.binance.com/market/stream"
_PRIVATE_URL: Final = "wss://fstream.binance.com/private/ws"
_PUBLIC_SILENCE_MS: Final = 5_000
_PRIVATE_SILENCE_MS: Final = 12_000
# Frame ages are told once a second and the gate shuts at 3 s: a quiet market must not look dead.
_PUBLIC_PING_MS: Final = 750
_AGE_MS: Final = 1_000
_CONFLATE_MS: Final = 2


class BinanceFeed:
    """Everything the venue pushes."""

    def __init__(  # noqa: PLR0913 - what it reaches, and whom it tells
        self,
        *,
        session: aiohttp.ClientSession,
        keys: ListenKeys,
        seen: Callable[[OrderUpdate], None],
        last_wanted: Callable[[Symbol], None],
        quote_of: AskQuote,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Connect nothing yet.

        ``seen`` is told of every order before its update is queued, ``last_wanted`` of symbols
        whose last price must be asked for: a quote alone makes no price. ``quote_of`` asks for the
        quote of a symbol that has been silent.
        """
        self._session = session
        self._clock = clock
        self._log = log
        self._events = EventQueue(conflate_ms=_CONFLATE_MS)
        self._board = PriceBoard(
            clock=clock,
            log=log,
            changed=self._events.prices_changed,
            forgotten=lambda: self._want_last(self._board.symbols),
        )
        self._events.add_source(self._board.take)
        self._last_wanted = last_wanted
        self._public = self._reader(_PUBLIC_URL, (Feed.QUOTE, Feed.TRADE))
        self._market = self._reader(_MARKET_URL, (Feed.MARK,))
        self._user = UserReader(
            _PRIVATE_URL, keys=keys, events=self._events, seen=seen, clock=clock, log=log
        )
        self._quotes = QuoteWatch(
            self._board, ask=quote_of, renew=self._public.renew, clock=clock, log=log
        )
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def facts_pending(self) -> int:
        """Return how many facts the consumer has not taken yet."""
        return self._events.pending

    def start(self) -> None:
        """Open the private stream now, the public ones when a symbol is watched; once."""
        public, market = (
            SocketConfig(
                name=name, silence_ms=_PUBLIC_SILENCE_MS, expects_data=True, ping_ms=_PUBLIC_PING_MS
            )
            for name in ("public", "market")
        )
        private = SocketConfig(name="private", silence_ms=_PRIVATE_SILENCE_MS, expects_data=False)
        keeper = self._keeper(private, self._user)
        self._user.on_expiry(keeper.restart)
        self.run("private", keeper.run())
        self.run("public", self._when_watched(self._keeper(public, self._public)))
        self.run("market", self._when_watched(self._keeper(market, self._market)))
        self.run("keep_alive", self._user.keep_alive_forever())
        self.run("frame_age", self._tell_age_forever())
        self.run("quotes", self._quotes.run())

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run endless work beside the streams; its failure ends the event stream."""
        task = asyncio.create_task(work, name=f"binance.{name}")
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def close(self) -> None:
        """End everything that runs."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        """Yield batches of events; one consumer at a time."""
        return self._events.batches()

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        """Set whose prices are wanted, without closing a socket.

        Raise ``UnknownSymbolError`` for a symbol of another market; then nothing has changed.
        """
        if len(symbols) > SYMBOLS_MAX:
            raise ValueError(f"expected at most {SYMBOLS_MAX} symbols, got {len(symbols)}")
        for symbol in symbols:
            venue_symbol(symbol)
        new = symbols - self._board.symbols
        self._board.watch(symbols)
        await self._public.watch_changed()
        await self._market.watch_changed()
        self._want_last(new)

    def lacks_last(self, symbol: Symbol) -> bool:
        """Tell whether a watched symbol has no last price yet."""
        return self._board.lacks_last(symbol)

    def seed_last(self, symbol: Symbol, price: Decimal) -> None:
        """Set the last price of a symbol that has not traded since it is watched."""
        self._board.seed_last(symbol, price)

    def _reader(self, url: str, feeds: tuple[Feed, ...]) -> PublicReader:
        return PublicReader(
            url, feeds, board=self._board, events=self._events, clock=self._clock, log=self._log
        )

    def _want_last(self, symbols: frozenset[Symbol]) -> None:
        for symbol in symbols:
            self._last_wanted(symbol)

    def _keeper(self, config: SocketConfig, reader: PublicReader | UserReader) -> SocketKeeper:
        return SocketKeeper(config, reader, session=self._session, clock=self._clock, log=self._log)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # None of the tasks ends by itself: whoever reads the events must learn that one did.
        if not task.cancelled():
            error = task.exception() or RuntimeError(f"{task.get_name()} ended")
            self._log.error("venue.task_failed", task=task.get_name(), error=repr(error))
            self._events.fail(error)

    async def _when_watched(self, keeper: SocketKeeper) -> None:
        # A public socket without a subscription is silent, and silence means trouble.
        while not self._board.symbols:
            await self._clock.sleep_ms(20)
        await keeper.run()

    async def _tell_age_forever(self) -> None:
        while True:
            await self._clock.sleep_ms(_AGE_MS)
            now = self._clock.now_ms()
            self._events.put_age(
                FrameAge(
                    public_ms=max(now - self._board.newest_read_ms, 0),
                    private_ms=max(now - self._user.newest_read_ms, 0),
                    at_ms=now,
                    stale=tuple(sorted(self._board.stale)),
                )
            )
