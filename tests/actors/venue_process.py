"""A connector for tests: the pure venue model behind the real ``ExchangeService``.

Usage: ``python -m tests.actors.venue_process DATA_DIR RUN_ROOT LEDGER ACCOUNT``. Prices cross a
level every half a second. Accepted orders, cancels and fills are lines of LEDGER.
"""

import asyncio
import itertools
import json
import random
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from opensqt.bootstrap.runtime import Runtime, connector_name
from opensqt.core.ids import AccountName, Symbol, UnixMs
from opensqt.core.orders import Side
from opensqt.market.instruments import INSTRUMENTS, PROFILES
from opensqt.market.types import AccountTerms, OrderEvent, Quote
from opensqt.market.venue import VenueModel
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.exchange_server import ExchangeServerConfig, ExchangeServicer, exchange_service
from opensqt.rpc.server import RpcServer
from opensqt.simulation.faults import Faults
from opensqt.simulation.venue import SimulatedVenue, VenueConnection, frame_age, price_update
from opensqt.system import log
from opensqt.system.clock import SystemClock

STEP_MS = 500
SWING = 3
LEVELS_APART = Decimal("0.0002")
"""A level of the grid, as a fraction."""
SYMBOLS = ("BTCUSDT:perp", "ETHUSDT:perp", "SOLUSDT:perp")


class Ledger:
    """The independent record of what the venue did."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", encoding="utf-8", buffering=1)

    def write(self, event: OrderEvent, now_ms: UnixMs) -> None:
        order, fill = event.order, event.fill
        line = {
            "kind": str(event.kind),
            "at_ms": now_ms,
            "symbol": order.symbol,
            "client_order_id": order.client_order_id,
            "side": str(order.side),
            "reduce_only": order.reduce_only,
            "status": str(order.status),
            "filled": str(fill.quantity) if fill is not None else "0",
        }
        self._stream.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._stream.close()


class RecordedVenue(SimulatedVenue):
    """A venue without faults that writes down everything it publishes."""

    ledger: Ledger
    clock: SystemClock

    def publish(self, events: Iterable[OrderEvent]) -> None:
        known = tuple(events)
        for event in known:
            self.ledger.write(event, self.clock.now_ms())
        super().publish(known)


async def drive(venue: RecordedVenue, clock: SystemClock) -> None:
    """Let prices swing around their home, one level per step, with a trade at each step."""
    symbols = [name for name in INSTRUMENTS if name in SYMBOLS]
    for number in itertools.count():
        position = number % (4 * SWING)
        level = position if position <= 2 * SWING else 4 * SWING - position
        for symbol in symbols:
            move(venue, symbol, level - SWING, is_rising=position < 2 * SWING, now=clock.now_ms())
        venue.tell(frame_age(clock.now_ms()))
        await clock.sleep_ms(STEP_MS)


def move(venue: RecordedVenue, symbol: Symbol, level: int, *, is_rising: bool, now: UnixMs) -> None:
    tick = INSTRUMENTS[symbol].tick_size
    home = PROFILES[symbol].price
    price = (home * (1 + LEVELS_APART * level) // tick) * tick
    large = Decimal(int(Decimal(1_000_000) / price))
    quote = Quote(bid=price - tick, ask=price, bid_quantity=large, ask_quantity=large)
    venue.publish(venue.model.on_quote(symbol, quote, now))
    side = Side.BUY if is_rising else Side.SELL
    at = price if is_rising else price - tick
    venue.publish(venue.model.on_trade(symbol, at, large, side, now))
    update = price_update(venue, symbol, now)
    if update is not None:
        venue.tell(update)


@asynccontextmanager
async def serving(
    runtime: Runtime, ledger: Path, account: AccountName
) -> AsyncIterator[RecordedVenue]:
    """Serve a venue as the connector of ``account`` and let its market move."""
    clock = SystemClock()
    model = VenueModel(
        instruments=[INSTRUMENTS[name] for name in INSTRUMENTS if name in SYMBOLS],
        accounts=[AccountTerms(name=account, balances={"USDT": Decimal(1_000_000)})],
    )
    venue = RecordedVenue(
        model,
        account=account,
        faults=Faults(latency_ms_max=2, event_delay_ms_max=2),
        rng=random.Random(7),
        clock=clock,
        accepted=lambda _: None,
    )
    venue.ledger, venue.clock = Ledger(ledger), clock
    endpoint = Endpoint(runtime.open_run_dir().path, connector_name(account))
    servicer = ExchangeServicer(
        VenueConnection(venue, clock),
        config=ExchangeServerConfig(venue="paper", account=account, market="perp"),
        log=log.get("opensqt.test"),
    )
    server = RpcServer([exchange_service(servicer)])
    server.listen(endpoint)
    await server.start()
    tasks = [asyncio.create_task(servicer.fanout.run()), asyncio.create_task(drive(venue, clock))]
    try:
        yield venue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop(grace_ms=0)
        venue.ledger.close()


async def main(data_dir: str, run_root: str, ledger: str, account: str) -> None:
    runtime = Runtime(data_dir=data_dir, run_root=run_root)
    async with serving(runtime, Path(ledger), AccountName(account)):
        print("ready: test venue", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    log.configure(level="info", as_json=True)
    asyncio.run(main(*sys.argv[1:]))
