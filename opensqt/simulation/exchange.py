"""The exchange process of the simulated account: the production holder of an account on ports."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

from opensqt.core.ids import ClientOrderId, Symbol, UnitId
from opensqt.engine.account_holder import AccountHolder, AccountLostError, take_account
from opensqt.engine.builds import Build
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.hub import Hub
from opensqt.engine.local_link import LocalLink
from opensqt.ports.exchange import PriceUpdate, VenueUnavailableError
from opensqt.ports.link import Downward, ExchangeTransport, Upward
from opensqt.ports.registry import RegistryError, RegistryPort
from opensqt.simulation.connector import Connector, ConnectorClient
from opensqt.simulation.control_store import ControlStore
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.link_watch import BandWatch
from opensqt.simulation.scene import ACCOUNT, BUILD, Scene

STORE_MS: Final = 20
"""How long the control store takes to answer; long enough for an order to slip through."""


async def _installed() -> str:
    return BUILD


class _DistantStore:
    """The control store as a process sees it: answers take time, and a frozen one gets none."""

    def __init__(self, store: ControlStore, clock: FreezableClock) -> None:
        self._store = store
        self._clock = clock

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*args: object, **named: object) -> object:
            await self._clock.sleep_ms(STORE_MS)
            answer: object = await getattr(self._store, name)(*args, **named)
            return answer

        return call


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

    def __init__(
        self, scene: Scene, connector: Connector, *, name: str, is_dead: Callable[[str], bool]
    ) -> None:
        """Keep the configuration; ``is_dead`` is asked whether another incarnation has ended."""
        self.name = name
        self._scene = scene
        self._is_dead = is_dead
        self.freezer = Freezer()
        self._clock = FreezableClock(scene.loop, self.freezer)
        self._log = scene.trace.log("exchange")
        self._venue = ConnectorClient(connector, self.freezer, scene.witness, self._check_price)
        self._holder: AccountHolder | None = None
        self.link: LocalLink | None = None
        self._ends: list[_FreezableEnd] = []
        self._living: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def hub(self) -> Hub | None:
        """Return the hub, None before the account is ours."""
        return None if self._holder is None else self._holder.hub

    @property
    def confirmed_kill(self) -> int:
        """Return the epoch of the kill row behind which this gate and the connector stand."""
        return -1 if self._holder is None else self._holder.confirmed_kill

    @property
    def watched(self) -> frozenset[Symbol]:
        """Return the symbols subscribed at the venue."""
        return self._venue.watched

    async def start(self) -> None:
        """Take the account over and serve."""
        store = cast(RegistryPort, _DistantStore(self._scene.store, self._clock))
        lease = await take_account(
            ACCOUNT, registry=store, holder=self.name, is_dead=self._is_dead, clock=self._clock
        )
        self._holder = AccountHolder(
            lease,
            deployment=self._scene.deployment,
            build=Build(own=BUILD, installed=_installed),
            registry=store,
            venue=self._venue,
            clock=self._clock,
            log=self._log,
        )
        self.link = LocalLink(self._attach)
        self._living = self._scene.loop.create_task(self._live(self._holder))

    async def _live(self, holder: AccountHolder) -> None:
        try:
            await holder.run()
        except AccountLostError as error:
            self._log.warning("exchange.lost", reason=str(error))
            self._ending = self._scene.loop.create_task(self.kill())
        except Exception as error:  # noqa: BLE001 - any escape is a finding, whatever its class
            self._scene.witness.fail(f"{self.name} died: {type(error).__name__}: {error}")

    async def kill(self) -> None:
        """SIGKILL: nothing it awaited continues, its links break."""
        self._venue.kill()
        if self._living is not None:
            self._living.cancel()
        for end in tuple(self._ends):
            await end.close(message="the exchange process died")

    def gate_of(self, symbol: Symbol) -> UnitExposure | None:
        """Return the gate's account of the unit that trades ``symbol``, None before it declared."""
        if self._holder is None:
            return None
        sessions = self._holder.hub.sessions
        units = [unit for unit, one in sessions.items() if unit.symbol == symbol and one.epoch]
        return self._holder.gate.exposure_of(units[0]) if units else None

    async def cancel_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Cancel all orders of ours on the unit's symbol; return those still open."""
        await self.freezer.pass_by()
        if self._holder is None:
            message = "the exchange process is starting"
            raise VenueUnavailableError(message)
        return await self._holder.cancel_orders(unit)

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
