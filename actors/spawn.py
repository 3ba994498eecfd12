"""Starting and watching the actors of units and accounts: ``SpawnPort`` on Ray.

Calls that create, list or kill talk to Ray's control store and block, so they run in a thread.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Final

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from actors.exchange import Exchange
from actors.names import NAMESPACE, exchange_name, remote
from actors.symbol_manager import SymbolManager
from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, UnitId
from opensqt.core.targets import unit_of_path
from opensqt.ports.spawn import SpawnError

ANSWER_S: Final = 2.0
"""A snapshot never waits; what takes longer is a process that starts or hangs."""
STOP_S: Final = 2.0
CANCEL_S: Final = 4.5
ADOPT_S: Final = 10.0


class RaySpawn:
    """Implements ``SpawnPort``."""

    def __init__(self, runtime: Mapping[str, str]) -> None:
        """Hand ``runtime`` to every actor."""
        self._runtime = dict(runtime)

    async def ensure_exchange(self, account: AccountName, *, epoch: int) -> None:
        """Create the account's actor unless it is there."""
        name = exchange_name(account)
        arguments = (str(account), self._runtime, epoch)
        await self._create(Exchange, name, arguments)

    async def ensure_unit(self, unit: UnitId, *, epoch: int) -> None:
        """Create the unit's actor unless it is there."""
        await self._create(SymbolManager, unit.path, (unit.path, self._runtime, epoch))

    async def stop_unit(self, unit: UnitId) -> None:
        """Let the unit's actor stop deciding, then end its process for good."""
        await self._stop(unit.path)

    async def stop_exchange(self, account: AccountName) -> None:
        """Let the account's actor shut its gate, then end its process for good."""
        await self._stop(exchange_name(account))

    async def unit_snapshot(self, unit: UnitId) -> Mapping[str, object] | None:
        """Return the actor's answer, or None."""
        return await self._snapshot(unit.path)

    async def exchange_snapshot(self, account: AccountName) -> Mapping[str, object] | None:
        """Return the actor's answer, or None."""
        return await self._snapshot(exchange_name(account))

    async def unit_explanation(self, unit: UnitId) -> Mapping[str, object] | None:
        """Return the actor's answer, or None."""
        answer = await _answer((await self._actor(unit.path)).explanation.remote(), ANSWER_S)
        assert answer is None or isinstance(answer, dict)
        return answer

    async def adopt_unit(
        self, unit: UnitId, wish: Mapping[str, str | None], *, dry_run: bool
    ) -> Mapping[str, object]:
        """Have the actor adopt."""
        actor = await self._actor(unit.path)
        answer = await _answer(actor.adopt.remote(dict(wish), dry_run=dry_run), ADOPT_S)
        assert isinstance(answer, dict)
        return answer

    async def tell_unit(self, unit: UnitId, revision: int) -> None:
        """Have the actor read its row again."""
        await _answer((await self._actor(unit.path)).tell.remote(revision), ANSWER_S)

    async def hold_unit(self, unit: UnitId, directive: Directive) -> None:
        """Have the actor follow ``directive`` until it ends."""
        await _answer((await self._actor(unit.path)).hold.remote(str(directive)), ANSWER_S)

    async def cancel_unit_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Have the exchange actor cancel for a unit without a process."""
        exchange = await self._actor(exchange_name(unit.account))
        left = await _answer(exchange.cancel_orders.remote(unit.path), CANCEL_S)
        return tuple(ClientOrderId(one) for one in left)

    async def running_units(self) -> frozenset[UnitId]:
        """Return the units that have an actor which is not dead, however it feels."""
        try:
            listed = await asyncio.to_thread(list_named_actors, all_namespaces=True)
        except RayError as error:
            raise SpawnError(str(error)) from error
        names = [one["name"] for one in listed if one["namespace"] == NAMESPACE]
        return frozenset(unit for unit in map(unit_of_path, names) if unit is not None)

    async def _create(self, kind: type, name: str, arguments: tuple[Any, ...]) -> None:
        def create() -> None:
            remote(kind, name).remote(*arguments)

        try:
            await asyncio.to_thread(create)
        except (RayError, ValueError) as error:
            raise SpawnError(f"{name}: {error}") from error

    async def _actor(self, name: str) -> Any:
        try:
            return await asyncio.to_thread(ray.get_actor, name, namespace=NAMESPACE)
        except (RayError, ValueError) as error:
            raise SpawnError(f"there is no actor {name}") from error

    async def _snapshot(self, name: str) -> Mapping[str, object] | None:
        try:
            answer = await _answer((await self._actor(name)).snapshot.remote(), ANSWER_S)
        except SpawnError:
            return None
        assert isinstance(answer, dict)
        return answer

    async def _stop(self, name: str) -> None:
        try:
            actor = await self._actor(name)
        except SpawnError:
            return
        try:
            await _answer(actor.stop.remote(), STOP_S)
        except SpawnError as error:
            from opensqt.system import log

            log.get("actors").warning("actor.stop_failed", name=name, reason=str(error))
        try:
            await asyncio.to_thread(ray.kill, actor, no_restart=True)
        except RayError as error:
            raise SpawnError(f"{name}: {error}") from error


async def _answer(call: Awaitable[Any], seconds: float) -> Any:
    """Return the answer of an actor; raise ``SpawnError`` when none comes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError as error:
        raise SpawnError(f"no answer within {seconds:g} s") from error
    except RayError as error:
        raise SpawnError(f"{type(error).__name__}: {error}") from error
