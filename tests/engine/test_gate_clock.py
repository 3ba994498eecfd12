"""A wall clock that was set is trusted again only on the venue's word."""

import pytest

from opensqt.core.ids import UnixMs
from opensqt.core.registry import KillRow
from opensqt.engine.gate import HORIZON_MS, Gate
from tests.engine.doubles import HandClock, ObedientVenue, QuietLog


class SplitClock(HandClock):
    """A wall clock that can be set."""

    set_by_ms = 0

    def now_ms(self) -> UnixMs:
        return UnixMs(self.ms + self.set_by_ms)


@pytest.mark.parametrize(("steps", "by_ms"), [(1, 9_000), (10, 900), (10, -900), (1, 1_001)])
def test_a_clock_that_gets_away_in_steps_of_any_size_shuts_the_gate(steps: int, by_ms: int) -> None:
    clock = SplitClock()
    gate = Gate(ObedientVenue(), clock=clock, log=QuietLog())
    for _ in range(steps):
        clock.ms += 500
        clock.set_by_ms += by_ms
        gate.confirm(kill=KillRow(), account_epoch=1)

    assert gate.is_adrift
    assert "clock" in gate.shut_reason
    clock.ms += HORIZON_MS
    gate.confirm(kill=KillRow(), account_epoch=1)
    assert gate.shut_reason, "time alone makes no clock right"


def test_small_errors_of_the_clock_are_no_jump() -> None:
    clock = SplitClock()
    gate = Gate(ObedientVenue(), clock=clock, log=QuietLog())
    for by_ms in (900, -900, -900, 900):
        clock.set_by_ms += by_ms
        gate.confirm(kill=KillRow(), account_epoch=1)

    assert not gate.shut_reason


@pytest.mark.parametrize(
    ("off_ms", "is_trusted"), [(-501, False), (-500, True), (500, True), (501, False)]
)
async def test_a_clock_is_trusted_anew_only_if_the_venue_agrees(
    off_ms: int, is_trusted: bool
) -> None:
    class Clockwork(ObedientVenue):
        async def server_time_ms(self) -> UnixMs:
            return UnixMs(clock.now_ms() + off_ms)

    clock = SplitClock()
    gate = Gate(Clockwork(), clock=clock, log=QuietLog())
    clock.set_by_ms += 5_000
    gate.confirm(kill=KillRow(), account_epoch=1)

    await gate.check_clock()
    gate.confirm(kill=KillRow(), account_epoch=1)

    assert gate.is_adrift is not is_trusted
    assert gate.shut_reason, "deadlines from before the jump mean nothing"
    clock.ms += HORIZON_MS
    gate.confirm(kill=KillRow(), account_epoch=1)
    assert bool(gate.shut_reason) is not is_trusted


async def test_a_trusted_clock_may_not_get_away_again() -> None:
    class Clockwork(ObedientVenue):
        async def server_time_ms(self) -> UnixMs:
            return clock.now_ms()

    clock = SplitClock()
    gate = Gate(Clockwork(), clock=clock, log=QuietLog())
    for _ in range(3):
        clock.set_by_ms += 700
        clock.ms += HORIZON_MS
        gate.confirm(kill=KillRow(), account_epoch=1)
        clock.set_by_ms += 700
        gate.confirm(kill=KillRow(), account_epoch=1)
        assert gate.is_adrift
        await gate.check_clock()
        assert not gate.is_adrift
