"""A WebSocket server that does what a test says, and a clock that runs fast."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from opensqt.core.ids import UnixMs
from opensqt.ports.exchange import StreamPhase, StreamState, VenueEvent
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.socket_keeper import SocketConfig, SocketKeeper, SocketReader
from tests.fakes.waiting import until

Script = Callable[["Peer"], Awaitable[None]]


@dataclass
class FastClock:
    """Runs ``speed`` times as fast as the real one."""

    speed: int = 5
    began_ns: int = field(default_factory=time.monotonic_ns)
    slept: list[int] = field(default_factory=list)

    def monotonic_ms(self) -> int:
        return self.speed * (time.monotonic_ns() - self.began_ns) // 1_000_000

    def now_ms(self) -> UnixMs:
        return UnixMs(1_700_000_000_000 + self.monotonic_ms())

    async def sleep_ms(self, duration_ms: int) -> None:
        self.slept.append(duration_ms)
        await asyncio.sleep(duration_ms / 1_000 / self.speed)


@dataclass
class RecordingLog:
    lines: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


@dataclass
class Peer:
    """One connection as the server sees it."""

    socket: web.WebSocketResponse
    url: str
    transport: asyncio.BaseTransport
    texts: list[str] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)

    async def send(self, *frames: str) -> None:
        for frame in frames:
            await self.socket.send_str(frame)

    def abort(self) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.abort()


@dataclass
class SocketServer:
    """Accepts connections; answers pings unless told not to."""

    address: str = ""
    peers: list[Peer] = field(default_factory=list)
    answers_pings: bool = True
    refuses: int = 0
    """How many dials are answered with an error first."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            self.refuses -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False, autoping=self.answers_pings)
        await socket.prepare(request)
        assert request.transport is not None
        peer = Peer(socket=socket, url=request.raw_path, transport=request.transport)
        self.peers.append(peer)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                peer.texts.append(message.data)
            elif message.type is WSMsgType.PONG:
                peer.pongs.append(bytes(message.data))
        return socket


@asynccontextmanager
async def socket_server() -> AsyncIterator[SocketServer]:
    server = SocketServer()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.address = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@dataclass
class Reading:
    """A reader kept connected, and the events it has made."""

    keeper: SocketKeeper
    queue: EventQueue
    seen: list[VenueEvent] = field(default_factory=list)

    def phases(self) -> list[StreamPhase]:
        return [event.phase for event in self.seen if isinstance(event, StreamState)]

    async def live(self, times: int = 1) -> None:
        await until(lambda: self.phases().count(StreamPhase.LIVE) >= times)


@asynccontextmanager
async def reading(
    reader: SocketReader, queue: EventQueue, *, clock: Any, log: Any, config: SocketConfig
) -> AsyncIterator[Reading]:
    async with aiohttp.ClientSession() as session:
        keeper = SocketKeeper(config, reader, session=session, clock=clock, log=log)
        world = Reading(keeper=keeper, queue=queue)

        async def collect() -> None:
            async for batch in queue.batches():
                world.seen.extend(batch)

        tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(collect())]
        try:
            yield world
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
