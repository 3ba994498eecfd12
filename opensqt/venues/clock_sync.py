"""The distance between the venue's clock and ours."""

from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

from opensqt.ports.clock import ClockPort

_SAMPLES: Final = 5


async def measure_offset_ms(ask: Callable[[], Awaitable[int]], *, clock: ClockPort) -> int:
    """Return venue time minus our wall time, the median of five samples with half the round trip.

    ``ask`` returns the venue's time; what it raises is passed on.
    """
    samples = []
    for _ in range(_SAMPLES):
        before, sent = clock.monotonic_ms(), clock.now_ms()
        venue_ms = await ask()
        samples.append(venue_ms - sent - (clock.monotonic_ms() - before) // 2)
    return int(median(samples))
