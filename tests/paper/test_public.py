"""Public routes: what a client reads before it trades."""

import pytest

from opensqt.market.instruments import INSTRUMENTS
from tests.paper.client import Client


async def test_the_rules_of_every_symbol_are_told(client: Client) -> None:
    info = await client.get("/fapi/v1/exchangeInfo")

    shown = {item["symbol"]: item for item in info["symbols"]}
    assert set(shown) == {rules.venue_symbol for rules in INSTRUMENTS.values()}
    btc = {item["filterType"]: item for item in shown["BTCUSDT"]["filters"]}
    assert btc["PRICE_FILTER"]["tickSize"] == "0.1"
    assert btc["LOT_SIZE"]["stepSize"] == "0.001"
    assert btc["MIN_NOTIONAL"]["notional"] == "50"
    assert (btc["PERCENT_PRICE"]["multiplierUp"], btc["MAX_NUM_ORDERS"]["limit"]) == ("1.05", 200)
    assert (shown["BTCUSDT"]["pricePrecision"], shown["BTCUSDT"]["quantityPrecision"]) == (1, 3)


async def test_prices_candles_and_funding(client: Client) -> None:
    await client.market(price="60000.1", quantity="0.5", aggressor="buy")

    tickers = await client.get("/fapi/v1/ticker/bookTicker")
    assert [item["symbol"] for item in tickers] == ["BTCUSDT"]
    (candle,) = await client.get("/fapi/v1/klines", symbol="BTCUSDT", interval="5m")
    assert candle[1:6] == ["60000.1", "60000.1", "60000.1", "60000.1", "0.5"]
    assert candle[0] % 300_000 == 0
    assert candle[6] == candle[0] + 299_999
    day = await client.get("/fapi/v1/ticker/24hr", symbol="BTCUSDT")
    assert (day["lastPrice"], day["volume"], day["count"]) == ("60000.1", "0.5", 1)
    funding = await client.get("/fapi/v1/premiumIndex", symbol="BTCUSDT")
    assert funding["markPrice"] == "60000.05"
    assert funding["nextFundingTime"] % (8 * 3_600_000) == 0
    info = await client.get("/fapi/v1/fundingInfo")
    assert info[0]["fundingIntervalHours"] == 8
    rates = await client.get("/fapi/v1/fundingRate", symbol="BTCUSDT")
    assert rates[0]["fundingRate"] == "0.0001"
    assert await client.get("/fapi/v1/ping") == {}


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("klines", "symbol=BTCUSDT&interval=7m", -1120),
        ("klines", "symbol=BTCUSDT", -1102),
        ("depth", "symbol=NOPE", -1121),
        ("depth", "", -1102),
        ("depth", "symbol=BTCUSDT&limit=many", -1100),
        ("ticker/bookTicker", "symbol=ETHUSDT", -4140),
    ],
)
async def test_questions_without_an_answer(
    client: Client, path: str, query: str, code: int
) -> None:
    reply = await client.raw("GET", f"/fapi/v1/{path}", query)

    assert reply.code == code
