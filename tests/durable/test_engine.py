"""The engine on both kinds of workflows: whatever is run again, nothing is sent again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from opensqt.core.facts import CancelIntended, Directive, Fact, OrderIntended, OrderReported
from opensqt.core.orders import OrderStatus
from opensqt.durable.workflows import DbosWorkflows, WorkflowStore
from opensqt.engine.decider import PLACE_BATCH
from opensqt.engine.symbol_engine import StaleProcessError
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.clock import ClockPort
from opensqt.ports.journal import JournalError
from opensqt.ports.workflow import WorkflowStoreError
from opensqt.simulation.journal import CommitPoint, MemoryJournal
from opensqt.system.clock import SystemClock
from tests.durable.recorded import Recorded
from tests.engine.doubles import QuietLog
from tests.engine.stage import CONFIG, UNIT, Stage

KINDS = ("direct", "dbos")
# Proofs of absence take a second instead of thirty.
QUICK = replace(CONFIG, order_ttl_ms=600, horizon_ms=100, visibility_ms=200)
PATIENCE_MS = 60_000


@dataclass
class Disk:
    """A commit hook: full, or where a process gets stuck once its decision is committed."""

    is_full: bool = False
    stuck_after: type[Fact] | None = None
    batches: list[tuple[Fact, ...]] = field(default_factory=list)

    async def __call__(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        is_decision = any(isinstance(fact, OrderIntended | CancelIntended) for fact in facts)
        if point is CommitPoint.BEFORE:
            if self.is_full and is_decision:
                raise JournalError("disk full")
            return
        if is_decision:
            self.batches.append(tuple(facts))
        if self.stuck_after and any(isinstance(fact, self.stuck_after) for fact in facts):
            self.stuck_after = None
            await asyncio.get_running_loop().create_future()


class RealStage(Stage):
    """A stage on which time passes by itself: workflows need threads."""

    def make_clock(self) -> ClockPort:
        return SystemClock()


@dataclass
class Machine:
    """A unit on a stage, whose process may end and begin again."""

    kind: str
    folder: Path
    disk: Disk = field(default_factory=Disk)
    ports: list[Recorded] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = RealStage(
            asyncio.get_running_loop(), hook=self.disk, config=QUICK, workflows=self._workflows
        )

    @property
    def port(self) -> Recorded:
        return self.ports[-1]

    def _workflows(self) -> Recorded:
        store = WorkflowStore(host=UNIT.path, location=str(self.folder))
        is_direct = self.kind == "direct"
        inner = DirectWorkflows() if is_direct else DbosWorkflows(store, log=QuietLog())
        self.ports.append(Recorded(inner))
        return self.ports[-1]

    async def restart(self, *, epoch: int) -> None:
        """End the process without a word, then begin a new one."""
        running = self.stage.running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await self.port.stop()
        await self.stage.registry.next_symbol_epoch(UNIT)
        self.stage.engine = self.stage.make_engine(epoch=epoch)
        self.stage.tasks.append(asyncio.create_task(self.stage.engine.run()))

    @property
    def intended(self) -> list[str]:
        """Return the client order ids of all intents in the journal."""
        return [
            fact.client_order_id
            for fact in self.stage.facts(OrderIntended)
            if isinstance(fact, OrderIntended)
        ]

    @property
    def absent(self) -> set[str]:
        """Return the orders that were looked up and proven never to have arrived."""
        return {
            fact.client_order_id
            for fact in self.stage.facts(OrderReported)
            if isinstance(fact, OrderReported) and fact.status is OrderStatus.ABSENT
        }

    def audit(self) -> None:
        """Check that nothing was sent twice, and nothing but what was committed before."""
        twice = [name for name, count in Counter(self.stage.accepted).items() if count > 1]
        assert twice == []
        assert set(self.stage.accepted) <= set(self.intended)


@asynccontextmanager
async def machine(kind: str, folder: Path) -> AsyncIterator[Machine]:
    made = Machine(kind, folder)
    await made.stage.registry.next_symbol_epoch(UNIT)
    try:
        yield made
    finally:
        for task in made.stage.tasks:
            task.cancel()
        await asyncio.gather(*made.stage.tasks, return_exceptions=True)
        await made.port.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_process_that_ends_between_commit_and_send_has_not_sent_and_never_will(
    kind: str, tmp_path: Path
) -> None:
    async with machine(kind, tmp_path) as unit:
        await unit.stage.open()
        unit.disk.stuck_after = OrderIntended
        unit.stage.quote("1003")
        await unit.stage.until(lambda: unit.disk.stuck_after is None, within_ms=PATIENCE_MS)
        cut = [order.client_order_id for order in orders_in(unit.disk.batches[-1:])]

        await unit.restart(epoch=2)
        await unit.stage.until(lambda: set(cut) <= unit.absent, within_ms=PATIENCE_MS)
        if kind == "dbos":  # the run that was cut off begins again, and looks instead of sending
            await unit.stage.until(lambda: "stale" in unit.port.handled, within_ms=PATIENCE_MS)
        await unit.stage.until(lambda: len(unit.stage.open_orders) >= 3, within_ms=PATIENCE_MS)

        assert cut
        assert not set(cut) & set(unit.stage.accepted)
        unit.audit()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_that_is_run_again_sends_nothing(kind: str, tmp_path: Path) -> None:
    async with machine(kind, tmp_path) as unit:
        await unit.stage.open()
        await unit.stage.until(
            lambda: len(unit.port.handled) == len(unit.port.asked), within_ms=PATIENCE_MS
        )
        asked, accepted = list(unit.port.asked), list(unit.stage.accepted)

        again = [await unit.port.handlers[PLACE_BATCH](inputs) for _, inputs in asked]
        finished = [await unit.port.run(PLACE_BATCH, *one) for one in asked]

        assert set(again) == {"stale"}
        assert set(finished) == {"sent"}, "a finished id answers what it answered"
        assert unit.stage.accepted == accepted
        unit.audit()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_process_that_was_taken_over_sends_nothing(kind: str, tmp_path: Path) -> None:
    async with machine(kind, tmp_path) as unit:
        await unit.stage.open()
        await MemoryJournal(unit.stage.disk).claim(2)
        accepted = list(unit.stage.accepted)

        unit.stage.quote("1003")
        with pytest.raises(StaleProcessError):
            await unit.stage.running

        assert unit.stage.accepted == accepted
        unit.audit()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_decision_that_failed_is_made_again_once_the_disk_has_room(
    kind: str, tmp_path: Path
) -> None:
    async with machine(kind, tmp_path) as unit:
        await unit.stage.open()
        unit.disk.is_full = True
        tries = len(unit.port.asked)
        unit.stage.quote("1003")
        await unit.stage.until(lambda: len(unit.port.asked) >= tries + 3, within_ms=PATIENCE_MS)
        before = len(unit.intended)
        unit.disk.is_full = False

        await unit.stage.until(lambda: len(unit.intended) > before, within_ms=PATIENCE_MS)
        assert len(set(unit.port.ids)) == len(unit.port.ids), "an id is asked for once"
        unit.audit()


@pytest.mark.parametrize("kind", KINDS)
async def test_each_decision_that_acts_is_one_workflow_and_a_price_without_action_none(
    kind: str, tmp_path: Path
) -> None:
    async with machine(kind, tmp_path) as unit:
        await unit.stage.open()
        runs = len(unit.port.asked)
        for price in ("999.9", "999.7", "999.8", "999.6"):
            unit.stage.quote(price)
            await unit.stage.sleep(50)
        assert len(unit.port.asked) == runs

        await unit.stage.until(lambda: len(unit.stage.open_orders) >= 3, within_ms=PATIENCE_MS)
        unit.stage.quote("998.9", size="10")  # fills the highest level: an order update that acts
        await unit.stage.until(
            lambda: any(fact.side == "sell" for fact in orders_in(unit.disk.batches)),
            within_ms=PATIENCE_MS,
        )
        await unit.stage.until(
            lambda: unit.port.handled.count("sent") == len(unit.disk.batches),
            within_ms=PATIENCE_MS,
        )

        assert len(unit.port.asked) == len(unit.disk.batches) > runs
        assert len(set(unit.port.ids)) == len(unit.port.ids)
        unit.audit()


def orders_in(batches: Sequence[Sequence[Fact]]) -> list[OrderIntended]:
    return [fact for batch in batches for fact in batch if isinstance(fact, OrderIntended)]


@pytest.mark.parametrize("when", ["start", "run", "hang"])
async def test_without_a_store_no_order_leaves_and_every_order_can_be_taken_back(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> str:
        raise WorkflowStoreError("the disk is gone")

    async def hang(*_: object) -> str:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody ends the wait")

    async with machine("direct", tmp_path) as unit:
        await unit.stage.open()
        if when == "start":
            monkeypatch.setattr(DirectWorkflows, "start", refuse)
            await unit.restart(epoch=2)
        else:
            monkeypatch.setattr(DirectWorkflows, "run", refuse if when == "run" else hang)
        accepted, asked = list(unit.stage.accepted), len(unit.port.asked)
        unit.stage.quote("1003")
        await unit.stage.sleep(2_500)
        assert unit.stage.accepted == accepted
        if when == "hang":
            assert len(unit.port.asked) == asked + 1, "who does not answer is not asked again soon"
        assert not unit.stage.engine.is_ready or when != "start"

        unit.stage.direct(Directive.CANCEL)
        await unit.stage.until(lambda: unit.stage.open_orders == [], within_ms=PATIENCE_MS)

        assert unit.stage.accepted == accepted
        unit.audit()
