"""An order whose outcome stays unknown is told to a person, once."""

from dataclasses import replace

from opensqt.core.orders import OrderStatus
from opensqt.engine.resolver import UNKNOWN_MS_MAX
from tests.engine.stage import Stage, play

EVENT = "order.unknown_for_long"


def test_a_doubt_that_lasts_is_told_once_for_each_order() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.world.faults = replace(
            stage.faults, drop_reply=1.0, query_failure=1.0, drop_event=1.0
        )
        stage.quote("1003")
        await stage.until(lambda: any(o.status is OrderStatus.UNKNOWN for o in stage.live))

        await stage.sleep(UNKNOWN_MS_MAX - 10_000)
        assert EVENT not in stage.log.events
        await stage.sleep(300_000)

        doubted = [one for one in stage.live if one.status is OrderStatus.UNKNOWN]
        assert stage.log.events.count(EVENT) == len(doubted) > 0

    play(story)
