"""The real clock."""

import asyncio
import time
from typing import Final

from opensqt.core.ids import UnixMs

_NS_PER_MS: Final = 1_000_000


class SystemClock:
    """Implements ``ClockPort`` on the clocks of this machine."""

    def now_ms(self) -> UnixMs:
        return UnixMs(time.time_ns() // _NS_PER_MS)

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // _NS_PER_MS

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(max(duration_ms, 0) / 1000)
