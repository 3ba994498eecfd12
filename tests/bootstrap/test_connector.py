"""A connector between a gRPC client and the paper venue, in this process and in one of its own."""

import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from opensqt.bootstrap.connector import Connector, ConnectorConfig
from opensqt.bootstrap.dialing import dial_connector
from opensqt.bootstrap.runtime import Runtime, connector_name, fresh_bytes
from opensqt.core.ids import AccountName, ClientOrderId
from opensqt.core.orders import OrderStatus
from opensqt.core.registry import KillRow
from opensqt.market_maker.v1 import exchange_pb2
from opensqt.market_maker.v1.exchange_pb2_grpc import ExchangeServiceStub
from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.paper.server import running
from opensqt.ports.exchange import (
    OrderUpdate,
    OutcomeClass,
    PriceUpdate,
    VenueCode,
    VenueEvent,
    VenueUnavailableError,
)
from opensqt.rpc.auth import ServerSecurity, load_token
from opensqt.rpc.endpoint import EndpointTakenError, UnixLocator
from opensqt.rpc.exchange_client import GrpcExchange
from opensqt.storage.control import open_control
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials, VenueConfigError
from opensqt.wire.exchange import encode_place
from tests.fakes.waiting import until
from tests.venues.paper_world import CLOCK, SYMBOL, order

pytestmark = pytest.mark.e2e

ACCOUNT = AccountName("paper")

SERVE = """
import json, sys
from pathlib import Path
from opensqt.bootstrap.connector import ConnectorConfig, serve
from opensqt.bootstrap.runtime import Runtime
from opensqt.core.ids import AccountName
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials
given = json.loads(sys.argv[1])
serve(
    ConnectorConfig(
        venue="paper",
        account=AccountName("paper"),
        keys=lambda: Credentials(api_key="paper", secret="paper"),
        runtime=Runtime(data_dir=given["data_dir"], run_root=given["run_root"]),
        paper=LocalEndpoint(port=given["port"], ca_file=Path(given["ca_file"])),
        reads_store=False,
    ),
    lambda address: print("ready: " + address, flush=True),
)
print("stopped", flush=True)
"""


@pytest.fixture
def run_root() -> Iterator[str]:
    # The paths of sockets are short, those of the test framework are not.
    path = tempfile.mkdtemp(prefix="sqt", dir="/tmp")
    yield path
    shutil.rmtree(path)


@asynccontextmanager
async def paper(directory: Path) -> AsyncIterator[LocalEndpoint]:
    async with running(PaperConfig(data_dir=directory)) as (endpoint, _):
        yield local(endpoint)


def local(endpoint: Endpoint) -> LocalEndpoint:
    assert endpoint.ca_path is not None
    return LocalEndpoint(port=endpoint.port, ca_file=endpoint.ca_path)


def config_for(
    endpoint: LocalEndpoint, runtime: Runtime, *, reads_store: bool = False
) -> ConnectorConfig:
    return ConnectorConfig(
        venue="paper",
        account=ACCOUNT,
        keys=lambda: Credentials(api_key="paper", secret="paper"),
        runtime=runtime,
        paper=endpoint,
        reads_store=reads_store,
    )


@asynccontextmanager
async def client(runtime: Runtime) -> AsyncIterator[GrpcExchange]:
    locate = UnixLocator(runtime.open_run_dir().path, connector_name(ACCOUNT))
    exchange = GrpcExchange(locate, subscriber="test")
    try:
        yield exchange
    finally:
        await exchange.close()


async def collect(exchange: GrpcExchange, events: list[VenueEvent]) -> None:
    async for batch in exchange.events():
        events.extend(batch)


async def test_an_order_goes_through_and_its_report_comes_back(
    tmp_path: Path, run_root: str
) -> None:
    runtime = Runtime(data_dir=str(tmp_path), run_root=run_root)
    events: list[VenueEvent] = []
    async with paper(tmp_path) as endpoint, client(runtime) as exchange:
        connector = Connector(config_for(endpoint, runtime))
        await connector.start()
        reader = asyncio.create_task(collect(exchange, events))
        await exchange.watch(frozenset({SYMBOL}))
        await until(lambda: any(isinstance(event, PriceUpdate) for event in events))
        early = await exchange.place(order("qearly", price="30000"))
        await exchange.fence(account_epoch=1, kill_epoch=0)
        outcome = await exchange.place(order("qconn", price="30000"))
        again = await exchange.place(order("qconn", price="30000"))
        await until(lambda: any(isinstance(event, OrderUpdate) for event in events))
        found = await exchange.find_order(SYMBOL, client_order_id=ClientOrderId("qconn"))
        await exchange.fence(account_epoch=7, kill_epoch=0)
        stale = await exchange.place(order("qold", price="30000"))
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await connector.stop()

    assert (early.outcome, early.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    assert outcome.outcome is OutcomeClass.ACCEPTED, outcome
    assert again == outcome
    assert found is not None
    assert found.status is OrderStatus.WORKING
    assert (stale.outcome, stale.code) == (OutcomeClass.NOT_SENT, VenueCode.STALE_EPOCH)


async def test_an_old_client_may_read_but_not_trade(tmp_path: Path, run_root: str) -> None:
    runtime = Runtime(data_dir=str(tmp_path), run_root=run_root)
    async with paper(tmp_path) as endpoint:
        connector = Connector(config_for(endpoint, runtime))
        address = await connector.start()
        async with grpc.aio.insecure_channel(address) as channel:
            old = ExchangeServiceStub(channel)
            rules = await old.GetSymbolInfo(exchange_pb2.GetSymbolInfoRequest(symbol=SYMBOL))
            with pytest.raises(grpc.aio.AioRpcError, match=VenueCode.STALE_EPOCH):
                await old.PlaceOrder(
                    encode_place(replace(order("qold", price="30000"), account_epoch=0))
                )
        await connector.stop()

    assert rules.tick_size.value == "0.1"


async def test_opens_pass_once_the_store_was_read_and_stop_with_its_kill(
    tmp_path: Path, run_root: str
) -> None:
    runtime = Runtime(data_dir=str(tmp_path), run_root=run_root)
    async with paper(tmp_path) as endpoint, client(runtime) as exchange:
        connector = Connector(config_for(endpoint, runtime, reads_store=True))
        await connector.start()
        before = await exchange.place(order("qbefore", price="30000"))
        store = await asyncio.to_thread(
            open_control, tmp_path, writer="test", random_bytes=fresh_bytes()
        )
        await asyncio.sleep(1.2)
        opened = await exchange.place(order("qopen", price="30000"))
        kill = KillRow(epoch=1, is_engaged=True, operator="test", at_ms=CLOCK.now_ms())
        await store.set_kill(kill, expected_epoch=0)
        await asyncio.sleep(1.2)
        killed = await exchange.place(order("qkilled", price="30000"))
        store.close()
        await connector.stop()

    assert (before.outcome, before.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    assert opened.outcome is OutcomeClass.ACCEPTED, opened
    assert (killed.outcome, killed.code) == (OutcomeClass.NOT_SENT, VenueCode.KILLED)


async def test_a_second_connector_of_an_account_does_not_start(
    tmp_path: Path, run_root: str
) -> None:
    runtime = Runtime(data_dir=str(tmp_path), run_root=run_root)
    async with paper(tmp_path) as endpoint:
        connector = Connector(config_for(endpoint, runtime))
        await connector.start()
        second = Connector(config_for(endpoint, runtime))
        with pytest.raises(EndpointTakenError):
            await second.start()
        await second.stop()
        await connector.stop()


async def test_another_machine_is_served_when_it_knows_the_token(
    tmp_path: Path, run_root: str
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for number, file in enumerate((right, wrong)):
        file.write_text(str(number) * 32 + "\n")
        file.chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{1}".format(*probe.getsockname())
    there = Runtime(data_dir=str(tmp_path), run_root=run_root)
    here = Runtime(
        data_dir=str(tmp_path / "here"),
        run_root=run_root,
        connector_address=address,
        connector_token_file=str(right),
    )
    async with paper(tmp_path) as endpoint, AsyncExitStack() as stack:
        config = config_for(endpoint, there)
        security = ServerSecurity(token=load_token(right))
        connector = Connector(replace(config, listen=address, security=security))
        await connector.start()
        dialed = dial_connector(here, ACCOUNT, subscriber="far", deployment="aaaa")
        unknown = dial_connector(
            replace(here, connector_token_file=str(wrong)), ACCOUNT, subscriber="unknown"
        )
        other = dial_connector(here, ACCOUNT, subscriber="other", deployment="bbbb")
        for exchange in (dialed, unknown, other):
            stack.push_async_callback(exchange.close)
        await dialed.fence(account_epoch=3, kill_epoch=0)
        outcome = await dialed.place(replace(order("qfar", price="30000"), account_epoch=3))
        with pytest.raises(VenueUnavailableError, match="token"):
            await unknown.server_time_ms()
        with pytest.raises(VenueUnavailableError, match="traded by deployment aaaa"):
            await other.fence(account_epoch=4, kill_epoch=0)
        await connector.stop()

    assert outcome.outcome is OutcomeClass.ACCEPTED, outcome


def test_a_venue_that_is_not_built_is_refused_at_once(tmp_path: Path) -> None:
    config = ConnectorConfig(
        venue="okx",
        account=ACCOUNT,
        keys=lambda: Credentials(api_key="", secret=""),
        runtime=Runtime(data_dir=str(tmp_path)),
    )

    with pytest.raises(VenueConfigError, match="known but not built yet"):
        Connector(config)


async def test_a_process_says_ready_serves_and_stops_on_request(
    tmp_path: Path, run_root: str
) -> None:
    runtime = Runtime(data_dir=str(tmp_path), run_root=run_root)
    async with paper(tmp_path) as endpoint, client(runtime) as exchange:
        given = {
            "data_dir": str(tmp_path),
            "run_root": run_root,
            "port": endpoint.port,
            "ca_file": str(endpoint.ca_file),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SERVE,
            json.dumps(given),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        ready = (await process.stdout.readline()).decode()
        await exchange.fence(account_epoch=1, kill_epoch=0)
        outcome = await exchange.place(order("qproc", price="30000"))
        process.send_signal(signal.SIGTERM)
        rest, errors = await process.communicate()

    assert ready.startswith("ready: unix:"), errors.decode()
    assert outcome.outcome is OutcomeClass.ACCEPTED, outcome
    assert (process.returncode, rest.decode().strip()) == (0, "stopped"), errors.decode()
