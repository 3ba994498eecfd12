"""Three lanes: control first, facts never lost silently, one price."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import UnixMs
from opensqt.engine.mailbox import CONTROL_MAX, Mailbox, MailboxFullError


def price(last: int) -> PriceTicked:
    value = Decimal(last)
    return PriceTicked(bid=value, ask=value, last=value, at_ms=UnixMs(1), read_ms=UnixMs(1))


async def test_everything_that_waits_comes_at_once_and_in_order() -> None:
    box: Mailbox[str, int] = Mailbox()
    for number in range(3):
        box.put_fact(number)
        box.put_price(price(number))
    box.put_control("pause")

    mail = await box.take(timeout_ms=0)

    assert (mail.control, mail.facts, mail.overflowed) == (("pause",), (0, 1, 2), False)
    assert mail.price == price(2)
    empty = await box.take(timeout_ms=1)
    assert (empty.control, empty.facts, empty.price) == ((), (), None)


async def test_mail_wakes_the_owner_and_so_does_a_wake() -> None:
    box: Mailbox[str, int] = Mailbox()
    senders: list[Callable[[], None]] = [lambda: box.put_fact(1), box.wake]
    for send in senders:
        waiting = asyncio.create_task(box.take(timeout_ms=60_000))
        await asyncio.sleep(0)
        send()
        await asyncio.wait_for(waiting, timeout=1)


async def test_a_full_lane_is_given_up_as_a_whole_and_says_so() -> None:
    box: Mailbox[str, int] = Mailbox(facts_max=3)
    for number in range(5):
        box.put_fact(number)

    mail = await box.take(timeout_ms=0)
    assert (mail.facts, mail.overflowed) == ((), True)
    box.put_fact(9)
    mail = await box.take(timeout_ms=0)
    assert (mail.facts, mail.overflowed) == ((9,), False)


def test_control_that_nobody_reads_is_a_bug() -> None:
    box: Mailbox[str, int] = Mailbox()
    for _ in range(CONTROL_MAX):
        box.put_control("x")

    with pytest.raises(MailboxFullError, match=str(CONTROL_MAX)):
        box.put_control("x")
