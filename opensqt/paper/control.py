"""Control API of the paper venue: the ledger every check reads, faults, scripted markets.

Plain HTTP on loopback. Decimals are strings. A body that cannot be used is answered with 400 and
one line that says why; nothing is half applied.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from opensqt.core.ids import AccountName, Symbol
from opensqt.core.money import to_text
from opensqt.paper.dialect import venue_symbol
from opensqt.paper.faults import IMMEDIATE, MEANING, Fault, FaultError, FaultKind, Faults
from opensqt.paper.feed import ReplayFeed, SyntheticFeed
from opensqt.paper.ledger import ledger
from opensqt.paper.script import ScriptError, run_script
from opensqt.paper.venue import PaperVenue

PREFIX: Final = "/paper/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the control API acts on."""

    venue: PaperVenue
    faults: Faults
    synthetic: SyntheticFeed
    replay: ReplayFeed | None


def state(controls: Controls) -> dict[str, object]:
    """Return how the venue is doing."""
    venue, replay = controls.venue, controls.replay
    running = frozenset(controls.synthetic.running)
    return {
        "venue": venue.config.venue,
        "time_ms": venue.now_ms(),
        "accounts": sorted(venue.model.accounts),
        "symbols": [_symbol_state(venue, s, is_synthetic=s in running) for s in venue.model.books],
        "replay": None
        if replay is None
        else {
            "files": [path.name for path in venue.config.replay],
            "speed": str(venue.config.speed),
            "loop": venue.config.loop,
            "rounds": replay.rounds,
        },
        "open_orders": sum(len(venue.model.open_orders(name)) for name in venue.model.accounts),
        "counts": {table: venue.store.count(table) for table in ("orders", "fills", "requests")},
        "connections": [
            {"path": item.path, "account": item.account, "streams": sorted(item.topics)}
            for item in venue.hub.connections
        ],
        "faults": controls.faults.as_json(),
    }


def strike_now(venue: PaperVenue, fault: Fault) -> int:
    """Cut or silence the WebSockets a rule selects; return how many."""
    for connection in tuple(venue.hub.connections):
        if connection.is_open and fault.strikes("GET", connection.path):
            if fault.kind is FaultKind.DISCONNECT:
                connection.abort()
            else:
                connection.silence(fault.delay_ms / 1000)
    return fault.hits


class _Api:
    """The handlers."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def ledger(self, request: web.Request) -> web.Response:
        since = request.query.get("since_ms", "0")
        since_ms = int(since) if since.isdigit() else 0
        return _json(ledger(self._controls.venue, since_ms=since_ms))

    async def state(self, _: web.Request) -> web.Response:
        return _json(state(self._controls))

    async def faults(self, _: web.Request) -> web.Response:
        kinds = {kind.value: text for kind, text in MEANING.items()}
        faults = self._controls.faults
        return _json({"faults": faults.as_json(), "hits": faults.hits, "kinds": kinds})

    async def add_faults(self, request: web.Request) -> web.Response:
        body = await _body(request)
        wanted = body["faults"] if isinstance(body.get("faults"), list) else [body]
        added = [self._controls.faults.add(item) for item in wanted]
        for fault in added:
            if fault.kind in IMMEDIATE:
                strike_now(self._controls.venue, fault)
        self._trouble_frames()
        return _json({"faults": [fault.as_json() for fault in added]})

    async def clear_faults(self, _: web.Request) -> web.Response:
        cleared = self._controls.faults.clear()
        self._trouble_frames()
        return _json({"cleared": cleared})

    def _trouble_frames(self) -> None:
        """Ask the rules about stream events only while one is about them: there are thousands."""
        faults = self._controls.faults
        draw = faults.draw_frame if faults.strikes_frames else None
        self._controls.venue.hub.trouble_of = draw

    async def script(self, request: web.Request) -> web.Response:
        controls = self._controls
        return _json(run_script(controls.venue, controls.synthetic, await _body(request)))

    async def expire_listen_key(self, request: web.Request) -> web.Response:
        account = AccountName(str((await _body(request)).get("account", "")))
        self._controls.venue.close_listen_key(account)
        return _json({})


def control_app(controls: Controls) -> web.Application:
    """Return the control API as an application of its own."""
    api = _Api(controls)
    app = web.Application(middlewares=[_guard(controls.venue.config.control_token)])
    app.router.add_get(f"{PREFIX}/ledger", api.ledger)
    app.router.add_get(f"{PREFIX}/state", api.state)
    app.router.add_get(f"{PREFIX}/faults", api.faults)
    app.router.add_post(f"{PREFIX}/faults", api.add_faults)
    app.router.add_delete(f"{PREFIX}/faults", api.clear_faults)
    app.router.add_post(f"{PREFIX}/market", api.script)
    app.router.add_post(f"{PREFIX}/listen-key/expire", api.expire_listen_key)
    return app


def _symbol_state(venue: PaperVenue, symbol: Symbol, *, is_synthetic: bool) -> dict[str, object]:
    quote, last = venue.model.quote(symbol), venue.model.last_price(symbol)
    return {
        "symbol": venue_symbol(symbol),
        "synthetic": is_synthetic,
        "bid": None if quote is None else to_text(quote.bid),
        "ask": None if quote is None else to_text(quote.ask),
        "last": None if last is None else to_text(last),
    }


def _guard(token: str | None) -> Any:  # the type of a decorated middleware is not exported
    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            return _json({"error": "expected the control token"}, status=401)
        try:
            return await handler(request)
        except (FaultError, ScriptError) as error:
            return _json({"error": str(error)}, status=400)

    return guard


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise ScriptError("expected a JSON object") from error
    if not isinstance(body, dict):
        raise ScriptError("expected a JSON object")
    return body


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
