"""Candles and day statistics of one symbol, built from the public trades the venue showed."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from opensqt.core.money import ZERO
from opensqt.core.orders import Side
from opensqt.market.types import PublicTrade

MINUTE_MS: Final = 60_000
INTERVALS_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "1m": MINUTE_MS,
        "3m": 3 * MINUTE_MS,
        "5m": 5 * MINUTE_MS,
        "15m": 15 * MINUTE_MS,
        "30m": 30 * MINUTE_MS,
        "1h": 60 * MINUTE_MS,
        "2h": 120 * MINUTE_MS,
        "4h": 240 * MINUTE_MS,
        "6h": 360 * MINUTE_MS,
        "8h": 480 * MINUTE_MS,
        "12h": 720 * MINUTE_MS,
        "1d": 1440 * MINUTE_MS,
    }
)
"""Candle intervals served, all multiples of a minute."""
_MINUTES_KEPT: Final = 2 * 1440


@dataclass(slots=True, kw_only=True)
class Candle:
    """One interval of trading; mutable while it is the current one."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    """Base units."""
    quote_volume: Decimal = ZERO
    taker_buy_volume: Decimal = ZERO
    taker_buy_quote_volume: Decimal = ZERO
    trades: int = 0
    first_id: int = -1
    last_id: int = -1

    def add(self, other: "Candle") -> None:
        """Take in a later candle of the same, longer interval."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.quote_volume += other.quote_volume
        self.taker_buy_volume += other.taker_buy_volume
        self.taker_buy_quote_volume += other.taker_buy_quote_volume
        self.trades += other.trades
        self.first_id = other.first_id if self.first_id < 0 else self.first_id
        self.last_id = max(self.last_id, other.last_id)


class Candles:
    """Minute candles of one symbol; longer intervals are put together on demand."""

    def __init__(self) -> None:
        self._minutes: deque[Candle] = deque(maxlen=_MINUTES_KEPT)

    def add(self, trade: PublicTrade) -> None:
        """Count a trade; one that is older than the current minute counts into the current."""
        price, quantity = trade.price, trade.quantity
        open_ms = trade.at_ms // MINUTE_MS * MINUTE_MS
        current = self._minutes[-1] if self._minutes else None
        if current is None or open_ms > current.open_ms:
            current = Candle(open_ms=open_ms, open=price, high=price, low=price, close=price)
            self._minutes.append(current)
        value = price * quantity
        current.high = max(current.high, price)
        current.low = min(current.low, price)
        current.close = price
        current.volume += quantity
        current.quote_volume += value
        if trade.aggressor is Side.BUY:
            current.taker_buy_volume += quantity
            current.taker_buy_quote_volume += value
        current.trades += 1
        current.first_id = trade.trade_id if current.first_id < 0 else current.first_id
        current.last_id = trade.trade_id

    def series(self, interval: str, *, start_ms: int, end_ms: int, limit: int) -> list[Candle]:
        """Return the newest ``limit`` candles that open in [start_ms, end_ms], oldest first."""
        step = INTERVALS_MS[interval]
        out: list[Candle] = []
        for minute in self._within(start_ms, end_ms + step):
            open_ms = minute.open_ms // step * step
            if not start_ms <= open_ms <= end_ms:
                continue
            if out and out[-1].open_ms == open_ms:
                out[-1].add(minute)
            else:
                out.append(_restarted(minute, open_ms))
        return out[-limit:]

    def day(self, now_ms: int) -> Candle | None:
        """Return the last 24 hours as one candle, None without trades."""
        return self._merged(now_ms - 1440 * MINUTE_MS, now_ms + 1)

    def _merged(self, start_ms: int, end_ms: int) -> Candle | None:
        merged: Candle | None = None
        for minute in self._within(start_ms, end_ms):
            if merged is None:
                merged = _restarted(minute, minute.open_ms)
            else:
                merged.add(minute)
        if merged is not None and merged.open_ms > start_ms:
            merged.open_ms = start_ms
        return merged

    def _within(self, start_ms: int, end_ms: int) -> list[Candle]:
        # From the newest: what is asked for is mostly recent.
        out = []
        for minute in reversed(self._minutes):
            if minute.open_ms < start_ms:
                break
            if minute.open_ms < end_ms:
                out.append(minute)
        return out[::-1]


def _restarted(minute: Candle, open_ms: int) -> Candle:
    copy = Candle(
        open_ms=open_ms, open=minute.open, high=minute.high, low=minute.low, close=minute.close
    )
    copy.add(minute)
    return copy
