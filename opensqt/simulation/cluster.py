"""Where processes run: started when asked, started again when they die, and all of it unreliably.

The cluster stands for Ray and the machines. It is the ``SpawnPort`` of the orchestrator: calls may
be lost before or after they took effect, and a process that was only stopped may have a successor.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId
from opensqt.engine.decider import Identity
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.local_link import LocalManagerEnd
from opensqt.engine.symbol_engine import StaleProcessError
from opensqt.ports.exchange import VenueUnavailableError
from opensqt.ports.journal import JournalError
from opensqt.ports.link import LinkClosedError
from opensqt.ports.registry import RegistryError
from opensqt.ports.spawn import SpawnError
from opensqt.simulation.connector import Connector
from opensqt.simulation.exchange import ExchangeProcess
from opensqt.simulation.manager import Home, ManagerProcess
from opensqt.simulation.scene import BUILD, Scene

CALL_MS_MAX: Final = 30
ResultT = TypeVar("ResultT")


class Cluster:
    """All processes of one account but the orchestrator's; implements ``SpawnPort``."""

    def __init__(self, scene: Scene, homes: Sequence[Home], connector: Connector) -> None:
        """Run nothing yet but the connector, which somebody else looks after."""
        self._scene = scene
        self._homes = {home.unit: home for home in homes}
        self.connector = connector
        self.exchange: ExchangeProcess | None = None
        self._has_exchange = False
        self._exchanges = 0
        self._dead: set[str] = set()

    # -- the life of a unit's process

    async def _begin(self, home: Home) -> None:
        """Begin an incarnation as the process itself would: read the row, take an epoch."""
        token = home.spawned
        try:
            row = await self._scene.store.unit(home.unit)
            if row is None or row.is_removed:
                home.is_spawned = False
                return
            epoch = await self._scene.store.next_symbol_epoch(home.unit)
        except RegistryError:
            self._begin_again(home, token)
            return
        process = ManagerProcess(
            home,
            Identity(
                unit=home.unit,
                deployment=self._scene.deployment,
                epoch=epoch,
                build=BUILD,
                host="",
                pid=epoch,
            ),
            row,
            scene=self._scene,
            connect=self._connect,
            crash=self.kill_process,
        )
        home.process = home.last = process
        process.task = self._scene.loop.create_task(self._live(process))

    async def _live(self, process: ManagerProcess) -> None:
        home = process.home
        try:
            await process.engine.run()
        except StaleProcessError as error:
            self._scene.trace.say(process.name, f"left for good: {error}")
            if home.process is process:
                home.process, home.is_spawned = None, False
        except JournalError as error:
            self._scene.trace.say(process.name, f"ended: {type(error).__name__} {error}")
            if home.process is process:
                home.process = None
                self._begin_again(home, home.spawned)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - any escape is a finding, whatever its class
            self._scene.witness.fail(f"{process.name} died: {type(error).__name__}: {error}")

    def _begin_again(self, home: Home, token: int) -> None:
        async def again() -> None:
            await self._scene.soon()
            if home.is_spawned and home.spawned == token and home.process is None:
                await self._begin(home)

        self._scene.work(again())

    def kill_process(self, process: ManagerProcess) -> None:
        """SIGKILL; the actor is started again."""
        home = process.home
        self._scene.crashes += 1
        self._end(home)
        self._begin_again(home, home.spawned)

    def _end(self, home: Home) -> None:
        process, home.process = home.process, None
        if process is not None:
            self._scene.graveyard.append((process, process.task))
            self._scene.work(process.kill())

    async def replace(self, process: ManagerProcess) -> None:
        """Start another process of a unit whose node is out of reach."""
        home = process.home
        if home.process is process:
            home.process = None
            self._begin_again(home, home.spawned)

    def process_of(self, unit: UnitId) -> ManagerProcess | None:
        """Return the process of a unit that runs."""
        return self._homes[unit].process

    # -- the life of the exchange process

    async def _start_exchange(self) -> None:
        self._exchanges += 1
        exchange = ExchangeProcess(
            self._scene,
            self.connector,
            name=f"exchange {self._exchanges}",
            is_dead=self._is_proven_dead,
        )
        try:
            await exchange.start()
        except RegistryError:
            self._exchange_again()
            return
        self._scene.graveyard.append(exchange)
        self.exchange = exchange

    def _is_proven_dead(self, name: str) -> bool:
        """Tell what is believed: a process on a lost host may be dead, but nobody can prove it.

        Of one that was only stopped the worst is believed, for it comes back.
        """
        is_provable = not self._scene.happens(self._scene.faults.unprovable_death)
        return is_provable or name not in self._dead

    def _exchange_again(self) -> None:
        async def again() -> None:
            await self._scene.soon()
            if self._has_exchange and self.exchange is None:
                await self._start_exchange()

        self._scene.work(again())

    async def kill_exchange(self) -> None:
        """SIGKILL; the actor is started again."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            self._scene.crashes += 1
            self._dead.add(exchange.name)
            await exchange.kill()
            self._exchange_again()

    async def replace_exchange(self, exchange: ExchangeProcess) -> None:
        """Start another exchange process while the former is out of reach."""
        if self.exchange is exchange:
            self.exchange = None
            await self._start_exchange()

    async def kill_connector(self) -> None:
        """SIGKILL; its supervisor starts it again."""
        if self.connector.guard is not None:
            self._scene.crashes += 1
            self.connector.kill()
            await self._scene.soon()
            self.connector.start()

    async def _connect(self) -> LocalManagerEnd:
        if self.exchange is None or self.exchange.link is None:
            message = "no exchange process"
            raise LinkClosedError(message)
        return await self.exchange.link.connect()

    def exposure_of(self, symbol: Symbol) -> UnitExposure | None:
        """Return what the gate believes of the unit that trades ``symbol``, if it must know."""
        return None if self.exchange is None else self.exchange.gate_of(symbol)

    # -- SpawnPort

    async def ensure_exchange(self, account: AccountName, *, epoch: int) -> None:
        _ = account, epoch

        async def ensure() -> None:
            if not self._has_exchange:
                self._has_exchange = True
                # It starts whatever becomes of who asked for it.
                starting = self._scene.loop.create_task(self._start_exchange())
                self._scene.works.add(starting)
                starting.add_done_callback(self._scene.works.discard)
                await asyncio.shield(starting)

        await self._call(ensure)

    async def ensure_unit(self, unit: UnitId, *, epoch: int) -> None:
        home = self._homes[unit]

        async def ensure() -> None:
            if not home.is_spawned:
                home.is_spawned = True
                home.spawned += 1
                home.born_epoch = epoch
                await self._begin(home)

        await self._call(ensure)

    async def stop_unit(self, unit: UnitId) -> None:
        home = self._homes[unit]

        async def stop() -> None:
            home.is_spawned = False
            self._end(home)

        await self._call(stop)

    async def unit_snapshot(self, unit: UnitId) -> Mapping[str, object] | None:
        try:
            return await self._ask(unit, lambda process: process.snapshot())
        except SpawnError:
            return None

    async def tell_unit(self, unit: UnitId, revision: int) -> None:
        _ = revision
        row = await self._scene.store.unit(unit)
        if row is not None:
            await self._ask(unit, lambda process: process.follow(row))

    async def hold_unit(self, unit: UnitId, directive: Directive) -> None:
        await self._ask(unit, lambda process: process.hold(directive))

    async def cancel_unit_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        async def cancel() -> tuple[ClientOrderId, ...]:
            if self.exchange is None:
                message = "no exchange process"
                raise SpawnError(message)
            try:
                return await self.exchange.cancel_orders(unit)
            except (VenueUnavailableError, RegistryError) as error:
                raise SpawnError(str(error)) from error

        return await self._call(cancel)

    async def running_units(self) -> frozenset[UnitId]:
        async def running() -> frozenset[UnitId]:
            return frozenset(home.unit for home in self._homes.values() if home.is_spawned)

        return await self._call(running)

    async def exchange_snapshot(self, account: AccountName) -> Mapping[str, object] | None:
        _ = account
        return None

    async def stop_exchange(self, account: AccountName) -> None:
        _ = account
        self._has_exchange = False
        await self.kill_exchange()

    async def _ask(self, unit: UnitId, ask: Callable[[ManagerProcess], ResultT]) -> ResultT:
        """Ask a unit's process, which may be frozen, or not there at the moment."""

        async def answer() -> ResultT:
            process = self._homes[unit].process
            if process is None:
                message = f"{unit.text} does not answer"
                raise SpawnError(message)
            await process.freezer.pass_by()
            return ask(process)

        return await self._call(answer)

    async def _call(self, effect: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do something on another machine: it may be lost, or only its answer."""
        scene = self._scene
        await scene.clock.sleep_ms(scene.rng.randint(0, CALL_MS_MAX))
        message = "the call was lost"
        is_lost = scene.happens(scene.faults.spawn_failure)
        if is_lost and scene.rng.random() < 1 / 2:
            raise SpawnError(message)
        result = await effect()
        if is_lost:
            raise SpawnError(message)
        return result
