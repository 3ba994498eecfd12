"""A market that crosses a level of the grid every half second, for measuring recoveries."""

import threading
from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self

from opensqt.core.ids import Symbol
from opensqt.core.money import floor_to
from opensqt.market.instruments import INSTRUMENTS
from tests.drills.deployment import Deployment

PERIOD_S = 0.5


def tick_size(symbol: str) -> Decimal:
    """Return the step of a symbol's prices."""
    return INSTRUMENTS[Symbol(f"{symbol}:perp")].tick_size


class Crossing:
    """Moves symbols up and down until left; use as a context manager."""

    def __init__(
        self, running: Deployment, symbols: Sequence[str], *, interval: str = "0.02"
    ) -> None:
        """Move by two levels of ``interval`` percent: what opens below is closed above."""
        self._running = running
        self._swing = 2 * Decimal(interval) / 100
        self._centers = {symbol: running.last_price(symbol) for symbol in symbols}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._move, name="crossing")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _move(self) -> None:
        is_low = True
        while not self._ended.wait(PERIOD_S):
            for symbol, center in self._centers.items():
                price = center * (1 - self._swing if is_low else 1 + self._swing)
                self._running.script(symbol, floor_to(price, tick_size(symbol)))
            is_low = not is_low
