"""The synthetic market: reproducible, exact, and like the recorded one where it matters."""

import itertools
import random
from decimal import Decimal

import pytest

from opensqt.core.ids import Symbol, UnixMs
from opensqt.core.money import is_multiple
from opensqt.core.orders import Side
from opensqt.market.instruments import INSTRUMENTS, PROFILES
from opensqt.market.synthetic import SyntheticMarket
from opensqt.market.types import PublicQuote, PublicTrade
from tests.market.moments import measure, recorded_events, synthetic_events
from tests.market.recorded import recording

BTC, ETH = Symbol("BTCUSDT:perp"), Symbol("ETHUSDT:perp")


def market(symbol: Symbol = BTC, seed: int = 1, start: int = 0) -> SyntheticMarket:
    return SyntheticMarket(
        PROFILES[symbol], INSTRUMENTS[symbol], rng=random.Random(seed), start_ms=UnixMs(start)
    )


def test_the_same_seed_gives_the_same_market_whatever_the_steps() -> None:
    whole = market().events(UnixMs(60_000))
    stepped = market()
    pieces = [stepped.events(UnixMs(at)) for at in range(50, 60_001, 50)]

    assert whole == list(itertools.chain.from_iterable(pieces))
    assert whole != market(seed=2).events(UnixMs(60_000))


@pytest.mark.parametrize("symbol", sorted(PROFILES))
def test_every_symbol_gives_a_market_its_own_rules_allow(symbol: Symbol) -> None:
    rules, events = INSTRUMENTS[symbol], market(symbol).events(UnixMs(300_000))
    trades = [event for event in events if isinstance(event, PublicTrade)]
    quotes = [event for event in events if isinstance(event, PublicQuote)]

    assert len(trades) > 300
    assert [trade.trade_id for trade in trades] == list(range(1, len(trades) + 1))
    assert [e.at_ms for e in events] == sorted(e.at_ms for e in events)
    for trade in trades:
        assert trade.price > 0
        assert is_multiple(trade.price, rules.tick_size)
        assert trade.quantity >= rules.lot_size
        assert is_multiple(trade.quantity, rules.lot_size)
    for event in quotes:
        quote = event.quote
        assert 0 < quote.bid < quote.ask
        assert is_multiple(quote.bid, rules.tick_size)
        assert is_multiple(quote.ask, rules.tick_size)
        assert min(quote.bid_quantity, quote.ask_quantity) >= rules.lot_size
    last = quotes[-1].quote.mid_price
    assert abs(last / PROFILES[symbol].price - 1) < Decimal("0.05")


def test_trades_happen_at_or_beyond_the_best_price_of_their_side() -> None:
    quote = None
    for event in market().events(UnixMs(300_000)):
        if isinstance(event, PublicQuote):
            quote = event.quote
        elif quote is not None and event.aggressor is Side.BUY:
            assert event.price >= quote.ask
        elif quote is not None:
            assert event.price <= quote.bid


def test_time_that_is_skipped_has_no_events() -> None:
    skipping = market()
    skipping.events(UnixMs(1_000))

    skipping.skip_to(UnixMs(3_600_000))
    events = skipping.events(UnixMs(3_601_000))

    assert events
    assert all(event.at_ms >= 3_600_000 - 1_000 for event in events)
    assert len(events) < 2_000


def test_a_market_goes_on_where_it_stood() -> None:
    first = market()
    first.events(UnixMs(60_000))
    bid = first.quote.bid

    second = SyntheticMarket(
        PROFILES[BTC],
        INSTRUMENTS[BTC],
        rng=random.Random(7),
        start_ms=UnixMs(70_000),
        price=bid,
        trade_id_next=first.trade_id_next,
    )

    assert second.quote.bid == bid
    trades = [e for e in second.events(UnixMs(90_000)) if isinstance(e, PublicTrade)]
    assert trades[0].trade_id == first.trade_id_next


def test_a_market_that_wandered_off_comes_back() -> None:
    away = [
        SyntheticMarket(
            PROFILES[BTC],
            INSTRUMENTS[BTC],
            rng=random.Random(seed),
            start_ms=UnixMs(0),
            price=PROFILES[BTC].price * Decimal("1.2"),
        )
        for seed in range(4)
    ]

    for wandering in away:
        wandering.events(UnixMs(900_000))

    # A sixteenth of the half life: 20 % away become about 19 %.
    mean = sum((item.quote.bid for item in away), Decimal(0)) / 4 / PROFILES[BTC].price
    assert Decimal("1.185") < mean < Decimal("1.196")


# Recorded sample of 345 s against a quarter of an hour of synthetic market, as (lowest, highest)
# ratio. Rates and sizes are fitted closely; volatility is one number of a five-minute sample;
# burstiness and tails are fitted in order of magnitude.
TOLERANCES = {
    "trades_per_s": (0.8, 1.25),
    "bursts_per_s": (0.8, 1.25),
    "burst_fano_100ms": (0.5, 1.6),
    "burst_fano_1s": (0.6, 1.6),
    "trade_fano_1s": (0.2, 2.0),
    "volatility_1s_bps": (0.75, 1.35),
    "volatility_10s_bps": (0.75, 1.5),
    "kurtosis_1s": (0.3, 6.0),
    "wide_share": (0.5, 2.0),
    "price_changes_per_s": (0.6, 1.6),
    "sign_autocorrelation": (0.8, 1.2),
    "quantity_median": (0.5, 2.0),
    "quantity_p90": (0.5, 2.0),
}


@pytest.mark.parametrize(("name", "symbol"), [("usdm_btcusdt", BTC), ("usdm_ethusdt", ETH)])
def test_the_synthetic_market_has_the_moments_of_the_recorded_one(
    name: str, symbol: Symbol
) -> None:
    tick = float(INSTRUMENTS[symbol].tick_size)
    recorded = measure(recorded_events(recording(name)), tick)
    made = measure(synthetic_events(symbol, seed=1, seconds=900), tick)

    ratios = {key: getattr(made, key) / getattr(recorded, key) for key in TOLERANCES}
    outside = {
        key: round(ratio, 2)
        for key, ratio in ratios.items()
        if not TOLERANCES[key][0] <= ratio <= TOLERANCES[key][1]
    }
    assert outside == {}, f"{recorded} against {made}"
