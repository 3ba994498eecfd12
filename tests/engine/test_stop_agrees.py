"""A stop is complete only when the book agrees with the venue."""

from opensqt.core.facts import Directive
from tests.engine.stage import CONFIG, Stage, play
from tests.engine.test_ignored_position import by_hand


def test_a_stop_does_not_end_before_a_difference_is_known() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        by_hand(stage, "0.02")
        stage.direct(Directive.CANCEL)

        await stage.until(lambda: stage.engine.is_stopped or bool(stage.state.quarantine))

        assert "position: book 0, venue -0.02" in stage.state.quarantine

    play(story, config=CONFIG)


def test_a_stop_that_agrees_with_the_venue_ends() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.direct(Directive.CANCEL)

        await stage.until(lambda: stage.engine.is_stopped, within_ms=15_000)

        assert not stage.state.quarantine
        assert stage.log.events.count("reconcile.wanted") >= 1

    play(story, config=CONFIG)
