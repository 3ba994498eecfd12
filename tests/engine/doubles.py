"""A quiet log, a hand-set clock, an obedient venue."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.engine.builds import Build
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    StreamKind,
    StreamPhase,
    StreamState,
    VenueEvent,
    VenueOrder,
    VenuePosition,
)

SYMBOL = Symbol("BTCUSDT:perp")
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    venue_symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    quantity_min=Decimal("0.001"),
    quantity_max=Decimal(100),
    notional_min=Decimal(5),
    contract_size=Decimal(1),
    orders_open_max=200,
    reduce_only_exempt=True,
    price_band=Decimal("0.5"),
)


class QuietLog:
    """Keeps the names of events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def debug(self, event: str, **fields: object) -> None:
        _ = fields
        self.events.append(event)

    info = warning = error = debug


def build_of(own: str, *, installed: str = "") -> Build:
    """Return a process's build, by default the one that is installed."""

    async def now() -> str:
        return installed or own

    return Build(own=own, installed=now)


@dataclass
class HandClock:
    """Moves only when told to."""

    ms: int = 1_000_000

    def now_ms(self) -> UnixMs:
        return UnixMs(self.ms)

    def monotonic_ms(self) -> int:
        return self.ms

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(max(duration_ms, 0) / 1_000)


@dataclass
class ObedientVenue:
    """Accepts everything, remembers what it was asked, streams what it is given."""

    placed: list[PlaceRequest] = field(default_factory=list)
    canceled: list[CancelRequest] = field(default_factory=list)
    outcome: Outcome | None = None
    cancel_outcome: Outcome = field(default_factory=lambda: Outcome(outcome=OutcomeClass.ACCEPTED))
    feed: "asyncio.Queue[tuple[VenueEvent, ...]]" = field(default_factory=asyncio.Queue)

    async def place(self, request: PlaceRequest) -> Outcome:
        self.placed.append(request)
        return self.outcome or Outcome(
            outcome=OutcomeClass.ACCEPTED, order=order_of(request, OrderStatus.WORKING)
        )

    async def cancel(self, request: CancelRequest) -> Outcome:
        self.canceled.append(request)
        return self.cancel_outcome

    async def instrument(self, symbol: Symbol) -> Instrument:
        _ = symbol
        return INSTRUMENT

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        _ = symbol, venue_order_id
        found = (one for one in self.placed if one.client_order_id == client_order_id)
        request = next(found, None)
        return None if request is None else order_of(request, OrderStatus.WORKING)

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        _ = symbol
        return Listing(orders=tuple(order_of(one, OrderStatus.WORKING) for one in self.placed))

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        _ = symbol, since_ms
        return Listing()

    async def position(self, symbol: Symbol) -> VenuePosition:
        return VenuePosition(symbol=symbol, quantity=Decimal(0), average_price=Decimal(0))

    async def balances(self) -> tuple[Balance, ...]:
        return ()

    async def server_time_ms(self) -> UnixMs:
        return UnixMs(1)

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        _ = symbols

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        _ = account_epoch, kill_epoch
        return ()

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        _ = client_order_id, deadline_ms
        return 0

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        yield tuple(
            StreamState(kind=kind, phase=StreamPhase.LIVE, reason="test", at_ms=UnixMs(1))
            for kind in StreamKind
        )
        while True:
            yield await self.feed.get()


def request_of(
    number: int = 1,
    *,
    side: Side = Side.BUY,
    price: str = "100",
    quantity: str = "1",
    reduce_only: bool = False,
    epoch: int = 1,
    deadline_ms: int = 1_003_000,
) -> PlaceRequest:
    return PlaceRequest(
        symbol=SYMBOL,
        client_order_id=ClientOrderId(f"q1aaa{number:020d}"),
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        time_in_force=TimeInForce.GTX,
        reduce_only=reduce_only,
        deadline_ms=UnixMs(deadline_ms),
        symbol_epoch=epoch,
    )


def order_of(request: PlaceRequest, status: OrderStatus, *, cumulative: str = "0") -> VenueOrder:
    return VenueOrder(
        symbol=request.symbol,
        client_order_id=request.client_order_id,
        venue_order_id=VenueOrderId(request.client_order_id[-4:]),
        side=request.side,
        price=request.price,
        quantity=request.quantity,
        cumulative_quantity=Decimal(cumulative),
        status=status,
        reduce_only=request.reduce_only,
        updated_ms=UnixMs(1),
    )
