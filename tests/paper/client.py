"""A client of the paper venue that owes nothing to the project's own connector."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlencode

import aiohttp
import yarl

from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.paper.server import running
from tests.fakes.waiting import PATIENCE_S

Json = Any
_numbers = count(1)


@dataclass(frozen=True)
class Reply:
    status: int
    body: Json
    headers: dict[str, str]

    @property
    def code(self) -> int:
        """Return the venue's error code, 0 for an answer without one."""
        is_error = isinstance(self.body, dict) and self.status != 200
        return int(self.body["code"]) if is_error else 0


class Socket:
    """One WebSocket; messages that nobody waited for yet are kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = socket
        self.seen: list[Json] = []

    async def receive(self, timeout_s: float = PATIENCE_S) -> Json:
        message = await asyncio.wait_for(self.raw.receive(), timeout_s)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionResetError(str(message.type))
        decoded = message.json()
        self.seen.append(decoded)
        return decoded

    async def until(self, wanted: Callable[[Json], bool], timeout_s: float = PATIENCE_S) -> Json:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.receive()
                if wanted(message):
                    return message

    async def event(self, kind: str, timeout_s: float = PATIENCE_S) -> Json:
        return await self.until(lambda message: message.get("e") == kind, timeout_s)

    async def send(self, **message: Json) -> None:
        await self.raw.send_json(message)

    async def subscribe(self, *topics: str) -> None:
        await self.send(method="SUBSCRIBE", params=list(topics), id=1)
        assert await self.receive() == {"result": None, "id": 1}


class Client:
    """Signed and public requests, WebSockets, the control API."""

    def __init__(
        self,
        endpoint: Endpoint,
        session: aiohttp.ClientSession,
        *,
        key: str = "paper",
        secret: str = "paper",
    ) -> None:
        self.endpoint = endpoint
        self.session = session
        self.key = key
        self.secret = secret

    def other(self, key: str, secret: str) -> "Client":
        return Client(self.endpoint, self.session, key=key, secret=secret)

    def sign(self, **params: Json) -> str:
        params.setdefault("timestamp", time.time_ns() // 1_000_000)
        text = urlencode({key: value for key, value in params.items() if value is not None})
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return f"{text}&signature={signature}"

    async def raw(self, method: str, path: str, query: str = "", body: str = "") -> Reply:
        headers = {"X-MBX-APIKEY": self.key} if self.key else {}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        # What is signed is what is sent: no normalising of the query.
        text = f"{self.endpoint.rest_url}{path}{'?' if query else ''}{query}"
        url = yarl.URL(text, encoded=True)
        async with self.session.request(method, url, data=body or None, headers=headers) as reply:
            return Reply(reply.status, await reply.json(), dict(reply.headers))

    async def get(self, path: str, **params: Json) -> Json:
        reply = await self.raw("GET", path, urlencode(params))
        assert reply.status == 200, reply
        return reply.body

    async def signed(self, method: str, path: str, **params: Json) -> Reply:
        return await self.raw(method, path, self.sign(**params))

    async def ok(self, method: str, path: str, **params: Json) -> Json:
        reply = await self.signed(method, path, **params)
        assert reply.status == 200, reply
        return reply.body

    def order(self, side: str, price: str | None, quantity: str, **params: Json) -> Json:
        base: dict[str, Json] = {
            "symbol": "BTCUSDT",
            "side": side,
            "type": "MARKET" if price is None else "LIMIT",
            "quantity": quantity,
            "price": price,
            "timeInForce": None if price is None else "GTC",
            "newClientOrderId": f"t{next(_numbers)}",
            "newOrderRespType": "RESULT",
        }
        return base | params

    async def place(self, side: str, price: str | None, quantity: str, **params: Json) -> Reply:
        wanted = self.order(side, price, quantity, **params)
        return await self.signed("POST", "/fapi/v1/order", **wanted)

    async def placed(self, side: str, price: str | None, quantity: str, **params: Json) -> Json:
        reply = await self.place(side, price, quantity, **params)
        assert reply.status == 200, reply
        return reply.body

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[Socket]:
        async with self.session.ws_connect(f"{self.endpoint.rest_url}{path}") as socket:
            yield Socket(socket)

    @asynccontextmanager
    async def user_stream(self) -> AsyncIterator[Socket]:
        reply = await self.raw("POST", "/fapi/v1/listenKey")
        key = reply.body["listenKey"]
        async with self.socket(f"/private/ws?listenKey={key}") as socket:
            yield socket

    async def control(self, method: str, path: str, body: Json = None, token: str = "") -> Reply:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.endpoint.control_url}{path}"
        async with self.session.request(method, url, json=body, headers=headers) as reply:
            return Reply(reply.status, await reply.json(), dict(reply.headers))

    async def ledger(self) -> Json:
        return (await self.control("GET", "/ledger")).body

    async def market(self, symbol: str = "BTCUSDT", **script: Json) -> Json:
        reply = await self.control("POST", "/market", {"symbol": symbol, **script})
        assert reply.status == 200, reply
        return reply.body

    async def fault(self, kind: str, route: str = "", **rule: Json) -> Json:
        reply = await self.control("POST", "/faults", {"kind": kind, "route": route, **rule})
        assert reply.status == 200, reply
        return reply.body


@asynccontextmanager
async def serving(config: PaperConfig) -> AsyncIterator[Client]:
    """Run a venue in this loop and yield a client of its first account."""
    async with running(config) as (endpoint, failing), aiohttp.ClientSession() as session:
        account = config.accounts[0]
        yield Client(endpoint, session, key=account.api_key, secret=account.api_secret)
        assert not failing.done()
