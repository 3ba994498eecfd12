"""What a venue wants none of waits at the gate, and cancels try all the same."""

import pytest

from opensqt.core.registry import KillRow
from opensqt.ports.exchange import Outcome, OutcomeClass, VenueCode
from tests.engine.test_gate import Setting


@pytest.mark.parametrize(("retry_after_ms", "pause_ms"), [(30_000, 30_000), (0, 1_000)])
@pytest.mark.parametrize("is_cancel", [False, True])
async def test_the_gate_is_shut_to_orders_for_as_long_as_the_venue_wants_to_be_left_alone(
    retry_after_ms: int, pause_ms: int, *, is_cancel: bool
) -> None:
    setting = Setting()
    setting.venue.outcome = setting.venue.cancel_outcome = Outcome(
        outcome=OutcomeClass.REJECTED,
        code=VenueCode.RATE_LIMITED,
        retry_after_ms=retry_after_ms,
    )
    await (setting.cancel() if is_cancel else setting.place())
    asked = len(setting.venue.canceled)

    setting.clock.ms += pause_ms - 1
    setting.gate.confirm(kill=KillRow(), account_epoch=7)
    assert setting.gate.shut_reason == "the venue asks for a pause"
    setting.venue.cancel_outcome = Outcome(outcome=OutcomeClass.ACCEPTED)
    refused = await setting.place(number=2)
    await setting.cancel()
    setting.clock.ms += 1
    setting.gate.confirm(kill=KillRow(), account_epoch=7)

    assert setting.gate.shut_reason == ""
    assert (refused.outcome, refused.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    assert len(setting.venue.canceled) == asked + 1


async def test_a_key_the_venue_refuses_stops_every_order_until_it_is_taken_again() -> None:
    setting = Setting()
    setting.venue.outcome = Outcome(
        outcome=OutcomeClass.REJECTED, code=VenueCode.AUTHENTICATION, message="HTTP 401 -2015"
    )
    first = await setting.place()
    setting.clock.ms += 600_000
    setting.gate.confirm(kill=KillRow(), account_epoch=7)
    later = await setting.place("flatten", number=2)
    await setting.cancel()

    assert first.code is VenueCode.AUTHENTICATION
    assert (later.outcome, later.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    assert setting.gate.shut_reason == "the venue refuses our key: HTTP 401 -2015"
    assert len(setting.venue.placed) == 1
    assert len(setting.venue.canceled) == 1
    setting.gate.trust_key()
    assert setting.gate.shut_reason == ""
