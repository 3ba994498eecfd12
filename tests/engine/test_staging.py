"""What was heard and what was decided from it are one commit, and wait for each other shortly."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from opensqt.core.facts import Fact, OrderIntended, PriceTicked, TradeFilled, UnitQuarantined
from opensqt.core.ids import UnixMs
from opensqt.core.symbol import SymbolState
from opensqt.engine.recorder import OutdatedError, Recorder
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.journal import DuplicateTradeError, JournalError
from opensqt.ports.link import Place, Upward
from opensqt.simulation.journal import CommitPoint, JournalDisk, MemoryJournal
from tests.engine.stage import UNIT, Stage, play

PRICE = PriceTicked(
    bid=Decimal(1), ask=Decimal(2), last=Decimal(1), mark=None, at_ms=UnixMs(1), read_ms=UnixMs(1)
)


def found(reason: str) -> Fact:
    return UnitQuarantined(reason=reason, at_ms=UnixMs(1))


class Disk:
    """A recorder whose commits may fail, and may take time."""

    def __init__(self) -> None:
        self.is_full = False
        self.commits: list[int] = []
        self.told = 0
        self.disk = JournalDisk(unit=UNIT)
        initial = SymbolState(unit=UNIT, deployment="abc")
        self.recorder = Recorder(MemoryJournal(self.disk, hook=self), initial=initial, epoch=1)

    async def __call__(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        await asyncio.sleep(0)
        if self.is_full and point is CommitPoint.BEFORE:
            raise JournalError("disk full")
        if point is CommitPoint.AFTER:
            self.commits.append(len(facts))

    def stage(self, *reasons: str) -> None:
        assert self.recorder.stage([found(one) for one in reasons], stored=self.tell)

    def tell(self) -> None:
        self.told += 1


async def test_staged_facts_are_seen_at_once_and_stored_with_the_next_ones() -> None:
    disk = Disk()
    disk.stage("a", "b")
    assert (disk.recorder.state.sequence, disk.disk.sequence, disk.told) == (2, 0, 0)

    await disk.recorder.record([found("c")], at_sequence=2)

    assert (disk.recorder.state.sequence, disk.disk.sequence, disk.told) == (3, 3, 1)
    assert disk.commits == [3], "one transaction"
    await disk.recorder.flush()
    assert (disk.commits, disk.told) == ([3], 1), "nothing is staged any more"


async def test_a_commit_that_fails_takes_back_what_was_staged_and_keeps_the_price() -> None:
    disk = Disk()
    await disk.recorder.record([found("a")])
    disk.stage("b")
    disk.recorder.observe(PRICE)
    disk.is_full = True

    with pytest.raises(JournalError, match="disk full"):
        await disk.recorder.record([found("c")])

    assert (disk.recorder.state.sequence, disk.told) == (1, 0)
    assert disk.recorder.state.price == PRICE
    disk.is_full = False
    disk.stage("b", "d")
    await disk.recorder.flush()
    assert (disk.recorder.state.sequence, disk.disk.sequence, disk.told) == (3, 3, 1)


async def test_a_decision_whose_facts_were_taken_back_is_not_stored() -> None:
    disk = Disk()
    disk.stage("a")
    disk.is_full = True
    flushed = asyncio.create_task(disk.recorder.flush())
    decided = asyncio.create_task(disk.recorder.record([found("b")], at_sequence=1))
    await asyncio.sleep(0)

    with pytest.raises(JournalError, match="disk full"):
        await flushed
    disk.is_full = False
    with pytest.raises(OutdatedError):
        await decided
    assert disk.disk.facts == []


async def test_commits_wait_for_each_other() -> None:
    disk = Disk()
    disk.stage("a")
    await asyncio.gather(disk.recorder.flush(), disk.recorder.record([found("b")], at_sequence=1))

    assert (disk.recorder.state.sequence, disk.commits, disk.told) == (2, [1, 1], 1)


async def test_nothing_is_staged_while_a_commit_is_under_way() -> None:
    disk = Disk()
    writing = asyncio.create_task(disk.recorder.record([found("a")]))
    await asyncio.sleep(0)

    assert not disk.recorder.stage([found("b")], stored=disk.tell), "it is not in that commit"
    await writing

    assert (disk.recorder.state.sequence, disk.disk.sequence, disk.told) == (1, 1, 0)
    disk.stage("b")
    await disk.recorder.flush()
    assert (disk.recorder.state.sequence, disk.disk.sequence, disk.told) == (2, 2, 1)


def test_a_fill_and_the_order_that_follows_it_are_one_commit() -> None:
    commits: list[Sequence[Fact]] = []

    async def hook(point: CommitPoint, facts: Sequence[Fact]) -> None:
        if point is CommitPoint.AFTER:
            commits.append(facts)

    async def story(stage: Stage) -> None:
        await stage.open()
        commits.clear()
        stage.quote("998.5", size="10")
        await stage.until(lambda: bool(stage.facts(TradeFilled)))
        first = next(c for c in commits if any(isinstance(f, TradeFilled) for f in c))
        assert any(isinstance(fact, OrderIntended) for fact in first)
        await stage.sleep(1_000)
        replayed = stage.make_engine(epoch=1)
        await replayed._recorder.load()
        assert replayed.state.position == stage.state.position
        assert replayed.state.orders == stage.state.orders

    play(story, hook=hook)


class Slow(DirectWorkflows):
    """A store that takes its time to begin a run."""

    is_slow = False

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        if self.is_slow:
            await asyncio.sleep(1.0)
        return await super().run(name, workflow_id, inputs)


def test_a_fill_does_not_wait_for_a_slow_store_of_workflows() -> None:
    store = Slow()

    async def story(stage: Stage) -> None:
        await stage.open()
        store.is_slow = True
        stage.has_prices = False  # a price alone is reason enough for a decision that is slow
        orders = len(stage.facts(OrderIntended))
        stage.quote("998.5", size="10")
        await stage.until(lambda: bool(stage.facts(TradeFilled)), within_ms=300)
        assert len(stage.facts(OrderIntended)) == orders
        await stage.until(lambda: len(stage.facts(OrderIntended)) > orders, within_ms=2_000)

    play(story, workflows=lambda: store)


def test_a_fill_that_cannot_be_stored_is_not_acknowledged_and_nothing_is_sent() -> None:
    is_full = False

    async def hook(point: CommitPoint, _: Sequence[Fact]) -> None:
        if is_full and point is CommitPoint.BEFORE:
            raise JournalError("disk full")

    async def story(stage: Stage) -> None:
        nonlocal is_full
        await stage.open()
        await stage.sleep(2_000)
        session = stage.hub.sessions[UNIT]
        accepted, is_full = list(stage.accepted), True
        stage.quote("998.5", size="10")
        await stage.sleep(5_000)

        assert stage.accepted == accepted
        assert session.unacknowledged > 0
        assert stage.state.position.quantity == 0, "only what is stored is believed"
        is_full = False
        await stage.until(lambda: len(stage.accepted) > len(accepted))
        await stage.until(lambda: session.unacknowledged == 0)
        assert stage.state.position.quantity > 0
        assert len(set(stage.accepted)) == len(stage.accepted)

    play(story, hook=hook)


def test_a_trade_that_was_committed_before_ends_the_engine() -> None:
    is_known = False

    async def hook(point: CommitPoint, facts: Sequence[Fact]) -> None:
        has_trade = any(isinstance(fact, TradeFilled) for fact in facts)
        if is_known and has_trade and point is CommitPoint.BEFORE:
            raise DuplicateTradeError("committed before")

    async def story(stage: Stage) -> None:
        nonlocal is_known
        await stage.open()
        is_known = True
        stage.quote("998.5", size="10")
        await asyncio.wait([stage.running], timeout=5.0)
        assert isinstance(stage.running.exception(), DuplicateTradeError)

    play(story, hook=hook)


def test_orders_are_handed_to_the_link_in_the_moment_of_their_commit() -> None:
    order: list[str] = []

    async def hook(point: CommitPoint, facts: Sequence[Fact]) -> None:
        if point is CommitPoint.AFTER and any(isinstance(f, OrderIntended) for f in facts):
            asyncio.get_running_loop().call_soon(order.append, "next turn")
            order.append("committed")

    async def story(stage: Stage) -> None:
        await stage.open()
        end = stage.ends[-1]
        send = end.send

        def noted(message: Upward) -> None:
            if isinstance(message, Place):
                order.append("sent")
            send(message)

        end.send = noted  # type: ignore[method-assign]  # to see what is sent, and when
        order.clear()
        stage.quote("998.5", size="10")
        await stage.until(lambda: "sent" in order)
        assert order[: order.index("sent") + 1] == ["committed", "sent"]

    play(story, hook=hook)
