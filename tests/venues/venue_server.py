"""A venue that records what it is asked and answers as told, under the real host names."""

import datetime as dt
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from opensqt.core.ids import UnixMs
from opensqt.paper.certs import server_context
from opensqt.ports.clock import ClockPort
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.venues.binance_usdm import DOMAINS, BinanceUsdm
from opensqt.venues.session import LocalEndpoint, open_session
from opensqt.venues.transport import Credentials

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "secret of the test"


@dataclass(frozen=True)
class Asked:
    method: str
    url: str
    """Host and path."""
    params: Mapping[str, str]
    """Without timestamp and signature."""
    timestamp: str
    headers: Mapping[str, str]
    is_signed: bool


@dataclass
class VenueServer:
    local: LocalEndpoint
    asked: list[Asked] = field(default_factory=list)
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def answer(
        self,
        route: str,
        payload: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        text: str | None = None,
    ) -> None:
        """Answer ``GET /path`` with JSON, or with a text that is none."""

        async def give(_: web.Request) -> web.StreamResponse:
            if text is not None:
                return web.Response(text=text, status=status, headers=headers)
            return web.json_response(payload, status=status, headers=headers)

        self.react(route, give)

    def react(self, route: str, answer: Answer) -> None:
        method, _, path = route.partition(" ")
        self.answers[method, path] = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await _record(request))
        answer = self.answers.get((request.method, request.path))
        if answer is None:
            return web.json_response({"code": -5000, "msg": "not scripted"}, status=404)
        return await answer(request)

    def last(self) -> Asked:
        return self.asked[-1]

    def adapter(
        self, *, clock: ClockPort | None = None, local: LocalEndpoint | None = None
    ) -> BinanceUsdm:
        return BinanceUsdm(
            session=open_session(local or self.local, domains=DOMAINS),
            credentials=Credentials(api_key="key of the test", secret=SECRET),
            clock=clock or SystemClock(),
            log=log.get("opensqt.tests"),
        )


async def _record(request: web.Request) -> Asked:
    query = request.raw_path.partition("?")[2] or await request.text()
    signed, _, signature = query.rpartition("&signature=")
    expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    params = dict(parse_qsl(query))
    params.pop("signature", None)
    return Asked(
        method=request.method,
        url=f"{request.host}{request.path}",
        params={key: value for key, value in params.items() if key != "timestamp"},
        timestamp=params.get("timestamp", ""),
        headers=request.headers,
        is_signed=bool(signature) and hmac.compare_digest(signature, expected),
    )


@asynccontextmanager
async def venue_server(directory: Path) -> AsyncIterator[VenueServer]:
    context, ca_file = server_context(directory, now=dt.datetime.now(dt.UTC))
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    server = VenueServer(local=LocalEndpoint(port=0, ca_file=ca_file))
    application.router.add_route("*", "/{path:.*}", server.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.local = LocalEndpoint(port=runner.addresses[0][1], ca_file=ca_file)
    try:
        yield server
    finally:
        await runner.cleanup()


async def cut(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass
class SteppingClock:
    """Every look at the wall clock takes ``step_ms``."""

    step_ms: int
    looked_ms: int = 1_700_000_000_000

    def now_ms(self) -> UnixMs:
        self.looked_ms += self.step_ms
        return UnixMs(self.looked_ms)

    def monotonic_ms(self) -> int:
        return self.looked_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        self.looked_ms += duration_ms
