"""What the paper venue costs: a process that streams to one client, and the model by itself."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

import aiohttp
import orjson
import psutil

from opensqt.core.orders import Side
from tests.bench.plan import Plan
from tests.bench.row import Row
from tests.market.builders import BTC, T0, buy, placed, quoted, sell, venue
from tests.market.recorded import FOLDER

SECONDS = 10.0
RECORDINGS = ("usdm_btcusdt_20240808.gz", "usdm_ethusdt_20240808.gz")
RESTING = 40
CALLS = 50_000


def run(_: Plan) -> list[Row]:
    rows = asyncio.run(streaming("synthetic", ("btcusdt", "ethusdt", "solusdt"), ["synthetic"]))
    paths = [FOLDER / name for name in RECORDINGS]
    if all(path.exists() for path in paths):
        texts = [str(path) for path in paths]
        rows += asyncio.run(streaming("replay_2x", ("btcusdt", "ethusdt"), texts))
    return [*rows, *model_cost()]


async def streaming(name: str, symbols: Sequence[str], market: Sequence[str]) -> list[Row]:
    """Measure the process while one client follows every trade and quote over TLS."""
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.paper.venue_process",
            folder,
            *market,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert child.stdout is not None
            port = orjson.loads(await child.stdout.readline())["port"]
            messages, share, private = await follow(psutil.Process(child.pid), port, symbols)
        finally:
            child.terminate()
            await child.wait()
    return [
        Row(name=f"paper.{name}_messages", value=messages, unit="1/s"),
        Row(name=f"paper.{name}_cpu", value=share, unit="core", budget=0.1),
        Row(name=f"paper.{name}_private", value=private, unit="MB", budget=60),
    ]


async def follow(
    process: psutil.Process, port: int, symbols: Sequence[str]
) -> tuple[float, float, float]:
    topics = [f"{name}@{channel}" for name in symbols for channel in ("trade", "bookTicker")]
    connector = aiohttp.TCPConnector(ssl=False)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(f"https://127.0.0.1:{port}/ws") as socket,
    ):
        await socket.send_json({"method": "SUBSCRIBE", "params": topics, "id": 1})
        before, began, messages = process.cpu_times(), time.monotonic(), 0
        while (passed := time.monotonic() - began) < SECONDS:
            await socket.receive()
            messages += 1
        after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return messages / passed, used / passed, process.memory_full_info().uss / 1e6


def model_cost() -> list[Row]:
    """Measure market data that reaches none of forty resting orders: nearly all of it."""
    model, quote = venue(), quoted()
    model.on_quote(BTC, quote, T0)
    for level in range(RESTING // 2):
        placed(model, buy(str(Decimal(99) - Decimal(level) / 10), "0.1"))
        placed(model, sell(str(Decimal(101) + Decimal(level) / 10), "0.1"))
    price, quantity = Decimal(100), Decimal("0.1")
    trade = per_call(lambda: model.on_trade(BTC, price, quantity, Side.SELL, T0))
    return [
        Row(name="market.on_trade", value=trade, unit="us", budget=5),
        Row(
            name="market.on_quote",
            value=per_call(lambda: model.on_quote(BTC, quote, T0)),
            unit="us",
            budget=5,
        ),
    ]


def per_call(call: Callable[[], object]) -> float:
    """Return processor microseconds of one call."""
    began = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - began) / CALLS * 1e6
