"""The exchange process of the simulated account, composed as in production.

It takes the lease with a higher epoch, fences the connector, and looks at lease and kill switch
twice a second; without a fenced connector its gate stays shut.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from opensqt.core.ids import AccountName, Symbol, UnitId
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.engine.local_link import LocalLink
from opensqt.ports.exchange import PlaceRequest, PriceUpdate, VenueUnavailableError
from opensqt.ports.link import Downward, ExchangeTransport, Upward
from opensqt.ports.telemetry import LogPort
from opensqt.simulation.connector import Connector, ConnectorClient
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.link_watch import BandWatch
from opensqt.simulation.registry import MemoryRegistry

CONFIRM_EVERY_MS: Final = 500
LEASE_TTL_MS: Final = 10_000
STORE_MS: Final = 20
"""How long the control store takes to answer; long enough for an order to slip through."""


class _FreezableEnd:
    """The exchange's end of a link: a frozen process neither reads nor writes."""

    def __init__(self, end: ExchangeTransport, freezer: Freezer) -> None:
        self._end = end
        self._freezer = freezer
        self._held: list[Downward] = []
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
        messages = await self._end.receive()
        await self._freezer.pass_by()
        self.watch.received(messages)
        return messages

    async def close(self, *, code: str = "", message: str = "") -> None:
        await self._end.close(code=code, message=message)


class ExchangeProcess:
    """One incarnation."""

    def __init__(  # noqa: PLR0913 - what surrounds a process
        self,
        connector: Connector,
        *,
        account: AccountName,
        registry: MemoryRegistry,
        log: LogPort,
        sent: Callable[[PlaceRequest], None],
        fenced: Callable[[int], None],
        withheld: Callable[[UnitId], None],
    ) -> None:
        """Compose; ``start`` takes the account over.

        ``withheld`` hears of a unit that was not told a price although no band keeps it back.
        """
        self._loop = asyncio.get_running_loop()
        self.freezer = Freezer()
        self._clock = FreezableClock(self._loop, self.freezer)
        self._account = account
        self._registry = registry
        self._log = log
        self._venue = ConnectorClient(connector, self.freezer, sent, self._check_price)
        self._withheld = withheld
        self._fenced = fenced
        self.gate = Gate(self._venue, clock=self._clock, log=log)
        self.epoch = 0
        self.hub: Hub | None = None
        self.link: LocalLink | None = None
        self.confirmed_kill = -1
        """Epoch of the kill row behind which this gate and the connector stand."""
        self._ends: list[_FreezableEnd] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the account over and serve."""
        lease = await self._registry.acquire_account(
            self._account,
            holder=f"sim-{id(self)}",
            now_ms=self._clock.now_ms(),
            ttl_ms=LEASE_TTL_MS,
            take_over=True,
        )
        self.epoch = lease.epoch
        self.hub = Hub(
            self._venue,
            self.gate,
            epoch_of=self._epoch_of,
            session_prefix=f"e{self.epoch}",
            clock=self._clock,
            log=self._log,
        )
        self.link = LocalLink(self._attach)
        self._tasks = [
            self._loop.create_task(self._confirm()),
            self._loop.create_task(self.hub.run()),
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

    async def _epoch_of(self, unit: UnitId) -> int:
        return await self._registry.symbol_epoch(unit)

    async def _attach(self, end: ExchangeTransport) -> None:
        assert self.hub is not None
        held = _FreezableEnd(end, self.freezer)
        self._ends.append(held)
        try:
            await self.hub.attach(held)
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
                self._withheld(unit)

    async def _confirm(self) -> None:
        while True:
            asked_ms = self._clock.monotonic_ms()
            await self._clock.sleep_ms(STORE_MS)
            lease = await self._registry.account_lease(self._account)
            if lease is None or lease.epoch != self.epoch:
                self.gate.lose()
                self._log.warning("exchange.lost")
                self._ending = self._loop.create_task(self.kill())
                return
            kill = await self._registry.kill_row()
            try:
                await self._venue.fence(
                    account_epoch=self.epoch, kill_epoch=kill.epoch if kill.is_engaged else 0
                )
            except VenueUnavailableError as error:
                self._log.debug("exchange.not_fenced", reason=str(error))
            else:
                self._fenced(self.epoch)
                self.gate.confirm(kill=kill, account_epoch=self.epoch, asked_ms=asked_ms)
                self.confirmed_kill = kill.epoch
            await self._clock.sleep_ms(CONFIRM_EVERY_MS)
