"""Time, passed in."""

from typing import Protocol

from opensqt.core.ids import UnixMs


class ClockPort(Protocol):
    """Wall time for stamps and deadlines, monotonic time for waiting and ages."""

    def now_ms(self) -> UnixMs:
        """Return wall-clock milliseconds since 1970."""

    def monotonic_ms(self) -> int:
        """Return milliseconds of a clock that never jumps; comparable within one process only."""

    async def sleep_ms(self, duration_ms: int) -> None:
        """Wait; returns at once for durations <= 0."""
