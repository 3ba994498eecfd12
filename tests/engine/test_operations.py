"""Adding and removing survive the end of the orchestrator at every step, in virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId
from opensqt.core.registry import UnitPhase, UnitRecord
from opensqt.engine.orchestrator import Orchestrator, OrchestratorPorts, OrchestratorSettings
from opensqt.engine.status_report import Surroundings
from opensqt.engine.unit_tender import TenderSettings
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.control import ControlCode, ControlError
from opensqt.ports.spawn import SpawnError
from opensqt.ports.workflow import WorkflowPort, WorkflowStoreError
from opensqt.simulation.faults import Faults
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.registry import MemoryRegistry
from opensqt.simulation.workflows import HostileWorkflows, WorkflowShelf
from tests.engine.fleet import Catalog, Fleet, Lines, Mark, Process

BTC = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
KINDS = ("direct", "hostile")
STEPS_MAX = 200
WITHIN_MS = 300_000


@dataclass
class Life:
    """A process that ends at a chosen moment: from then on none of its calls returns."""

    ends_at: int = 0
    """Number of the moment, counted from ``arm``; 0 = never."""
    moments: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, moment: int) -> None:
        self.ends_at, self.moments = moment, 0

    async def reached(self) -> None:
        self.moments += 1
        if self.moments == self.ends_at:
            self.over.set()
        if self.over.is_set():
            await asyncio.get_running_loop().create_future()


class Mortal:
    """A port as a process with a ``Life`` reaches it: there is a moment around every call."""

    def __init__(self, inner: object, life: Life) -> None:
        self._inner, self._life = inner, life

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._inner, name)

        async def call(*arguments: object, **named: object) -> object:
            await self._life.reached()
            answer = await method(*arguments, **named)
            await self._life.reached()
            return answer

        return call


@dataclass
class Market(Fleet):
    """Processes that take their time, and orders that arrive late."""

    advances: dict[UnitId, int] = field(default_factory=dict)
    late: set[UnitId] = field(default_factory=set)
    """Units of which one order is still on its way when their process ends."""
    looked: set[UnitId] = field(default_factory=set)
    """Units whose open list was seen empty since their process ended."""
    canceling: set[UnitId] = field(default_factory=set)
    venue_is_gone: int = 0
    """So many looks at the venue fail."""

    async def stop_unit(self, unit: UnitId) -> None:
        had_process = unit in self.processes
        await super().stop_unit(unit)
        if had_process and unit in self.late:
            self.late.discard(unit)
            self.orders[unit] = self.orders.get(unit, 0) + 1

    async def ensure_unit(self, unit: UnitId, *, epoch: int) -> None:
        self.looked.discard(unit)
        self.advances[unit] = 0
        await super().ensure_unit(unit, epoch=epoch)

    async def cancel_unit_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        if self.venue_is_gone:
            self.venue_is_gone -= 1
            raise SpawnError("the venue does not answer")
        await self.registry.next_symbol_epoch(unit)
        left = self.orders.get(unit, 0)
        if left and unit not in self.canceling:  # a cancel takes effect until the next look
            self.canceling.add(unit)
            return tuple(ClientOrderId(f"q{number}") for number in range(left))
        self.canceling.discard(unit)
        self.looked.add(unit)
        return await super().cancel_unit_orders(unit)

    async def _advance(self, unit: UnitId, process: Process) -> None:
        self.advances[unit] = self.advances.get(unit, 0) + 1
        row = await self.registry.unit(unit)
        assert row is not None
        if row.directive is Directive.DRAIN and self.advances[unit] < 8:
            process.phase = UnitPhase.DRAINING
            return
        await super()._advance(unit, process)


class Witness(MemoryRegistry):
    """A registry that objects to a removal nobody has seen to be complete."""

    fleet: Market

    def __init__(self) -> None:
        super().__init__(deployment="abc")
        self.crimes: list[str] = []

    async def put_unit(self, record: UnitRecord, *, expected_revision: int) -> None:
        if record.is_removed:  # whoever calls survives an exception, so it is only noted
            if record.unit in self.fleet.processes:
                self.crimes.append("its process still runs")
            if self.fleet.orders.get(record.unit, 0):
                self.crimes.append("it has orders at the venue")
            if record.unit not in self.fleet.looked:
                self.crimes.append("nobody looked after its process had ended")
        await super().put_unit(record, expected_revision=expected_revision)


@dataclass
class Story:
    """A deployment whose orchestrator may end."""

    loop: VirtualLoop
    kind: str
    shelf: WorkflowShelf = field(default_factory=WorkflowShelf)
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        clock = VirtualClock(self.loop)
        self.registry = Witness()
        self.market = self.registry.fleet = Market(registry=self.registry)
        self.clock = clock
        self.log = Lines()

    def workflows(self) -> WorkflowPort:
        if self.kind == "direct":
            return DirectWorkflows()
        rng = random.Random(7)
        return HostileWorkflows(self.shelf, faults=lambda: self.faults, rng=rng, clock=self.clock)

    def orchestrator(self, life: Life | None = None) -> Orchestrator:
        """Return a new orchestrator, which ends with ``life``."""
        registry: Any = self.registry if life is None else Mortal(self.registry, life)
        spawn: Any = self.market if life is None else Mortal(self.market, life)
        return Orchestrator(
            ports=OrchestratorPorts(
                registry=registry,
                spawn=spawn,
                clock=self.clock,
                log=self.log,
                down=Mark(),
                surroundings=lambda: Surroundings(pid=1, memory_mb=1, restarts=0, endpoints={}),
                ended=self._end,
                workflows=self.workflows(),
            ),
            catalog=Catalog(),
            settings=OrchestratorSettings(wave_max=2, tender=TenderSettings(call_timeout_ms=2_000)),
        )

    async def _end(self) -> None:
        raise AssertionError("nobody has asked for a shutdown")

    async def row(self) -> UnitRecord | None:
        return await self.registry.unit(BTC)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        give_up_ms = self.clock.monotonic_ms() + WITHIN_MS
        while not await holds():
            assert self.clock.monotonic_ms() < give_up_ms, self.log.events[-20:]
            await self.clock.sleep_ms(50)

    async def is_gone(self) -> bool:
        row = await self.row()
        return row is not None and row.is_removed and BTC not in self.market.processes

    async def is_quoting(self) -> bool:
        process = self.market.processes.get(BTC)
        return process is not None and process.phase is UnitPhase.QUOTING

    async def recorded(self, name: str) -> str:
        """Return the end of the operation whose id begins so, once the store knows it."""

        def ends() -> list[str]:
            return [end for key, end in self.shelf.results.items() if key.startswith(name)]

        async def is_known() -> bool:
            return bool(ends()) and not self.shelf.pending

        await self.until(is_known)
        return ends()[-1]


def tell(story: Callable[[Story], Awaitable[None]], kind: str = "direct") -> None:
    loop = VirtualLoop()

    async def main() -> None:
        told = Story(loop, kind)
        await story(told)
        assert told.registry.crimes == []

    run_virtual(main(), loop)


Ask = Callable[[Orchestrator], Coroutine[Any, Any, object]]


def removing(mode: str) -> Ask:
    return lambda orchestrator: orchestrator.remove_symbol("BTCUSDT", mode)


def adding() -> Ask:
    return lambda orchestrator: orchestrator.add_symbol("BTCUSDT")


async def cut_short(story: Story, ask: Ask, moment: int, *, is_added: bool) -> bool:
    """Ask an orchestrator that ends at ``moment``; return whether it got that far."""
    life = Life(over=asyncio.Event())
    first = story.orchestrator(life)
    await first.start()
    if is_added:
        await first.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)
        story.market.late.add(BTC)
    goal = story.is_gone if is_added else story.is_quoting
    life.arm(moment)
    asking = asyncio.create_task(ask(first))

    async def is_over() -> bool:
        return life.over.is_set() or await goal()

    await story.until(is_over)
    asking.cancel()
    await first.stop()
    return life.over.is_set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["add", "drain", "cancel", "flatten"])
def test_an_operation_cut_off_at_any_step_is_completed_by_the_next_orchestrator(
    what: str, kind: str
) -> None:
    ask = adding() if what == "add" else removing(what)
    cuts: list[bool] = []

    async def one(story: Story) -> None:
        cuts.append(await cut_short(story, ask, len(cuts) + 1, is_added=what != "add"))
        goal = story.is_quoting if what == "add" else story.is_gone
        second = story.orchestrator()
        await second.start()
        await ask(second)  # asking again is the same operation
        await story.until(goal)
        if kind == "hostile":  # it keeps what was unfinished, as a durable store does
            verb = "add_symbol" if what == "add" else "remove_symbol"
            assert await story.recorded(f"{verb}:{BTC.path}:") == "done"
        row, started = await story.row(), list(story.market.started)
        await story.clock.sleep_ms(20_000)

        assert (await story.row(), story.market.started) == (row, started), "it came to rest"
        assert len(story.market.processes) == (what == "add")
        await second.stop()

    while len(cuts) < STEPS_MAX and (not cuts or cuts[-1]):
        tell(one, kind)
    assert 10 < len(cuts) < STEPS_MAX, "the operation ended before it was cut off"


@pytest.mark.parametrize("kind", KINDS)
def test_a_venue_that_is_not_seen_is_no_empty_venue(kind: str) -> None:
    async def story(story: Story) -> None:
        orchestrator = story.orchestrator()
        await orchestrator.start()
        await orchestrator.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)
        story.market.late.add(BTC)
        story.market.venue_is_gone = 3

        answer = await orchestrator.remove_symbol("BTCUSDT", "cancel", wait_ms=60_000)

        assert (answer["done"], story.market.venue_is_gone) == (True, 0)
        assert story.market.started == [BTC], "no process is needed to look again"
        await orchestrator.stop()

    tell(story, kind)


def test_a_unit_that_had_stopped_is_started_again_for_another_way() -> None:
    async def story(story: Story) -> None:
        orchestrator = story.orchestrator()
        await orchestrator.start()
        await orchestrator.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)
        story.market.venue_is_gone = 10
        await orchestrator.remove_symbol("BTCUSDT", "cancel", wait_ms=3_000)
        assert story.market.processes == {}, "only the venue has to be seen"

        answer = await orchestrator.remove_symbol("BTCUSDT", "flatten", wait_ms=120_000)

        assert answer["done"] is True
        assert story.market.started == [BTC, BTC], "only a process can close the position"
        await orchestrator.stop()

    tell(story)


async def refusal(call: Awaitable[object]) -> ControlError:
    with pytest.raises(ControlError) as caught:
        await call
    return caught.value


def test_what_is_asked_during_a_removal_is_answered_clearly() -> None:
    async def story(story: Story) -> None:
        orchestrator = story.orchestrator()
        await orchestrator.start()
        await orchestrator.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)
        story.market.venue_is_gone = 10_000

        await orchestrator.remove_symbol("BTCUSDT", "drain")
        await orchestrator.remove_symbol("BTCUSDT", "drain")
        row = await story.row()
        assert row is not None
        revision = row.revision
        again = await refusal(orchestrator.add_symbol("BTCUSDT"))
        pause = await refusal(orchestrator.pause("BTCUSDT"))
        await orchestrator.remove_symbol("BTCUSDT", "cancel")
        milder = await refusal(orchestrator.remove_symbol("BTCUSDT", "drain"))
        await orchestrator.remove_symbol("BTCUSDT", "flatten")
        await orchestrator.remove_symbol("BTCUSDT", "cancel")
        row = await story.row()
        story.market.venue_is_gone = 0
        await story.until(story.is_gone)
        after = await orchestrator.remove_symbol("BTCUSDT", "drain")
        await orchestrator.stop()

        assert row is not None
        assert row.revision == revision + 3, "three of five wishes were new ones"
        assert {again.code, pause.code, milder.code} == {ControlCode.CONFLICT}
        assert "is being removed (drain)" in again.message
        assert "milder than cancel" in milder.message
        assert after["done"] is True

    tell(story)


def test_the_record_of_an_operation_says_what_became_of_it() -> None:
    async def story(story: Story) -> None:
        orchestrator = story.orchestrator()
        await orchestrator.start()
        await orchestrator.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)
        await story.recorded("add_symbol")
        story.market.venue_is_gone = 20
        await orchestrator.remove_symbol("BTCUSDT", "drain")
        await story.clock.sleep_ms(1_000)
        await orchestrator.remove_symbol("BTCUSDT", "cancel")
        await story.until(story.is_gone)
        await story.recorded("remove_symbol")
        await orchestrator.stop()

        assert story.shelf.results == {
            f"add_symbol:{BTC.path}:1": "done",
            f"remove_symbol:{BTC.path}:2": "superseded",
            f"remove_symbol:{BTC.path}:3": "done",
        }

    tell(story, "hostile")


class BrokenStore(DirectWorkflows):
    """A store that never opens."""

    async def start(self) -> None:
        raise WorkflowStoreError("the disk is gone")


def test_without_a_store_everything_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(story: Story) -> None:
        monkeypatch.setattr(story, "workflows", BrokenStore)
        orchestrator = story.orchestrator()
        await orchestrator.start()
        await orchestrator.add_symbol("BTCUSDT")
        await story.until(story.is_quoting)

        answer = await orchestrator.remove_symbol("BTCUSDT", "cancel", wait_ms=60_000)

        assert answer["done"] is True
        assert "workflows.unavailable" in [event for event, _ in story.log.events]
        await orchestrator.stop()

    tell(story)
