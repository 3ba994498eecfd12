"""Rules of the perpetuals the paper venue knows, and how lively their synthetic market is.

Steps and limits are those Binance USD-M publishes for these symbols; prices are those of
2024-08-08, the day of the recorded data.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from opensqt.core.ids import Symbol
from opensqt.core.instrument import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one symbol's synthetic market behaves. Constants of a simulation, so floats."""

    symbol: Symbol
    price: Decimal
    """Where the market starts and what it is weakly drawn back to, quote units."""
    volatility_bps: float
    """Standard deviation of the mid's return over one second, basis points."""
    bursts_per_s: float
    """Moments with at least one trade, per second; trades of one moment share a millisecond."""
    branching: float
    """Share of bursts caused by earlier bursts (Hawkes branching ratio), 0 to below 1."""
    decay_per_s: float
    """How fast the excitement after a burst fades."""
    single_share: float
    """Share of bursts that are one trade."""
    burst_log_mean: float
    """Mean of the logarithm of further trades in a larger burst."""
    burst_log_sd: float
    move_share: float
    """Share of bursts after which the best prices move, where the tick is fine enough."""
    move_log_sd: float
    """Spread of the logarithm of the size of a move."""
    trade_log_mean: float
    """Mean of the logarithm of a trade's quantity, base units."""
    trade_log_sd: float
    shown_log_mean: float
    """Mean of the logarithm of the quantity shown at a best price, base units."""
    shown_log_sd: float


@dataclass(frozen=True, slots=True)
class _Rules:
    base: str
    tick: str
    lot: str
    notional_min: str
    price: str
    liveliness: float
    """Rate of bursts relative to ETHUSDT."""
    volatility_bps: float


# BTCUSDT and ETHUSDT: measured on recorded USD-M frames of 2024-08-08 23:54:15-24:00 UTC
# (345 s; 21,313 and 14,076 trades). Rates, shares and log moments are the sample's own; branching
# and decay solve the Hawkes formula for the variance-to-mean ratio of bursts in windows of 0.1, 1
# and 5 s (5.7, 20, 40 and 3.5, 9, 12.5); the size of a move follows from the volatility.
BTCUSDT: Final = Profile(
    symbol=Symbol("BTCUSDT:perp"),
    price=Decimal("61800.0"),
    volatility_bps=1.21,
    bursts_per_s=15.3,
    branching=0.85,
    decay_per_s=8.7,
    single_share=0.64,
    burst_log_mean=0.94,
    burst_log_sd=1.55,
    move_share=0.21,
    move_log_sd=1.5,
    trade_log_mean=-4.0,
    trade_log_sd=1.87,
    shown_log_mean=0.31,
    shown_log_sd=1.5,
)
ETHUSDT: Final = Profile(
    symbol=Symbol("ETHUSDT:perp"),
    price=Decimal("2680.00"),
    volatility_bps=1.21,
    bursts_per_s=10.1,
    branching=0.73,
    decay_per_s=9.6,
    single_share=0.52,
    burst_log_mean=0.98,
    burst_log_sd=1.32,
    move_share=0.38,
    move_log_sd=1.2,
    trade_log_mean=-2.52,
    trade_log_sd=2.0,
    shown_log_mean=1.9,
    shown_log_sd=1.5,
)

# The others borrow ETHUSDT's shape, scaled by how much they trade; not measured.
_OTHERS: Final = (
    _Rules("SOL", "0.01", "0.1", "5", "160.00", 0.7, 1.7),
    _Rules("XRP", "0.0001", "0.1", "5", "0.6100", 0.4, 1.6),
    _Rules("BNB", "0.01", "0.01", "5", "516.00", 0.4, 1.2),
    _Rules("DOGE", "0.00001", "1", "5", "0.10500", 0.5, 1.8),
    _Rules("ADA", "0.0001", "1", "5", "0.3500", 0.25, 1.6),
    _Rules("LTC", "0.01", "0.001", "20", "62.00", 0.2, 1.3),
    _Rules("LINK", "0.001", "0.01", "20", "10.600", 0.25, 1.6),
    _Rules("AVAX", "0.001", "0.1", "5", "22.000", 0.3, 1.7),
)


def _instrument(base: str, tick: str, lot: str, notional_min: str, *, most: str) -> Instrument:
    return Instrument(
        symbol=Symbol(f"{base}USDT:perp"),
        venue_symbol=f"{base}USDT",
        base_asset=base,
        quote_asset="USDT",
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        quantity_min=Decimal(lot),
        quantity_max=Decimal(most),
        notional_min=Decimal(notional_min),
        contract_size=Decimal(1),
        orders_open_max=200,
        reduce_only_exempt=True,
        price_band=Decimal("0.05"),
    )


def _scaled(rules: _Rules) -> Profile:
    # Quantities keep ETHUSDT's value in quote units.
    worth = math.log(float(ETHUSDT.price) / float(rules.price))
    return replace(
        ETHUSDT,
        symbol=Symbol(f"{rules.base}USDT:perp"),
        price=Decimal(rules.price),
        volatility_bps=rules.volatility_bps,
        bursts_per_s=ETHUSDT.bursts_per_s * rules.liveliness,
        trade_log_mean=ETHUSDT.trade_log_mean + worth,
        shown_log_mean=ETHUSDT.shown_log_mean + worth,
    )


PROFILES: Final[Mapping[Symbol, Profile]] = MappingProxyType(
    {item.symbol: item for item in (BTCUSDT, ETHUSDT, *map(_scaled, _OTHERS))}
)
"""The synthetic market of every known symbol."""

INSTRUMENTS: Final[Mapping[Symbol, Instrument]] = MappingProxyType(
    {
        item.symbol: item
        for item in (
            _instrument("BTC", "0.1", "0.001", "50", most="1000"),
            _instrument("ETH", "0.01", "0.001", "20", most="10000"),
            *(_instrument(r.base, r.tick, r.lot, r.notional_min, most="10000000") for r in _OTHERS),
        )
    }
)
"""The trading rules of every known symbol."""
