"""Composition root of a connector: one venue account, the only process with its keys.

Venue adapter, guard in front of it, ``ExchangeService`` in front of that. Where a control store can
be read, lease and kill rows are read twice a second, so that an exchange process that was paused
and wakes up is refused by the process that signs.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import uvloop

from opensqt.bootstrap.runtime import Runtime, connector_name, fresh_bytes
from opensqt.core.ids import AccountName
from opensqt.engine.connector_guard import ConnectorGuard, GuardConfig
from opensqt.engine.store_watch import CONFIRM_WITHIN_MS, observe_forever
from opensqt.ports.exchange import VenueUnavailableError
from opensqt.ports.registry import RegistryPort
from opensqt.rpc.auth import ServerSecurity
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.exchange_legacy import FullExchangeServicer
from opensqt.rpc.exchange_server import ExchangeServerConfig, exchange_service
from opensqt.rpc.server import RpcServer
from opensqt.storage.control import open_control
from opensqt.storage.location import has_control
from opensqt.system import log, process
from opensqt.system.clock import SystemClock
from opensqt.system.locks import FileLock
from opensqt.venues.factory import VenueAdapter, build_venue, check_venue
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials

KeyProvider: TypeAlias = Callable[[], Credentials]
"""Reads the account's keys; called once, in the connector's process."""

_START_AGAIN_MS: Final = 500
_FINISH_MS: Final = 3_000
_MARKET: Final = "perp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """One connector."""

    venue: str
    """One of ``opensqt.venues.factory.KNOWN``."""
    account: AccountName
    keys: KeyProvider = field(repr=False)
    runtime: Runtime
    """Decides the run directory, in which the connector's unix socket is found by its account."""
    listen: str = ""
    """``host:port`` to listen on as well; needs ``security``."""
    security: ServerSecurity = field(default_factory=ServerSecurity, repr=False)
    paper: LocalEndpoint | None = None
    """Port and authority of the paper venue; needed by, and only by, venue ``paper``."""
    reads_store: bool = True
    """Whether the control store of ``runtime`` is read; False on a host that has none."""
    allow_unfenced: bool = False
    """Whether clients without an account epoch may write."""
    lock: FileLock | None = None
    """Held while the connector runs: two deployments on one key may have two control stores."""


class Connector:
    """A connector's parts. ``start`` once, then ``wait``, then ``stop``."""

    def __init__(self, config: ConnectorConfig) -> None:
        """Keep the configuration only; raise ``VenueConfigError`` if its venue cannot be built."""
        check_venue(config.venue, local=config.paper)
        self._config = config
        self._clock = SystemClock()
        self._log = log.get("opensqt.connector", account=config.account)
        self._venue: VenueAdapter | None = None
        self._guard: ConnectorGuard | None = None
        self._server: RpcServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> str:
        """Reach the venue, however long that takes, and serve; return the address.

        Raise ``EndpointTakenError`` while another connector serves the account, ``LockHeldError``
        while another deployment does, ``VenueConfigError`` for an account that cannot be traded
        with.
        """
        endpoint = Endpoint(self._config.runtime.open_run_dir().path, self._name)
        try:
            if self._config.lock is not None:
                self._config.lock.acquire()
            venue = self._venue = await self._started_venue()
            guard = self._guard = self._guarded(venue)
            servicer = FullExchangeServicer(
                guard,
                config=ExchangeServerConfig(
                    venue=self._config.venue, account=self._config.account, market=_MARKET
                ),
                clock=self._clock,
                log=self._log,
            )
            server = RpcServer([exchange_service(servicer)], security=self._config.security)
            if self._config.listen:
                server.listen_tcp(self._config.listen)
            server.listen(endpoint)
            self._run("events", servicer.fanout.run())
            if self._config.reads_store:
                self._run("store", self._observe(guard))
            await server.start()
        except BaseException:
            endpoint.release()
            self._unlock()
            raise
        self._server = server
        self._log.info("connector.serving", venue=self._config.venue, address=endpoint.address)
        return endpoint.address

    async def wait(self) -> None:
        """Return never; raise what ended one of the connector's parts."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
        raise RuntimeError("a part of the connector has ended")

    async def stop(self) -> None:
        """Take no new calls, finish the writes in flight, close; idempotent."""
        if self._server is not None:
            await self._server.set_serving(is_serving=False)
            await self._finish_writes()
            await self._server.stop()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._venue is not None:
            await self._venue.close()
            self._venue = None
        self._unlock()
        self._log.info("connector.stopped")

    def _unlock(self) -> None:
        if self._config.lock is not None:
            self._config.lock.release()

    @property
    def _name(self) -> str:
        return connector_name(self._config.account)

    def _run(self, name: str, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=f"connector.{name}"))

    async def _started_venue(self) -> VenueAdapter:
        credentials = self._config.keys()
        log.hide(credentials.secret)
        venue = build_venue(
            self._config.venue,
            credentials=credentials,
            clock=self._clock,
            log=self._log,
            local=self._config.paper,
            notes=Path(self._config.runtime.data_dir) / "venues",
        )
        try:
            while True:
                try:
                    await venue.start()
                except VenueUnavailableError as error:
                    self._log.warning("connector.venue_unavailable", error=str(error))
                    await self._clock.sleep_ms(_START_AGAIN_MS)
                else:
                    return venue
        except BaseException:
            await venue.close()
            raise

    def _guarded(self, venue: VenueAdapter) -> ConnectorGuard:
        return ConnectorGuard(
            venue,
            clock=self._clock,
            config=GuardConfig(
                allow_unfenced=self._config.allow_unfenced,
                confirm_within_ms=CONFIRM_WITHIN_MS if self._config.reads_store else None,
            ),
        )

    async def _finish_writes(self) -> None:
        assert self._guard is not None
        until_ms = self._clock.monotonic_ms() + _FINISH_MS
        while self._guard.in_flight and self._clock.monotonic_ms() < until_ms:
            await self._clock.sleep_ms(10)

    async def _observe(self, guard: ConnectorGuard) -> None:
        await observe_forever(
            guard,
            self._config.account,
            opened=self._opened_registry,
            clock=self._clock,
            log=self._log,
        )

    async def _opened_registry(self) -> RegistryPort | None:
        location = self._config.runtime.location
        # The orchestrator creates the store; a connector that came first waits for it.
        if not has_control(location):
            return None
        return await asyncio.to_thread(
            open_control, location, writer=self._name, random_bytes=fresh_bytes()
        )


async def run(config: ConnectorConfig, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully; ``ready`` is told the address once.

    Raise what ``Connector.start`` raises, and whatever ends the connector by itself.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    connector = Connector(config)
    asked = asyncio.create_task(stopping.wait())
    work = asyncio.create_task(_serve(connector, ready))
    try:
        await asyncio.wait((asked, work), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    finally:
        asked.cancel()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await connector.stop()


def serve(config: ConnectorConfig, ready: Callable[[str], None]) -> None:
    """Run a connector to its end on a loop of its own, the fast one: the body of a process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(config, ready))


async def _serve(connector: Connector, ready: Callable[[str], None]) -> None:
    ready(await connector.start())
    process.spare_collector()
    await connector.wait()
