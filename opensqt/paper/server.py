"""The paper venue as a process: REST and WebSocket on one port, the control API on another.

Theory of operation. One event loop. Requests are parsed, delayed or dropped by scripted faults,
then answered in one synchronous step (see ``opensqt.paper.venue``). The market runs as a task and
feeds the same venue. If the book cannot be written, the process ends rather than go on with a
memory that the disk does not share.
"""

import asyncio
import datetime as dt
import itertools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import web

from opensqt.core.ids import AccountName, Symbol, UnixMs
from opensqt.market.instruments import INSTRUMENTS
from opensqt.paper import routes_market, routes_trade
from opensqt.paper.api import (
    Call,
    RawRequest,
    Route,
    Security,
    WeightMeter,
    check_signature,
    check_time,
    find_account,
    logged,
    request_client_order_id,
)
from opensqt.paper.certs import server_context
from opensqt.paper.config import Endpoint, PaperAccount, PaperConfig
from opensqt.paper.control import Controls, control_app
from opensqt.paper.errors import ApiError
from opensqt.paper.faults import Faults, Trouble
from opensqt.paper.feed import ReplayFeed, ReplayPlan, SyntheticFeed, replay_symbols
from opensqt.paper.lag import as_seen
from opensqt.paper.sockets import is_stream_path, serve_socket
from opensqt.paper.store import Store, StoreError
from opensqt.paper.venue import Origin, PaperVenue
from opensqt.system.clock import SystemClock
from opensqt.system.locks import FileLock

_ROUTES: Final = {**routes_market.ROUTES.table, **routes_trade.ROUTES.table}
_BODY_BYTES_MAX: Final = 256 * 1024
_DEPTH_STEP_S: Final = 0.1
_SHUTDOWN_S: Final = 1.0
_SAVE_EVERY_S: Final = 5


class PaperError(Exception):
    """The venue cannot start or go on; the message says why."""


class Dispatcher:
    """Answers REST requests and hands WebSockets on."""

    def __init__(
        self, venue: PaperVenue, faults: Faults, *, wake: Callable[[Symbol], None]
    ) -> None:
        self._venue = venue
        self._faults = faults
        self._wake = wake
        self._meter = WeightMeter(venue.config.weight_limit)
        self._accounts = {account.api_key: account for account in venue.config.accounts}
        self._late: set[asyncio.Task[None]] = set()
        self.failure: asyncio.Future[StoreError] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Let nothing land any more."""
        for late in self._late:
            late.cancel()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of any kind."""
        if is_stream_path(request.path):
            return await serve_socket(request, self._venue)
        raw = RawRequest(
            method=request.method,
            path=request.path,
            query=request.raw_path.partition("?")[2],
            body=(await request.read()).decode("utf-8", "replace"),
            api_key=request.headers.get("X-MBX-APIKEY", ""),
            client=request.remote or "",
        )
        trouble = self._faults.draw(raw.method, raw.path)
        if trouble.delay_ms:
            await asyncio.sleep(trouble.delay_ms / 1000)
        if trouble.late_ms:
            self._late.add(late := asyncio.create_task(self._land_late(raw, trouble)))
            late.add_done_callback(self._late.discard)
            return _cut(request)
        response = self._act(raw, trouble, arrived_ms=self._venue.now_ms())
        if response is not None and trouble.reply_ms:
            await asyncio.sleep(trouble.reply_ms / 1000)
        return _cut(request) if response is None else response

    async def _land_late(self, raw: RawRequest, trouble: Trouble) -> None:
        arrived_ms = self._venue.now_ms()
        await asyncio.sleep(trouble.late_ms / 1000)
        self._act(raw, trouble, arrived_ms=arrived_ms)

    def _act(self, raw: RawRequest, trouble: Trouble, *, arrived_ms: UnixMs) -> web.Response | None:
        if self._venue.store.is_behind:
            return None
        try:
            return self._respond(raw, trouble, arrived_ms)
        except StoreError as error:
            if not self.failure.done():
                self.failure.set_result(error)
            return None

    def _respond(
        self, raw: RawRequest, trouble: Trouble, arrived_ms: UnixMs
    ) -> web.Response | None:
        # None when the client shall see a connection that ends without an answer.
        route = _ROUTES.get((raw.method, raw.path))
        if trouble.drop_request:
            if route is not None and route.changes_orders:
                client_order_id = request_client_order_id(raw.params())
                self._venue.log_dropped(self._origin(raw, trouble), client_order_id)
            return None
        status, retry_after_ms = 200, 0
        try:
            answer = self._answer(raw, route, trouble, arrived_ms)
        except ApiError as error:
            status, retry_after_ms = error.status, error.retry_after_ms
            answer = {"code": error.code, "msg": error.text}
        if trouble.drop_reply:
            return None
        failure = trouble.failure
        if failure is not None:
            status, retry_after_ms = failure.status, failure.retry_after_ms
            answer = {"code": failure.code, "msg": "Scripted failure."}
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._meter.used(raw.client))}
        if retry_after_ms:
            headers["Retry-After"] = str(-(-retry_after_ms // 1000))
        if failure is not None and failure.body is not None:
            return web.Response(
                text=failure.body, status=status, content_type="text/html", headers=headers
            )
        return web.Response(
            body=orjson.dumps(answer),
            status=status,
            content_type="application/json",
            headers=headers,
        )

    def _answer(
        self, raw: RawRequest, route: Route | None, trouble: Trouble, arrived_ms: UnixMs
    ) -> object:
        if trouble.failure is not None and not trouble.failure.acts:
            return None
        if route is None:
            message = f"Path {raw.path}, Method {raw.method} is invalid"
            raise ApiError(-5000, message, status=404)
        origin = self._origin(raw, trouble)
        params = raw.params()
        self._meter.use(raw.client, route.weight, origin.now_ms)
        call = Call(
            venue=self._venue,
            account=self._accounts.get(raw.api_key, _NOBODY),
            params=params,
            origin=origin,
        )
        self._wake(Symbol(f"{params.get('symbol', '')}:perp"))

        def checked(call: Call) -> object:
            self._authorize(raw, route, call, arrived_ms)
            seen_ms = origin.now_ms - trouble.lag_ms if trouble.lag_ms else None
            answer = route.handler(call)
            if route.security is Security.NONE or route.changes_orders:
                return answer
            return as_seen(answer, until_ms=seen_ms, forgets=trouble.forgets)

        return logged(call, checked) if route.changes_orders else checked(call)

    def _authorize(self, raw: RawRequest, route: Route, call: Call, arrived_ms: UnixMs) -> None:
        if route.security is Security.NONE:
            return
        account = find_account(self._accounts, raw.api_key)
        if route.security is Security.SIGNED:
            check_time(call.params, arrived_ms)
            check_signature(raw, account)

    def _origin(self, raw: RawRequest, trouble: Trouble) -> Origin:
        account = self._accounts.get(raw.api_key, _NOBODY)
        return Origin(
            account=account.name,
            method=raw.method,
            path=raw.path,
            now_ms=self._venue.now_ms(),
            drops_reply=trouble.loses_reply,
        )


_NOBODY: Final = PaperAccount(name=AccountName(""), api_key="", api_secret="")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def running(config: PaperConfig) -> AsyncIterator[tuple[Endpoint, asyncio.Task[None]]]:
    """Run a paper venue; yield where it listens, and a future that fails when the venue does.

    Raises ``PaperError`` for a recording of unknown symbols, ``LockHeldError`` when another
    process uses the same book, ``OSError`` for a port in use.
    """
    clock = SystemClock()
    replayed = replay_symbols(config.replay)
    async with AsyncExitStack() as stack:
        directory = config.data_dir / "paper"
        stack.enter_context(FileLock(directory / f"{config.venue}.lock", purpose="paper venue"))
        store = Store(directory / f"{config.venue}.db")
        stack.callback(store.close)
        symbols = _known(dict.fromkeys((*sorted(replayed), *config.symbols)))
        venue = PaperVenue(config, symbols=symbols, store=store, now_ms=clock.now_ms)
        own = () if config.is_scripted else tuple(s for s in symbols if s not in replayed)
        synthetic = SyntheticFeed(venue, symbols=own)
        venue.hub.on_interest = lambda topic: synthetic.touch(_topic_symbol(topic))
        _wake_traded(venue, synthetic)
        replay = None
        if config.replay:
            plan = ReplayPlan(paths=config.replay, speed=config.speed, loop=config.loop)
            replay = ReplayFeed(venue, plan)
        faults = Faults(seed=config.seed, monotonic_ms=clock.monotonic_ms)
        dispatcher = Dispatcher(venue, faults, wake=synthetic.touch)
        stack.callback(dispatcher.close)
        controls = Controls(venue=venue, faults=faults, synthetic=synthetic, replay=replay)
        jobs = [synthetic.run(), _each_second(venue, synthetic), _publish_depth(venue)]
        if replay is not None:
            jobs.append(replay.run())
        failing = await stack.enter_async_context(_background(jobs, dispatcher.failure))
        yield await _listen(stack, config, dispatcher, controls), failing
        synthetic.save()
        for connection in tuple(venue.hub.connections):
            connection.abort()


async def serve(
    config: PaperConfig, ready: Callable[[Endpoint], None], stop: asyncio.Event
) -> None:
    """Run a paper venue until ``stop`` is set; raise ``PaperError`` if it cannot go on."""
    async with running(config) as (endpoint, failing):
        ready(endpoint)
        stopping = asyncio.ensure_future(stop.wait())
        waiting: list[asyncio.Future[Any]] = [stopping, failing]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if failing.done():
            failing.result()


# ----------------------------------------------------------------------------------------- private


async def _listen(
    stack: AsyncExitStack, config: PaperConfig, dispatcher: Dispatcher, controls: Controls
) -> Endpoint:
    context, ca_path = None, None
    if config.tls:
        now = dt.datetime.now(dt.UTC)
        context, ca_path = server_context(config.data_dir / "paper" / "tls", now=now)
    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.router.add_route("*", "/{tail:.*}", dispatcher.handle)
    port = await _site(stack, app, config.host, config.port, context)
    # Controls stay on this machine whatever the venue's own address is.
    control_port = await _site(stack, control_app(controls), "127.0.0.1", config.control_port, None)
    return Endpoint(
        host=config.host, port=port, control_port=control_port, ca_path=ca_path, pid=os.getpid()
    )


async def _site(
    stack: AsyncExitStack,
    app: web.Application,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port, ssl_context=context).start()
    return int(runner.addresses[0][1])


@asynccontextmanager
async def _background(
    jobs: Sequence[Coroutine[None, None, None]], failure: asyncio.Future[StoreError]
) -> AsyncIterator[asyncio.Task[None]]:
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(job) for job in jobs]

    async def watch() -> None:
        waiting: list[asyncio.Future[Any]] = [*tasks, failure]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        error: BaseException | None = failure.result() if failure.done() else None
        for task in tasks:
            if task.done():
                error = error or task.exception()
        raise PaperError(f"the paper venue cannot go on: {error}") from error

    watcher = asyncio.create_task(watch())
    try:
        yield watcher
    finally:
        for task in (watcher, *tasks):
            task.cancel()
        await asyncio.gather(watcher, *tasks, return_exceptions=True)


async def _each_second(venue: PaperVenue, synthetic: SyntheticFeed) -> None:
    for count in itertools.count():
        venue.board.show_second(venue.now_ms())
        venue.expire_listen_keys()
        venue.run_countdowns()
        if count % _SAVE_EVERY_S == 0:
            synthetic.save()
        await asyncio.sleep(1.0)


async def _publish_depth(venue: PaperVenue) -> None:
    while True:
        venue.board.show_depth(venue.now_ms())
        await asyncio.sleep(_DEPTH_STEP_S)


def _known(symbols: Iterable[Symbol]) -> tuple[Symbol, ...]:
    wanted = tuple(symbols)
    unknown = [symbol for symbol in wanted if symbol not in INSTRUMENTS]
    if unknown:
        known = ", ".join(sorted(INSTRUMENTS))
        raise PaperError(f"expected symbols out of {known}, got {', '.join(unknown)}")
    return wanted


def _wake_traded(venue: PaperVenue, synthetic: SyntheticFeed) -> None:
    # Orders that survived a restart must meet a market again.
    for name in venue.model.accounts:
        for order in venue.model.open_orders(name):
            synthetic.touch(order.symbol)
        for position in venue.model.positions(name):
            if position.quantity:
                synthetic.touch(position.symbol)


def _topic_symbol(topic: str) -> Symbol:
    return Symbol(f"{topic.partition('@')[0].upper()}:perp")
