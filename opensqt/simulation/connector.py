"""The connector process of the simulated account: the production guard in front of the venue.

All incarnations of the exchange process share it, those that should be dead included. Its memory
(ids, epochs, kill) dies with it; what it had written lands all the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.engine.connector_guard import ConnectorGuard, GuardConfig
from opensqt.engine.store_watch import CONFIRM_WITHIN_MS, observe_forever
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePort,
    VenuePosition,
    VenueUnavailableError,
)
from opensqt.ports.registry import RegistryPort
from opensqt.simulation.freezer import FreezableClock, Freezer
from opensqt.simulation.link_watch import PriceCheck
from opensqt.simulation.loop import VirtualClock, first_of
from opensqt.simulation.scene import ACCOUNT, Scene
from opensqt.simulation.venue import VenueConnection
from opensqt.simulation.witness import Witness

ResultT = TypeVar("ResultT")


class _Writer(VenueConnection):
    """Tells the checker of every order that is written to the venue's socket."""

    def __init__(self, scene: Scene, clock: VirtualClock, freezer: Freezer) -> None:
        super().__init__(scene.venue, clock)
        self._written = scene.witness.written
        self._freezer = freezer

    async def place(self, request: PlaceRequest) -> Outcome:
        await self._freezer.pass_by()
        self._written(request)
        return await super().place(request)


class Connector:
    """One process at a time; ``guard`` is None while there is none."""

    def __init__(self, scene: Scene) -> None:
        """Do nothing yet."""
        self._scene = scene
        self._is_blind = scene.faults.blind_connector
        self._observing: asyncio.Task[None] | None = None
        self.guard: ConnectorGuard | None = None
        self.freezer = Freezer()
        self.ended: asyncio.Future[None] = scene.loop.create_future()

    def start(self) -> None:
        """Begin without any memory."""
        self.ended = asyncio.get_running_loop().create_future()
        scene = self._scene
        self.freezer = Freezer()
        clock = FreezableClock(scene.loop, self.freezer)
        writer = _Writer(scene, clock, self.freezer)
        config = GuardConfig(confirm_within_ms=None if self._is_blind else CONFIRM_WITHIN_MS)
        self.guard = ConnectorGuard(writer, clock=clock, config=config)
        if not self._is_blind:
            self._observing = scene.loop.create_task(self._observe(self.guard, clock))

    async def serve(
        self, guard: ConnectorGuard, call: Callable[[ConnectorGuard], Awaitable[ResultT]]
    ) -> ResultT:
        """Do a call as long as the process goes on, and answer it then."""
        freezer = self.freezer
        await freezer.pass_by()
        result = await call(guard)
        await freezer.pass_by()
        return result

    def kill(self) -> None:
        """End: calls under way are never answered, the streams break."""
        if self._observing is not None:
            self._observing.cancel()
        self.guard = None
        if not self.ended.done():
            self.ended.set_result(None)
        self._scene.venue.cut_streams()

    async def _observe(self, guard: ConnectorGuard, clock: VirtualClock) -> None:
        log = self._scene.trace.log("connector")
        await observe_forever(guard, ACCOUNT, opened=self._store, clock=clock, log=log)

    async def _store(self) -> RegistryPort:
        return self._scene.store


class ConnectorClient(VenuePort):
    """``VenuePort`` of one incarnation of the exchange process."""

    def __init__(
        self,
        connector: Connector,
        freezer: Freezer,
        witness: Witness,
        read: PriceCheck,
    ) -> None:
        """Tell ``witness`` what the exchange lets go, and ``read`` each price it read."""
        self._connector = connector
        self._freezer = freezer
        self._witness = witness
        self._read = read
        self.watched: frozenset[Symbol] = frozenset()
        """The symbols subscribed last."""
        self._is_dead = False

    def kill(self) -> None:
        """End with the process: nothing more is written or read."""
        self._is_dead = True

    async def _alive(self) -> None:
        if self._is_dead:
            # A dead process does not see exceptions either.
            await asyncio.get_running_loop().create_future()
        await self._freezer.pass_by()

    async def _call(self, call: Callable[[ConnectorGuard], Awaitable[ResultT]]) -> ResultT | None:
        """Return the answer, None when there is no connector or it ends before it answers."""
        await self._alive()
        guard, ended = self._connector.guard, self._connector.ended
        if guard is None:
            return None
        answer = asyncio.ensure_future(self._connector.serve(guard, call))
        answer.add_done_callback(_heard)  # a dead process hears no exception
        await first_of(answer, ended)
        await self._alive()
        if answer.done():
            return answer.result()
        answer.cancel()
        return None

    async def _ask(self, call: Callable[[ConnectorGuard], Awaitable[ResultT]]) -> ResultT:
        answer = await self._call(call)
        if answer is None:
            message = "the connector is gone"
            raise VenueUnavailableError(message)
        return answer

    async def place(self, request: PlaceRequest) -> Outcome:
        await self._alive()
        if self._connector.guard is None:
            return Outcome(outcome=OutcomeClass.NOT_SENT, code=VenueCode.LINK_DOWN)
        self._witness.sent(request)
        return await self._call(lambda guard: guard.place(request)) or _UNKNOWN

    async def cancel(self, request: CancelRequest) -> Outcome:
        return await self._call(lambda guard: guard.cancel(request)) or _UNKNOWN

    async def instrument(self, symbol: Symbol) -> Instrument:
        return await self._ask(lambda guard: guard.instrument(symbol))

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        async def find(guard: ConnectorGuard) -> tuple[VenueOrder | None]:
            return (
                await guard.find_order(
                    symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
                ),
            )

        return (await self._ask(find))[0]

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        return await self._ask(lambda guard: guard.open_orders(symbol))

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        return await self._ask(lambda guard: guard.trades(symbol, since_ms=since_ms))

    async def position(self, symbol: Symbol) -> VenuePosition:
        return await self._ask(lambda guard: guard.position(symbol))

    async def balances(self) -> tuple[Balance, ...]:
        return await self._ask(lambda guard: guard.balances())

    async def server_time_ms(self) -> UnixMs:
        return await self._ask(lambda guard: guard.server_time_ms())

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        in_flight = await self._ask(
            lambda guard: guard.fence(account_epoch=account_epoch, kill_epoch=kill_epoch)
        )
        self._witness.fenced(account_epoch)
        return in_flight

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        return await self._ask(lambda guard: guard.disown(client_order_id, deadline_ms=deadline_ms))

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        """Note the set: the simulation streams every symbol."""
        self.watched = symbols

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        guard = self._connector.guard
        if guard is None:
            message = "no connector"
            raise VenueUnavailableError(message)
        freezer = self._connector.freezer
        async for batch in guard.events():
            await freezer.pass_by()
            await self._alive()
            yield batch
            for event in batch:
                if isinstance(event, PriceUpdate):
                    self._read(event)


def _heard(answer: "asyncio.Future[ResultT]") -> None:
    if not answer.cancelled():
        answer.exception()


_UNKNOWN: Final = Outcome(outcome=OutcomeClass.UNKNOWN, code=VenueCode.LINK_DOWN)
