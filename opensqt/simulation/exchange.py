"""The exchange process of the simulated account, composed as in production.

It takes the lease with a higher epoch, fences the connector, and looks at lease and kill switch
twice a second; without a fenced connector its gate stays shut.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from opensqt.core.ids import ClientOrderId, Symbol, UnitId
from opensqt.engine.cancel_all import cancel_all
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.engine.local_link import LocalLink
from opensqt.ports.exchange import PriceUpdate, VenueUnavailableError
from opensqt.ports.link import Downward, ExchangeTransport, Upward
from opensqt.ports.registry import AccountLease, LeaseLostError, RegistryError
from opensqt.simulation.connector import Connector, ConnectorClient
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.link_watch import BandWatch
from opensqt.simulation.scene import ACCOUNT, Scene

CONFIRM_EVERY_MS: Final = 500
LEASE_TTL_MS: Final = 10_000
RENEW_MS: Final = 3_000
STORE_MS: Final = 20
"""How long the control store takes to answer; long enough for an order to slip through."""


class _FreezableEnd:
    """The exchange's end of a link: a frozen process neither reads nor writes."""

    def __init__(self, end: ExchangeTransport, freezer: Freezer) -> None:
        self._end = end
        self._freezer = freezer
        self._held: list[Downward] = []
        self._unread: deque[Upward] = deque()
        self.watch = BandWatch()

    @property
    def pending_facts(self) -> int:
        return self._end.pending_facts

    def send(self, message: Downward) -> None:
        self.watch.sent(message)
        self._held.append(message)
        if not self._freezer.is_frozen:
            held, self._held = self._held, []
            for one in held:
                self._end.send(one)

    async def receive(self) -> Sequence[Upward]:
        # One at a time: what is sent in answer to one must not seem older than the next.
        if not self._unread:
            self._unread.extend(await self._end.receive())
        await self._freezer.pass_by()
        message = self._unread.popleft()
        self.watch.received(message)
        return (message,)

    async def close(self, *, code: str = "", message: str = "") -> None:
        await self._end.close(code=code, message=message)


class ExchangeProcess:
    """One incarnation."""

    def __init__(self, scene: Scene, connector: Connector) -> None:
        """Compose; ``start`` takes the account over."""
        self._scene = scene
        self.freezer = Freezer()
        self._clock = FreezableClock(scene.loop, self.freezer)
        self._log = scene.trace.log("exchange")
        self._venue = ConnectorClient(
            connector, self.freezer, scene.witness.sent, self._check_price
        )
        self.gate = Gate(self._venue, clock=self._clock, log=self._log)
        self._lease: AccountLease | None = None
        self.hub: Hub | None = None
        self.link: LocalLink | None = None
        self.confirmed_kill = -1
        """Epoch of the kill row behind which this gate and the connector stand."""
        self._ends: list[_FreezableEnd] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None

    @property
    def watched(self) -> frozenset[Symbol]:
        """Return the symbols subscribed at the venue."""
        return self._venue.watched

    async def start(self) -> None:
        """Take the account over and serve."""
        self._lease = lease = await self._scene.store.acquire_account(
            ACCOUNT,
            holder=f"sim-{id(self)}",
            now_ms=self._clock.now_ms(),
            ttl_ms=LEASE_TTL_MS,
            take_over=True,
        )
        self.hub = Hub(
            self._venue,
            self.gate,
            epoch_of=self._epoch_of,
            session_prefix=f"e{lease.epoch}",
            clock=self._clock,
            log=self._log,
        )
        self.link = LocalLink(self._attach)
        self._tasks = [
            self._scene.loop.create_task(self._poll(lease)),
            self._scene.loop.create_task(self.hub.run()),
        ]

    async def kill(self) -> None:
        """SIGKILL: nothing it awaited continues, its links break."""
        self._venue.kill()
        for task in self._tasks:
            task.cancel()
        for end in tuple(self._ends):
            await end.close(message="the exchange process died")

    def gate_of(self, symbol: Symbol) -> UnitExposure | None:
        """Return the gate's account of the unit that trades ``symbol``, None before it declared."""
        sessions = {} if self.hub is None else self.hub.sessions
        units = [unit for unit, one in sessions.items() if unit.symbol == symbol and one.epoch]
        return self.gate.exposure_of(units[0]) if units else None

    async def cancel_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Cancel all orders of ours on the unit's symbol; return those still open."""
        await self.freezer.pass_by()
        assert self.hub is not None
        stored_epoch = await self._scene.store.next_symbol_epoch(unit)
        epoch = self.hub.expel(unit, stored_epoch=stored_epoch)
        return await cancel_all(
            unit,
            venue=self._venue,
            gate=self.gate,
            deployment=self._scene.deployment,
            epoch=epoch,
            clock=self._clock,
        )

    async def _epoch_of(self, unit: UnitId) -> int:
        return await self._scene.store.symbol_epoch(unit)

    async def _attach(self, end: ExchangeTransport) -> None:
        assert self.hub is not None
        held = _FreezableEnd(end, self.freezer)
        self._ends.append(held)
        try:
            await self.hub.attach(held)
        except RegistryError as error:
            self._log.debug("exchange.attach_failed", reason=str(error))
        finally:
            self._ends.remove(held)

    def _check_price(self, price: PriceUpdate) -> None:
        """Look whether the hub, which has just read ``price``, told whom it must tell."""
        assert self.hub is not None
        for end in self._ends:
            unit = end.watch.unit
            session = None if unit is None else self.hub.sessions.get(unit)
            is_served = session is not None and session.transport is end
            if unit is None or not is_served or unit.symbol != price.symbol:
                continue
            if end.watch.withholds(price):
                self._scene.witness.withheld(unit)

    async def _poll(self, lease: AccountLease) -> None:
        renewed_ms = self._clock.monotonic_ms()
        while True:
            try:
                await self._confirm(lease)
                if self._clock.monotonic_ms() - renewed_ms >= RENEW_MS:
                    await self._renew(lease)
                    renewed_ms = self._clock.monotonic_ms()
            except LeaseLostError:
                self.gate.lose()
                self._log.warning("exchange.lost")
                self._ending = self._scene.loop.create_task(self.kill())
                return
            except RegistryError as error:
                self._log.debug("exchange.store_unavailable", reason=str(error))
            await self._clock.sleep_ms(CONFIRM_EVERY_MS)

    async def _confirm(self, lease: AccountLease) -> None:
        store = self._scene.store
        asked_ms = self._clock.monotonic_ms()
        await self._clock.sleep_ms(STORE_MS)
        held = await store.account_lease(ACCOUNT)
        if held is None or held.epoch != lease.epoch:
            message = "another exchange process holds the account"
            raise LeaseLostError(message)
        kill = await store.kill_row()
        try:
            await self._venue.fence(
                account_epoch=lease.epoch, kill_epoch=kill.epoch if kill.is_engaged else 0
            )
        except VenueUnavailableError as error:
            self._log.debug("exchange.not_fenced", reason=str(error))
        else:
            self._scene.witness.fenced(lease.epoch)
            self.gate.confirm(kill=kill, account_epoch=lease.epoch, asked_ms=asked_ms)
            self.confirmed_kill = kill.epoch

    async def _renew(self, lease: AccountLease) -> None:
        store = self._scene.store
        await store.renew_account(lease, now_ms=self._clock.now_ms(), ttl_ms=LEASE_TTL_MS)
        assert self.hub is not None
        removed = {row.unit for row in await store.units() if row.is_removed}
        for unit in sorted(removed & set(self.hub.sessions)):
            await self.hub.forget(unit)
