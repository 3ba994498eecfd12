"""A paper venue in this process, and the adapter that trades on it over TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.core.orders import Side, TimeInForce
from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.paper.server import running
from opensqt.ports.exchange import (
    CancelRequest,
    OrderUpdate,
    PlaceRequest,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    VenueEvent,
)
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.venues.factory import VenueAdapter, build_venue
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials
from tests.fakes.waiting import until

SYMBOL = Symbol("BTCUSDT:perp")
CLOCK = SystemClock()
EventT = TypeVar("EventT", bound=VenueEvent)


@dataclass
class PaperWorld:
    endpoint: Endpoint
    venue: VenueAdapter
    control: aiohttp.ClientSession
    events: list[VenueEvent] = field(default_factory=list)

    async def post(self, route: str, body: dict[str, Any]) -> Any:
        url = f"{self.endpoint.control_url}/{route}"
        async with self.control.post(url, json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def ledger(self) -> Any:
        async with self.control.get(f"{self.endpoint.control_url}/ledger") as response:
            return await response.json()

    async def quote(self, bid: str, ask: str) -> None:
        await self.post("market", {"symbol": "BTCUSDT", "events": [{"bid": bid, "ask": ask}]})

    async def trade(self, price: str, quantity: str) -> None:
        event = {"price": price, "quantity": quantity}
        await self.post("market", {"symbol": "BTCUSDT", "events": [event]})

    async def fault(self, kind: str, route: str, **values: Any) -> None:
        await self.post("faults", {"kind": kind, "route": route, "count": 1} | values)

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    def orders(self, name: str) -> list[OrderUpdate]:
        return [one for one in self.of(OrderUpdate) if one.order.client_order_id == name]

    def trades(self, name: str) -> list[TradeUpdate]:
        return [one for one in self.of(TradeUpdate) if one.trade.client_order_id == name]

    def phases(self, kind: StreamKind) -> list[StreamPhase]:
        return [state.phase for state in self.of(StreamState) if state.kind is kind]


@asynccontextmanager
async def paper_world(directory: Path, *, symbols: bool = True) -> AsyncIterator[PaperWorld]:
    config = PaperConfig(data_dir=directory, is_scripted=True)
    async with running(config) as (endpoint, _), aiohttp.ClientSession() as control:
        assert endpoint.ca_path is not None
        venue = build_venue(
            "paper",
            credentials=Credentials(api_key="paper", secret="paper"),
            clock=CLOCK,
            log=log.get("opensqt.tests"),
            local=LocalEndpoint(port=endpoint.port, ca_file=endpoint.ca_path),
        )
        world = PaperWorld(endpoint=endpoint, venue=venue, control=control)
        await world.quote("60000.0", "60000.1")
        await world.trade("60000.1", "0.5")
        await venue.start()
        reader = asyncio.create_task(_collect(venue, world.events))
        if symbols:
            await venue.watch(frozenset({SYMBOL}))
        try:
            await until(lambda: StreamPhase.LIVE in world.phases(StreamKind.PRIVATE))
            yield world
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await venue.close()


async def _collect(venue: VenueAdapter, events: list[VenueEvent]) -> None:
    async for batch in venue.events():
        events.extend(batch)


def order(
    name: str,
    *,
    side: Side = Side.BUY,
    price: str = "59000",
    quantity: str = "0.01",
    time_in_force: TimeInForce = TimeInForce.GTX,
    reduce_only: bool = False,
    within_ms: int = 5_000,
) -> PlaceRequest:
    return PlaceRequest(
        symbol=SYMBOL,
        client_order_id=ClientOrderId(name),
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        time_in_force=time_in_force,
        reduce_only=reduce_only,
        deadline_ms=UnixMs(CLOCK.now_ms() + within_ms),
        symbol_epoch=1,
        account_epoch=1,
    )


def cancel(name: str) -> CancelRequest:
    return CancelRequest(
        symbol=SYMBOL, client_order_id=ClientOrderId(name), symbol_epoch=1, account_epoch=1
    )


def newest_price(world: PaperWorld) -> PriceUpdate | None:
    return next(iter(reversed(world.of(PriceUpdate))), None)
