"""Small stand-ins for what the rpc package is given."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side, TimeInForce
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    UnknownSymbolError,
    VenueEvent,
    VenueOrder,
    VenuePosition,
)
from tests.fakes.reports import a_trade, an_order


class RecordingLog:
    """Remembers what was said."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.fields: list[dict[str, object]] = []

    def debug(self, event: str, **fields: object) -> None:
        self._keep("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._keep("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._keep("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._keep("error", event, fields)

    def _keep(self, level: str, event: str, fields: dict[str, object]) -> None:
        self.events.append((level, event))
        self.fields.append(fields)


class FakeClock:
    """A clock that stands still."""

    def now_ms(self) -> UnixMs:
        return NOW

    def monotonic_ms(self) -> int:
        return 0

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1_000)


class FakeVenue:
    """A ``VenuePort`` that answers what it is told to."""

    def __init__(self) -> None:
        self.placed: list[PlaceRequest] = []
        self.canceled: list[CancelRequest] = []
        self.finished: list[str] = []
        self.fences: list[tuple[int, int]] = []
        self.disowned: list[tuple[ClientOrderId, UnixMs]] = []
        self.watched: list[frozenset[Symbol]] = []
        self.outcome = Outcome(outcome=OutcomeClass.ACCEPTED)
        self.hold: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.error: Exception | None = None
        self.order: VenueOrder | None = ORDER
        self.listing = Listing(orders=(ORDER,), trades=(TRADE,), is_complete=False)
        self.batches: asyncio.Queue[tuple[VenueEvent, ...]] = asyncio.Queue()

    async def place(self, request: PlaceRequest) -> Outcome:
        self.placed.append(request)
        return await self._finish(request.client_order_id)

    async def cancel(self, request: CancelRequest) -> Outcome:
        self.canceled.append(request)
        return await self._finish(request.client_order_id)

    async def instrument(self, symbol: Symbol) -> Instrument:
        self._fail()
        if symbol != SYMBOL:
            raise UnknownSymbolError(symbol)
        return INSTRUMENT

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        self._fail()
        wanted = client_order_id in (None, ORDER.client_order_id)
        return self.order if wanted and venue_order_id in (None, ORDER.venue_order_id) else None

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        self._fail()
        return replace(self.listing, trades=())

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        self._fail()
        return replace(self.listing, orders=(), is_complete=since_ms > 0)

    async def position(self, symbol: Symbol) -> VenuePosition:
        self._fail()
        return VenuePosition(symbol=symbol, quantity=Decimal("-0.5"), average_price=Decimal(60000))

    async def balances(self) -> tuple[Balance, ...]:
        self._fail()
        return (Balance(asset="USDT", free=Decimal(100), locked=Decimal(0)),)

    async def server_time_ms(self) -> UnixMs:
        self._fail()
        return NOW

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        self._fail()
        self.fences.append((account_epoch, kill_epoch))
        return (ClientOrderId("q7"),)

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        self._fail()
        self.disowned.append((client_order_id, deadline_ms))
        return 7_000

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        self._fail()
        self.watched.append(symbols)

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        while True:
            yield await self.batches.get()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def _finish(self, client_order_id: str) -> Outcome:
        self.entered.set()
        if self.hold is not None:
            await self.hold.wait()
        self.finished.append(client_order_id)
        self._fail()
        return self.outcome


NOW = UnixMs(1_790_000_000_000)
SYMBOL = Symbol("BTCUSDT:perp")
ORDER = an_order()
TRADE = a_trade(client_order_id=ClientOrderId(""), fee=Decimal("-0.01"))
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    venue_symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    quantity_min=Decimal("0.001"),
    quantity_max=Decimal(1000),
    notional_min=Decimal(5),
    contract_size=Decimal(1),
    orders_open_max=200,
    reduce_only_exempt=True,
    price_band=Decimal("0.05"),
)
REQUEST = PlaceRequest(
    symbol=SYMBOL,
    client_order_id=ClientOrderId("q1abc"),
    side=Side.BUY,
    price=Decimal(60000),
    quantity=Decimal("0.1"),
    time_in_force=TimeInForce.GTX,
    reduce_only=False,
    deadline_ms=NOW,
    symbol_epoch=3,
    account_epoch=2,
)
CANCEL = CancelRequest(
    symbol=SYMBOL, client_order_id=ClientOrderId("q1abc"), symbol_epoch=3, account_epoch=2
)


def price(last: int, symbol: Symbol = SYMBOL) -> PriceUpdate:
    """Return prices around ``last``."""
    return PriceUpdate(
        symbol=symbol,
        bid=Decimal(last - 1),
        ask=Decimal(last + 1),
        last=Decimal(last),
        venue_ms=NOW,
        read_ms=UnixMs(NOW - 5),
    )


def trade(number: int) -> TradeUpdate:
    """Return the fill of that number."""
    return TradeUpdate(trade=replace(TRADE, trade_id=TradeId(f"t{number}")))


def stream(kind: StreamKind, phase: StreamPhase) -> StreamState:
    """Return a change of a stream."""
    return StreamState(kind=kind, phase=phase, reason="test", at_ms=NOW)
