"""A private stream that is silent about an order the venue has taken is not believed any more."""

import pytest

from opensqt.core.ids import ClientOrderId
from opensqt.engine.private_watch import REPORT_MS_MAX, PrivateWatch
from tests.engine.stage import Stage, play

OWN = ClientOrderId("q1")


def test_a_report_is_awaited_from_the_reply_on() -> None:
    watch = PrivateWatch()
    watch.sending(OWN)
    assert not watch.is_overdue(now_ms=10**6)

    watch.answered(OWN, is_accepted=True, now_ms=10**6)

    assert not watch.is_overdue(now_ms=10**6 + REPORT_MS_MAX)
    assert watch.is_overdue(now_ms=10**6 + REPORT_MS_MAX + 1)


@pytest.mark.parametrize("is_before_the_reply", [True, False])
def test_a_report_may_come_before_or_after_the_reply(is_before_the_reply: bool) -> None:
    watch = PrivateWatch()
    watch.sending(OWN)
    if is_before_the_reply:
        watch.heard(OWN)
    watch.answered(OWN, is_accepted=True, now_ms=0)
    if not is_before_the_reply:
        watch.heard(OWN)

    assert not watch.is_overdue(now_ms=10**6)


def test_of_what_was_not_accepted_no_report_is_awaited() -> None:
    watch = PrivateWatch()
    watch.sending(OWN)
    watch.answered(OWN, is_accepted=False, now_ms=0)
    assert not watch.is_overdue(now_ms=10**6)


def test_a_gap_is_told_once_and_orders_under_way_are_awaited_after_it() -> None:
    watch = PrivateWatch()
    other = ClientOrderId("q2")
    watch.sending(OWN)
    watch.answered(OWN, is_accepted=True, now_ms=0)
    watch.sending(other)

    watch.reset()
    assert not watch.is_overdue(now_ms=10**6)
    watch.answered(other, is_accepted=True, now_ms=0)
    assert watch.is_overdue(now_ms=10**6)


def test_a_silent_stream_makes_every_unit_compare_and_a_fill_is_found() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.world.silent_until_ms = stage.clock.now_ms() + 10**9
        stage.quote("1002")  # new orders are accepted by reply only
        await stage.sleep(1_000)
        wanted = stage.log.events.count("reconcile.wanted")
        stage.quote("998", size="1")

        await stage.until(lambda: stage.state.position.quantity > 0, within_ms=10_000)

        assert "hub.private_stream_silent" in stage.log.events
        assert stage.log.events.count("reconcile.wanted") > wanted

    play(story)


def test_a_stream_that_speaks_is_left_alone() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        for price in ("1002", "1004", "1001", "998"):
            stage.quote(price, size="1")
            await stage.sleep(8_000)

        assert "hub.private_stream_silent" not in stage.log.events

    play(story)
