"""The real clock: wall time, a clock that never jumps, and waiting."""

import time

from opensqt.ports.clock import ClockPort
from opensqt.system.clock import SystemClock


async def test_the_clock_tells_milliseconds_and_waits() -> None:
    clock: ClockPort = SystemClock()
    before = clock.monotonic_ms()

    await clock.sleep_ms(20)
    await clock.sleep_ms(0)
    await clock.sleep_ms(-5)

    assert 20 <= clock.monotonic_ms() - before < 2_000
    assert abs(clock.now_ms() - time.time() * 1000) < 1_000
