"""Control API: the ledger's exact keys, state, scripted markets, token."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from opensqt.paper.config import PaperConfig
from tests.paper.client import Client, serving

LEDGER = {
    "orders": (
        "venue account symbol client_order_id order_id side price quantity filled status"
        " reduce_only post_only created_ms updated_ms"
    ),
    "fills": (
        "venue account trade_id symbol client_order_id side price quantity fee fee_asset maker"
        " time_ms"
    ),
    "requests": "venue account time_ms method path client_order_id outcome",
    "positions": "venue account symbol quantity",
    "balances": "venue account asset free locked",
}


async def test_the_ledger_has_exactly_the_promised_keys_and_text_decimals(client: Client) -> None:
    await client.placed("BUY", None, "0.002")
    await client.placed("BUY", "59000.0", "0.001", timeInForce="GTX")

    ledger = await client.ledger()

    assert {name: " ".join(rows[-1]) for name, rows in ledger.items()} == LEDGER
    assert ledger["orders"][1] | {"order_id": "", "created_ms": 0, "updated_ms": 0} == {
        "venue": "paper",
        "account": "paper",
        "symbol": "BTCUSDT",
        "client_order_id": ledger["orders"][1]["client_order_id"],
        "order_id": "",
        "side": "buy",
        "price": "59000",
        "quantity": "0.001",
        "filled": "0",
        "status": "NEW",
        "reduce_only": False,
        "post_only": True,
        "created_ms": 0,
        "updated_ms": 0,
    }
    for row in (*ledger["fills"], *ledger["positions"], *ledger["balances"]):
        for key in ("price", "quantity", "fee", "free", "locked"):
            assert isinstance(row.get(key, ""), str)
    wallet = sum(Decimal(ledger["balances"][0][key]) for key in ("free", "locked"))
    fees = sum(Decimal(fill["fee"]) for fill in ledger["fills"])
    assert wallet == Decimal(10_000) - fees


async def test_the_ledger_can_be_limited_to_what_is_new(client: Client) -> None:
    await client.placed("BUY", None, "0.002")
    later = (await client.ledger())["fills"][0]["time_ms"] + 1

    ledger = (await client.control("GET", f"/ledger?since_ms={later}")).body

    assert ledger["orders"] == ledger["fills"] == ledger["requests"] == []
    assert ledger["positions"][0]["quantity"] == "0.002"


async def test_the_state_tells_what_is_going_on(client: Client) -> None:
    await client.placed("BUY", "59000.0", "0.001")
    async with client.socket("/ws/btcusdt@trade"):
        state = (await client.control("GET", "/state")).body

    assert state["venue"] == "paper"
    assert state["accounts"] == ["bob", "paper"]
    assert state["open_orders"] == 1
    assert state["counts"] == {"orders": 1, "fills": 0, "requests": 1}
    assert state["connections"][0]["streams"] == ["btcusdt@trade"]
    prices = {item["symbol"]: (item["bid"], item["ask"]) for item in state["symbols"]}
    assert prices["BTCUSDT"] == ("60000", "60000.1")
    assert prices["ETHUSDT"] == (None, None)


async def test_a_script_moves_the_price_step_by_step(client: Client) -> None:
    order = await client.placed("BUY", "59000.0", "0.001")
    events = [{"move_to": price} for price in ("59500.0", "59000.0", "59700.0")]

    await client.market(events=events)

    found = await client.ok("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert found["status"] == "FILLED"
    ticker = await client.get("/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
    assert (ticker["bidPrice"], ticker["askPrice"]) == ("59699.9", "59700.1")
    price = await client.get("/fapi/v1/ticker/price", symbol="BTCUSDT")
    assert price["price"] == "59700"
    shown = await client.get("/fapi/v1/trades", symbol="BTCUSDT")
    assert [trade["isBuyerMaker"] for trade in shown] == [True, True, False]


@pytest.mark.parametrize(
    "script",
    [
        {"symbol": "NOPEUSDT", "price": "1"},
        {"price": 60000.5},
        {"price": "sixty"},
        {"price": "0"},
        {"price": "1", "aggressor": "nobody"},
        {"bid": "60000.0"},
        {"bid": "60000.0", "ask": "59000.0"},
        {"move_to": "0.1"},
        {"move_to": "1" + "0" * 20},
        {"events": {}},
        {"events": [{"move_to": "60000.0"}, {"jump": 1}]},
    ],
)
async def test_a_bad_script_changes_nothing(client: Client, script: dict[str, Any]) -> None:
    before = (await client.control("GET", "/state")).body["symbols"]

    reply = await client.control("POST", "/market", {"symbol": "BTCUSDT"} | script)

    assert reply.status == 400
    assert "expected" in reply.body["error"]
    assert (await client.control("GET", "/state")).body["symbols"] == before


async def test_scripting_pauses_the_synthetic_market_until_it_is_resumed(
    config: PaperConfig,
) -> None:
    async with (
        serving(replace(config, is_scripted=False)) as client,
        client.socket("/ws/btcusdt@bookTicker") as socket,
    ):
        await socket.receive()
        await client.market(bid="60000.0", ask="60000.1")
        await socket.until(lambda message: message.get("b") == "60000.0")
        with pytest.raises(TimeoutError):
            await socket.receive(0.5)
        await client.market(resume=True)
        await socket.receive()


async def test_a_token_guards_the_controls(config: PaperConfig) -> None:
    async with serving(replace(config, control_token="hush")) as client:
        for token, status in (("", 401), ("wrong", 401), ("hush", 200)):
            reply = await client.control("GET", "/ledger", token=token)
            assert reply.status == status
        refused = await client.control("POST", "/faults", {"kind": "delay"})
        assert refused.status == 401


@pytest.mark.parametrize("text", ["", "nonsense", "[1]"])
async def test_bodies_that_are_no_objects_are_refused(client: Client, text: str) -> None:
    url = f"{client.endpoint.control_url}/market"
    async with client.session.post(url, data=text) as reply:
        assert reply.status == 400
