"""No two builds trade together, and which of two ends is decided by what is installed."""

import asyncio

from tests.engine.test_hub import UNIT, Stage
from tests.fakes.waiting import until


async def test_a_process_of_another_build_than_the_installed_is_refused_for_good() -> None:
    stage = Stage()
    stage.owner.build = "old"

    async with asyncio.timeout(5):
        await stage.manager.run()

    assert stage.owner.heard == ["ErrBuild"]
    assert stage.gate.epoch_of(UNIT) == 0, "it was never let in"
    assert not stage.hub.outdated.is_set()
    assert "hub.build_differs" in stage.log.events


async def test_the_refusal_of_a_build_names_the_process() -> None:
    stage = Stage()
    stage.owner.build = "old"
    told: list[str] = []
    stage.owner.on_refused = lambda error: told.append(str(error))  # type: ignore[method-assign]

    async with asyncio.timeout(5):
        await stage.manager.run()

    (line,) = told
    assert line == (
        f"ErrBuild: {UNIT.text}: process 1 on test is of build old, the exchange process of test, "
        "installed is test"
    )


async def test_an_outdated_exchange_process_makes_room_and_refuses_nobody_for_good() -> None:
    stage = Stage(installed="new")
    stage.owner.build = "new"
    manager = asyncio.create_task(stage.manager.run())

    await asyncio.wait_for(stage.hub.outdated.wait(), 5)
    await until(lambda: "is of build new" in stage.manager.problem)

    assert not manager.done(), "it comes back to the next exchange process"
    assert stage.owner.heard == []
    assert stage.gate.epoch_of(UNIT) == 0
    manager.cancel()
