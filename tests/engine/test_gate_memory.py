"""What a gate remembers: what it let go, and what it cannot know to have ended."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.ids import AccountName, ClientOrderId
from opensqt.core.orders import Side
from opensqt.core.registry import KillRow
from opensqt.engine.gate import HORIZON_MS, WRITTEN_KEPT, Gate
from opensqt.ports.exchange import Outcome, OutcomeClass, VenueCode
from opensqt.ports.link import Declare, Reserved
from tests.engine.doubles import QuietLog
from tests.engine.test_gate import (
    UNIT,
    Setting,
    engage,
    fresh_price,
    stale_price,
    unconfirmed,
)


def reserved(price: str = "100") -> Declare:
    one = Reserved(
        client_order_id=ClientOrderId("q1"), signed_quantity=Decimal(1), price=Decimal(price)
    )
    return Declare(position=Decimal(0), reserved=(one,))


def test_a_gate_that_never_held_the_account_knows_of_nothing_that_it_has_ended() -> None:
    setting = Setting()
    gate = Gate(setting.venue, clock=setting.clock, log=QuietLog())
    gate.admit(UNIT, epoch=1).declare(Declare(position=Decimal(0), reserved=()))
    setting.clock.ms += HORIZON_MS

    assert not gate.is_quiet(UNIT)


@pytest.mark.parametrize("declaration", [None, reserved()])
def test_what_an_earlier_gate_has_written_may_still_arrive(declaration: Declare | None) -> None:
    setting = Setting()
    if declaration is not None:
        setting.exposure.declare(declaration)

    setting.clock.ms += HORIZON_MS - 1
    assert not setting.gate.is_quiet(UNIT)
    setting.clock.ms += 1
    assert setting.gate.is_quiet(UNIT)


def test_a_unit_that_nobody_knows_may_have_orders_too() -> None:
    setting = Setting()
    stranger = replace(UNIT, account=AccountName("other"))

    assert not setting.gate.is_quiet(stranger)
    setting.clock.ms += HORIZON_MS
    assert setting.gate.is_quiet(stranger)


def test_a_unit_that_has_nothing_on_order_is_quiet_at_once() -> None:
    setting = Setting()

    setting.exposure.declare(Declare(position=Decimal(0), reserved=()))

    assert setting.gate.is_quiet(UNIT)


async def test_a_unit_says_itself_how_late_its_orders_may_appear() -> None:
    setting = Setting()
    setting.gate.admit(UNIT, epoch=1, horizon_ms=60_000)
    setting.clock.ms += 60_000
    setting.venue.outcome = Outcome(outcome=OutcomeClass.UNKNOWN)
    setting.gate.confirm(kill=KillRow(), account_epoch=7)
    setting.market = replace(setting.market, price=fresh_price(setting))
    await setting.place(deadline_ms=setting.clock.ms + 3_000)

    setting.clock.ms += 59_999
    assert not setting.gate.is_quiet(UNIT)
    setting.clock.ms += 1
    assert setting.gate.is_quiet(UNIT)


@pytest.mark.parametrize("shut", [lambda _: None, engage, unconfirmed, stale_price])
async def test_an_order_that_left_never_leaves_again_and_is_not_called_unsent(
    shut: Callable[[Setting], None],
) -> None:
    setting = Setting()
    setting.venue.outcome = Outcome(outcome=OutcomeClass.UNKNOWN)
    await setting.place()
    shut(setting)

    again = await setting.place()

    # NOT_SENT would end an order that may be open.
    assert (again.outcome, again.code) == (OutcomeClass.DUPLICATE, VenueCode.SENT_TWICE)
    assert len(setting.venue.placed) == 1
    assert setting.gate.refusals == {VenueCode.SENT_TWICE: 1}
    assert "gate.sent_twice" in setting.log.events
    assert setting.exposure.has_live


async def test_a_unit_that_sent_an_order_twice_opens_and_closes_nothing_more() -> None:
    setting = Setting()
    await setting.place()
    await setting.place()

    opened = await setting.place(number=2)
    closed = await setting.place("close", number=3)
    flattened = await setting.place("flatten", number=4, side=Side.SELL, reduce_only=True)

    assert (opened.outcome, opened.code) == (OutcomeClass.NOT_SENT, VenueCode.SENT_TWICE)
    assert (closed.outcome, closed.code) == (OutcomeClass.NOT_SENT, VenueCode.SENT_TWICE)
    assert flattened.code is not VenueCode.SENT_TWICE
    assert (await setting.cancel()).outcome is OutcomeClass.ACCEPTED


async def test_the_next_process_of_a_unit_is_judged_by_its_own_orders() -> None:
    setting = Setting()
    await setting.place()
    await setting.place()

    setting.gate.admit(UNIT, epoch=2)

    assert (await setting.place(number=2, price="99", epoch=2)).outcome is OutcomeClass.ACCEPTED
    again = await setting.place(epoch=2)
    assert again.code is VenueCode.SENT_TWICE, "what an earlier process has sent counts too"


async def test_a_refused_order_has_not_left() -> None:
    setting = Setting()
    stale_price(setting)
    await setting.place()
    setting.market = replace(setting.market, price=fresh_price(setting))

    assert (await setting.place()).outcome is OutcomeClass.ACCEPTED


async def test_ids_are_remembered_up_to_a_bound() -> None:
    setting = Setting()
    setting.venue.outcome = Outcome(outcome=OutcomeClass.REJECTED)
    for number in range(WRITTEN_KEPT + 1):
        setting.clock.ms += 1_000
        setting.gate.confirm(kill=KillRow(), account_epoch=7)
        setting.market = replace(setting.market, price=fresh_price(setting))
        await setting.place(number=number, deadline_ms=setting.clock.ms + 3_000)
    assert len(setting.venue.placed) == WRITTEN_KEPT + 1

    newest = await setting.place(number=WRITTEN_KEPT, deadline_ms=setting.clock.ms + 3_000)

    assert newest.code is VenueCode.SENT_TWICE
    assert len(setting.gate._units[UNIT].written) == WRITTEN_KEPT
