"""Faults of real venues: late landings, lying look-ups, pages of proxies, broken streams."""

import asyncio
from typing import Any

import aiohttp
import pytest

from opensqt.paper.faults import MEANING, FaultKind, Faults
from tests.fakes.waiting import PATIENCE_S
from tests.paper.client import Client

ORDER = "POST /fapi/v1/order"
LOOKUP = "GET /fapi/v1/order"
LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
FAR_MS = 600_000


async def page(client: Client, method: str, path: str, **params: Any) -> tuple[int, str]:
    """Return status and text of an answer that need not be JSON."""
    url = f"{client.endpoint.rest_url}{path}?{client.sign(**params)}"
    headers = {"X-MBX-APIKEY": client.key}
    async with client.session.request(method, url, headers=headers) as reply:
        return reply.status, await reply.text()


async def open_ids(client: Client) -> list[str]:
    return [o["clientOrderId"] for o in await client.ok("GET", "/fapi/v1/openOrders")]


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_page_of_a_proxy_says_nothing_about_the_order(
    client: Client, status: int, acts: bool
) -> None:
    await client.fault("error", ORDER, count=1, status=status, body=HTML, acts=acts)

    wanted = client.order("BUY", "59000.0", "0.001", newClientOrderId="a")
    answer = await page(client, "POST", "/fapi/v1/order", **wanted)

    assert answer == (status, HTML)
    assert await open_ids(client) == (["a"] if acts else [])
    outcomes = [row["outcome"] for row in (await client.ledger())["requests"]]
    assert outcomes == (["dropped_reply"] if acts else [])


@pytest.mark.parametrize("body", ["", '{"orderId": 1', "[]", "null"])
async def test_an_answer_may_be_cut_short(client: Client, body: str) -> None:
    await client.fault("error", ORDER, count=1, status=200, body=body, acts=True)

    wanted = client.order("BUY", "59000.0", "0.001")
    answer = await page(client, "POST", "/fapi/v1/order", **wanted)

    assert answer == (200, body)
    assert len(await open_ids(client)) == 1


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1008, -987_654])
async def test_a_code_of_unknown_meaning_may_come_with_an_order(client: Client, code: int) -> None:
    await client.fault("error", ORDER, count=1, status=400, code=code, acts=True)

    reply = await client.place("BUY", "59000.0", "0.001", newClientOrderId="a")

    assert (reply.status, reply.code) == (400, code)
    assert await open_ids(client) == ["a"]


@pytest.mark.parametrize("status", [429, 418])
async def test_a_ban_lasts_and_says_how_long(client: Client, status: int) -> None:
    await client.fault("error", "", status=status, code=-1003, delay_ms=2_000, lasts_ms=300)

    banned = [await client.place("BUY", "59000.0", "0.001") for _ in range(3)]

    assert {(r.status, r.code, r.headers["Retry-After"]) for r in banned} == {(status, -1003, "2")}
    assert (await client.control("GET", "/faults")).body["faults"]
    await asyncio.sleep(0.35)
    assert (await client.control("GET", "/faults")).body["faults"] == []
    assert await open_ids(client) == []


async def test_an_order_lands_after_the_client_has_given_up(client: Client) -> None:
    await client.fault("land_late", ORDER, count=2, delay_ms=300)

    # Late for the client, not for the venue: the request was there within its window.
    with pytest.raises(LOST):
        await client.place("BUY", "59000.0", "0.001", newClientOrderId="a", recvWindow=200)
    with pytest.raises(LOST):
        await client.place("BUY", "59000.0", "0.0001", newClientOrderId="refused")
    assert await open_ids(client) == []
    async with asyncio.timeout(PATIENCE_S):
        while await open_ids(client) != ["a"]:
            await asyncio.sleep(0.02)

    await asyncio.sleep(0.1)
    rows = (await client.ledger())["requests"]
    assert [(row["client_order_id"], row["outcome"]) for row in rows] == [
        ("a", "dropped_reply"),
        ("refused", "rejected:-1111"),
    ]


async def test_a_reply_may_come_long_after_the_order(client: Client) -> None:
    await client.fault("delay_reply", ORDER, count=1, delay_ms=400)

    async with client.user_stream() as stream:
        placing = asyncio.create_task(client.place("BUY", "59000.0", "0.001"))
        await stream.event("ORDER_TRADE_UPDATE")

        assert not placing.done()
        assert (await placing).status == 200


async def test_a_replica_that_lags_does_not_know_a_live_order(client: Client) -> None:
    await client.fault("lag", "GET", delay_ms=FAR_MS)

    await client.placed("BUY", "59000.0", "0.001", newClientOrderId="a")
    asked = {"symbol": "BTCUSDT", "origClientOrderId": "a"}

    for path in ("/fapi/v1/order", "/fapi/v1/openOrder"):
        assert (await client.signed("GET", path, **asked)).code == -2013
    assert await open_ids(client) == []
    await client.control("DELETE", "/faults")
    assert (await client.ok("GET", "/fapi/v1/order", **asked))["status"] == "NEW"
    assert await open_ids(client) == ["a"]


async def test_a_lag_shows_what_is_old_enough(client: Client) -> None:
    await client.fault("lag", "GET", delay_ms=300)

    await client.placed("BUY", "59000.0", "0.001", newClientOrderId="a")
    asked = {"symbol": "BTCUSDT", "origClientOrderId": "a"}

    assert (await client.signed("GET", "/fapi/v1/order", **asked)).code == -2013
    await asyncio.sleep(0.4)
    assert (await client.ok("GET", "/fapi/v1/order", **asked))["clientOrderId"] == "a"


async def test_a_trade_becomes_visible_late(client: Client) -> None:
    await client.fault("lag", "GET /fapi/v1/userTrades", delay_ms=FAR_MS)

    filled = await client.placed("BUY", None, "0.001")

    assert filled["status"] == "FILLED"
    assert await client.ok("GET", "/fapi/v1/userTrades", symbol="BTCUSDT") == []
    assert len(await client.ok("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")) == 1
    await client.control("DELETE", "/faults")
    assert len(await client.ok("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")) == 1


async def test_a_venue_may_forget_orders_that_have_ended(client: Client) -> None:
    await client.fault("forget", "GET")

    await client.placed("BUY", "59000.0", "0.001", newClientOrderId="open")
    await client.placed("BUY", None, "0.001", newClientOrderId="filled")

    for name, code in (("open", 0), ("filled", -2013)):
        asked = {"symbol": "BTCUSDT", "origClientOrderId": name}
        assert (await client.signed("GET", "/fapi/v1/order", **asked)).code == code
    assert len(await client.ok("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")) == 1


async def test_a_lag_is_about_the_account_not_the_market(client: Client) -> None:
    await client.fault("lag", "", delay_ms=FAR_MS)

    assert await client.get("/fapi/v1/premiumIndex", symbol="BTCUSDT")
    placed = await client.placed("BUY", "59000.0", "0.001")
    assert placed["status"] == "NEW"


async def test_events_may_come_twice(client: Client) -> None:
    async with client.user_stream() as stream:
        await client.fault("duplicate", "/private", count=1)
        await client.placed("BUY", "59000.0", "0.001", newClientOrderId="a")
        await client.placed("BUY", "58000.0", "0.001", newClientOrderId="b")
        names = [(await stream.event("ORDER_TRADE_UPDATE"))["o"]["c"] for _ in range(3)]

    assert names == ["a", "a", "b"]


async def test_events_may_overtake_each_other(client: Client) -> None:
    async with client.user_stream() as stream:
        await client.fault("reorder", "/private", count=1, delay_ms=200)
        await client.placed("BUY", "59000.0", "0.001", newClientOrderId="a")
        await client.placed("BUY", "58000.0", "0.001", newClientOrderId="b")
        names = [(await stream.event("ORDER_TRADE_UPDATE"))["o"]["c"] for _ in range(2)]

    assert names == ["b", "a"]


async def test_events_may_be_garbage(client: Client) -> None:
    async with client.user_stream() as stream:
        await client.fault("garble", "/private", count=1)
        await client.placed("BUY", "59000.0", "0.001", newClientOrderId="a")
        with pytest.raises(ValueError, match=r"Expecting|Invalid|Unterminated|delimiter"):
            await stream.receive()
        await client.placed("BUY", "58000.0", "0.001", newClientOrderId="b")
        assert (await stream.event("ORDER_TRADE_UPDATE"))["o"]["c"] == "b"


async def test_rules_about_events_leave_requests_alone(client: Client) -> None:
    await client.fault("duplicate", "", count=1)

    await client.get("/fapi/v1/time")

    (rule,) = (await client.control("GET", "/faults")).body["faults"]
    assert (rule["hits"], rule["count"]) == (0, 1)


async def test_the_api_says_what_each_kind_does(client: Client) -> None:
    said = (await client.control("GET", "/faults")).body["kinds"]

    assert set(said) == {kind.value for kind in FaultKind} == {kind.value for kind in MEANING}
    assert all(said.values())


async def test_a_late_landing_needs_to_know_how_late(client: Client) -> None:
    reply = await client.control("POST", "/faults", {"kind": "land_late"})

    assert reply.status == 400
    assert "delay_ms is missing" in reply.body["error"]


def test_a_rule_is_lifted_by_itself() -> None:
    now_ms = 1_000
    faults = Faults(seed=1, monotonic_ms=lambda: now_ms)
    faults.add({"kind": "drop_reply", "lasts_ms": 500})
    faults.add({"kind": "garble", "lasts_ms": 700})

    assert faults.draw("GET", "/fapi/v1/time").drop_reply
    now_ms = 1_500
    assert not faults.draw("GET", "/fapi/v1/time").drop_reply
    assert faults.draw_frame("/private/ws").is_garbled
    now_ms = 1_700
    assert not faults.draw_frame("/private/ws").is_garbled
    assert faults.as_json() == []
