"""A market that crosses a level of the grid every half second, for measuring recoveries.

It walks level by level through ten levels, down and up again. A market that jumped between the same
few levels would measure the horizon of an order whose outcome is unknown, which blocks its level,
and not how soon the unit trades again.
"""

import threading
from collections.abc import Sequence
from decimal import Decimal
from itertools import cycle
from types import TracebackType
from typing import Self

from opensqt.core.ids import Symbol
from opensqt.core.money import floor_to
from opensqt.market.instruments import INSTRUMENTS
from tests.drills.deployment import Deployment

PERIOD_S = 0.5
LEVELS = 5
"""How far to either side of where it began."""


def tick_size(symbol: str) -> Decimal:
    """Return the step of a symbol's prices."""
    return INSTRUMENTS[Symbol(f"{symbol}:perp")].tick_size


class Crossing:
    """Moves symbols up and down until left; use as a context manager."""

    def __init__(
        self, running: Deployment, symbols: Sequence[str], *, interval: str = "0.02"
    ) -> None:
        """Move by one level of ``interval`` percent at a time: what opens below is closed above."""
        self._running = running
        self._step = Decimal(interval) / 100
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
        down = range(LEVELS, -LEVELS, -1)
        for level in cycle([*down, *(-one for one in down)]):
            if self._ended.wait(PERIOD_S):
                return
            for symbol, center in self._centers.items():
                price = center * (1 + level * self._step)
                self._running.script(symbol, floor_to(price, tick_size(symbol)))
