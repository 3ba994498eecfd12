"""A process that sends an order twice is stopped by the gate, and stops for a human (I10)."""

from unittest import mock

import pytest

from opensqt.core.facts import OrderIntended
from opensqt.engine.executor import Executor
from opensqt.ports.exchange import Outcome, OutcomeClass, PlaceRequest
from opensqt.simulation.venue import VenueConnection
from tests.engine.stage import Stage, play

_PLACE = Executor._place


async def place_twice(self: Executor, intended: OrderIntended) -> None:
    await _PLACE(self, intended)
    await _PLACE(self, intended)


class Deaf(VenueConnection):
    """Loses the answer to every order, which is booked all the same."""

    is_deaf = False

    async def place(self, request: PlaceRequest) -> Outcome:
        outcome = await super().place(request)
        return Outcome(outcome=OutcomeClass.UNKNOWN) if self.is_deaf else outcome


async def trade(stage: Stage, *, is_deaf: bool) -> None:
    assert isinstance(stage.venue, Deaf)
    await stage.open()
    stage.venue.is_deaf = is_deaf
    # The market takes a level, whose inventory is offered: a new order.
    stage.quote("998.9", size="1")


@pytest.mark.parametrize("is_deaf", [False, True])
def test_a_process_that_sends_twice_is_quarantined_and_its_order_is_not_lost(
    is_deaf: bool,
) -> None:
    async def story(stage: Stage) -> None:
        await trade(stage, is_deaf=is_deaf)
        with mock.patch.object(Executor, "_place", place_twice):
            stage.quote("997.9", size="1")
            await stage.until(lambda: bool(stage.state.quarantine))

        assert "the order had left before" in stage.state.quarantine
        assert len(stage.accepted) == len(set(stage.accepted))
        assert "gate.sent_twice" in stage.log.events
        booked = {order.client_order_id for order in stage.state.live_orders}
        assert set(stage.open_orders) <= booked

    play(story, venue_type=Deaf)


def test_a_lost_answer_alone_is_no_reason_for_a_quarantine() -> None:
    async def story(stage: Stage) -> None:
        await trade(stage, is_deaf=True)
        await stage.sleep(5_000)

        assert not stage.state.quarantine
        assert "gate.sent_twice" not in stage.log.events

    play(story, venue_type=Deaf)
