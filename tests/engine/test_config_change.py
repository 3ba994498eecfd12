"""A configuration that changes while the unit runs: in force once it is journaled, not before."""

from dataclasses import replace

from opensqt.core import codec
from opensqt.core.facts import ConfigApplied
from tests.engine.stage import CONFIG, Stage, play
from tests.engine.test_symbol_engine import Disk

WIDER = replace(CONFIG, grid=replace(CONFIG.grid, buy_window_size=5))


def change(stage: Stage) -> None:
    stage.engine.tell(
        ConfigApplied(version=2, text=codec.encode(WIDER), at_ms=stage.clock.now_ms())
    )


def test_a_change_takes_effect_at_once_and_is_journaled_once() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()

        change(stage)
        await stage.until(lambda: len(stage.open_orders) == 5)

        assert stage.engine.config == WIDER
        assert stage.state.config_version == 2
        versions = [f.version for f in stage.disk.facts if isinstance(f, ConfigApplied)]
        assert versions == [1, 2]

    play(story)


def test_nothing_goes_by_a_change_that_is_not_journaled() -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stage.open()
        disk.is_full = True
        change(stage)
        await stage.sleep(3_000)
        assert stage.engine.config == CONFIG
        assert stage.state.config_version == 1

        disk.is_full = False
        await stage.until(lambda: len(stage.open_orders) == 5)

        assert stage.engine.config == WIDER

    play(story, hook=disk)
