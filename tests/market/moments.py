"""Moments of a market, measured alike on recorded and on synthetic events.

Run as a script to print them for a recorded file and for the synthetic market fitted to it:
``python -m tests.market.moments FILE``.
"""

import itertools
import math
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opensqt.core.ids import Symbol, UnixMs
from opensqt.core.orders import Side
from opensqt.market.frames import QuoteFrame, TradeFrame, read_frames
from opensqt.market.instruments import INSTRUMENTS, PROFILES
from opensqt.market.synthetic import SyntheticMarket
from opensqt.market.types import PublicEvent, PublicQuote, PublicTrade

SECOND = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What the synthetic market is fitted to."""

    trades_per_s: float
    bursts_per_s: float
    """Milliseconds with at least one trade."""
    burst_fano_100ms: float
    """Variance over mean of the number of bursts per window; 1 would be a Poisson process."""
    burst_fano_1s: float
    trade_fano_1s: float
    volatility_1s_bps: float
    volatility_10s_bps: float
    kurtosis_1s: float
    wide_share: float
    """Share of the time with a spread of more than one tick."""
    price_changes_per_s: float
    sign_autocorrelation: float
    quantity_median: float
    quantity_p90: float


def measure(events: Sequence[PublicEvent], tick: float) -> Moments:
    trades = [event for event in events if isinstance(event, PublicTrade)]
    quotes = [event for event in events if isinstance(event, PublicQuote)]
    start, end = quotes[0].at_ms, quotes[-1].at_ms
    span_s = (end - start) / SECOND
    bursts = sorted({trade.at_ms for trade in trades})
    stamps = [trade.at_ms for trade in trades]
    returns = _returns(quotes, SECOND)
    sizes = sorted(float(trade.quantity) for trade in trades)
    pairs = list(itertools.pairwise(quotes))
    wide = sum(
        after.at_ms - before.at_ms
        for before, after in pairs
        if float(before.quote.ask - before.quote.bid) > 1.5 * tick
    )
    moved = sum(
        (before.quote.bid, before.quote.ask) != (after.quote.bid, after.quote.ask)
        for before, after in pairs
    )
    return Moments(
        trades_per_s=len(trades) / span_s,
        bursts_per_s=len(bursts) / span_s,
        burst_fano_100ms=_fano(bursts, 100),
        burst_fano_1s=_fano(bursts, SECOND),
        trade_fano_1s=_fano(stamps, SECOND),
        volatility_1s_bps=statistics.pstdev(returns) * 10_000,
        volatility_10s_bps=statistics.pstdev(_returns(quotes, 10 * SECOND)) * 10_000,
        kurtosis_1s=_kurtosis(returns),
        wide_share=wide / (end - start),
        price_changes_per_s=moved / span_s,
        sign_autocorrelation=_autocorrelation(trades),
        quantity_median=sizes[len(sizes) // 2],
        quantity_p90=sizes[len(sizes) * 9 // 10],
    )


def recorded_events(path: Path) -> list[PublicEvent]:
    events: list[PublicEvent] = []
    for frame in read_frames(path, depth=False):
        if isinstance(frame, TradeFrame):
            events.append(
                PublicTrade(
                    symbol=Symbol(f"{frame.venue_symbol}:perp"),
                    trade_id=frame.trade_id,
                    price=frame.price,
                    quantity=frame.quantity,
                    aggressor=frame.aggressor,
                    at_ms=frame.venue_ms,
                )
            )
        elif isinstance(frame, QuoteFrame):
            symbol = Symbol(f"{frame.venue_symbol}:perp")
            events.append(PublicQuote(symbol=symbol, quote=frame.quote, at_ms=frame.venue_ms))
    return events


def synthetic_events(symbol: Symbol, *, seed: int, seconds: int) -> list[PublicEvent]:
    market = SyntheticMarket(
        PROFILES[symbol], INSTRUMENTS[symbol], rng=random.Random(seed), start_ms=UnixMs(0)
    )
    return market.events(UnixMs(seconds * SECOND))


def _fano(stamps: Sequence[int], window: int) -> float:
    counts = [0] * ((stamps[-1] - stamps[0]) // window + 1)
    for stamp in stamps:
        counts[(stamp - stamps[0]) // window] += 1
    return statistics.pvariance(counts) / statistics.mean(counts)


def _returns(quotes: Sequence[PublicQuote], window: int) -> list[float]:
    logs, index = [], 0
    for at in range(quotes[0].at_ms, quotes[-1].at_ms, window):
        while index + 1 < len(quotes) and quotes[index + 1].at_ms <= at:
            index += 1
        logs.append(math.log(quotes[index].quote.mid_price))
    return [after - before for before, after in itertools.pairwise(logs)]


def _kurtosis(values: Sequence[float]) -> float:
    mean, variance = statistics.mean(values), statistics.pvariance(values)
    return statistics.mean((value - mean) ** 4 for value in values) / variance**2


def _autocorrelation(trades: Sequence[PublicTrade]) -> float:
    signs = [1.0 if trade.aggressor is Side.BUY else -1.0 for trade in trades]
    mean, variance = statistics.mean(signs), statistics.pvariance(signs)
    products = ((a - mean) * (b - mean) for a, b in itertools.pairwise(signs))
    return sum(products) / len(signs) / variance


if __name__ == "__main__":
    recorded = recorded_events(Path(sys.argv[1]))
    name = recorded[0].symbol
    step = float(INSTRUMENTS[name].tick_size)
    print("recorded ", measure(recorded, step))
    for number in range(3):
        made = synthetic_events(name, seed=number, seconds=1_800)
        print("synthetic", measure(made, step))
