"""What the process boundaries cost: importing, one round trip, ten thousand prices a second."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId, UnixMs
from opensqt.core.orders import Side, TimeInForce
from opensqt.ports.exchange import (
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    VenueEvent,
)
from opensqt.ports.link import ExchangeTransport, Hello, Place, Reply, Welcome
from opensqt.rpc.endpoint import Endpoint, UnixLocator
from opensqt.rpc.exchange_client import GrpcExchange
from opensqt.rpc.exchange_server import ExchangeServerConfig, ExchangeServicer, exchange_service
from opensqt.rpc.link_client import GrpcLink
from opensqt.rpc.link_server import link_service
from opensqt.rpc.server import RpcServer
from tests.bench.plan import Plan
from tests.bench.row import Row
from tests.rpc.fakes import FakeVenue, RecordingLog

PRICES_PER_S = 10_000
SYMBOLS = tuple(Symbol(f"S{number}USDT:perp") for number in range(20))
SECONDS = 5
ROUND_TRIPS = 1_000
IMPORT = "import time; a = time.process_time(); import {}; print(time.process_time() - a)"


class Market(FakeVenue):
    """Twenty symbols that change price all the time."""

    async def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        begun, sent = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * PRICES_PER_S)
            while sent < due:
                sent += 1
                yield (tick(sent),)
            await asyncio.sleep(0.001)


def tick(number: int) -> PriceUpdate:
    """Return the next price, with digits as a venue has them."""
    last = Decimal(6_000_000 + number % 1_000).scaleb(-2)
    now_ms = UnixMs(int(time.time() * 1_000))
    return PriceUpdate(
        symbol=SYMBOLS[number % len(SYMBOLS)],
        bid=last,
        ask=last + Decimal("0.1"),
        last=last,
        mark=last,
        venue_ms=now_ms,
        read_ms=now_ms,
    )


async def answer(transport: ExchangeTransport) -> None:
    """Accept every order at once."""
    while True:
        for message in await transport.receive():
            if isinstance(message, Hello):
                transport.send(
                    Welcome(session="s", resumed=False, account_epoch=1, now_ms=message.now_ms)
                )
            elif isinstance(message, Place):
                outcome = Outcome(outcome=OutcomeClass.ACCEPTED)
                transport.send(Reply(request_id=message.request_id, outcome=outcome))


async def serve(run_dir: Path) -> None:
    """Be the other process."""
    log = RecordingLog()
    config = ExchangeServerConfig(venue="bench", account="bench", market="perp")
    servicer = ExchangeServicer(Market(), config=config, log=log)
    server = RpcServer([exchange_service(servicer), link_service(answer, log=log)])
    server.listen(Endpoint(run_dir, "peer"))
    await server.start()
    print("ready", flush=True)
    await servicer.fanout.run()


@asynccontextmanager
async def peer() -> AsyncIterator[tuple[UnixLocator, int]]:
    """Run the other process."""
    with tempfile.TemporaryDirectory(prefix="oq-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.bench_rpc", folder, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            await process.stdout.readline()
            yield UnixLocator(Path(folder), "peer"), process.pid
        finally:
            process.kill()
            await process.wait()


def cpu_s(pid: int) -> float:
    """Return the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def prices(locate: UnixLocator, pid: int) -> list[Row]:
    """Return what ten thousand prices a second cost both processes."""
    exchange = GrpcExchange(locate, subscriber="bench")
    await exchange.watch(frozenset(SYMBOLS))
    ages: list[float] = []
    count, begun, before = 0, 0.0, 0.0
    async for batch in exchange.events():
        now = time.monotonic()
        if not begun:
            begun, before = now, time.process_time() + cpu_s(pid)
        count += len(batch)
        ages += [time.time() * 1_000 - one.read_ms for one in batch if isinstance(one, PriceUpdate)]
        if now - begun > SECONDS:
            break
    cores = (time.process_time() + cpu_s(pid) - before) / SECONDS
    await exchange.close()
    ages.sort()
    return [
        Row(name="rpc.prices_received", value=count / SECONDS, unit="prices/s"),
        Row(name="rpc.prices_both_processes", value=cores, unit="cores", budget=1),
        Row(name="rpc.price_age_p99", value=ages[int(len(ages) * 0.99)], unit="ms", budget=10),
    ]


async def round_trips(locate: UnixLocator) -> list[Row]:
    """Return how long an order takes to the exchange process and back."""
    manager = await GrpcLink(locate).connect()
    unit = UnitId(account=AccountName("bench"), symbol=SYMBOLS[0])
    manager.send(
        Hello(
            unit=unit,
            host="",
            pid=1,
            epoch=1,
            build="",
            session="",
            acked_seq=0,
            now_ms=UnixMs(0),
            position=Decimal(0),
            capital=Decimal(1),
        )
    )
    await manager.receive()
    took = []
    for number in range(ROUND_TRIPS):
        request = PlaceRequest(
            symbol=SYMBOLS[0],
            client_order_id=ClientOrderId(f"q{number}"),
            side=Side.BUY,
            price=Decimal("60000.1"),
            quantity=Decimal("0.001"),
            time_in_force=TimeInForce.GTX,
            reduce_only=False,
            deadline_ms=UnixMs(0),
            symbol_epoch=1,
        )
        begun = time.perf_counter()
        manager.send(Place(request_id=number, request=request, purpose="open"))
        await manager.receive()
        took.append((time.perf_counter() - begun) * 1_000)
        await asyncio.sleep(0.001)
    await manager.close()
    took.sort()
    return [
        Row(name="rpc.round_trip_p50", value=took[len(took) // 2], unit="ms", budget=1),
        Row(name="rpc.round_trip_p99", value=took[int(len(took) * 0.99)], unit="ms"),
    ]


def import_cost(module: str) -> float:
    """Return the CPU seconds a fresh process needs to import a module; best of three."""
    command = [sys.executable, "-c", IMPORT.format(module)]
    return min(
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    )


async def measure() -> list[Row]:
    """Measure with two processes."""
    async with peer() as (locate, _):
        rows = await round_trips(locate)
    async with peer() as (locate, pid):
        return rows + await prices(locate, pid)


def run(_: Plan) -> list[Row]:
    """Return all figures."""
    cost = import_cost("opensqt.rpc.link_client")
    row = Row(name="rpc.link_client_import_cpu", value=cost, unit="s", budget=0.5)
    return [row, *asyncio.run(measure())]


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
