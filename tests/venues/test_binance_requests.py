"""What leaves for the venue, to the letter, and what is made of each kind of answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.paper.certs import server_context
from opensqt.ports.exchange import (
    CancelRequest,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    VenueCode,
    VenueUnavailableError,
)
from opensqt.system import log
from opensqt.venues.binance_usdm import BinanceUsdm
from opensqt.venues.factory import build_venue
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.transport import Credentials, VenueConfigError
from tests.venues.payloads import account_reply, exchange_info, order_reply, position_row, trade_row
from tests.venues.venue_server import SECRET, SteppingClock, VenueServer, cut, venue_server

SYMBOL = Symbol("BTCUSDT:perp")
NOW_MS = 1_700_000_000_000
ORDER = "/fapi/v1/order"
CANCEL = CancelRequest(symbol=SYMBOL, client_order_id=ClientOrderId("q1abc"), symbol_epoch=1)

Use = Callable[[BinanceUsdm], Awaitable[Any]]


def place(**changes: Any) -> PlaceRequest:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "client_order_id": ClientOrderId("q1abc"),
        "side": Side.SELL,
        "price": Decimal("60000.10"),
        "quantity": Decimal("0.010"),
        "time_in_force": TimeInForce.GTX,
        "reduce_only": True,
        "deadline_ms": UnixMs(NOW_MS + 3_000),
        "symbol_epoch": 1,
    }
    return PlaceRequest(**values | changes)


async def placed(
    server: VenueServer, *, clock: SteppingClock | None = None, **changes: Any
) -> Outcome:
    adapter = server.adapter(clock=clock or SteppingClock(0))
    try:
        return await adapter.place(place(**changes))
    finally:
        await adapter.close()


@pytest.mark.parametrize(
    ("use", "route", "answer", "params"),
    [
        (
            lambda venue: venue.place(place()),
            f"POST {ORDER}",
            order_reply(),
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTX",
                "quantity": "0.01",
                "price": "60000.1",
                "newClientOrderId": "q1abc",
                "newOrderRespType": "RESULT",
                "reduceOnly": "true",
                "recvWindow": "3000",
            },
        ),
        (
            lambda venue: venue.cancel(CANCEL),
            f"DELETE {ORDER}",
            order_reply(),
            {"symbol": "BTCUSDT", "origClientOrderId": "q1abc", "recvWindow": "5000"},
        ),
        (
            lambda venue: venue.find_order(SYMBOL, client_order_id=ClientOrderId("q1abc")),
            f"GET {ORDER}",
            order_reply(),
            {"symbol": "BTCUSDT", "origClientOrderId": "q1abc", "recvWindow": "5000"},
        ),
        (
            lambda venue: venue.find_order(SYMBOL, venue_order_id=VenueOrderId("7")),
            f"GET {ORDER}",
            order_reply(),
            {"symbol": "BTCUSDT", "orderId": "7", "recvWindow": "5000"},
        ),
        (
            lambda venue: venue.open_orders(SYMBOL),
            "GET /fapi/v1/openOrders",
            [],
            {"symbol": "BTCUSDT", "recvWindow": "5000"},
        ),
        (
            lambda venue: venue.open_orders(None),
            "GET /fapi/v1/openOrders",
            [],
            {"recvWindow": "5000"},
        ),
        (
            lambda venue: venue.trades(SYMBOL, since_ms=UnixMs(NOW_MS - 60_000)),
            "GET /fapi/v1/userTrades",
            [],
            {
                "symbol": "BTCUSDT",
                "limit": "1000",
                "startTime": str(NOW_MS - 60_000),
                "endTime": str(NOW_MS - 60_000 + 7 * 86_400_000 - 1),
                "recvWindow": "5000",
            },
        ),
        (
            lambda venue: venue.position(SYMBOL),
            "GET /fapi/v3/positionRisk",
            [],
            {"symbol": "BTCUSDT", "recvWindow": "5000"},
        ),
        (
            lambda venue: venue.balances(),
            "GET /fapi/v3/account",
            account_reply(),
            {"recvWindow": "5000"},
        ),
    ],
)
async def test_a_signed_request_is_exactly_this(
    tmp_path: Path, use: Use, route: str, answer: Any, params: dict[str, str]
) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(route, answer)
        adapter = server.adapter(clock=SteppingClock(0))
        await use(adapter)
        await adapter.close()

    (asked,) = server.asked
    method, _, path = route.partition(" ")
    assert (asked.method, asked.url) == (method, f"fapi.binance.com{path}")
    assert asked.params == params
    assert asked.timestamp == str(NOW_MS)
    assert asked.is_signed
    assert asked.headers["X-MBX-APIKEY"] == "key of the test"


@pytest.mark.parametrize(
    ("use", "route", "answer"),
    [
        (
            lambda venue: venue.server_time_ms(),
            "GET /fapi/v1/time",
            {"serverTime": NOW_MS},
        ),
        (lambda venue: venue.instrument(SYMBOL), "GET /fapi/v1/exchangeInfo", exchange_info()),
    ],
)
async def test_a_public_request_carries_no_key(
    tmp_path: Path, use: Use, route: str, answer: Any
) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(route, answer)
        adapter = server.adapter()
        await use(adapter)
        await adapter.close()

    (asked,) = server.asked
    assert f"{asked.method} {asked.url}" == route.replace("/", "fapi.binance.com/", 1)
    assert (dict(asked.params), asked.is_signed) == ({}, False)
    assert "X-MBX-APIKEY" not in asked.headers


async def test_the_rules_are_read_once_for_many_symbols(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer("GET /fapi/v1/exchangeInfo", exchange_info())
        adapter = server.adapter()
        await asyncio.gather(*(adapter.instrument(SYMBOL) for _ in range(5)))
        await adapter.close()

    assert len(server.asked) == 1


async def test_an_accepted_order_is_returned_with_the_outcome(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", order_reply())
        outcome = await placed(server)

    assert outcome.outcome is OutcomeClass.ACCEPTED
    assert outcome.order is not None
    assert outcome.order.venue_order_id == "22542179"


async def test_a_post_only_order_that_expired_at_once_says_why(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", order_reply(status="EXPIRED"))
        outcome = await placed(server)

    assert (outcome.outcome, outcome.code) == (
        OutcomeClass.ACCEPTED,
        VenueCode.POST_ONLY_WOULD_CROSS,
    )
    assert outcome.order is not None
    assert outcome.order.status is OrderStatus.EXPIRED


@pytest.mark.parametrize(
    ("status", "payload", "outcome", "code"),
    [
        (400, {"code": -5022, "msg": "x"}, "rejected", "ErrPostOnlyWouldCross"),
        (400, {"code": -4116, "msg": "x"}, "duplicate", "ErrAlreadyExists"),
        (400, {"code": -2019, "msg": "x"}, "rejected", "ErrInsufficientCollateral"),
        (400, {"code": -98765, "msg": "new"}, "unknown", "ErrUnknownState"),
        (408, {"code": -1007, "msg": "x"}, "unknown", "ErrUnknownState"),
        (503, {"code": -2019, "msg": "x"}, "unknown", "ErrUnknownState"),
        (200, {"code": 200, "msg": "done"}, "unknown", "ErrUnknownState"),
        (200, [], "unknown", "ErrUnknownState"),
        (200, order_reply(clientOrderId="other"), "unknown", "ErrUnknownState"),
        (200, order_reply(status="LATER"), "unknown", "ErrUnknownState"),
        # An error code in a reply that claims success is not a success.
        (200, {"code": -2019, "msg": "x"}, "unknown", "ErrUnknownState"),
    ],
)
async def test_every_answer_is_classified(
    tmp_path: Path, status: int, payload: Any, outcome: str, code: str
) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", payload, status=status)
        result = await placed(server)

    assert (result.outcome.value, result.code.value) == (outcome, code)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 400, 502])
async def test_an_answer_that_is_no_json_is_unknown(tmp_path: Path, status: int) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", text="<html>oops</html>", status=status)
        result = await placed(server)

    assert result.outcome is OutcomeClass.UNKNOWN


async def test_a_connection_cut_after_the_request_is_unknown(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.react(f"POST {ORDER}", cut)
        result = await placed(server)

    assert (result.outcome, result.code) == (OutcomeClass.UNKNOWN, VenueCode.UNKNOWN_STATE)
    assert len(server.asked) == 1


async def test_an_answer_that_does_not_come_is_unknown(tmp_path: Path) -> None:
    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    async with venue_server(tmp_path) as server:
        server.react(f"POST {ORDER}", wait)
        adapter = server.adapter(clock=SteppingClock(0))
        adapter._transport.exchange.timeout = 100
        result = await adapter.place(place())
        await adapter.close()

    assert result.outcome is OutcomeClass.UNKNOWN


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_redirected_order_is_not_sent_again(tmp_path: Path, status: int) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", {}, status=status, headers={"Location": "/fapi/v1/other"})
        result = await placed(server)

    assert result.outcome is OutcomeClass.UNKNOWN
    assert [asked.method for asked in server.asked] == ["POST"]


async def test_a_deadline_that_passes_before_the_first_byte_sends_nothing(tmp_path: Path) -> None:
    # The clock moves on by a second with every look: after signing, before the connection.
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", order_reply())
        late = await placed(server, clock=SteppingClock(1_000), deadline_ms=UnixMs(NOW_MS + 1_500))
        sent = len(server.asked)
        too_late = await placed(
            server, clock=SteppingClock(1_000), deadline_ms=UnixMs(NOW_MS + 1_000)
        )

    assert late.outcome is too_late.outcome is OutcomeClass.NOT_SENT
    assert late.code is too_late.code is VenueCode.DEADLINE
    assert late.message != too_late.message
    assert (sent, len(server.asked)) == (0, 0)


async def test_a_refused_connection_sends_nothing(tmp_path: Path, unused_tcp_port: int) -> None:
    async with venue_server(tmp_path) as server:
        gone = replace(server.local, port=unused_tcp_port)
        adapter = server.adapter(clock=SteppingClock(0), local=gone)
        outcomes = [await adapter.place(place()), await adapter.cancel(CANCEL)]
        with pytest.raises(VenueUnavailableError):
            await adapter.open_orders(SYMBOL)
        await adapter.close()

    for outcome in outcomes:
        assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.LINK_DOWN)


async def test_a_venue_with_the_wrong_certificate_gets_nothing(tmp_path: Path) -> None:
    import datetime as dt

    _, other_ca = server_context(tmp_path / "other", now=dt.datetime.now(dt.UTC))
    async with venue_server(tmp_path) as server:
        wrong = LocalEndpoint(port=server.local.port, ca_file=other_ca)
        adapter = server.adapter(clock=SteppingClock(0), local=wrong)
        outcome = await adapter.place(place())
        await adapter.close()

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.LINK_DOWN)
    assert server.asked == []


async def test_a_symbol_of_another_market_sends_nothing(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        outcome = await placed(server, symbol=Symbol("BTCUSDT:spot"))

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.INVALID_ORDER)
    assert server.asked == []


@pytest.mark.parametrize("status", [429, 418])
async def test_a_venue_that_asks_for_a_pause_gets_it_and_cancels_leave_unless_it_bans(
    tmp_path: Path, status: int
) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(
            f"POST {ORDER}",
            {"code": -1003, "msg": "slow"},
            status=status,
            headers={"Retry-After": "30"},
        )
        server.answer(f"DELETE {ORDER}", order_reply(status="CANCELED"))
        adapter = server.adapter(clock=SteppingClock(0))
        first = await adapter.place(place())
        second = await adapter.place(place(client_order_id=ClientOrderId("q2")))
        canceled = await adapter.cancel(CANCEL)
        with pytest.raises(VenueUnavailableError, match="rate limited"):
            await adapter.open_orders(SYMBOL)
        await adapter.close()

    limited = VenueCode.RATE_LIMITED
    assert (first.outcome, first.code) == (OutcomeClass.REJECTED, limited)
    assert (second.outcome, second.code) == (OutcomeClass.NOT_SENT, limited)
    assert first.retry_after_ms == second.retry_after_ms == 30_000
    if status == 418:
        assert (canceled.outcome, canceled.code) == (OutcomeClass.NOT_SENT, limited)
    else:
        assert canceled.outcome is OutcomeClass.ACCEPTED
    assert len(server.asked) == 1 + (status == 429)


async def test_a_ban_is_kept_to_by_whoever_starts_again(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", {"code": -1003, "msg": "slow"}, status=418)
        answers = []
        for name in ("q1", "q2"):
            adapter = build_venue(
                "paper",
                credentials=Credentials(api_key="key of the test", secret=SECRET),
                clock=SteppingClock(0),
                log=log.get("opensqt.tests"),
                local=server.local,
                notes=tmp_path / "venues",
            )
            answers.append(await adapter.place(place(client_order_id=ClientOrderId(name))))
            await adapter.close()

    assert [one.outcome for one in answers] == [OutcomeClass.REJECTED, OutcomeClass.NOT_SENT]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-MBX-ORDER-COUNT-10S", "300"),
        ("X-MBX-ORDER-COUNT-1M", "1200"),
        ("X-MBX-USED-WEIGHT-1M", "2401"),
    ],
)
async def test_the_venues_own_counters_stop_orders(tmp_path: Path, header: str, value: str) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"POST {ORDER}", order_reply(), headers={header: value})
        adapter = server.adapter(clock=SteppingClock(0))
        await adapter.place(place())
        refused = await adapter.place(place(client_order_id=ClientOrderId("q2")))
        await adapter.close()

    assert (refused.outcome, refused.code) == (OutcomeClass.NOT_SENT, VenueCode.RATE_LIMITED)
    assert len(server.asked) == 1


async def test_a_look_up_tells_absent_from_unanswered(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        adapter = server.adapter(clock=SteppingClock(0))
        server.answer(f"GET {ORDER}", {"code": -2013, "msg": "no order"}, status=400)
        absent = await adapter.find_order(SYMBOL, client_order_id=ClientOrderId("q1abc"))
        for status, code in ((400, -1021), (500, -2013), (400, -99)):
            server.answer(f"GET {ORDER}", {"code": code, "msg": "x"}, status=status)
            with pytest.raises(VenueUnavailableError):
                await adapter.find_order(SYMBOL, client_order_id=ClientOrderId("q1abc"))
        await adapter.close()

    assert absent is None


async def test_a_query_that_fails_is_never_empty(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer("GET /fapi/v1/openOrders", {"code": -1001, "msg": "x"}, status=500)
        server.answer("GET /fapi/v1/userTrades", text="")
        server.answer("GET /fapi/v3/positionRisk", [position_row(positionSide="LONG")])
        server.answer("GET /fapi/v3/account", {"assets": {}})
        adapter = server.adapter(clock=SteppingClock(0))
        for question in (
            adapter.open_orders(SYMBOL),
            adapter.trades(SYMBOL, since_ms=UnixMs(NOW_MS)),
            adapter.position(SYMBOL),
            adapter.balances(),
            adapter.server_time_ms(),
        ):
            with pytest.raises(VenueUnavailableError):
                await question
        await adapter.close()


async def test_trades_of_orders_we_have_seen_carry_our_id(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer(f"GET {ORDER}", order_reply())
        server.answer("GET /fapi/v1/userTrades", [trade_row(time=NOW_MS)])
        adapter = server.adapter(clock=SteppingClock(0))
        before = await adapter.trades(SYMBOL, since_ms=UnixMs(NOW_MS))
        await adapter.find_order(SYMBOL, client_order_id=ClientOrderId("q1abc"))
        after = await adapter.trades(SYMBOL, since_ms=UnixMs(NOW_MS))
        await adapter.close()

    assert [trade.client_order_id for trade in before.trades] == [""]
    assert [trade.client_order_id for trade in after.trades] == ["q1abc"]


async def test_an_account_in_hedge_mode_is_refused_at_start(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer("GET /fapi/v1/time", {"serverTime": NOW_MS})
        server.answer("GET /fapi/v1/positionSide/dual", {"dualSidePosition": True})
        adapter = server.adapter(clock=SteppingClock(0))
        with pytest.raises(VenueConfigError, match="hedge mode"):
            await adapter.start()
        await adapter.close()

    assert {asked.url for asked in server.asked} == {
        "fapi.binance.com/fapi/v1/time",
        "fapi.binance.com/fapi/v1/positionSide/dual",
    }


async def test_requests_are_stamped_with_the_venues_time(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        server.answer("GET /fapi/v1/time", {"serverTime": NOW_MS + 1_234})
        server.answer("GET /fapi/v1/positionSide/dual", {"dualSidePosition": True})
        adapter = server.adapter(clock=SteppingClock(0))
        with pytest.raises(VenueConfigError):
            await adapter.start()
        await adapter.close()

    assert server.last().timestamp == str(NOW_MS + 1_234)
