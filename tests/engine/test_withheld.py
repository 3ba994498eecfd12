"""A store of workflows that begins nothing: few decisions wait for it, and no stop does."""

import asyncio
from collections.abc import Sequence

from opensqt.core.facts import Directive, Fact, OrderIntended
from opensqt.engine.decider import ABANDONED_MAX
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.journal import JournalError
from opensqt.simulation.journal import CommitPoint
from tests.engine.stage import Stage, play


class Lockable(DirectWorkflows):
    """A store whose file may be locked; a run that waits for it keeps a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.waiting = self.waiting_most = self.asked = 0

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        self.asked += 1
        self.waiting += 1
        self.waiting_most = max(self.waiting_most, self.waiting)
        try:
            await self.has_room.wait()
        finally:
            self.waiting -= 1
        return await super().run(name, workflow_id, inputs)


async def locked(stage: Stage, store: Lockable) -> list[str]:
    """Let the store be locked for ten minutes in which orders are wanted; return what was sent."""
    await stage.open()
    accepted = list(stage.accepted)
    store.has_room.clear()
    stage.quote("1003")
    await stage.sleep(600_000)
    return accepted


def test_few_decisions_wait_for_a_locked_store_and_the_status_says_so() -> None:
    store = Lockable()

    async def story(stage: Stage) -> None:
        accepted = await locked(stage, store)

        assert store.waiting == store.waiting_most == ABANDONED_MAX
        assert stage.accepted == accepted, "no order leaves"
        assert "the store of workflows" in stage.engine.idle_reason
        store.has_room.set()
        await stage.until(lambda: len(stage.accepted) > len(accepted))
        await stage.sleep(10_000)
        assert "workflows" not in stage.engine.idle_reason
        assert len(set(stage.accepted)) == len(stage.accepted)

    play(story, workflows=lambda: store)


def test_a_stop_is_done_while_decisions_wait_for_the_store() -> None:
    store = Lockable()

    async def story(stage: Stage) -> None:
        accepted = await locked(stage, store)
        asked = store.asked

        stage.direct(Directive.CANCEL)
        await stage.until(lambda: stage.open_orders == [], within_ms=2_000)
        await stage.until(lambda: stage.engine.is_stopped)

        assert store.asked == asked, "a stop asks the store for nothing"
        assert stage.accepted == accepted

    play(story, workflows=lambda: store)


class Sticky(Lockable):
    """A store that begins runs and stores no result while its file is locked."""

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        self.asked += 1
        try:
            return await DirectWorkflows.run(self, name, workflow_id, inputs)
        finally:
            await self.has_room.wait()


def test_a_journal_that_fails_while_no_result_can_be_stored_holds_up_nothing() -> None:
    store = Sticky()
    is_full = False

    async def hook(point: CommitPoint, facts: Sequence[Fact]) -> None:
        decides = any(isinstance(fact, OrderIntended) for fact in facts)
        if is_full and decides and point is CommitPoint.BEFORE:
            raise JournalError("disk full")

    async def story(stage: Stage) -> None:
        nonlocal is_full
        await stage.open()
        accepted = list(stage.accepted)
        is_full = True
        store.has_room.clear()
        asked = store.asked
        stage.quote("1003")
        await stage.until(lambda: store.asked > asked)

        stage.direct(Directive.CANCEL)
        await stage.until(lambda: stage.open_orders == [], within_ms=2_000)
        assert stage.accepted == accepted

    play(story, workflows=lambda: store, hook=hook)
