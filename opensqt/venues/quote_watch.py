"""Whether each symbol's own quotes are what the venue says, although its market may be quiet.

A quote is sent only when it changes, so silence proves nothing: it is bounded by asking. A symbol
that has said nothing for half a minute is looked up; a quote that differs and does not come over
the stream either means that the stream of this symbol has stalled. Then its price is dropped, for
nothing may be opened on it, and its streams are subscribed anew.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from opensqt.core.ids import Symbol
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import VenueUnavailableError
from opensqt.ports.telemetry import LogPort
from opensqt.venues.native_stream import PriceBoard

SILENCE_MS: Final = 30_000
"""A symbol that is silent for longer is looked up, each time so much passes."""
UNKNOWN_MS_MAX: Final = 90_000
"""How long a silent symbol is believed while the venue does not answer the question."""
GRACE_MS: Final = 1_000
"""How much later than an answer its quote may come over the stream."""
_LOOK_MS: Final = 1_000

AskQuote = Callable[[Symbol], Awaitable[tuple[Decimal, Decimal]]]
"""Asks the venue for (bid, ask); raises ``VenueUnavailableError``."""


class QuoteWatch:
    """Looks after the quotes of every symbol on a board."""

    def __init__(
        self,
        board: PriceBoard,
        *,
        ask: AskQuote,
        renew: Callable[[Symbol], Awaitable[None]],
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Compare ``board`` with what ``ask`` says; have stalled symbols subscribed anew."""
        self._board = board
        self._ask = ask
        self._renew = renew
        self._clock = clock
        self._log = log
        self._looked_ms: dict[Symbol, int] = {}
        """When a symbol was looked at last, or first seen; monotonic time."""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._clock.sleep_ms(_LOOK_MS)
            await self.step()

    async def step(self) -> None:
        """Look up the symbols that have been silent for too long."""
        symbols = self._board.symbols
        monotonic_ms, now_ms = self._clock.monotonic_ms(), self._clock.now_ms()
        self._looked_ms = {
            symbol: self._looked_ms.get(symbol, monotonic_ms) for symbol in sorted(symbols)
        }
        for symbol, looked_ms in tuple(self._looked_ms.items()):
            is_silent = now_ms - self._board.quoted_ms(symbol) >= SILENCE_MS
            if is_silent and monotonic_ms - looked_ms >= SILENCE_MS:
                self._looked_ms[symbol] = monotonic_ms
                await self._look(symbol)

    async def _look(self, symbol: Symbol) -> None:
        asked_ms = self._clock.now_ms()
        if None in self._board.quote(symbol):
            # Nothing is known, so nothing is wrong; but perhaps the venue was not heard asking.
            await self._renew(symbol)
            return
        try:
            found = await self._ask(symbol)
        except VenueUnavailableError as error:
            self._log.warning("stream.quote_unknown", symbol=symbol, error=str(error))
            if asked_ms - self._board.quoted_ms(symbol) >= UNKNOWN_MS_MAX:
                self._board.drop(symbol)
            return
        if found == self._board.quote(symbol):
            self._board.confirm(symbol, at_ms=asked_ms)
            return
        await self._clock.sleep_ms(GRACE_MS)
        if self._board.quoted_ms(symbol) < asked_ms:
            self._log.error("stream.quotes_stalled", symbol=symbol)
            self._board.drop(symbol)
            await self._renew(symbol)
