"""One incarnation of a unit's process: the production engine behind ports that can be stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from opensqt.core.facts import Fact
from opensqt.core.grid.config import GridConfig
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.decider import Identity
from opensqt.engine.local_link import LocalManagerEnd
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.link import Downward, ManagerTransport, Upward
from opensqt.ports.telemetry import LogPort
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.journal import CommitHook, CommitPoint, JournalDisk, MemoryJournal

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

    def __init__(self, end: LocalManagerEnd, freezer: Freezer) -> None:
        self._end = end
        self._freezer = freezer

    def send(self, message: Upward) -> None:
        self._end.send(message)

    async def receive(self) -> Sequence[Downward]:
        messages = await self._end.receive()
        await self._freezer.pass_by()
        return messages

    async def close(self) -> None:
        await self._end.close()


class ManagerProcess:
    """One incarnation; several may be alive when one of them was only stopped."""

    def __init__(
        self,
        identity: Identity,
        disk: JournalDisk,
        *,
        connect: Connect,
        hook: CommitHook,
        log: LogPort,
        skew_ms: int,
    ) -> None:
        """Compose; nothing runs yet."""
        self.unit = identity.unit
        self.epoch = identity.epoch
        self.freezer = Freezer()
        self._connect = connect
        self._hook = hook
        self._ends: list[LocalManagerEnd] = []
        self._journal = MemoryJournal(disk, hook=self._commit)
        loop = asyncio.get_running_loop()
        self.engine = SymbolEngine(
            identity,
            CONFIG,
            config_version=1,
            journal=self._journal,
            link=self,
            workflows=DirectWorkflows(),
            clock=FreezableClock(loop, self.freezer, skew_ms=skew_ms),
            log=log,
        )
        self.task: asyncio.Task[None] | None = None

    async def connect(self) -> ManagerTransport:
        """Open a connection to the exchange process (``LinkPort``)."""
        await self.freezer.pass_by()
        end = await self._connect()
        self._ends.append(end)
        return _FreezableEnd(end, self.freezer)

    async def cut_links(self) -> None:
        """Break the connections, as a network does."""
        ends, self._ends = self._ends, []
        for end in ends:
            await end.close()

    async def kill(self) -> None:
        """SIGKILL: memory is gone, nothing it awaited continues."""
        self._journal.kill()
        if self.task is not None:
            self.task.cancel()
        await self.cut_links()

    async def _commit(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        await self.freezer.pass_by()
        await self._hook(point, facts)
