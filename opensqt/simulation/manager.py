"""One incarnation of a unit's process: the production engine behind ports that can be stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from opensqt.core.facts import Fact
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import TradeId
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.decider import Identity
from opensqt.engine.local_link import LocalManagerEnd
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.ports.clock import ClockPort
from opensqt.ports.link import Downward, ManagerTransport, Upward
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.journal import CommitHook, CommitPoint, JournalDisk, MemoryJournal
from opensqt.simulation.link_watch import AckCheck, AckWatch
from opensqt.simulation.trace import TraceLog
from opensqt.simulation.workflows import HostileWorkflows

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

    def __init__(  # noqa: PLR0913 - what surrounds a process
        self,
        identity: Identity,
        disk: JournalDisk,
        *,
        connect: Connect,
        hook: CommitHook,
        workflows: Callable[[ClockPort], HostileWorkflows],
        log: TraceLog,
        skew_ms: int,
        facts_max: int,
        acknowledged: Callable[["ManagerProcess", tuple[TradeId, ...]], None],
    ) -> None:
        """Compose; nothing runs yet. ``acknowledged`` hears which fills the unit has confirmed."""
        self.unit = identity.unit
        self.epoch = identity.epoch
        self.freezer = Freezer()
        self._connect = connect
        self._hook = hook
        self._ends: list[LocalManagerEnd] = []
        self._journal = MemoryJournal(disk, hook=self._commit)
        self._log = log
        self._acknowledged = acknowledged
        clock = FreezableClock(asyncio.get_running_loop(), self.freezer, skew_ms=skew_ms)
        self._workflows = workflows(clock)
        self.engine = SymbolEngine(
            identity,
            CONFIG,
            config_version=1,
            journal=self._journal,
            link=self,
            workflows=self._workflows,
            clock=clock,
            log=log,
            facts_max=facts_max,
        )
        self.task: asyncio.Task[None] | None = None

    async def connect(self) -> ManagerTransport:
        """Open a connection to the exchange process (``LinkPort``)."""
        await self.freezer.pass_by()
        end = await self._connect()
        self._ends.append(end)
        watch = AckWatch(lambda: self._log.doubts)
        return _FreezableEnd(end, self.freezer, watch, self._confirmed)

    def _confirmed(self, trades: tuple[TradeId, ...]) -> None:
        if trades:
            self._acknowledged(self, trades)

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
        await self.freezer.pass_by()
        await self._hook(point, facts)
