"""Composition root of one exchange process: the hub, the gate and the lease of one account.

Start: take the account's lease (at once when its holder is proven dead) and serve the links of the
managers. What holding the account means is ``opensqt.engine.account_holder``'s business.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from opensqt.bootstrap.dialing import dial_connector
from opensqt.bootstrap.runtime import Runtime, build_now, build_text, fresh_bytes, link_name
from opensqt.core.ids import AccountName, ClientOrderId, UnitId
from opensqt.engine.account_holder import AccountHolder, take_account
from opensqt.engine.builds import Build
from opensqt.ports.exchange import VenueUnavailableError
from opensqt.ports.registry import AccountLease
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.link_server import link_service
from opensqt.rpc.server import RpcServer
from opensqt.storage.control import SqlControlStore, open_control
from opensqt.system import log, process
from opensqt.system.clock import SystemClock

MEMORY_EVERY_MS: Final = 10_000
_MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serving:
    """Everything that exists once the account is ours."""

    holder: AccountHolder
    server: RpcServer


class ExchangeProcess:
    """One account's process. ``start`` once; ``snapshot`` at any time, from any thread."""

    def __init__(
        self,
        account: AccountName,
        runtime: Runtime,
        *,
        born_epoch: int = 0,
        ended: Callable[[str], None],
    ) -> None:
        """Keep the configuration only.

        ``born_epoch`` is the lease's epoch when the process was first created. ``ended`` is told
        why when it must end for good.
        """
        self._account = account
        self._runtime = runtime
        self._born_epoch = born_epoch
        self._ended = ended
        self._clock = SystemClock()
        self._log = log.get("opensqt.exchange", account=account)
        self._lease: AccountLease | None = None
        self._serving: _Serving | None = None
        self._memory_mb: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def state(self) -> str:
        """Return in one word what the process does."""
        if self._serving is None:
            return "starting"
        return "shut" if self._serving.holder.gate.shut_reason else "open"

    async def start(self) -> None:
        """Take the account and serve; raise what keeps it from doing so, to be called again."""
        registry = await asyncio.to_thread(
            open_control,
            self._runtime.location,
            writer=f"exchange {self._account}",
            random_bytes=fresh_bytes(),
        )
        endpoint = Endpoint(self._runtime.open_run_dir().path, link_name(self._account))
        try:
            self._lease = await take_account(
                self._account,
                registry=registry,
                holder=process.holder(),
                is_dead=process.is_proven_dead,
                clock=self._clock,
            )
            serving = await self._compose(registry, self._lease)
            serving.server.listen(endpoint)
            await serving.server.start()
        except BaseException:
            endpoint.release()
            raise
        self._serving = serving
        self._tasks = [
            asyncio.create_task(self._guarded(serving.holder.run()), name="exchange.holder"),
            asyncio.create_task(self._watch_memory(), name="exchange.memory"),
        ]
        process.spare_collector()
        self._log.info("exchange.serving", epoch=self._lease.epoch, address=endpoint.address)

    async def stop(self) -> None:
        """Shut the gate and stop serving; orders at the venue stay as they are."""
        if self._serving is not None:
            self._serving.holder.gate.close_down()
            await self._serving.server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Cancel all orders of ours on the unit's symbol; return those still open.

        Raise ``VenueUnavailableError`` when the venue was not seen.
        """
        if self._serving is None:
            raise VenueUnavailableError("the exchange process is starting")
        return await self._serving.holder.cancel_orders(unit)

    def snapshot(self) -> dict[str, object]:
        """Return the status of the process as ``SpawnPort.exchange_snapshot`` describes it."""
        epoch = 0 if self._lease is None else self._lease.epoch
        answer: dict[str, object] = {
            "pid": os.getpid(),
            "memory_mb": self._memory_mb,
            "restarts": max(0, epoch - self._born_epoch - 1),
            "state": self.state,
            "epoch": epoch,
        }
        if self._serving is None:
            return answer
        gate, hub = self._serving.holder.gate, self._serving.holder.hub
        sessions = hub.sessions
        return answer | {
            "gate_reason": gate.shut_reason,
            "in_flight": len(gate.in_flight),
            "refusals": {str(code): count for code, count in gate.refusals.items()},
            "frame_age_ms": hub.frame_age_ms,
            "is_live": hub.is_live,
            "attached": sorted(unit.text for unit, one in sessions.items() if one.is_attached),
            "overflows": {unit.text: one.overflows for unit, one in sessions.items()},
            "unacknowledged": {unit.text: one.unacknowledged for unit, one in sessions.items()},
        }

    # -- starting

    async def _compose(self, registry: SqlControlStore, lease: AccountLease) -> _Serving:
        deployment = await registry.deployment()
        venue = dial_connector(
            self._runtime,
            self._account,
            subscriber=f"exchange-{deployment}-{lease.epoch}",
            deployment=deployment,
        )
        holder = AccountHolder(
            lease,
            deployment=deployment,
            build=Build(own=build_text(), installed=build_now),
            registry=registry,
            venue=venue,
            clock=self._clock,
            log=self._log,
        )
        server = RpcServer([link_service(holder.hub.attach, log=self._log)])
        return _Serving(holder=holder, server=server)

    # -- running

    async def _guarded(self, work: Awaitable[None]) -> None:
        """End the process when a part of it fails: a new one starts clean, in-flight unknown."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the outermost loop of the process
            self._log.exception("exchange.failed")
            self._ended(f"{type(error).__name__}: {error}")

    async def _watch_memory(self) -> None:
        while True:
            size = process.private_bytes(os.getpid())
            self._memory_mb = None if size is None else size // _MEBIBYTE
            await self._clock.sleep_ms(MEMORY_EVERY_MS)
