"""The others in the market: a random walk that quotes, trades and takes what it crosses."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from opensqt.core.ids import Symbol
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side
from opensqt.market.types import Quote
from opensqt.simulation.loop import VirtualClock
from opensqt.simulation.reports import frame_age, price_update
from opensqt.simulation.venue import SimulatedVenue

STEP_MS_MAX: Final = 800
_TICK: Final = Decimal("0.1")
_START: Final = Decimal(1_000)
_LOWEST: Final = Decimal(500)


class Crowd:
    """Moves the prices of all symbols."""

    def __init__(
        self,
        venue: SimulatedVenue,
        symbols: Sequence[Symbol],
        *,
        clock: VirtualClock,
        rng: random.Random,
    ) -> None:
        """Start every symbol at the same price."""
        self._venue = venue
        self._clock = clock
        self._rng = rng
        self._prices = dict.fromkeys(symbols, _START)

    async def run(self) -> None:
        """Trade until cancelled."""
        for symbol in self._prices:
            self._move(symbol, 0)
        while True:
            await self._clock.sleep_ms(self._rng.randint(50, STEP_MS_MAX))
            symbol = self._rng.choice(tuple(self._prices))
            self._move(symbol, self._rng.choice((-15, -8, -3, 0, 3, 8, 15)))
            self._venue.tell(frame_age(self._clock.now_ms()))

    def _move(self, symbol: Symbol, ticks: int) -> None:
        price = max(self._prices[symbol] + ticks * _TICK, _LOWEST)
        self._prices[symbol] = price
        now_ms = self._clock.now_ms()
        model = self._venue.model
        size = Decimal(self._rng.randint(1, 30)) / 1_000
        quote = Quote(bid=price - _TICK, ask=price, bid_quantity=size, ask_quantity=size)
        self._venue.publish(model.on_quote(symbol, quote, now_ms))
        side = Side.SELL if ticks <= 0 else Side.BUY
        at = price if side is Side.BUY else price - _TICK
        self._venue.publish(model.on_trade(symbol, at, size, side, now_ms))
        update = price_update(self._venue, symbol, now_ms)
        if update is not None:
            self._venue.tell(update)


def instrument(symbol: Symbol) -> Instrument:
    """Return the rules of every simulated symbol."""
    return Instrument(
        symbol=symbol,
        venue_symbol=symbol.split(":")[0],
        base_asset=symbol[:3],
        quote_asset="USDT",
        tick_size=_TICK,
        lot_size=Decimal("0.001"),
        quantity_min=Decimal("0.001"),
        quantity_max=Decimal(1_000),
        notional_min=Decimal(5),
        contract_size=Decimal(1),
        orders_open_max=200,
        reduce_only_exempt=True,
        price_band=Decimal("0.3"),
    )
