"""Holding a venue account: its lease, the fence at its connector, the look at the kill switch.

Twice a second, never on the order path, the control store is asked; what it says goes to the gate,
which shuts by itself when nothing was confirmed for two seconds. The fence is repeated each time: a
connector that was started again knows nothing of it and lets nothing pass before it comes. Drivers
supply ports and processes; these rules exist once.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from opensqt.core import codec
from opensqt.core.ids import AccountName, ClientOrderId, UnitId
from opensqt.core.registry import UnitRecord
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.builds import Build
from opensqt.engine.cancel_all import cancel_all
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import FenceRefusedError, VenuePort, VenueUnavailableError
from opensqt.ports.registry import AccountLease, LeaseLostError, RegistryError, RegistryPort
from opensqt.ports.telemetry import LogPort

LEASE_TTL_MS: Final = 10_000
RENEW_MS: Final = 3_000
POLL_MS: Final = 500
ANSWER_MS_MAX: Final = 1_000
"""How long a connector may take to answer; a frozen one must not cost the account its lease."""


class AccountLostError(Exception):
    """Another process holds the account: this one must end and never write again."""


class OutdatedBuildError(Exception):
    """Another build is installed than this process is: one of that must take its place."""


async def take_account(
    account: AccountName,
    *,
    registry: RegistryPort,
    holder: str,
    is_dead: Callable[[str], bool],
    clock: ClockPort,
) -> AccountLease:
    """Take the account's lease, at once when its holder is proven dead; raise ``LeaseHeldError``.

    ``is_dead`` is asked with the name of the present holder, who may only be out of reach.
    """
    held = await registry.account_lease(account)
    return await registry.acquire_account(
        account,
        holder=holder,
        now_ms=clock.now_ms(),
        ttl_ms=LEASE_TTL_MS,
        take_over=held is not None and is_dead(held.holder),
    )


class AccountHolder:
    """What an exchange process is besides its sockets: gate, hub, and the right to the account."""

    def __init__(  # noqa: PLR0913 - collaborators, each used
        self,
        lease: AccountLease,
        *,
        deployment: str,
        build: Build,
        registry: RegistryPort,
        venue: VenuePort,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Trade on ``venue`` under ``lease``; the gate is shut until ``run`` has looked once."""
        self._lease = lease
        self._deployment = deployment
        self._registry = registry
        self._venue = venue
        self._clock = clock
        self._log = log
        self._fenced_kill: int | None = None
        """Kill epoch of the last fence that was answered, 0 = released."""
        self.confirmed_kill = -1
        """Epoch of the kill row behind which gate and connector stand."""
        self.gate = Gate(venue, clock=clock, log=log)
        self.hub = Hub(
            venue,
            self.gate,
            epoch_of=registry.symbol_epoch,
            build=build,
            session_prefix=f"{lease.account}-{lease.epoch}",
            clock=clock,
            log=log,
        )

    async def run(self) -> None:
        """Serve and hold the account until cancelled.

        Raise ``AccountLostError`` when another process has taken it, ``OutdatedBuildError`` when a
        process of a newer build wants to trade, or whatever else ended a part of this; the gate is
        shut for good by then.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.hub.run())
                group.create_task(self._keep())
                group.create_task(self._make_room())
        except BaseExceptionGroup as failed:
            self.gate.lose()
            raise _first(failed) from failed

    async def cancel_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Cancel all orders of ours on the unit's symbol; return those still open.

        Raise ``VenueUnavailableError`` when the venue was not seen.
        """
        # A process of the unit that nobody could end must not go on behind our back.
        stored_epoch, horizon_ms = None, 0
        try:
            async with asyncio.timeout(ANSWER_MS_MAX / 1_000):
                stored_epoch = await self._registry.next_symbol_epoch(unit)
                horizon_ms = _horizon_ms(await self._registry.unit(unit))
        except (RegistryError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            self._log.warning("exchange.store_unavailable", reason=reason)
        epoch = self.hub.expel(unit, stored_epoch=stored_epoch, horizon_ms=horizon_ms)
        return await cancel_all(
            unit,
            venue=self._venue,
            gate=self.gate,
            deployment=self._deployment,
            epoch=epoch,
            clock=self._clock,
        )

    async def _make_room(self) -> None:
        await self.hub.outdated.wait()
        raise OutdatedBuildError("another build is installed than this process is")

    async def _keep(self) -> None:
        renewed_ms = self._clock.monotonic_ms()
        while True:
            try:
                await self._confirm()
                if self.gate.is_adrift:
                    await self._check_clock()
                if self._clock.monotonic_ms() - renewed_ms >= RENEW_MS:
                    await self._renew()
                    renewed_ms = self._clock.monotonic_ms()
            except LeaseLostError as error:
                self.gate.lose()
                raise AccountLostError(str(error)) from error
            except RegistryError as error:
                # The gate shuts by itself when nothing has been confirmed for two seconds.
                self._log.warning("exchange.store_unavailable", reason=str(error))
            await self._clock.sleep_ms(POLL_MS)

    async def _confirm(self) -> None:
        """Read the kill switch and the lease; open the gate only behind a fenced connector."""
        asked_ms = self._clock.monotonic_ms()
        kill = await self._registry.kill_row()
        # Last of all: who was stopped before this line and has lost the account fences nobody.
        held = await self._registry.account_lease(self._lease.account)
        if held is None or held.epoch != self._lease.epoch:
            raise LeaseLostError(f"account {self._lease.account} was taken over: {held}")
        kill_epoch = kill.epoch if kill.is_engaged else 0
        # Each time: the connector may have been started again and know of no fence.
        await self._fence(kill_epoch)
        if self._fenced_kill is None:
            return
        self.gate.confirm(kill=kill, account_epoch=self._lease.epoch, asked_ms=asked_ms)
        if self._fenced_kill == kill_epoch:
            self.confirmed_kill = kill.epoch

    async def _fence(self, kill_epoch: int) -> None:
        epoch = self._lease.epoch
        try:
            async with asyncio.timeout(ANSWER_MS_MAX / 1_000):
                in_flight = await self._venue.fence(account_epoch=epoch, kill_epoch=kill_epoch)
        except FenceRefusedError as error:
            # Not confirmed from here on: the gate shuts by itself.
            self._fenced_kill = None
            self._log.error("exchange.fence_refused", reason=str(error))
            return
        except (VenueUnavailableError, TimeoutError) as error:
            self._log.warning("exchange.not_fenced", reason=str(error) or type(error).__name__)
            return
        if kill_epoch != self._fenced_kill:
            self._fenced_kill = kill_epoch
            self._log.info("exchange.fenced", epoch=epoch, kill=kill_epoch, in_flight=in_flight)

    async def _check_clock(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_MS_MAX / 1_000):
                await self.gate.check_clock()
        except (VenueUnavailableError, TimeoutError) as error:
            self._log.warning("exchange.no_time", reason=str(error) or type(error).__name__)

    async def _renew(self) -> None:
        self._lease = await self._registry.renew_account(
            self._lease, now_ms=self._clock.now_ms(), ttl_ms=LEASE_TTL_MS
        )
        removed = {row.unit for row in await self._registry.units() if row.is_removed}
        for unit in sorted(removed & set(self.hub.sessions)):
            await self.hub.forget(unit)


def _horizon_ms(row: UnitRecord | None) -> int:
    """Return how late orders of a unit may appear that has not said it to this gate."""
    if row is None:
        return 0
    try:
        return codec.decode(row.config_text, UnitConfig).late_ms
    except codec.CodecError:
        return 0


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
