"""Unmodified ccxt against the paper venue: real host names, TLS verified, one custom resolver.

Importing ccxt.pro costs seconds, so everything that needs it is in this module.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from opensqt.paper.config import PaperConfig
from tests.paper.client import Client, serving

HOSTS = {"fapi.binance.com", "fstream.binance.com"}
SYMBOL = "BTC/USDT:USDT"


class Local(AbstractResolver):
    """Sends the exchange's hosts to the paper venue and refuses every other name."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        assert host in HOSTS, host
        self.seen.add(host)
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self.port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def exchange(client: Client) -> AsyncIterator[tuple[Any, Local]]:
    import ccxt.pro

    context = ssl.create_default_context(cafile=str(client.endpoint.ca_path))
    resolver = Local(client.endpoint.port)
    connector = aiohttp.TCPConnector(resolver=resolver, ssl=context, use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector) as session:
        one = ccxt.pro.binanceusdm(
            {"apiKey": "paper", "secret": "paper", "enableRateLimit": False, "session": session}
        )
        one.has["fetchCurrencies"] = False
        try:
            yield one, resolver
        finally:
            await one.close()


@pytest.mark.e2e
async def test_unmodified_ccxt_trades_on_the_paper_venue(config: PaperConfig) -> None:
    import ccxt

    tls = replace(config, tls=True, is_scripted=False)
    async with serving(tls) as client, exchange(client) as (ex, resolver):
        assert client.endpoint.ca_path is not None
        assert client.endpoint.ca_path.stat().st_mode & 0o077 == 0
        await ex.load_markets()
        assert ex.market(SYMBOL)["precision"] == {
            "amount": 0.001,
            "price": 0.1,
            "base": 1e-8,
            "quote": 1e-8,
        }
        (trade, *_) = await asyncio.wait_for(ex.watch_trades(SYMBOL), 10)
        assert trade["symbol"] == SYMBOL
        ticker = (await ex.fetch_bids_asks([SYMBOL]))[SYMBOL]
        price = round(ticker["bid"] - 2_000, 1)

        watching = asyncio.create_task(ex.watch_orders())
        await asyncio.sleep(0.5)
        order = await ex.create_order(
            SYMBOL, "limit", "buy", "0.002", price, {"clientOrderId": "q1", "timeInForce": "GTX"}
        )
        assert order["status"] == "open"
        (update,) = await asyncio.wait_for(watching, 10)
        assert (update["clientOrderId"], update["status"]) == ("q1", "open")
        with pytest.raises(ccxt.InvalidOrder, match="-4116"):
            await ex.create_order(SYMBOL, "limit", "buy", "0.002", price, {"clientOrderId": "q1"})
        with pytest.raises(ccxt.InvalidOrder, match="-5022"):
            await ex.create_order(
                SYMBOL, "limit", "buy", "0.002", ticker["ask"] + 500, {"timeInForce": "GTX"}
            )
        with pytest.raises(ccxt.InsufficientFunds):
            await ex.create_order(SYMBOL, "limit", "buy", "900", price)
        found = await ex.fetch_order("", SYMBOL, {"clientOrderId": "q1"})
        assert found["id"] == order["id"]
        assert [o["id"] for o in await ex.fetch_open_orders(SYMBOL)] == [order["id"]]
        canceled = await ex.cancel_order(order["id"], SYMBOL)
        assert canceled["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await ex.cancel_order(order["id"], SYMBOL)

        market = await ex.create_order(SYMBOL, "market", "buy", "0.010")
        assert (market["status"], market["filled"]) == ("closed", 0.01)
        (position,) = await ex.fetch_positions()
        assert (position["contracts"], position["side"]) == (0.01, "long")
        fills = await ex.fetch_my_trades(SYMBOL)
        assert sum(fill["amount"] for fill in fills) == pytest.approx(0.01)
        balance = await ex.fetch_balance()
        assert 9_990 < balance["USDT"]["total"] < 10_000
        await ex.create_order(SYMBOL, "market", "sell", "0.010", None, {"reduceOnly": True})
        funding = await ex.fetch_funding_rate(SYMBOL)
        assert funding["fundingRate"] == 0.0001
        book = await asyncio.wait_for(ex.watch_order_book(SYMBOL), 10)
        assert book["bids"]
        assert resolver.seen == HOSTS
        ledger = await client.ledger()
        assert [order["status"] for order in ledger["orders"]] == ["CANCELED", "FILLED", "FILLED"]
        assert ledger["positions"][0]["quantity"] == "0"


async def test_without_the_venue_s_authority_tls_is_refused(config: PaperConfig) -> None:
    async with serving(replace(config, tls=True)) as client:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get("/fapi/v1/time")


async def test_the_authority_is_kept_over_a_restart(config: PaperConfig) -> None:
    tls = replace(config, tls=True)
    authorities = []
    for _ in range(2):
        async with serving(tls) as client:
            assert client.endpoint.ca_path is not None
            authorities.append(client.endpoint.ca_path.read_bytes())

    assert authorities[0] == authorities[1]
