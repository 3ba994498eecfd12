"""The hostile store of workflows does what durable execution may do, and no more."""

import asyncio
import random
from dataclasses import replace

import pytest

from opensqt.ports.workflow import WorkflowStoreError
from opensqt.simulation.faults import Faults
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.workflows import (
    AGAIN_MS_MAX,
    HostileWorkflows,
    WorkflowShelf,
)


class _Store:
    """One process after another on the same shelf; counts what its handler is asked to do."""

    def __init__(self, loop: VirtualLoop, faults: Faults) -> None:
        self.shelf = WorkflowShelf()
        self.faults = faults
        self.clock = VirtualClock(loop)
        self.calls: list[str] = []

    def process(self) -> HostileWorkflows:
        workflows = HostileWorkflows(
            self.shelf, faults=lambda: self.faults, rng=random.Random(1), clock=self.clock
        )
        workflows.register("work", self._work)
        return workflows

    async def _work(self, inputs: str) -> str:
        self.calls.append(inputs)
        await self.clock.sleep_ms(100)
        return inputs.upper()


def _run(faults: Faults, *, crash: bool = False) -> list[str]:
    loop = VirtualLoop()
    store = _Store(loop, faults)

    async def live() -> None:
        first = store.process()
        task = asyncio.ensure_future(first.run("work", "id", "a"))
        await store.clock.sleep_ms(10)
        if crash:
            task.cancel()
            first.kill()
        await asyncio.gather(task, return_exceptions=True)
        second = store.process()
        await second.start()
        await store.clock.sleep_ms(2 * AGAIN_MS_MAX)
        store.calls.append(store.shelf.results.get("id", ""))

    run_virtual(live(), loop)
    return store.calls


def test_a_clean_run_happens_once_and_is_remembered() -> None:
    assert _run(Faults()) == ["a", "A"]


def test_an_unfinished_run_is_run_again_by_the_next_process() -> None:
    assert _run(Faults(), crash=True) == ["a", "a", "A"]


def test_an_unfinished_run_may_be_lost() -> None:
    assert _run(Faults(workflow_lost=1.0), crash=True) == ["a", ""]


def test_a_handler_may_run_beside_itself() -> None:
    assert _run(Faults(workflow_again=1.0)) == ["a", "a", "A"]


def test_a_store_that_fails_says_nothing_about_the_run() -> None:
    loop = VirtualLoop()
    store = _Store(loop, replace(Faults(), workflow_failure=1.0))

    async def live() -> None:
        with pytest.raises(WorkflowStoreError):
            await store.process().run("work", "id", "a")

    run_virtual(live(), loop)
    assert store.calls == []
    assert "id" in store.shelf.pending
