"""One process of the way a price takes: venue, connector or exchange.

`python -m tests.bench.part venue|connector|exchange FOLDER`. Connector and exchange are the
production ones; the venue is the paper venue with a flood of public frames in front of it. Each
prints `ready` once it serves and runs until terminated.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import orjson
import uvloop
from aiohttp import WSMsgType, web

from opensqt.bootstrap import connector
from opensqt.bootstrap.connector import ConnectorConfig
from opensqt.bootstrap.exchange import ExchangeProcess
from opensqt.bootstrap.runtime import Runtime, fresh_bytes
from opensqt.core.ids import AccountName
from opensqt.paper import server, sockets
from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.paper.hub import text_frame
from opensqt.paper.venue import PaperVenue
from opensqt.storage.upgrade import upgrade
from opensqt.system import log
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials
from tests.bench.frame_sender import QUOTE, TICK_S, TRADE

ACCOUNT: Final = AccountName("bench")
RATE: Final = 10_000
"""Frames a second, all streams together."""
MOVE_EVERY_S: Final = 0.3
"""How long a symbol's price stays before it jumps."""
PRICES: Final = ("61800.30", "61812.80")
PORT: Final = "port"


def runtime(folder: Path, *, engine: str = "simple") -> Runtime:
    """Return where the processes meet."""
    return Runtime(
        data_dir=str(folder), run_root=str(folder / "run"), log_level="warning", engine=engine
    )


# -- venue


class Flood:
    """Frames of the subscribed streams at an even rate; prices jump, one symbol after another."""

    def __init__(self) -> None:
        """Send nothing until something is subscribed."""
        self._frames: dict[str, bytes] = {}
        self._order: Iterator[str] = cycle(())
        self._trades: list[str] = []
        self._moves = 0

    def subscribe(self, streams: Iterable[str]) -> None:
        """Repeat these streams as well, in turn."""
        for name in streams:
            self._frames[name] = _frame(name, 0)
        self._order = cycle(tuple(self._frames))
        self._trades = [name for name in self._frames if name.endswith("@trade")]

    def due(self, count: int) -> bytes:
        """Return the next frames."""
        return b"".join([self._frames[name] for name in islice(self._order, count)])

    def move(self, elapsed_s: float) -> None:
        """Let the prices jump that are due; their trades carry the moment of it."""
        due = int(elapsed_s / MOVE_EVERY_S * len(self._trades))
        for number in range(self._moves, due):
            turn, place = divmod(number, len(self._trades))
            name = self._trades[place]
            self._frames[name] = _frame(name, turn + 1)
        self._moves = max(due, self._moves)


def _frame(name: str, turn: int) -> bytes:
    symbol, _, kind = name.partition("@")
    frame = orjson.loads((QUOTE if kind == "bookTicker" else TRADE) % (symbol, symbol.upper()))
    if kind == "trade":
        now_ms = time.time_ns() // 1_000_000
        frame["data"] |= {"p": PRICES[turn % 2], "E": now_ms, "T": now_ms}
    return text_frame(orjson.dumps(frame))


async def flood(request: web.Request) -> web.StreamResponse:
    """Send frames of the subscribed streams until the peer goes."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    transport, sender = request.transport, Flood()
    assert isinstance(transport, asyncio.Transport)

    async def send() -> None:
        sent, began = 0, time.monotonic()
        while True:
            elapsed_s = time.monotonic() - began
            sender.move(elapsed_s)
            due = int(elapsed_s * RATE)
            transport.write(sender.due(due - sent))
            sent = due
            await asyncio.sleep(TICK_S)

    sending = asyncio.create_task(send())
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                sender.subscribe(orjson.loads(message.data)["params"])
    finally:
        sending.cancel()
    return socket


async def venue(folder: Path) -> None:
    """Serve the paper venue whose public stream is the flood."""

    async def serve_socket(request: web.Request, model: PaperVenue) -> web.StreamResponse:
        if request.path == "/public/stream":
            return await flood(request)
        return await sockets.serve_socket(request, model)

    vars(server)["serve_socket"] = serve_socket

    def ready(endpoint: Endpoint) -> None:
        (folder / PORT).write_text(str(endpoint.port), encoding="utf-8")
        print("ready", flush=True)

    await server.serve(PaperConfig(data_dir=folder), ready, asyncio.Event())


# -- connector and exchange


def serve_connector(folder: Path) -> None:
    """Run the connector of the bench's account."""
    port = int((folder / PORT).read_text("utf-8"))
    config = ConnectorConfig(
        venue="paper",
        account=ACCOUNT,
        keys=lambda: Credentials(api_key="paper", secret="paper"),
        runtime=runtime(folder),
        paper=LocalEndpoint(port=port, ca_file=folder / "paper" / "tls" / "ca.pem"),
    )
    connector.serve(config, lambda _: print("ready", flush=True))


async def exchange(folder: Path) -> None:
    """Run the exchange process of the bench's account."""
    upgrade(folder, writer="bench", random_bytes=fresh_bytes())
    await ExchangeProcess(ACCOUNT, runtime(folder), ended=sys.exit).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main(what: str, folder: Path) -> None:
    """Be one of the processes."""
    # The made-up symbols have no last price at the venue: one warning each.
    log.configure(level="error")
    match what:
        case "venue":
            asyncio.run(venue(folder))
        case "connector":
            serve_connector(folder)
        case _:
            # An async Ray actor runs on this loop as well.
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(exchange(folder))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
