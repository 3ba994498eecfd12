"""A connector on a real socket around a venue that is told what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opensqt.rpc.auth import ServerSecurity
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.exchange_legacy import FullExchangeServicer
from opensqt.rpc.exchange_server import ExchangeServerConfig, exchange_service
from opensqt.rpc.server import RpcServer
from tests.rpc.fakes import FakeClock, FakeVenue, RecordingLog

NAME = "connector-paper"
CONFIG = ExchangeServerConfig(venue="paper", account="main", market="perp")


@asynccontextmanager
async def connector(
    run_dir: Path, venue: FakeVenue, *, security: ServerSecurity | None = None
) -> AsyncIterator[FullExchangeServicer]:
    servicer = FullExchangeServicer(venue, config=CONFIG, clock=FakeClock(), log=RecordingLog())
    server = RpcServer([exchange_service(servicer)], security=security)
    server.listen(Endpoint(run_dir, NAME))
    await server.start()
    pump = asyncio.create_task(servicer.fanout.run())
    try:
        yield servicer
    finally:
        pump.cancel()
        await server.stop(grace_ms=50)
