"""A guard between a venue that answers on command and a clock that stands still."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side, TimeInForce
from opensqt.core.registry import KillRow
from opensqt.engine.connector_guard import ConnectorGuard, GuardConfig
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    VenueEvent,
    VenueOrder,
    VenuePosition,
)

SYMBOL = Symbol("BTCUSDT:perp")
START_MS = 1_700_000_000_000
NEVER_MS = -3_600_000
"""Too long ago for anything that was asked then to be believed."""
ACCEPTED = Outcome(outcome=OutcomeClass.ACCEPTED)


@dataclass
class Clock:
    elapsed_ms: int = 0

    def now_ms(self) -> UnixMs:
        return UnixMs(START_MS + self.elapsed_ms)

    def monotonic_ms(self) -> int:
        return self.elapsed_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        self.elapsed_ms += duration_ms
        await asyncio.sleep(0)


@dataclass
class Venue:
    """Answers a placement when told to; counts what it was sent."""

    sent: Counter[str] = field(default_factory=Counter)
    requests: list[PlaceRequest] = field(default_factory=list)
    waiting: dict[str, "asyncio.Future[Outcome]"] = field(default_factory=dict)
    canceled: list[CancelRequest] = field(default_factory=list)

    async def place(self, request: PlaceRequest) -> Outcome:
        self.sent[request.client_order_id] += 1
        self.requests.append(request)
        waiting = self.waiting[request.client_order_id] = asyncio.Future()
        try:
            return await waiting
        finally:
            del self.waiting[request.client_order_id]

    async def cancel(self, request: CancelRequest) -> Outcome:
        self.canceled.append(request)
        return ACCEPTED

    async def instrument(self, symbol: Symbol) -> Instrument:
        raise NotImplementedError

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        return None

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        return Listing()

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        return Listing()

    async def position(self, symbol: Symbol) -> VenuePosition:
        raise NotImplementedError

    async def balances(self) -> tuple[Balance, ...]:
        return ()

    async def server_time_ms(self) -> UnixMs:
        return UnixMs(START_MS)

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        yield ()

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        return


def order(
    name: str = "q1",
    *,
    epoch: int = 1,
    reduce_only: bool = False,
    deadline_ms: int = START_MS + 3_000,
    price: str = "100",
) -> PlaceRequest:
    return PlaceRequest(
        symbol=SYMBOL,
        client_order_id=ClientOrderId(name),
        side=Side.BUY,
        price=Decimal(price),
        quantity=Decimal(1),
        time_in_force=TimeInForce.GTX,
        reduce_only=reduce_only,
        deadline_ms=UnixMs(deadline_ms),
        symbol_epoch=1,
        account_epoch=epoch,
    )


def cancel(name: str = "q1", *, epoch: int = 1) -> CancelRequest:
    return CancelRequest(
        symbol=SYMBOL,
        client_order_id=ClientOrderId(name),
        symbol_epoch=1,
        account_epoch=epoch,
    )


@dataclass
class World:
    clock: Clock = field(default_factory=Clock)
    venue: Venue = field(default_factory=Venue)
    config: GuardConfig = field(default_factory=GuardConfig)
    is_fenced: bool = True
    """Whether the guard was told once that any epoch may write."""
    guard: ConnectorGuard = field(init=False)

    def __post_init__(self) -> None:
        self.guard = ConnectorGuard(self.venue, clock=self.clock, config=self.config)
        if self.is_fenced:
            self.guard.observe(account_epoch=0, kill=KillRow(), asked_ms=NEVER_MS)

    async def start(self, request: PlaceRequest) -> "asyncio.Task[Outcome]":
        task = asyncio.ensure_future(self.guard.place(request))
        await settle()
        return task

    async def placed(self, request: PlaceRequest) -> Outcome:
        task = await self.start(request)
        if request.client_order_id in self.venue.waiting:
            self.venue.waiting[request.client_order_id].set_result(ACCEPTED)
        return await task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
