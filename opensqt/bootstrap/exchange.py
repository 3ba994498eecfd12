"""Composition root of one exchange process: the hub, the gate and the lease of one account.

Start: take the account's lease (at once when its holder is proven dead), fence older epochs at the
connector, serve the links of the managers. From then on the control store is read twice a second,
never on the order path: kill switch and lease go to the gate, which shuts by itself when nothing
was confirmed for two seconds.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opensqt.bootstrap.runtime import Runtime, connector_name, fresh_bytes, link_name
from opensqt.core.ids import AccountName, ClientOrderId, UnitId
from opensqt.engine.cancel_all import cancel_all
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.ports.exchange import VenuePort, VenueUnavailableError
from opensqt.ports.registry import AccountLease, LeaseLostError, RegistryError
from opensqt.rpc.endpoint import Endpoint, FixedLocator, UnixLocator
from opensqt.rpc.exchange_client import GrpcExchange
from opensqt.rpc.link_server import link_service
from opensqt.rpc.server import RpcServer
from opensqt.storage.control import SqlControlStore, open_control
from opensqt.system import log, process
from opensqt.system.clock import SystemClock

LEASE_TTL_MS: Final = 10_000
RENEW_MS: Final = 3_000
POLL_MS: Final = 500
RETRY_MS: Final = 500
MEMORY_EVERY_MS: Final = 10_000
_MEBIBYTE: Final = 1 << 20


class AccountLostError(Exception):
    """Another process holds the account: this one must end and never write again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Serving:
    """Everything that exists once the account is ours."""

    registry: SqlControlStore
    deployment: str
    venue: VenuePort
    gate: Gate
    hub: Hub
    server: RpcServer


class ExchangeProcess:
    """One account's process. ``start`` once; ``snapshot`` at any time, from any thread."""

    def __init__(
        self,
        account: AccountName,
        runtime: Runtime,
        *,
        connector_address: str = "",
        born_epoch: int = 0,
        ended: Callable[[str], None],
    ) -> None:
        """Keep the configuration only.

        ``connector_address`` empty = the connector of this machine. ``born_epoch`` is the lease's
        epoch when the process was first created. ``ended`` is told why when it must end for good.
        """
        self._account = account
        self._runtime = runtime
        self._connector_address = connector_address
        self._born_epoch = born_epoch
        self._ended = ended
        self._clock = SystemClock()
        self._log = log.get("opensqt.exchange", account=account)
        self._lease: AccountLease | None = None
        self._serving: _Serving | None = None
        self._fenced: tuple[int, int] | None = None
        self._memory_mb: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def state(self) -> str:
        """Return in one word what the process does."""
        if self._serving is None:
            return "starting"
        return "shut" if self._serving.gate.shut_reason else "open"

    async def start(self) -> None:
        """Take the account and serve; raise what keeps it from doing so, to be called again."""
        registry = await asyncio.to_thread(
            open_control,
            self._runtime.location,
            writer=f"exchange {self._account}",
            random_bytes=fresh_bytes(),
        )
        run = self._runtime.open_run_dir()
        endpoint = Endpoint(run.path, link_name(self._account))
        try:
            self._lease = await self._acquire(registry)
            serving = await self._compose(registry, self._lease, run.path)
            serving.server.listen(endpoint)
            await serving.server.start()
        except BaseException:
            endpoint.release()
            raise
        self._serving = serving
        self._tasks = [
            asyncio.create_task(self._guarded(serving.hub.run()), name="exchange.hub"),
            asyncio.create_task(self._guarded(self._poll(serving)), name="exchange.poll"),
            asyncio.create_task(self._watch_memory(), name="exchange.memory"),
        ]
        process.spare_collector()
        self._log.info("exchange.serving", epoch=self._lease.epoch, address=endpoint.address)

    async def stop(self) -> None:
        """Shut the gate and stop serving; orders at the venue stay as they are."""
        if self._serving is not None:
            self._serving.gate.close_down()
            await self._serving.server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Cancel all orders of ours on the unit's symbol; return those still open.

        Raise ``VenueUnavailableError`` when the venue was not seen.
        """
        serving = self._serving
        if serving is None:
            raise VenueUnavailableError("the exchange process is starting")
        # A process of the unit that nobody could end must not go on behind our back.
        stored_epoch: int | None = None
        try:
            stored_epoch = await serving.registry.next_symbol_epoch(unit)
        except RegistryError as error:
            self._log.warning("exchange.store_unavailable", reason=str(error))
        epoch = serving.hub.expel(unit, stored_epoch=stored_epoch)
        return await cancel_all(
            unit,
            venue=serving.venue,
            gate=serving.gate,
            deployment=serving.deployment,
            epoch=epoch,
            clock=self._clock,
        )

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
        gate, hub = self._serving.gate, self._serving.hub
        sessions = hub.sessions
        return answer | {
            "gate_reason": gate.shut_reason,
            "in_flight": len(gate.in_flight),
            "refusals": {str(code): count for code, count in gate.refusals.items()},
            "frame_age_ms": hub.frame_age_ms,
            "is_live": hub.is_live,
            "attached": sorted(unit.text for unit, one in sessions.items() if one.is_attached),
            "unacknowledged": {unit.text: one.unacknowledged for unit, one in sessions.items()},
        }

    # -- starting

    async def _acquire(self, registry: SqlControlStore) -> AccountLease:
        held = await registry.account_lease(self._account)
        take_over = held is not None and process.is_proven_dead(held.holder)
        return await registry.acquire_account(
            self._account,
            holder=process.holder(),
            now_ms=self._clock.now_ms(),
            ttl_ms=LEASE_TTL_MS,
            take_over=take_over,
        )

    async def _compose(
        self, registry: SqlControlStore, lease: AccountLease, run_path: Path
    ) -> _Serving:
        address = self._connector_address
        locate = (
            FixedLocator(address)
            if address
            else UnixLocator(run_path, connector_name(self._account))
        )
        venue = GrpcExchange(
            locate, subscriber=f"exchange-{lease.epoch}", account=str(self._account)
        )
        gate = Gate(venue, clock=self._clock, log=self._log)
        hub = Hub(
            venue,
            gate,
            epoch_of=registry.symbol_epoch,
            session_prefix=f"{self._account}-{lease.epoch}",
            clock=self._clock,
            log=self._log,
        )
        return _Serving(
            registry=registry,
            deployment=await registry.deployment(),
            venue=venue,
            gate=gate,
            hub=hub,
            server=RpcServer([link_service(hub.attach, log=self._log)]),
        )

    # -- running

    async def _guarded(self, work: Awaitable[None]) -> None:
        """End the process when a part of it fails: a new one starts clean, in-flight unknown."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the outermost loop of the process
            self._log.exception("exchange.failed")
            if self._serving is not None:
                self._serving.gate.lose()
            self._ended(f"{type(error).__name__}: {error}")

    async def _poll(self, serving: _Serving) -> None:
        renewed_ms = self._clock.monotonic_ms()
        while True:
            try:
                await self._confirm(serving)
                if self._clock.monotonic_ms() - renewed_ms >= RENEW_MS:
                    await self._renew(serving)
                    renewed_ms = self._clock.monotonic_ms()
            except LeaseLostError as error:
                serving.gate.lose()
                raise AccountLostError(str(error)) from error
            except RegistryError as error:
                # The gate shuts by itself when nothing has been confirmed for two seconds.
                self._log.warning("exchange.store_unavailable", reason=str(error))
            await self._clock.sleep_ms(POLL_MS)

    async def _confirm(self, serving: _Serving) -> None:
        """Read the kill switch and the lease; open the gate only behind a fenced connector."""
        assert self._lease is not None
        asked_ms = self._clock.monotonic_ms()
        held = await serving.registry.account_lease(self._account)
        if held is None or held.epoch != self._lease.epoch:
            raise LeaseLostError(f"account {self._account} was taken over: {held}")
        kill = await serving.registry.kill_row()
        await self._fence(serving, kill.epoch if kill.is_engaged else 0)
        if self._fenced is not None:
            epoch = self._lease.epoch
            serving.gate.confirm(kill=kill, account_epoch=epoch, asked_ms=asked_ms)

    async def _fence(self, serving: _Serving, kill_epoch: int) -> None:
        assert self._lease is not None
        wanted = (self._lease.epoch, kill_epoch)
        if self._fenced == wanted:
            return
        try:
            in_flight = await serving.venue.fence(
                account_epoch=self._lease.epoch, kill_epoch=kill_epoch
            )
        except VenueUnavailableError as error:
            self._log.warning("exchange.not_fenced", reason=str(error))
            return
        self._fenced = wanted
        self._log.info("exchange.fenced", epoch=wanted[0], kill=wanted[1], in_flight=in_flight)

    async def _renew(self, serving: _Serving) -> None:
        assert self._lease is not None
        self._lease = await serving.registry.renew_account(
            self._lease, now_ms=self._clock.now_ms(), ttl_ms=LEASE_TTL_MS
        )
        removed = {row.unit for row in await serving.registry.units() if row.is_removed}
        for unit in removed & set(serving.hub.sessions):
            await serving.hub.forget(unit)

    async def _watch_memory(self) -> None:
        while True:
            size = process.private_bytes(os.getpid())
            self._memory_mb = None if size is None else size // _MEBIBYTE
            await self._clock.sleep_ms(MEMORY_EVERY_MS)
