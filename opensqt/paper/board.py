"""What the public sees of each symbol: book, trades, candles, mark price, funding; and its streams.

Funding is shown (rate and next time, as clients expect) but not charged.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from opensqt.core.ids import Symbol
from opensqt.core.money import ZERO, to_text
from opensqt.core.orders import Side
from opensqt.market.types import PublicEvent, PublicTrade, Quote
from opensqt.market.venue import VenueModel
from opensqt.paper.candles import INTERVALS_MS, Candles
from opensqt.paper.dialect import Json, day_json, kline_update, venue_symbol
from opensqt.paper.hub import Hub

DEPTH_LEVELS: Final = 20
FUNDING_INTERVAL_MS: Final = 8 * 3_600_000
FUNDING_RATE: Final = Decimal("0.0001")
_TRADES_KEPT: Final = 1_000

Ladder = dict[Decimal, Decimal]


class SymbolBoard:
    """The public side of one symbol."""

    def __init__(self, symbol: Symbol, *, update_id: int) -> None:
        self.symbol = symbol
        self.name = venue_symbol(symbol)
        self.stem = self.name.lower()
        self.candles = Candles()
        self.trades: deque[PublicTrade] = deque(maxlen=_TRADES_KEPT)
        self.update_id = update_id
        """Rises with every change of the book, also across restarts."""
        self.depth_id = update_id
        self.bids: Ladder = {}
        self.asks: Ladder = {}
        self.shown_candles: dict[str, int] = {}
        """Interval to the opening time of the candle shown last."""
        self.has_traded = False
        """Whether there was a trade since the last second's messages."""


class Board:
    """All symbols, and the public streams."""

    def __init__(self, model: VenueModel, hub: Hub, *, start_ms: int) -> None:
        self._model = model
        self._hub = hub
        # Time-based, so that ids of a restarted venue are larger than those before.
        self._symbols = {s: SymbolBoard(s, update_id=start_ms * 1_000) for s in model.books}

    def __getitem__(self, symbol: Symbol) -> SymbolBoard:
        return self._symbols[symbol]

    def show(self, event: PublicEvent, now_ms: int) -> None:
        """Publish a market event and remember it."""
        board = self._symbols[event.symbol]
        if isinstance(event, PublicTrade):
            board.candles.add(event)
            board.trades.append(event)
            board.has_traded = True
            self._show_trade(board, event, now_ms)
            return
        board.update_id += 1
        topic = f"{board.stem}@bookTicker"
        if self._hub.has_listeners(topic):
            quote = event.quote
            message = {
                "e": "bookTicker",
                "u": board.update_id,
                "s": board.name,
                "b": str(quote.bid),
                "B": str(quote.bid_quantity),
                "a": str(quote.ask),
                "A": str(quote.ask_quantity),
                "T": event.at_ms,
                "E": now_ms,
            }
            self._hub.publish(topic, message)

    def show_depth(self, now_ms: int) -> None:
        """Publish what changed in the books somebody follows; call each 100 ms."""
        for board in self._symbols.values():
            topics = [t for t in _depth_topics(board.stem) if self._hub.has_listeners(t)]
            if topics and self._model.quote(board.symbol) is not None:
                message = self._depth_update(board, now_ms)
                if message is not None:
                    for topic in topics:
                        self._hub.publish(topic, message)
            self._show_partial_depth(board, now_ms)

    def show_second(self, now_ms: int) -> None:
        """Publish mark prices, candles and day statistics; call each second."""
        for topic in self._hub.topics():
            stem, _, channel = topic.partition("@")
            board = self._by_stem(stem)
            if board is None:
                continue
            if channel.startswith("markPrice"):
                message = self.mark_json(board, now_ms)
                if message is not None:
                    self._hub.publish(topic, message)
            elif channel.startswith("kline_"):
                self._show_candle(board, topic, channel.removeprefix("kline_"), now_ms)
            elif channel in {"miniTicker", "ticker"} and board.has_traded:
                self._show_day(board, topic, now_ms)
        for board in self._symbols.values():
            board.has_traded = False

    def depth_json(self, board: SymbolBoard, limit: int, now_ms: int) -> Json:
        """Return the book as REST shows it, consistent with the depth stream."""
        is_followed = any(self._hub.has_listeners(t) for t in _depth_topics(board.stem))
        if not is_followed or not board.bids:
            self._depth_update(board, now_ms)
        return {
            "lastUpdateId": board.depth_id,
            "E": now_ms,
            "T": now_ms,
            "bids": _rows(sorted(board.bids.items(), reverse=True)[:limit]),
            "asks": _rows(sorted(board.asks.items())[:limit]),
        }

    def mark_json(self, board: SymbolBoard, now_ms: int) -> Json | None:
        """Return a ``markPriceUpdate`` message, None before any price."""
        mark = self._model.mark_price(board.symbol)
        if mark is None:
            return None
        text = to_text(mark)
        return {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": board.name,
            "p": text,
            "ap": text,
            "i": text,
            "P": text,
            "r": to_text(FUNDING_RATE),
            "T": next_funding_ms(now_ms),
        }

    # ------------------------------------------------------------------------------- private

    def _by_stem(self, stem: str) -> SymbolBoard | None:
        return self._symbols.get(Symbol(f"{stem.upper()}:perp"))

    def _show_trade(self, board: SymbolBoard, trade: PublicTrade, now_ms: int) -> None:
        topic = f"{board.stem}@trade"
        price, quantity = str(trade.price), str(trade.quantity)
        is_seller = trade.aggressor is Side.SELL
        if self._hub.has_listeners(topic):
            message = {
                "e": "trade",
                "E": now_ms,
                "T": trade.at_ms,
                "s": board.name,
                "t": trade.trade_id,
                "p": price,
                "q": quantity,
                "X": "MARKET",
                "m": is_seller,
            }
            self._hub.publish(topic, message)
        topic = f"{board.stem}@aggTrade"
        if self._hub.has_listeners(topic):
            message = {
                "e": "aggTrade",
                "E": now_ms,
                "a": trade.trade_id,
                "s": board.name,
                "p": price,
                "q": quantity,
                "f": trade.trade_id,
                "l": trade.trade_id,
                "T": trade.at_ms,
                "m": is_seller,
            }
            self._hub.publish(topic, message)

    def _show_candle(self, board: SymbolBoard, topic: str, interval: str, now_ms: int) -> None:
        step_ms = INTERVALS_MS.get(interval)
        if step_ms is None:
            return
        # A candle is shown once more, as closed, before the next one is shown.
        since = board.shown_candles.get(interval, now_ms // step_ms * step_ms)
        for candle in board.candles.series(interval, start_ms=since, end_ms=now_ms, limit=2):
            is_closed = now_ms >= candle.open_ms + step_ms
            message = kline_update(
                board.name, interval, candle, step_ms=step_ms, is_closed=is_closed, now_ms=now_ms
            )
            self._hub.publish(topic, message)
            board.shown_candles[interval] = candle.open_ms + (step_ms if is_closed else 0)

    def _show_day(self, board: SymbolBoard, topic: str, now_ms: int) -> None:
        candle = board.candles.day(now_ms)
        if candle is None:
            return
        day = day_json(board.name, candle, now_ms)
        message = {
            "e": "24hrMiniTicker" if topic.endswith("miniTicker") else "24hrTicker",
            "E": now_ms,
            "s": board.name,
            "c": day["lastPrice"],
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
        }
        self._hub.publish(topic, message)

    def _depth_update(self, board: SymbolBoard, now_ms: int) -> Json | None:
        quote = self._model.quote(board.symbol)
        if quote is None:
            return None
        tick = self._model.instrument(board.symbol).tick_size
        bids, asks = ladders(quote, tick)
        bid_changes, ask_changes = _changes(board.bids, bids), _changes(board.asks, asks)
        if not bid_changes and not ask_changes:
            return None
        board.bids, board.asks = bids, asks
        previous = board.depth_id
        board.depth_id = board.update_id = max(board.update_id, previous) + 1
        return {
            "e": "depthUpdate",
            "E": now_ms,
            "T": now_ms,
            "s": board.name,
            "U": previous + 1,
            "u": board.depth_id,
            "pu": previous,
            "b": _rows(bid_changes.items()),
            "a": _rows(ask_changes.items()),
        }

    def _show_partial_depth(self, board: SymbolBoard, now_ms: int) -> None:
        for levels in (5, 10, 20):
            for suffix in ("", "@100ms"):
                topic = f"{board.stem}@depth{levels}{suffix}"
                if not self._hub.has_listeners(topic):
                    continue
                book = self.depth_json(board, levels, now_ms)
                message = {
                    "e": "depthUpdate",
                    "E": now_ms,
                    "T": now_ms,
                    "s": board.name,
                    "U": board.depth_id,
                    "u": board.depth_id,
                    "pu": board.depth_id - 1,
                    "b": book["bids"],
                    "a": book["asks"],
                }
                self._hub.publish(topic, message)


def ladders(quote: Quote, tick: Decimal) -> tuple[Ladder, Ladder]:
    """Return (bids, asks) as the matching assumes them: n times the shown size n - 1 ticks out."""
    bids, asks = {}, {}
    for level in range(DEPTH_LEVELS):
        price = quote.bid - level * tick
        if price > ZERO:
            bids[price] = quote.bid_quantity * (level + 1)
        asks[quote.ask + level * tick] = quote.ask_quantity * (level + 1)
    return bids, asks


def next_funding_ms(now_ms: int) -> int:
    """Return the next funding instant."""
    return (now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS


def _depth_topics(stem: str) -> tuple[str, ...]:
    return (f"{stem}@depth", f"{stem}@depth@100ms", f"{stem}@depth@500ms", f"{stem}@depth@0ms")


def _changes(old: Ladder, new: Ladder) -> Ladder:
    changed = {price: size for price, size in new.items() if old.get(price) != size}
    changed.update({price: ZERO for price in old if price not in new})
    return changed


def _rows(levels: Iterable[tuple[Decimal, Decimal]]) -> list[list[str]]:
    return [[str(price), str(size)] for price, size in levels]
