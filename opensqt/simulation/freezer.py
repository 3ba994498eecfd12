"""Stopping a process without killing it: SIGSTOP, and SIGCONT when others have taken over."""

import asyncio

from opensqt.simulation.loop import VirtualClock


class Freezer:
    """Everything a process awaits of the world waits here while it is frozen."""

    def __init__(self) -> None:
        """Run."""
        self._thawed = asyncio.Event()
        self.is_frozen = False
        """Whether the process is stopped."""

    def freeze(self) -> None:
        """Stop."""
        self.is_frozen = True
        self._thawed.clear()

    def thaw(self) -> None:
        """Go on, with whatever the process believes."""
        self.is_frozen = False
        self._thawed.set()

    async def pass_by(self) -> None:
        """Return at once, or when the process goes on."""
        if self.is_frozen:
            await self._thawed.wait()


class FreezableClock(VirtualClock):
    """The clock of one process: time passes while it is frozen, but it does not notice."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, freezer: Freezer, *, skew_ms: int = 0
    ) -> None:
        """Sleep no shorter than ``freezer`` says."""
        super().__init__(loop, skew_ms=skew_ms)
        self._freezer = freezer

    async def sleep_ms(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        if duration_ms > 0:
            await self._loop.pause(duration_ms / 1_000)
        else:
            await asyncio.sleep(0)
        if self._freezer.is_frozen:
            await self._freezer.pass_by()
