"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

from opensqt.core.ids import UnixMs

ResultT = TypeVar("ResultT")
# Any fixed moment: a simulation never sees the real clock.
START_MS = 1_700_000_000_000


class _JumpingSelector(selectors.SelectSelector):
    """Returns at once; the time it was asked to wait passes virtually."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            message = "the simulation waits for something that will never happen"
            raise RuntimeError(message)
        if timeout > 0:
            self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that runs at the speed of its callbacks; deterministic for one seed."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._jumping.now_s


class VirtualClock:
    """``ClockPort`` on the running virtual loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, skew_ms: int = 0) -> None:
        """Show the loop's time, wrong by ``skew_ms`` on the wall clock."""
        self._loop = loop
        self._skew_ms = skew_ms

    def now_ms(self) -> UnixMs:
        """Return wall milliseconds of the simulated host."""
        return UnixMs(START_MS + self._skew_ms + self.monotonic_ms())

    def set_by(self, jump_ms: int) -> None:
        """Set the wall clock forward, or back; the monotonic one does not notice."""
        self._skew_ms += jump_ms

    def monotonic_ms(self) -> int:
        """Return virtual milliseconds since the start."""
        return round(self._loop.time() * 1_000)

    async def sleep_ms(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(max(duration_ms, 0) / 1_000)


def run_virtual(main: Coroutine[object, object, ResultT], loop: VirtualLoop) -> ResultT:
    """Run ``main`` to its end on ``loop``, then end every task that is left and close the loop."""
    try:
        return loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
