"""A market that crosses a level of the grid every half second, for measuring recoveries."""

import threading
from collections.abc import Sequence
from decimal import Decimal
from types import TracebackType
from typing import Self

from tests.drills.deployment import Deployment

PERIOD_S = 0.5
# Two levels of the drill's 0.02 % grid to either side: what opens below is closed above.
_SWING = Decimal("0.0004")
_TICK = Decimal("0.1")


class Crossing:
    """Moves symbols up and down until left; use as a context manager."""

    def __init__(self, running: Deployment, symbols: Sequence[str]) -> None:
        self._running = running
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
                price = center * (1 - _SWING if is_low else 1 + _SWING)
                self._running.script(symbol, price.quantize(_TICK))
            is_low = not is_low
