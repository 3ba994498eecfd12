"""Orders over the wire: what is answered, what the user stream says, what the ledger keeps."""

import asyncio
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from tests.paper.client import Client

ORDER = "/fapi/v1/order"


async def test_an_order_rests_fills_in_parts_and_every_view_agrees(client: Client) -> None:
    async with client.user_stream() as stream:
        order = await client.placed("BUY", "59999.0", "0.010", newClientOrderId="abc")
        assert (order["status"], order["executedQty"], order["clientOrderId"]) == (
            "NEW",
            "0",
            "abc",
        )
        await client.market(price="59999.0", quantity="0.004", aggressor="sell")
        await client.market(price="59998.0", quantity="1", aggressor="sell")

        updates = [await stream.event("ORDER_TRADE_UPDATE") for _ in range(3)]

    states = [(u["o"]["x"], u["o"]["X"], u["o"]["l"], u["o"]["z"]) for u in updates]
    assert states == [
        ("NEW", "NEW", "0", "0"),
        ("TRADE", "PARTIALLY_FILLED", "0.004", "0.004"),
        ("TRADE", "FILLED", "0.006", "0.01"),
    ]
    looked_up = await client.ok("GET", ORDER, symbol="BTCUSDT", origClientOrderId="abc")
    assert looked_up["status"] == "FILLED"
    assert looked_up["avgPrice"] == "59999"
    assert looked_up == await client.ok("GET", ORDER, symbol="BTCUSDT", orderId=order["orderId"])
    trades = await client.ok("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert [(t["qty"], t["maker"], t["id"]) for t in trades] == [
        ("0.004", True, updates[1]["o"]["t"]),
        ("0.006", True, updates[2]["o"]["t"]),
    ]
    ledger = await client.ledger()
    assert [row["quantity"] for row in ledger["positions"]] == ["0.01"]
    assert sum(Decimal(fill["quantity"]) for fill in ledger["fills"]) == Decimal("0.01")
    (row,) = ledger["orders"]
    assert (row["client_order_id"], row["filled"], row["status"]) == ("abc", "0.01", "FILLED")
    assert [r["outcome"] for r in ledger["requests"]] == ["accepted"]


async def test_an_acknowledgement_shows_the_order_before_it_trades(client: Client) -> None:
    order = await client.placed("BUY", "60000.1", "0.001", newOrderRespType="ACK")

    assert (order["status"], order["executedQty"]) == ("NEW", "0")
    found = await client.ok("GET", ORDER, symbol="BTCUSDT", orderId=order["orderId"])
    assert found["status"] == "FILLED"


async def test_a_market_order_takes_and_the_account_shows_it(client: Client) -> None:
    order = await client.placed("BUY", None, "0.010")
    assert (order["status"], order["avgPrice"], order["type"]) == ("FILLED", "60000.1", "MARKET")

    (risk,) = await client.ok("GET", "/fapi/v3/positionRisk")
    assert (risk["symbol"], risk["positionAmt"], risk["entryPrice"]) == (
        "BTCUSDT",
        "0.01",
        "60000.1",
    )
    fee = Decimal("60000.1") * Decimal("0.01") * Decimal("0.0005")
    (balance,) = await client.ok("GET", "/fapi/v3/balance")
    assert Decimal(balance["balance"]) == Decimal(10_000) - fee.quantize(Decimal("1E-8"))
    account = await client.ok("GET", "/fapi/v3/account")
    assert account["totalWalletBalance"] == balance["balance"]
    assert Decimal(account["totalInitialMargin"]) == Decimal("30.000025")
    assert account["assets"][0]["updateTime"] > 0
    kinds = {row["incomeType"] for row in await client.ok("GET", "/fapi/v1/income")}
    assert kinds == {"COMMISSION"}


async def test_a_fill_announces_position_and_wallet_before_the_trade(client: Client) -> None:
    async with client.user_stream() as stream:
        await client.placed("BUY", None, "0.010")
        account = await stream.event("ACCOUNT_UPDATE")
        trade = await stream.event("ORDER_TRADE_UPDATE")

    assert [m["e"] for m in stream.seen] == [
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
        "ORDER_TRADE_UPDATE",
    ]
    assert account["a"]["P"][0]["pa"] == "0.01"
    assert account["a"]["B"][0]["wb"] == "9999.6999995"
    assert (trade["o"]["n"], trade["o"]["N"], trade["o"]["m"]) == ("0.3000005", "USDT", False)


async def test_cancel_and_cancel_all(client: Client) -> None:
    first, second, third = [await client.placed("BUY", "59000.0", "0.001") for _ in range(3)]
    other = await client.placed("SELL", "61000.0", "0.001")

    canceled = await client.ok("DELETE", ORDER, symbol="BTCUSDT", orderId=first["orderId"])
    by_name = await client.ok(
        "DELETE", ORDER, symbol="BTCUSDT", origClientOrderId=second["clientOrderId"]
    )
    assert (canceled["status"], by_name["status"]) == ("CANCELED", "CANCELED")
    shown = await client.ok("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
    assert [o["orderId"] for o in shown] == [third["orderId"], other["orderId"]]
    again = await client.signed("DELETE", ORDER, symbol="BTCUSDT", orderId=first["orderId"])
    assert again.code == -2011
    reply = await client.ok("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
    assert reply["code"] == 200
    assert await client.ok("GET", "/fapi/v1/openOrders") == []
    everything = await client.ok("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
    assert [o["status"] for o in everything] == ["CANCELED"] * 4


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (-1121, {"symbol": "NOPEUSDT"}),
        (-1102, {"symbol": None}),
        (-1102, {"side": None}),
        (-1117, {"side": "UP"}),
        (-1116, {"type": "STOP_MARKET"}),
        (-1102, {"timeInForce": None}),
        (-1115, {"timeInForce": "FOK"}),
        (-1102, {"price": None}),
        (-1100, {"price": "1e5"}),
        (-1100, {"quantity": "NaN"}),
        (-1111, {"price": "59000.05"}),
        (-1111, {"quantity": "0.0015"}),
        (-1013, {"quantity": "0"}),
        (-1013, {"quantity": "2000"}),
        (-4164, {"price": "10000.0"}),
        (-4016, {"price": "64000.0"}),
        (-4024, {"side": "SELL", "price": "50000.0"}),
        (-5022, {"price": "60000.1", "timeInForce": "GTX"}),
        (-2022, {"reduceOnly": "true"}),
        (-2019, {"quantity": "10"}),
        (-4061, {"positionSide": "LONG"}),
        (-4015, {"newClientOrderId": "no spaces"}),
        (-4015, {"newClientOrderId": "x" * 37}),
    ],
)
async def test_a_refused_order_has_the_venue_s_code_and_changes_nothing(
    client: Client, code: int, changes: dict[str, Any]
) -> None:
    order = client.order("BUY", "59000.0", "0.001") | changes

    reply = await client.signed("POST", ORDER, **order)

    assert (reply.status, reply.code) == (400, code)
    ledger = await client.ledger()
    assert ledger["orders"] == ledger["fills"] == []
    (row,) = ledger["requests"]
    assert row["outcome"] == f"rejected:{code}"
    assert row["client_order_id"] == (order["newClientOrderId"] or "")


async def test_client_ids_are_unique_among_open_orders_only(client: Client, bob: Client) -> None:
    first = await client.placed("BUY", "59000.0", "0.001", newClientOrderId="same")

    duplicate = await client.place("BUY", "58000.0", "0.001", newClientOrderId="same")
    assert duplicate.code == -4116
    assert (await bob.place("BUY", "58000.0", "0.001", newClientOrderId="same")).status == 200
    await client.ok("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="same")
    second = await client.placed("BUY", "58000.0", "0.001", newClientOrderId="same")

    assert second["orderId"] > first["orderId"]
    found = await client.ok("GET", ORDER, symbol="BTCUSDT", origClientOrderId="same")
    assert found["orderId"] == second["orderId"]
    outcomes = [r["outcome"] for r in (await client.ledger())["requests"]]
    assert outcomes == ["accepted", "rejected:-4116", "accepted", "accepted", "accepted"]


async def test_an_order_without_a_client_id_gets_one(client: Client) -> None:
    order = await client.placed("BUY", "59000.0", "0.001", newClientOrderId=None)

    assert order["clientOrderId"]


async def test_accounts_see_only_their_own(client: Client, bob: Client) -> None:
    order = await client.placed("BUY", "59000.0", "0.001")

    missing = await bob.signed("GET", ORDER, symbol="BTCUSDT", orderId=order["orderId"])
    foreign = await bob.signed("DELETE", ORDER, symbol="BTCUSDT", orderId=order["orderId"])

    assert (missing.code, foreign.code) == (-2013, -2011)
    assert await bob.ok("GET", "/fapi/v1/openOrders") == []
    async with bob.user_stream() as stream:
        await client.market(move_to="58000.0")
        with pytest.raises(TimeoutError):
            await stream.receive(0.2)


async def test_fees_are_the_account_s_own(client: Client, bob: Client) -> None:
    await bob.placed("BUY", "59000.0", "0.001")
    await bob.placed("BUY", None, "0.001")
    await client.market(move_to="59000.0")

    fees = {f["maker"]: f["fee"] for f in (await client.ledger())["fills"]}
    assert fees == {True: "0", False: "0.0600001"}
    rate = await bob.ok("GET", "/fapi/v1/commissionRate", symbol="BTCUSDT")
    assert (rate["makerCommissionRate"], rate["takerCommissionRate"]) == ("0", "0.001")


async def test_reduce_only_is_exempt_from_the_smallest_value(client: Client) -> None:
    await client.placed("BUY", None, "0.002")
    await client.placed("SELL", None, "0.001", reduceOnly="true")
    await client.market(bid="40000.0", ask="40000.1")

    small = await client.place("SELL", "40100.0", "0.001")
    closing = await client.place("SELL", "40100.0", "0.001", reduceOnly="true")

    assert (small.code, closing.code) == (-4164, 0)
    assert closing.body["reduceOnly"] is True


async def test_batches_answer_item_by_item(client: Client) -> None:
    items = [
        client.order("BUY", "59000.0", "0.001", newClientOrderId="b1"),
        client.order("BUY", "59000.0", "0.0001", newClientOrderId="b2"),
        client.order("BUY", "58000.0", "0.001", newClientOrderId="b3", reduceOnly=False),
    ]

    created = await client.ok("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(items))
    assert [item.get("clientOrderId") or item["code"] for item in created] == ["b1", -1111, "b3"]
    canceled = await client.ok(
        "DELETE",
        "/fapi/v1/batchOrders",
        symbol="BTCUSDT",
        origClientOrderIdList=json.dumps(["b3", "nope"]),
    )
    assert [item.get("status") or item["code"] for item in canceled] == ["CANCELED", -2011]
    by_id = await client.ok(
        "DELETE",
        "/fapi/v1/batchOrders",
        symbol="BTCUSDT",
        orderIdList=json.dumps([created[0]["orderId"]]),
    )
    assert by_id[0]["status"] == "CANCELED"
    rows = [(r["client_order_id"], r["outcome"]) for r in (await client.ledger())["requests"]]
    assert rows == [
        ("b1", "accepted"),
        ("b2", "rejected:-1111"),
        ("b3", "accepted"),
        ("b3", "accepted"),
        ("nope", "rejected:-2011"),
        ("b1", "accepted"),
    ]


@pytest.mark.parametrize("items", ["[]", "{}", "nonsense", json.dumps([{}] * 6)])
async def test_a_batch_of_a_wrong_size_is_refused_whole(client: Client, items: str) -> None:
    reply = await client.signed("POST", "/fapi/v1/batchOrders", batchOrders=items)

    assert reply.code == -1102


async def test_histories_page_by_id_and_time(client: Client) -> None:
    for _ in range(5):
        await client.placed("BUY", None, "0.001")
    trades = await client.ok("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    ids = [trade["id"] for trade in trades]

    async def some(**params: Any) -> list[int]:
        page = await client.ok("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", **params)
        return [trade["id"] for trade in page]

    assert len(ids) == 5
    assert await some(limit=2) == ids[-2:]
    assert await some(fromId=ids[1], limit=2) == ids[1:3]
    assert await some(startTime=trades[0]["time"], limit=1) == ids[:1]
    assert await some(startTime=trades[-1]["time"] + 1) == []
    assert await some(endTime=trades[0]["time"] - 1) == []
    assert await some(orderId=trades[3]["orderId"]) == [ids[3]]
    orders = await client.ok("GET", "/fapi/v1/allOrders", symbol="BTCUSDT", limit=2)
    assert [o["orderId"] for o in orders] == [trades[3]["orderId"], trades[4]["orderId"]]
    newer = await client.ok(
        "GET", "/fapi/v1/allOrders", symbol="BTCUSDT", orderId=trades[2]["orderId"]
    )
    assert len(newer) == 3


async def test_settings_of_the_account(client: Client) -> None:
    leverage = await client.ok("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=5)
    assert leverage["leverage"] == 5
    await client.placed("BUY", None, "0.010")
    (risk,) = await client.ok("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
    assert risk["leverage"] == "5"

    bad = await client.signed("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=0)
    same = await client.signed(
        "POST", "/fapi/v1/marginType", symbol="BTCUSDT", marginType="CROSSED"
    )
    hedge = await client.ok("GET", "/fapi/v1/positionSide/dual")
    brackets = await client.ok("GET", "/fapi/v1/leverageBracket", symbol="BTCUSDT")
    assert (bad.code, same.code, hedge) == (-4028, -4046, {"dualSidePosition": False})
    assert brackets[0]["brackets"][0]["initialLeverage"] == 125


async def test_the_countdown_cancels_unless_it_is_fed(client: Client) -> None:
    await client.placed("BUY", "59000.0", "0.001")

    async def arm(milliseconds: int) -> None:
        await client.ok(
            "POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=milliseconds
        )

    await arm(100)
    await arm(0)
    await asyncio.sleep(1.2)
    assert len(await client.ok("GET", "/fapi/v1/openOrders")) == 1
    async with client.user_stream() as stream:
        await arm(100)
        update = await stream.event("ORDER_TRADE_UPDATE")
    assert update["o"]["X"] == "CANCELED"
    assert await client.ok("GET", "/fapi/v1/openOrders") == []


async def test_nothing_a_client_sends_is_an_internal_error(client: Client) -> None:
    rng = random.Random(1)
    texts = ["", "0", "-1", "0.001", "1" + "0" * 29, "1e9", "NaN", "59000.0", "9" * 40, "\x00", "é"]
    choices: dict[str, list[Any]] = {
        "symbol": ["BTCUSDT", "ETHUSDT", "", "btcusdt", "BTCUSDT:perp"],
        "side": ["BUY", "SELL", "buy", ""],
        "type": ["LIMIT", "MARKET", "STOP", ""],
        "timeInForce": ["GTC", "GTX", "IOC", "FOK", "", None],
        "price": texts,
        "quantity": texts,
        "reduceOnly": ["true", "false", "maybe", None],
        "newClientOrderId": ["a", "", "\n", "x" * 50, None],
        "newOrderRespType": ["ACK", "RESULT", "?", None],
        "orderId": [*texts, None],
        "origClientOrderId": ["a", "", None],
        "limit": texts,
        "fromId": texts,
        "startTime": texts,
    }
    routes = ["POST order", "DELETE order", "GET order", "GET userTrades", "GET allOrders"]

    statuses = []
    for _ in range(600):
        method, _, name = rng.choice(routes).partition(" ")
        params = {key: rng.choice(values) for key, values in choices.items()}
        statuses.append((await client.signed(method, f"/fapi/v1/{name}", **params)).status)

    assert set(statuses) == {200, 400}
