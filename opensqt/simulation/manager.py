"""One incarnation of a unit's process: the production engine behind ports that can be stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from opensqt.core import codec
from opensqt.core.facts import Fact
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import TradeId, UnitId
from opensqt.core.registry import UnitRecord
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.decider import Identity
from opensqt.engine.local_link import LocalManagerEnd
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.engine.unit_follower import UnitFollower
from opensqt.engine.unit_status import UnitStatus, unit_status
from opensqt.ports.journal import JournalError
from opensqt.ports.link import Downward, ManagerTransport, Upward
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.journal import CommitPoint, JournalDisk, MemoryJournal
from opensqt.simulation.link_watch import AckCheck, AckWatch
from opensqt.simulation.scene import Scene
from opensqt.simulation.workflows import HostileWorkflows, WorkflowShelf

Connect = Callable[[], Awaitable[LocalManagerEnd]]
CONFIG = UnitConfig(
    capital=Decimal(10_000),
    grid=GridConfig(
        price_interval=Decimal(1),
        order_quantity=Decimal(20),
        buy_window_size=3,
        sell_window_size=5,
    ),
)
_config_of = cache(lambda text: codec.decode(text, UnitConfig))


@dataclass(slots=True, kw_only=True)
class Home:
    """What stays of a unit when its process dies, and which process it has."""

    unit: UnitId
    disk: JournalDisk
    shelf: WorkflowShelf = field(default_factory=WorkflowShelf)
    skew_ms: int
    """Error of the wall clock its processes see."""
    is_spawned: bool = False
    """Whether the unit has an actor; one that dies is started again."""
    spawned: int = 0
    """How often it got one."""
    born_epoch: int = 0
    process: "ManagerProcess | None" = None
    """The incarnation that runs, None between two."""
    last: "ManagerProcess | None" = None
    """The newest incarnation, also when it has ended."""


class _FreezableEnd(ManagerTransport):
    """The manager's end of a link: a frozen process hears nothing."""

    def __init__(
        self,
        end: LocalManagerEnd,
        freezer: Freezer,
        watch: AckWatch,
        acknowledged: AckCheck,
    ) -> None:
        self._end = end
        self._freezer = freezer
        self._acknowledged = acknowledged
        self._watch = watch

    def send(self, message: Upward) -> None:
        self._end.send(message)
        self._acknowledged(self._watch.acknowledged(message))

    async def receive(self) -> Sequence[Downward]:
        messages = await self._end.receive()
        await self._freezer.pass_by()
        self._watch.received(messages)
        return messages

    async def close(self) -> None:
        await self._end.close()


class ManagerProcess:
    """One incarnation; several may be alive when one of them was only stopped."""

    def __init__(
        self,
        home: Home,
        identity: Identity,
        row: UnitRecord,
        *,
        scene: Scene,
        connect: Connect,
        crash: Callable[["ManagerProcess"], None],
    ) -> None:
        """Compose; nothing runs yet. ``crash`` kills this process."""
        self.home = home
        self.epoch = identity.epoch
        self.name = f"{home.unit.symbol[:3]}.{identity.epoch}"
        self.freezer = Freezer()
        self._scene = scene
        self._connect = connect
        self._crash = crash
        self._watch = AckWatch(lambda: self._log.doubts)
        self._ends: list[LocalManagerEnd] = []
        self._journal = MemoryJournal(home.disk, hook=self._commit)
        self._log = scene.trace.log(self.name)
        self._clock = FreezableClock(scene.loop, self.freezer, skew_ms=home.skew_ms)
        self._workflows = HostileWorkflows(
            home.shelf, faults=lambda: scene.faults, rng=scene.rng, clock=self._clock
        )
        self.engine = SymbolEngine(
            identity,
            _config_of(row.config_text),
            config_version=row.config_version,
            journal=self._journal,
            link=self,
            workflows=self._workflows,
            clock=self._clock,
            log=self._log,
            facts_max=scene.faults.facts_max,
        )
        self._follower = UnitFollower(self._clock)
        self._follower.begin(self.engine, row)
        self.follow = self._follower.follow
        self.hold = self._follower.hold
        self.task: asyncio.Task[None] | None = None

    def snapshot(self) -> Mapping[str, object]:
        """Return the status of the unit as ``SpawnPort.unit_snapshot`` describes it."""
        status = UnitStatus(
            pid=self.epoch,
            epoch=self.epoch,
            born_epoch=self.home.born_epoch,
            row=self._follower.row,
            held=self._follower.held,
            problem="",
            memory_mb=None,
        )
        return unit_status(status, self.engine, now_ms=self._clock.now_ms())

    async def connect(self) -> ManagerTransport:
        """Open a connection to the exchange process (``LinkPort``)."""
        await self.freezer.pass_by()
        end = await self._connect()
        self._ends.append(end)
        return _FreezableEnd(end, self.freezer, self._watch, self._acknowledged)

    def _acknowledged(self, trades: tuple[TradeId, ...]) -> None:
        if trades:
            self._scene.witness.acknowledged(self.home.unit, trades)

    def set_clock_by(self, jump_ms: int) -> None:
        """Set the wall clock of the host forward, or back."""
        self._clock.set_by(jump_ms)

    async def cut_links(self) -> None:
        """Break the connections, as a network does."""
        ends, self._ends = self._ends, []
        for end in ends:
            await end.close()

    async def kill(self) -> None:
        """SIGKILL: memory is gone, nothing it awaited continues."""
        self._journal.kill()
        self._workflows.kill()
        if self.task is not None:
            self.task.cancel()
        await self.cut_links()

    async def _commit(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        """Do to a commit what a bad disk does."""
        _ = facts
        await self.freezer.pass_by()
        scene, faults = self._scene, self._scene.faults
        if point is CommitPoint.BEFORE and faults.commit_ms_max:
            await scene.clock.sleep_ms(scene.rng.randint(0, faults.commit_ms_max))
        if self.home.process is self and scene.happens(faults.commit_crash):
            scene.trace.say(self.name, f"crash {point} commit")
            self._crash(self)
            await scene.loop.create_future()
        if point is CommitPoint.BEFORE and scene.happens(faults.commit_failure):
            message = "disk full"
            raise JournalError(message)
        if point is CommitPoint.AFTER and scene.happens(faults.commit_reply_lost):
            message = "reply lost"
            raise JournalError(message)
