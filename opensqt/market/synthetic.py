"""A seeded synthetic market of one symbol: public trades and best prices that look like real ones.

Theory of operation. Trades come in *bursts*, moments in which one aggressor takes several resting
orders. Bursts excite further bursts (a Hawkes process with an exponential kernel). After a burst
the best prices may move by a log-normal number of ticks, mostly towards the aggressor; then the
side that was eaten moves first and the other follows a few milliseconds later, which is when the
spread is wider than one tick. The mid is weakly drawn back to its starting price, so that a demo
that runs for days stays in sight of its grid.

Only best-price updates that change a price are as frequent as in reality; those that change
nothing but a quantity are thinned, because they cost processor time and decide nothing.

Floats stay inside: what leaves is exact multiples of tick and lot.
"""

import math
import random
from decimal import Decimal
from typing import Final

from opensqt.core.ids import UnixMs
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side
from opensqt.market.instruments import Profile
from opensqt.market.types import PublicEvent, PublicQuote, PublicTrade, Quote

# Mean time during which a moved side has not been followed by the other: gives the recorded share
# of 0.9 % of the time with more than one tick of spread.
_FOLLOW_MS: Final = 4.0
_SIZE_UPDATES_PER_S: Final = 8.0
_REVERSION_HALF_LIFE_S: Final = 4 * 3600.0
# Most bursts keep the aggressor of the burst before: the recording's signs are autocorrelated.
_SAME_AGGRESSOR: Final = 0.7
_WITH_AGGRESSOR: Final = 0.65
_BURST_TRADES_MAX: Final = 300
# The largest recorded move was below 10 bps; a log-normal tail would sometimes be absurd.
_MOVE_MAX_BPS: Final = 8.0
_RATE_MAX_FACTOR: Final = 40.0
_BURST_MOVE_COUPLING: Final = 0.6
# Mean square of a move, in ticks, below which moves become rarer instead of smaller.
_SQUARE_MOVE_MIN: Final = 1.3
_CALIBRATION_DRAWS: Final = 1000


class SyntheticMarket:
    """Generates the events of one symbol; the same seed and times give the same events."""

    def __init__(
        self,
        profile: Profile,
        instrument: Instrument,
        *,
        rng: random.Random,
        start_ms: UnixMs,
        price: Decimal | None = None,
        trade_id_next: int = 1,
    ) -> None:
        self._profile = profile
        self._instrument = instrument
        self._rng = rng
        self._now = float(start_ms)
        self._home = float(profile.price / instrument.tick_size)
        self._bid = max(2, round((price or profile.price) / instrument.tick_size))
        self._ask = self._bid + 1
        self._bid_lots = self._shown()
        self._ask_lots = self._shown()
        self._trade_id_next = trade_id_next
        self._base_rate = profile.bursts_per_s * (1.0 - profile.branching) / 1000.0
        self._rate = profile.bursts_per_s / 1000.0
        self._aggressor = 1
        self._follow_at = math.inf
        self._lead = 1
        self._resize_at = self._now
        self._burst_at = self._now
        self._move_limit = max(1.0, self._home * _MOVE_MAX_BPS / 10_000)
        self._move_share, self._move_log_mean, self._move_mean = _calibrate(
            profile, self._home, self._move_limit
        )
        self._schedule_burst()

    @property
    def trade_id_next(self) -> int:
        """Return the id of the next public trade; ids rise by one."""
        return self._trade_id_next

    @property
    def quote(self) -> Quote:
        """Return the best prices now."""
        tick, lot = self._instrument.tick_size, self._instrument.lot_size
        return Quote(
            bid=self._bid * tick,
            ask=self._ask * tick,
            bid_quantity=self._bid_lots * lot,
            ask_quantity=self._ask_lots * lot,
        )

    def events(self, until_ms: UnixMs) -> list[PublicEvent]:
        """Return everything that happens after the last call up to and including ``until_ms``."""
        out: list[PublicEvent] = []
        while True:
            at = min(self._burst_at, self._follow_at, self._resize_at)
            if at > until_ms:
                break
            self._now = at
            if at == self._follow_at:
                self._follow(out)
            elif at == self._burst_at:
                self._burst(out)
                self._schedule_burst()
            else:
                self._resize(out)
        return out

    def skip_to(self, now_ms: UnixMs) -> None:
        """Let time pass without events, as after a suspended process."""
        gap = now_ms - self._now
        if gap > 0:
            self._now += gap
            self._burst_at += gap
            self._follow_at += gap
            self._resize_at += gap

    # ------------------------------------------------------------------------------- private

    def _schedule_burst(self) -> None:
        # Ogata's thinning: between bursts the rate only falls, so the rate now bounds it.
        at, rate = self._burst_at, self._rate
        decay = self._profile.decay_per_s / 1000.0
        while True:
            wait = self._rng.expovariate(rate)
            at += wait
            lower = self._base_rate + (rate - self._base_rate) * math.exp(-decay * wait)
            accepted = self._rng.random() * rate <= lower
            rate = lower
            if accepted:
                break
        jump = self._profile.branching * decay
        self._rate = min(rate + jump, self._profile.bursts_per_s / 1000.0 * _RATE_MAX_FACTOR)
        self._burst_at = at

    def _burst(self, out: list[PublicEvent]) -> None:
        if self._follow_at < math.inf:
            self._follow(out)
        rng, profile = self._rng, self._profile
        if rng.random() > _SAME_AGGRESSOR:
            self._aggressor = -self._aggressor
        size = rng.gauss(0.0, 1.0)
        trades = 1
        if rng.random() > profile.single_share:
            further = math.exp(profile.burst_log_mean + profile.burst_log_sd * size)
            trades += min(_BURST_TRADES_MAX, max(1, round(further)))
        move = self._draw_move(size if trades > 1 else min(size, 0.0))
        along = move * self._aggressor > 0
        self._print(trades, abs(move) if along else 0, out)
        if move:
            self._move(move, out)

    def _draw_move(self, size: float) -> int:
        rng = self._rng
        if rng.random() > self._move_share:
            return 0
        own = rng.gauss(0.0, 1.0)
        mixed = _BURST_MOVE_COUPLING * size + math.sqrt(1.0 - _BURST_MOVE_COUPLING**2) * own
        ticks = math.exp(self._move_log_mean + self._profile.move_log_sd * mixed)
        whole = max(1, round(min(ticks, self._move_limit)))
        towards = self._aggressor if rng.random() < _WITH_AGGRESSOR else -self._aggressor
        pull = math.log(self._bid / self._home) * math.log(2.0) / _REVERSION_HALF_LIFE_S
        moves_per_s = self._profile.bursts_per_s * self._move_share
        tilt = pull * self._bid / max(moves_per_s * self._move_mean, 1e-9)
        if rng.random() < min(0.5, abs(tilt)):
            towards = -1 if tilt > 0 else 1
        return towards * whole

    def _print(self, trades: int, depth: int, out: list[PublicEvent]) -> None:
        buyer = self._aggressor > 0
        best = self._ask if buyer else self._bid
        tick, lot = self._instrument.tick_size, self._instrument.lot_size
        at_ms = UnixMs(math.floor(self._now))
        # The last print lies one tick inside the new best, which is what the burst left over.
        reach = max(0, depth - 1)
        for index in range(trades):
            level = reach * index // max(1, trades - 1)
            lots = self._lots(self._profile.trade_log_mean, self._profile.trade_log_sd)
            out.append(
                PublicTrade(
                    symbol=self._instrument.symbol,
                    trade_id=self._trade_id_next,
                    price=max(1, best + self._aggressor * level) * tick,
                    quantity=lots * lot,
                    aggressor=Side.BUY if buyer else Side.SELL,
                    at_ms=at_ms,
                )
            )
            self._trade_id_next += 1

    def _move(self, move: int, out: list[PublicEvent]) -> None:
        if self._bid + move < 1:
            return
        self._lead = 1 if move > 0 else -1
        if move > 0:
            self._ask += move
            self._ask_lots = self._shown()
        else:
            self._bid += move
            self._bid_lots = self._shown()
        if abs(move) == 1:
            self._follow(out)
        else:
            self._follow_at = self._now + self._rng.expovariate(1.0 / _FOLLOW_MS)
            self._emit(out)

    def _follow(self, out: list[PublicEvent]) -> None:
        # Whichever side is far comes back to one tick from the side that moved last.
        self._follow_at = math.inf
        if self._ask - self._bid == 1:
            return
        if self._lead > 0:
            self._bid, self._bid_lots = self._ask - 1, self._shown()
        else:
            self._ask, self._ask_lots = self._bid + 1, self._shown()
        self._emit(out)

    def _resize(self, out: list[PublicEvent]) -> None:
        self._resize_at = self._now + self._rng.expovariate(_SIZE_UPDATES_PER_S) * 1000.0
        if self._rng.random() < 0.5:  # noqa: PLR2004 - either side
            self._bid_lots = self._shown()
        else:
            self._ask_lots = self._shown()
        self._emit(out)

    def _emit(self, out: list[PublicEvent]) -> None:
        at_ms = UnixMs(math.floor(self._now))
        out.append(PublicQuote(symbol=self._instrument.symbol, quote=self.quote, at_ms=at_ms))

    def _shown(self) -> int:
        return self._lots(self._profile.shown_log_mean, self._profile.shown_log_sd)

    def _lots(self, log_mean: float, log_sd: float) -> int:
        units = math.exp(self._rng.gauss(log_mean, log_sd))
        return max(1, round(units / float(self._instrument.lot_size)))


def _calibrate(profile: Profile, home: float, limit: float) -> tuple[float, float, float]:
    """Return (share of bursts that move, log mean of a move, mean move in ticks).

    Chosen so that the variance of all moves in a second is the profile's. Where that is less than
    one tick per move, moves are rarer instead.
    """
    variance = (profile.volatility_bps / 10_000 * home) ** 2
    share = min(profile.move_share, variance / profile.bursts_per_s / _SQUARE_MOVE_MIN)
    wanted = variance / (profile.bursts_per_s * share)
    rng = random.Random(0)  # a fixed sample to integrate with, not a draw
    sample = []
    for _ in range(_CALIBRATION_DRAWS):
        size = rng.gauss(0.0, 1.0)
        if rng.random() < profile.single_share:
            size = min(size, 0.0)
        own = math.sqrt(1.0 - _BURST_MOVE_COUPLING**2) * rng.gauss(0.0, 1.0)
        sample.append(profile.move_log_sd * (_BURST_MOVE_COUPLING * size + own))
    low, high = -10.0, math.log(limit) + 5.0
    for _ in range(25):
        middle = (low + high) / 2
        if _mean_move(sample, middle, limit, power=2) < wanted:
            low = middle
        else:
            high = middle
    return share, low, _mean_move(sample, low, limit, power=1)


def _mean_move(sample: list[float], log_mean: float, limit: float, *, power: int) -> float:
    moves = (max(1, round(min(limit, math.exp(log_mean + part)))) for part in sample)
    return math.fsum(float(move) ** power for move in moves) / len(sample)
