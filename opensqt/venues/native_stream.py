"""Binance's public streams, read natively: newest quote, trade and mark price per symbol.

ccxt spends 0.2 ms on a message; busy symbols send thousands a second. Here a frame costs a byte
scan and a dictionary look-up: the stream's name is the first text of a combined frame, the frame is
stored unread over the older one of the same stream, and only what the consumer takes is decoded.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

import orjson

from opensqt.core.ids import Symbol, UnixMs
from opensqt.core.money import ZERO
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import PriceUpdate, StreamKind, StreamPhase, StreamState
from opensqt.ports.telemetry import LogPort
from opensqt.venues.codec import binance
from opensqt.venues.codec.fields import PayloadError, mapping_of
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.socket_keeper import OpenSocket, SocketReader

# {"stream":"btcusdt@trade","data":{…}}: where the name of the stream begins.
_NAME_AT: Final = len(b'{"stream":"')
_ORDER_BOOK_TRADE: Final = b'"X":"MARKET"'
_TRADE_KIND: Final = b'"X":'
_STREAMS_PER_REQUEST: Final = 100
STREAMS_PER_SOCKET_MAX: Final = 1_024


class Feed(Enum):
    """Public streams of a symbol; the value is the stream's suffix."""

    QUOTE = "bookTicker"
    TRADE = "trade"
    MARK = "markPrice@1s"


@dataclass(slots=True, eq=False)
class _Book:
    symbol: Symbol
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    mark: Decimal | None = None
    venue_ms: int = 0
    read_ms: int = 0

    def update(self) -> PriceUpdate | None:
        if self.bid is None or self.ask is None or self.last is None:
            return None
        return PriceUpdate(
            symbol=self.symbol,
            bid=self.bid,
            ask=self.ask,
            last=self.last,
            mark=self.mark,
            venue_ms=UnixMs(self.venue_ms),
            read_ms=UnixMs(self.read_ms),
        )


@dataclass(slots=True, eq=False)
class _Slot:
    """The newest frame of one stream."""

    book: _Book
    feed: Feed
    frame: bytes = b""
    read_ms: int = 0
    is_dirty: bool = False


class PriceBoard:
    """Newest prices of all watched symbols, filled by the sockets, emptied by the consumer."""

    def __init__(
        self,
        *,
        clock: ClockPort,
        log: LogPort,
        changed: Callable[[], None],
        forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        """Call ``changed`` on news, ``forgotten`` when last prices must be asked for again."""
        self._forgotten = forgotten
        self._now = clock.now_ms
        self._log = log
        self._changed = changed
        self._slots: dict[bytes, _Slot] = {}
        self._books: dict[Symbol, _Book] = {}
        self._dirty: list[_Slot] = []
        self.stale: set[Symbol] = set()
        """Symbols whose quotes have stalled, until the next one comes."""
        self.newest_read_ms = 0
        """When the socket of the quotes was last known to be alive; 0 before the first frame.

        Mark prices come over another socket and say nothing about it.
        """
        self.frames = 0
        """Frames read, wanted or not."""

    @property
    def symbols(self) -> frozenset[Symbol]:
        """Return the watched symbols."""
        return frozenset(self._books)

    def watch(self, symbols: frozenset[Symbol]) -> None:
        """Set the watched symbols; what is known of those that stay is kept."""
        self.stale &= symbols
        for symbol in self.symbols - symbols:
            del self._books[symbol]
            for feed in Feed:
                slot = self._slots.pop(stream_name(symbol, feed).encode())
                if slot.is_dirty:
                    self._dirty.remove(slot)
        for symbol in symbols - self.symbols:
            book = self._books[symbol] = _Book(symbol)
            for feed in Feed:
                self._slots[stream_name(symbol, feed).encode()] = _Slot(book, feed)

    def seed_last(self, symbol: Symbol, price: Decimal) -> None:
        """Set the last price of a symbol that has not traded since it is watched."""
        book = self._books.get(symbol)
        if book is not None and book.last is None:
            book.last = price

    def lacks_last(self, symbol: Symbol) -> bool:
        """Tell whether a watched symbol has no last price yet."""
        book = self._books.get(symbol)
        return book is not None and book.last is None

    def forget(self) -> None:
        """Drop all prices: what happened while the socket of the quotes was down is not known."""
        for slot in self._dirty:
            slot.is_dirty = False
        self._dirty.clear()
        for book in self._books.values():
            book.bid = book.ask = book.last = None
        self._forgotten()

    def quote(self, symbol: Symbol) -> tuple[Decimal | None, Decimal | None]:
        """Return the newest (bid, ask) read, None where there is none."""
        slot = self._slots.get(stream_name(symbol, Feed.QUOTE).encode())
        if slot is None:
            return None, None
        if slot.is_dirty and slot.frame:
            self._decode(slot)  # left dirty: the consumer is still to be told
        return slot.book.bid, slot.book.ask

    def quoted_ms(self, symbol: Symbol) -> int:
        """Return when the newest quote was read or confirmed, wall time; 0 = never."""
        slot = self._slots.get(stream_name(symbol, Feed.QUOTE).encode())
        return 0 if slot is None else slot.read_ms

    def confirm(self, symbol: Symbol, *, at_ms: int) -> None:
        """Note that the newest quote was still the venue's at that time."""
        slot = self._slots.get(stream_name(symbol, Feed.QUOTE).encode())
        if slot is not None:
            slot.read_ms = max(slot.read_ms, at_ms)

    def drop(self, symbol: Symbol) -> None:
        """Forget the quote of a symbol: no price is told before the next one."""
        book = self._books.get(symbol)
        if book is None:
            return
        slot = self._slots[stream_name(symbol, Feed.QUOTE).encode()]
        if slot.is_dirty:
            slot.is_dirty = False
            self._dirty.remove(slot)
        book.bid = book.ask = None
        self.stale.add(symbol)

    def heard(self) -> None:
        """Note that the socket of the quotes answered: what it had to say before was read."""
        self.newest_read_ms = self._now()

    def read(self, frame: bytes) -> bool:
        """Keep a frame as the newest of its stream; return whether it belongs to one."""
        self.frames += 1
        slot = self._slots.get(frame[_NAME_AT : frame.find(b'"', _NAME_AT)])
        if slot is None:
            return False
        now_ms = self._now()
        if slot.feed is not Feed.MARK:
            self.newest_read_ms = now_ms
        if slot.feed is Feed.QUOTE and self.stale:
            self.stale.discard(slot.book.symbol)
        # Settlements of the insurance fund and the like come as trades without a market price.
        if slot.feed is Feed.TRADE and _ORDER_BOOK_TRADE not in frame and _TRADE_KIND in frame:
            return True
        slot.frame = frame
        slot.read_ms = now_ms
        if not slot.is_dirty:
            slot.is_dirty = True
            self._dirty.append(slot)
            self._changed()
        return True

    def take(self) -> tuple[PriceUpdate, ...]:
        """Return the symbols whose prices changed since the last call, each once."""
        if not self._dirty:
            return ()
        dirty, self._dirty = self._dirty, []
        books: dict[Symbol, _Book] = {}
        for slot in dirty:
            slot.is_dirty = False
            if self._decode(slot):
                books[slot.book.symbol] = slot.book
        updates = (book.update() for book in books.values())
        return tuple(update for update in updates if update is not None)

    def _decode(self, slot: _Slot) -> bool:
        book = slot.book
        try:
            raw = mapping_of(orjson.loads(slot.frame)["data"])
            if slot.feed is Feed.QUOTE:
                book.bid, book.ask, venue_ms = binance.quote_of(raw)
            elif slot.feed is Feed.TRADE:
                price, venue_ms = binance.trade_price_of(raw)
                if price <= ZERO:
                    return False
                book.last = price
            else:
                book.mark, venue_ms = binance.mark_price_of(raw)
        except (orjson.JSONDecodeError, PayloadError, KeyError, TypeError) as error:
            self._log.error("stream.frame_not_understood", error=str(error), frame=slot.frame[:200])
            return False
        book.venue_ms = max(book.venue_ms, venue_ms)
        if slot.feed is not Feed.MARK:
            book.read_ms = max(book.read_ms, slot.read_ms)
        return True


def _answer_id(frame: bytes) -> int | None:
    try:
        number = mapping_of(orjson.loads(frame)).get("id")
    except (orjson.JSONDecodeError, PayloadError):
        return None
    return number if isinstance(number, int) else None


def stream_name(symbol: Symbol, feed: Feed) -> str:
    """Return ``btcusdt@bookTicker``."""
    return f"{binance.venue_symbol(symbol).lower()}@{feed.value}"


class PublicReader(SocketReader):
    """Subscribes one public socket to some feeds of the watched symbols."""

    def __init__(
        self,
        url: str,
        feeds: Iterable[Feed],
        *,
        board: PriceBoard,
        events: EventQueue,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        self._url = url
        self._feeds = tuple(feeds)
        self._brings_quotes = Feed.QUOTE in self._feeds
        self._was_open = False
        self._board = board
        self._events = events
        self._clock = clock
        self._log = log
        self._socket: OpenSocket | None = None
        self._subscribed: frozenset[str] = frozenset()
        self._request_id = 0
        self._asked: dict[int | None, list[str]] = {}
        """Streams of the requests that were not answered yet."""
        self._changing = asyncio.Lock()

    @property
    def expects_frames(self) -> bool:
        return bool(self._subscribed)

    async def url(self) -> str:
        return self._url

    async def opened(self, socket: OpenSocket) -> None:
        self._socket, self._subscribed = socket, frozenset()
        self._asked.clear()
        if self._brings_quotes and self._was_open:
            self._board.forget()
        self._was_open = True
        await self._subscribe()
        self._tell(StreamPhase.LIVE, "connected")

    async def watch_changed(self) -> None:
        """Bring the subscription in line with the board, without a new connection."""
        if self._socket is None:
            return
        try:
            await self._subscribe()
        except ConnectionError as error:
            # The next connection subscribes to everything wanted.
            self._log.info("stream.subscribe_deferred", reason=str(error))

    async def renew(self, symbol: Symbol) -> None:
        """Subscribe to a symbol anew, by itself: what the venue refuses concerns no other."""
        names = frozenset(stream_name(symbol, feed) for feed in self._feeds)
        async with self._changing:
            if self._socket is None or not names & self._subscribed:
                return
            try:
                await self._request("UNSUBSCRIBE", names)
                await self._request("SUBSCRIBE", names)
            except ConnectionError as error:
                self._log.info("stream.subscribe_deferred", reason=str(error))

    def read(self, frame: bytes) -> None:
        if not self._board.read(frame):
            self._answered(frame)

    def answered(self) -> None:
        if self._brings_quotes:
            self._board.heard()

    def closed(self, reason: str) -> None:
        if self._socket is not None:
            self._socket = None
            self._tell(StreamPhase.DOWN, reason)

    async def _subscribe(self) -> None:
        async with self._changing:
            wanted = frozenset(
                stream_name(symbol, feed) for symbol in self._board.symbols for feed in self._feeds
            )
            gone, new = self._subscribed - wanted, wanted - self._subscribed
            self._subscribed = wanted
            await self._request("UNSUBSCRIBE", gone)
            await self._request("SUBSCRIBE", new)

    async def _request(self, method: str, streams: frozenset[str]) -> None:
        names = sorted(streams)
        for start in range(0, len(names), _STREAMS_PER_REQUEST):
            self._request_id += 1
            params = names[start : start + _STREAMS_PER_REQUEST]
            text = json.dumps({"method": method, "params": params, "id": self._request_id})
            assert self._socket is not None
            self._asked[self._request_id] = params
            await self._socket.send_text(text)

    def _answered(self, frame: bytes) -> None:
        # {"result":null,"id":1} is an answer without complaint; the rest is worth a line.
        if frame.startswith(b'{"stream"'):
            return
        number = _answer_id(frame)
        streams = self._asked.pop(number, ())
        if b'"result":null' in frame:
            return
        # Who has no quotes has no price, and is subscribed anew by the watch over quotes.
        self._log.error("stream.refused", streams=streams[:3], count=len(streams), said=frame[:200])

    def _tell(self, phase: StreamPhase, reason: str) -> None:
        if not self._brings_quotes:
            return  # The public stream is as good as its quotes, whatever the others do.
        self._events.put(
            StreamState(
                kind=StreamKind.PUBLIC, phase=phase, reason=reason, at_ms=self._clock.now_ms()
            )
        )
