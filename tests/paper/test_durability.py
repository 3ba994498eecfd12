"""kill -9 loses nothing that was answered or announced, and ids go on rising."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.paper.server import running
from opensqt.system.locks import LockHeldError
from tests.paper.client import Client, serving

ROOT = Path(__file__).parents[2]
LOST = (aiohttp.ClientError, ConnectionResetError, OSError)


@asynccontextmanager
async def process(data_dir: Path) -> AsyncIterator[tuple[Client, asyncio.subprocess.Process]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.paper.venue_process",
        str(data_dir),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), 30)
        values = orjson.loads(line)
        endpoint = Endpoint(**values | {"ca_path": None})
        assert endpoint.pid == child.pid
        async with aiohttp.ClientSession() as session:
            yield Client(endpoint, session), child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def comparable(ledger: Any) -> Any:
    return {name: rows for name, rows in ledger.items() if name != "balances"}


@pytest.mark.crash
async def test_a_killed_venue_comes_back_with_its_whole_book(tmp_path: Path) -> None:
    async with process(tmp_path) as (client, child):
        await client.market(bid="60000.0", ask="60000.1")
        resting = await client.placed("BUY", "59000.0", "0.003")
        await client.placed("BUY", None, "0.010")
        await client.placed("SELL", "61000.0", "0.010", reduceOnly="true")
        await client.market(price="59000.0", quantity="0.001", aggressor="sell")
        await client.ok("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=7)
        key = (await client.raw("POST", "/fapi/v1/listenKey")).body["listenKey"]
        before = await client.ledger()
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()

    async with process(tmp_path) as (client, child):
        after = await client.ledger()
        assert comparable(after) == comparable(before)
        wallets = [sum(Decimal(b[k]) for k in ("free", "locked")) for b in after["balances"]]
        assert wallets == [
            sum(Decimal(b[k]) for k in ("free", "locked")) for b in before["balances"]
        ]
        await client.market(bid="60000.0", ask="60000.1")
        shown = await client.ok("GET", "/fapi/v1/openOrders")
        assert next((o["orderId"], o["executedQty"]) for o in shown) == (
            resting["orderId"],
            "0.001",
        )
        (risk,) = await client.ok("GET", "/fapi/v3/positionRisk")
        assert (risk["positionAmt"], risk["leverage"]) == ("0.011", "7")
        async with client.socket(f"/private/ws?listenKey={key}") as stream:
            newer = await client.placed("BUY", "58000.0", "0.001")
            assert newer["orderId"] > max(int(o["order_id"]) for o in before["orders"])
            await client.market(price="58500.0", quantity="9", aggressor="sell")
            fill = await stream.until(lambda m: m.get("o", {}).get("x") == "TRADE")
        assert fill["o"]["t"] > max(int(f["trade_id"]) for f in before["fills"])
        assert (fill["o"]["i"], fill["o"]["z"]) == (resting["orderId"], "0.003")
        child.terminate()
        assert await asyncio.wait_for(child.wait(), 10) == 0


@pytest.mark.crash
async def test_whatever_was_answered_or_announced_before_a_kill_is_in_the_book(
    tmp_path: Path,
) -> None:
    promised: set[str] = set()
    heard: set[str] = set()
    enough = asyncio.Event()

    async def flood(client: Client, lane: int) -> None:
        for number in range(10_000):
            name = f"l{lane}n{number}"
            reply = await client.place("BUY", "59000.0", "0.001", newClientOrderId=name)
            if reply.status == 200:
                promised.add(name)
                if len(promised) == 150:
                    enough.set()
                await client.ok(
                    "DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name
                )

    async def listen(client: Client) -> None:
        async with client.user_stream() as stream:
            while True:
                message = await stream.receive(30)
                if message.get("e") == "ORDER_TRADE_UPDATE":
                    heard.add(message["o"]["c"])

    async with process(tmp_path) as (client, child):
        await client.market(bid="60000.0", ask="60000.1")
        jobs = [asyncio.create_task(flood(client, lane)) for lane in range(4)]
        jobs.append(asyncio.create_task(listen(client)))
        await asyncio.wait_for(enough.wait(), 60)
        os.kill(child.pid, signal.SIGKILL)
        results = await asyncio.gather(*jobs, return_exceptions=True)

    assert all(isinstance(result, LOST) for result in results), results
    async with process(tmp_path) as (client, _):
        kept = {row["client_order_id"] for row in (await client.ledger())["orders"]}
    assert promised <= kept
    assert heard <= kept
    assert len(heard) > 100


async def test_a_clean_restart_keeps_the_book(config: PaperConfig) -> None:
    async with serving(config) as client:
        await client.market(bid="60000.0", ask="60000.1")
        await client.placed("BUY", None, "0.010")
        await client.placed("SELL", "61000.0", "0.010")
        before = await client.ledger()
    async with serving(config) as client:
        assert comparable(await client.ledger()) == comparable(before)
        await client.market(move_to="61000.0")
        assert (await client.ledger())["positions"][0]["quantity"] == "0"


async def test_two_venues_never_share_a_book(config: PaperConfig) -> None:
    async with serving(config):
        with pytest.raises(LockHeldError):
            async with running(config):
                pass


async def test_a_venue_that_cannot_write_its_book_ends(config: PaperConfig) -> None:
    async with running(config) as (endpoint, failing), aiohttp.ClientSession() as session:
        client = Client(endpoint, session)
        await client.market(bid="60000.0", ask="60000.1")
        thief = sqlite3.connect(config.data_dir / "paper" / "paper.db")
        thief.execute("DROP TABLE orders")
        thief.close()

        with pytest.raises(aiohttp.ClientError):
            await client.place("BUY", "59000.0", "0.001")
        # Nobody hears of what the model took and the book does not have.
        with pytest.raises(aiohttp.ClientError):
            await client.signed("GET", "/fapi/v1/openOrders")
        with pytest.raises(Exception, match="cannot go on"):
            await asyncio.wait_for(failing, 5)


async def test_the_log_of_requests_is_bounded(
    config: PaperConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensqt.paper.store.REQUESTS_MAX", 5)
    monkeypatch.setattr("opensqt.paper.store._PRUNE_EVERY", 4)
    async with serving(config) as client:
        for _ in range(20):
            await client.place("BUY", "59000.0", "0.0001")
        rows = (await client.ledger())["requests"]

    assert 5 <= len(rows) <= 9
