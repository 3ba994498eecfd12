"""What moves the market: seeded synthetic symbols, or recorded frames restamped to now."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from opensqt.core.ids import Symbol, UnixMs
from opensqt.market.frames import QuoteFrame, RawFrame, TradeFrame, merge_frames
from opensqt.market.instruments import INSTRUMENTS, PROFILES
from opensqt.market.synthetic import SyntheticMarket
from opensqt.market.types import PublicQuote, PublicTrade
from opensqt.paper.venue import PaperVenue

# Twenty wake-ups a second: delays no event by more than a client would notice.
STEP_MS: Final = 50
# A process that slept longer than this does not replay what it missed.
_CATCH_UP_MS: Final = 2_000
_NS_PER_S: Final = 1_000_000_000
_REPLAY_STEP_S: Final = 0.02
_KEEP_ALIVE_MS: Final = 1_000
_YIELD_EVERY: Final = 200
_PROBE_FRAMES: Final = 1_000


class SyntheticFeed:
    """Runs the synthetic market of each symbol somebody showed interest in."""

    def __init__(self, venue: PaperVenue, *, symbols: Iterable[Symbol]) -> None:
        self._venue = venue
        self._seed = venue.config.seed
        self._speed = venue.config.speed
        self._started_ms = venue.now_ms()
        self._known = frozenset(symbols)
        self._markets: dict[Symbol, SyntheticMarket] = {}
        self._paused: set[Symbol] = set()

    @property
    def running(self) -> tuple[Symbol, ...]:
        """Return the symbols whose market moves."""
        return tuple(symbol for symbol in self._markets if symbol not in self._paused)

    def touch(self, symbol: Symbol) -> None:
        """Start a symbol's market if it is known here and does not run yet."""
        if symbol not in self._known or symbol in self._markets:
            return
        stored = self._venue.store.market(symbol)
        price, trade_id = stored if stored is not None else (None, 1)
        now_ms = self._venue.now_ms()
        market = SyntheticMarket(
            PROFILES[symbol],
            INSTRUMENTS[symbol],
            # The stored trade id makes a restarted market continue, not repeat.
            rng=random.Random(f"{self._seed}/{symbol}/{trade_id}"),
            start_ms=self._market_ms(now_ms),
            price=price,
            trade_id_next=trade_id,
        )
        self._markets[symbol] = market
        self._venue.feed(PublicQuote(symbol=symbol, quote=market.quote, at_ms=now_ms))

    def pause(self, symbol: Symbol) -> None:
        """Freeze a symbol: from now on only scripted events move it."""
        self.touch(symbol)
        self._paused.add(symbol)

    def resume(self, symbol: Symbol) -> None:
        """Let a paused symbol move again."""
        self._paused.discard(symbol)

    def step(self) -> None:
        """Feed the venue everything that happened since the last step."""
        now_ms = self._venue.now_ms()
        market_ms = self._market_ms(now_ms)
        for symbol, market in self._markets.items():
            if symbol in self._paused:
                market.skip_to(market_ms)
                continue
            market.skip_to(UnixMs(market_ms - int(_CATCH_UP_MS * self._speed)))
            for event in market.events(market_ms):
                # A market that runs faster than time still happens now.
                self._venue.feed(event if self._speed == 1 else replace(event, at_ms=now_ms))

    def save(self) -> None:
        """Remember where each market stands, so that a restart goes on from there."""
        for symbol in self.running:
            market = self._markets[symbol]
            self._venue.store.set_market(symbol, market.quote.bid, market.trade_id_next)

    def _market_ms(self, now_ms: UnixMs) -> UnixMs:
        return UnixMs(self._started_ms + int((now_ms - self._started_ms) * self._speed))

    async def run(self) -> None:
        """Step for ever."""
        while True:
            self.step()
            await asyncio.sleep(STEP_MS / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """Which recording, how fast, how often."""

    paths: Sequence[Path]
    speed: float
    """Recorded seconds per second."""
    loop: bool


class ReplayFeed:
    """Plays recorded frames with fresh stamps, then keeps the last quotes alive."""

    def __init__(self, venue: PaperVenue, plan: ReplayPlan) -> None:
        self._venue = venue
        self._plan = plan
        self._trade_ids: dict[Symbol, int] = {}
        self._quoted: set[Symbol] = set()
        self.rounds = 0
        """How often the recording has been played to its end."""

    async def run(self) -> None:
        """Play once, or for ever with ``loop``; then re-send the last quotes each second."""
        while True:
            await self._play()
            # A recording that is over at once must not keep everything else from running.
            await asyncio.sleep(_REPLAY_STEP_S)
            self.rounds += 1
            if not self._plan.loop:
                break
        while True:
            self._keep_alive()
            await asyncio.sleep(_KEEP_ALIVE_MS / 1000)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        first_ns: int | None = None
        for number, frame in enumerate(merge_frames(self._plan.paths, depth=False)):
            if isinstance(frame, RawFrame):
                continue
            first_ns = frame.received_ns if first_ns is None else first_ns
            due = (frame.received_ns - first_ns) / _NS_PER_S / self._plan.speed
            wait = due - (loop.time() - started)
            if wait > 0:
                # Never shorter than a step: frames close together share one wake-up.
                await asyncio.sleep(max(wait, _REPLAY_STEP_S))
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)  # a replay that is late must not starve the requests
            self._feed(frame)

    def _feed(self, frame: TradeFrame | QuoteFrame) -> None:
        symbol = Symbol(f"{frame.venue_symbol}:perp")
        now_ms = self._venue.now_ms()
        if isinstance(frame, QuoteFrame):
            self._quoted.add(symbol)
            self._venue.feed(PublicQuote(symbol=symbol, quote=frame.quote, at_ms=now_ms))
            return
        # Ids rise also when the recording starts again.
        trade_id = max(self._trade_ids.get(symbol, frame.trade_id), 1)
        self._trade_ids[symbol] = trade_id + 1
        event = PublicTrade(
            symbol=symbol,
            trade_id=trade_id,
            price=frame.price,
            quantity=frame.quantity,
            aggressor=frame.aggressor,
            at_ms=now_ms,
        )
        self._venue.feed(event, is_matchable=frame.is_market)

    def _keep_alive(self) -> None:
        now_ms = self._venue.now_ms()
        for symbol in self._quoted:
            quote = self._venue.model.quote(symbol)
            if quote is not None:
                self._venue.feed(PublicQuote(symbol=symbol, quote=quote, at_ms=now_ms))


def replay_symbols(paths: Iterable[Path]) -> frozenset[Symbol]:
    """Return the symbols of recordings, from the first frames of each file."""
    found = set()
    for path in paths:
        for number, frame in enumerate(merge_frames((path,), depth=False)):
            if not isinstance(frame, RawFrame):
                found.add(Symbol(f"{frame.venue_symbol}:perp"))
            if number > _PROBE_FRAMES:
                break
    return frozenset(found)
