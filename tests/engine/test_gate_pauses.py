"""What a venue wants none of waits at the gate, and cancels try all the same."""

from dataclasses import replace

import pytest

from opensqt.core.registry import KillRow
from opensqt.ports.exchange import Outcome, OutcomeClass, VenueCode
from tests.engine.test_gate import Setting, fresh_price


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


async def test_a_refused_key_is_used_once_a_minute_until_it_is_taken_again() -> None:
    setting = Setting()
    far_ms = 2_000_000
    setting.venue.outcome = Outcome(
        outcome=OutcomeClass.REJECTED, code=VenueCode.AUTHENTICATION, message="HTTP 401 -2015"
    )

    async def after(wait_ms: int, purpose: str, number: int) -> Outcome:
        setting.clock.ms += wait_ms
        setting.gate.confirm(kill=KillRow(), account_epoch=7)
        setting.market = replace(setting.market, price=fresh_price(setting))
        return await setting.place(
            purpose, number=number, deadline_ms=far_ms, reduce_only=purpose != "open"
        )

    first = await after(0, "open", 1)
    assert first.code is VenueCode.AUTHENTICATION
    assert setting.gate.shut_reason == "the venue refuses our key: HTTP 401 -2015"
    soon = await after(59_999, "open", 2)
    assert (soon.outcome, soon.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    again = await after(1, "open", 3)
    assert again.code is VenueCode.AUTHENTICATION
    refused = await after(30_000, "flatten", 4)
    assert (refused.outcome, refused.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    await setting.cancel()
    assert len(setting.venue.placed) == 2

    setting.venue.cancel_outcome = Outcome(outcome=OutcomeClass.ACCEPTED)
    await setting.cancel()

    assert setting.gate.shut_reason == ""


async def test_a_fresh_private_stream_shows_that_a_key_is_taken() -> None:
    setting = Setting()
    setting.venue.outcome = Outcome(
        outcome=OutcomeClass.REJECTED, code=VenueCode.AUTHENTICATION, message="HTTP 401 -2015"
    )
    await setting.place()
    assert setting.gate.shut_reason

    setting.gate.trust_key()

    assert setting.gate.shut_reason == ""
