"""Scripted trouble: what the client sees, what the venue did, and what the log says."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from opensqt.paper.faults import FaultError, Faults
from tests.paper.client import Client

ORDER = "POST /fapi/v1/order"
LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def outcomes(client: Client) -> list[tuple[str, str]]:
    rows = (await client.ledger())["requests"]
    return [(row["client_order_id"], row["outcome"]) for row in rows]


async def test_a_dropped_request_never_reaches_the_book(client: Client) -> None:
    await client.fault("drop_request", ORDER, count=1)

    with pytest.raises(LOST):
        await client.place("BUY", "59000.0", "0.001", newClientOrderId="lost")
    await client.placed("BUY", "59000.0", "0.001", newClientOrderId="kept")

    assert await outcomes(client) == [("lost", "dropped_request"), ("kept", "accepted")]
    shown = await client.ok("GET", "/fapi/v1/openOrders")
    assert [order["clientOrderId"] for order in shown] == ["kept"]


async def test_a_dropped_reply_leaves_the_order_in_the_book(client: Client) -> None:
    await client.fault("drop_reply", ORDER, count=2)

    async with client.user_stream() as stream:
        with pytest.raises(LOST):
            await client.place("BUY", "59000.0", "0.001", newClientOrderId="booked")
        update = await stream.event("ORDER_TRADE_UPDATE")
    with pytest.raises(LOST):
        await client.place("BUY", "59000.0", "0.0001", newClientOrderId="refused")

    assert update["o"]["c"] == "booked"
    assert await outcomes(client) == [("booked", "dropped_reply"), ("refused", "rejected:-1111")]
    found = await client.ok("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="booked")
    assert found["status"] == "NEW"


async def test_a_lost_cancel_reply_cancels(client: Client) -> None:
    await client.placed("BUY", "59000.0", "0.001", newClientOrderId="a")
    # The HTTP library sends a DELETE a second time by itself when its connection is lost.
    await client.fault("drop_reply", "DELETE /fapi/v1/order", count=2)

    with pytest.raises(LOST):
        await client.signed("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a")

    assert await client.ok("GET", "/fapi/v1/openOrders") == []
    assert await outcomes(client) == [
        ("a", "accepted"),
        ("a", "dropped_reply"),
        ("a", "rejected:-2011"),
    ]


async def test_a_delayed_request_that_lands_after_its_window_is_refused(client: Client) -> None:
    await client.fault("delay", ORDER, count=2, delay_ms=300)

    began = time.monotonic()
    late = await client.place("BUY", "59000.0", "0.001", recvWindow=100)
    in_time = await client.place("BUY", "59000.0", "0.001", recvWindow=4_000)

    assert time.monotonic() - began > 0.6
    assert (late.code, in_time.code) == (-1021, 0)
    assert len(await client.ok("GET", "/fapi/v1/openOrders")) == 1


async def test_a_scripted_error_is_answered_and_not_acted_on(client: Client) -> None:
    await client.fault("error", ORDER, count=1, status=503, code=-1001)
    await client.fault("error", "GET", count=1, status=429, code=-1003, delay_ms=2_500)

    failed = await client.place("BUY", "59000.0", "0.001")
    limited = await client.raw("GET", "/fapi/v1/time")

    assert (failed.status, failed.code) == (503, -1001)
    assert (limited.status, limited.headers["Retry-After"]) == (429, "3")
    assert await client.ok("GET", "/fapi/v1/openOrders") == []


async def test_faults_end_with_their_count_or_when_cleared(client: Client) -> None:
    await client.fault("error", "GET /fapi/v1/time")
    assert (await client.raw("GET", "/fapi/v1/time")).status == 503
    (rule,) = (await client.control("GET", "/faults")).body["faults"]
    assert (rule["kind"], rule["hits"], rule["count"]) == ("error", 1, None)

    cleared = await client.control("DELETE", "/faults")

    assert cleared.body == {"cleared": 1}
    assert (await client.raw("GET", "/fapi/v1/time")).status == 200


async def test_sockets_are_cut_by_path(client: Client) -> None:
    async with client.user_stream() as private, client.socket("/public/ws/0") as public:
        answer = await client.fault("disconnect", "/private")

        assert answer["faults"][0]["hits"] == 1
        with pytest.raises((ConnectionResetError, aiohttp.ClientError)):
            await private.receive()
        await public.subscribe("btcusdt@trade")


async def test_a_silenced_socket_stays_open_and_loses_messages(client: Client) -> None:
    async with client.user_stream() as stream:
        await client.fault("silence", "/private", delay_ms=300)
        await client.placed("BUY", "59000.0", "0.001")
        with pytest.raises(TimeoutError):
            await stream.receive(0.2)
        await asyncio.sleep(0.2)
        await client.placed("BUY", "58000.0", "0.001")
        update = await stream.event("ORDER_TRADE_UPDATE")
    assert update["o"]["p"] == "58000"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "explode"},
        {"kind": "delay", "probability": "2"},
        {"kind": "delay", "count": -1},
        {"kind": "delay", "delay_ms": "soon"},
        {"kind": "delay", "rout": "POST"},
        {"faults": [{"kind": "delay"}, {}]},
    ],
)
async def test_a_bad_fault_is_refused_in_words(client: Client, body: dict[str, Any]) -> None:
    reply = await client.control("POST", "/faults", body)

    assert reply.status == 400
    assert "expected" in reply.body["error"]


def test_probabilities_are_seeded_and_roughly_kept() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed=seed, monotonic_ms=lambda: 0)
        faults.add({"kind": "drop_reply", "route": ORDER, "probability": "0.1"})
        return [faults.draw("POST", "/fapi/v1/order").drop_reply for _ in range(2_000)]

    assert struck(1) == struck(1) != struck(2)
    assert 140 < sum(struck(1)) < 260


def test_a_rule_acts_on_its_route_only_and_several_add_up() -> None:
    faults = Faults(seed=1, monotonic_ms=lambda: 0)
    faults.add({"kind": "delay", "route": "/fapi/v1/order", "delay_ms": 5})
    faults.add({"kind": "delay", "route": "POST", "delay_ms": 7})
    faults.add({"kind": "drop_request", "route": "POST /fapi/v1/order", "count": 1})

    first = faults.draw("POST", "/fapi/v1/order")
    second = faults.draw("POST", "/fapi/v1/order")

    assert (first.delay_ms, first.drop_request) == (12, True)
    assert (second.delay_ms, second.drop_request) == (12, False)
    assert faults.draw("GET", "/fapi/v1/order").delay_ms == 5
    assert faults.draw("POST", "/fapi/v1/listenKey").delay_ms == 7
    assert faults.draw("GET", "/fapi/v1/time").delay_ms == 0
    with pytest.raises(FaultError, match="kind"):
        faults.add({"kin": "delay"})
