"""Goal: a peer that is killed is noticed at once, and what it was doing is doubt, not refusal."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opensqt.ports.exchange import OutcomeClass, VenueUnavailableError
from opensqt.ports.link import LinkClosedError, Welcome
from opensqt.rpc.endpoint import UnixLocator
from opensqt.rpc.exchange_client import GrpcExchange
from opensqt.rpc.link_client import GrpcLink
from tests.rpc.fakes import NOW, REQUEST
from tests.rpc.test_link import HELLO

pytestmark = pytest.mark.crash

NAME = "peer"
NOTICED_S = 1.0
PEER = f"""
import asyncio, sys
from pathlib import Path
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.exchange_server import ExchangeServerConfig, ExchangeServicer, exchange_service
from opensqt.rpc.link_server import link_service
from opensqt.rpc.server import RpcServer
from tests.rpc.fakes import FakeVenue, RecordingLog
from tests.rpc.test_link import echo

async def main():
    venue, log = FakeVenue(), RecordingLog()
    venue.hold = asyncio.Event()
    config = ExchangeServerConfig(venue="paper", account="main", market="perp")
    servicer = ExchangeServicer(venue, config=config, log=log)
    server = RpcServer([exchange_service(servicer), link_service(echo, log=log)])
    server.listen(Endpoint(Path(sys.argv[1]), {NAME!r}))
    await server.start()
    print("ready", flush=True)
    await venue.entered.wait()
    print("sending", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Peer:
    """A real process that serves an exchange whose orders never get an answer."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, word: str) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            assert (await self._process.stdout.readline()).decode().strip() == word

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def peer(run_dir: Path) -> AsyncIterator[Peer]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PEER, str(run_dir), stdout=asyncio.subprocess.PIPE
    )
    running = Peer(process)
    await running.says("ready")
    try:
        yield running
    finally:
        await running.kill()


async def test_a_killed_exchange_process_is_noticed_and_its_successor_found(run_dir: Path) -> None:
    link = GrpcLink(UnixLocator(run_dir, NAME))
    async with peer(run_dir) as first:
        manager = await link.connect()
        manager.send(HELLO)
        assert isinstance((await manager.receive())[0], Welcome)
        await first.kill()
        begun = time.monotonic()
        with pytest.raises(LinkClosedError):
            await manager.receive()
        assert time.monotonic() - begun < NOTICED_S
        await manager.close()
        with pytest.raises(LinkClosedError):
            await link.connect()

    async with peer(run_dir):
        manager = await link.connect()
        manager.send(HELLO)
        assert isinstance((await manager.receive())[0], Welcome)
        await manager.close()


async def test_a_killed_connector_leaves_the_order_unknown(run_dir: Path) -> None:
    exchange = GrpcExchange(UnixLocator(run_dir, NAME), subscriber="test")
    async with peer(run_dir) as first:
        placing = asyncio.create_task(exchange.place(REQUEST))
        await first.says("sending")
        await first.kill()
        begun = time.monotonic()
        outcome = await placing
        took = time.monotonic() - begun
        after = await exchange.place(REQUEST)
        with pytest.raises(VenueUnavailableError):
            await exchange.server_time_ms()

    async with peer(run_dir):
        assert await exchange.server_time_ms() == NOW
    await exchange.close()

    assert outcome.outcome is OutcomeClass.UNKNOWN
    assert took < NOTICED_S
    assert after.outcome is OutcomeClass.NOT_SENT
