"""How ccxt is loaded and held, and what it may not do."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from opensqt.core.ids import UnixMs
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.venues.clock_sync import measure_offset_ms
from opensqt.venues.factory import KNOWN, build_venue, check_venue
from opensqt.venues.session import LocalEndpoint, LoopbackResolver, open_session
from opensqt.venues.transport import Credentials, Endpoint, Transport, VenueConfigError
from tests.venues.venue_server import venue_server

KEYS = Credentials(api_key="key", secret="hidden")
TIME = Endpoint(path="time", section="fapiPublic", method="GET")
SLIM = """
import json, sys, time
import aiohttp
began = time.process_time()
from opensqt.venues.slim_ccxt import exchange_class
found = exchange_class("binanceusdm")
cpu = time.process_time() - began
venues = [name for name in sys.modules if name.startswith("ccxt.async_support.")]
import ccxt.pro
print(json.dumps({
    "cpu": cpu,
    "name": found.__name__,
    "venues": sorted(name.rpartition(".")[2] for name in venues if ".base" not in name),
    "later": ccxt.pro.bybit.__name__,
    "error": ccxt.NetworkError.__mro__[1].__name__,
    "rounding": ccxt.async_support.TRUNCATE,
    "absent": hasattr(ccxt, "no_such_venue"),
}))
"""


def transport(session: aiohttp.ClientSession, **changes: Any) -> Transport:
    values: dict[str, Any] = {"credentials": KEYS, "clock": SystemClock(), "session": session}
    return Transport("binanceusdm", **values | changes)


def test_only_the_wanted_venue_is_imported_and_the_rest_is_still_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLIM], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(done.stdout)

    # The whole of ccxt takes five to six seconds.
    assert found.pop("cpu") < 3.0
    assert found == {
        "name": "binanceusdm",
        "venues": ["binance", "binanceusdm"],
        "later": "bybit",
        "error": "OperationFailed",
        "rounding": 0,
        "absent": False,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"maxRetriesOnFailure": 1},
        {"order": {"maxRetriesOnFailure": 3}},
        {"createOrder": {"swap": {"maxRetriesOnFailure": True}}},
    ],
)
async def test_an_option_that_sends_again_is_refused(options: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(VenueConfigError, match="again"):
            transport(session, options=options)


async def test_what_makes_ccxt_send_again_or_wait_makes_us_do_neither(tmp_path: Path) -> None:
    order = Endpoint(path="order", section="fapiPrivate", method="POST")
    async with venue_server(tmp_path) as server:
        server.answer("POST /fapi/v1/order", {"code": -1000, "msg": "try again"}, status=503)
        async with open_session(server.local, domains=frozenset({"binance.com"})) as session:
            held = transport(session)
            with pytest.raises(VenueConfigError, match="again"):
                await held.call(order, {"maxRetriesOnFailure": 1})
            held.exchange.options["maxRetriesOnFailure"] = 3
            held.exchange.enableRateLimit = True
            held.exchange.throttle = None
            reply = await held.call(order, {"newClientOrderId": "q"})
            await held.close()

    assert (reply.status, reply.payload["code"]) == (503, -1000)
    assert len(server.asked) == 1


@pytest.mark.parametrize("text", ["", "<html>502</html>", "{broken", '"text"', "[1"])
async def test_an_answer_that_is_no_json_is_an_answer(tmp_path: Path, text: str) -> None:
    async with venue_server(tmp_path) as server:
        server.answer("GET /fapi/v1/time", text=text, status=502)
        async with open_session(server.local, domains=frozenset({"binance.com"})) as session:
            held = transport(session)
            reply = await held.call(TIME, {})
            await held.close()

    assert (reply.status, reply.body, reply.payload) == (502, text, None)


async def test_the_answer_is_captured_with_exact_numbers(tmp_path: Path) -> None:
    async with venue_server(tmp_path) as server:
        body = '{"serverTime": 12, "price": 0.1000000000000000055511151231257827, "big": 1e-7}'
        server.answer("GET /fapi/v1/time", text=body, headers={"X-MBX-USED-WEIGHT-1M": "3"})
        async with open_session(server.local, domains=frozenset({"binance.com"})) as session:
            held = transport(session)
            reply = await held.call(TIME, {})
            await held.close()

    assert reply.payload == {
        "serverTime": 12,
        "price": "0.1000000000000000055511151231257827",
        "big": "1e-7",
    }
    assert (reply.status, reply.body, reply.is_success) == (200, body, True)
    assert reply.url == "https://fapi.binance.com/fapi/v1/time"
    assert reply.headers["x-mbx-used-weight-1m"] == "3"


async def test_two_accounts_share_a_session_without_mixing_their_calls(tmp_path: Path) -> None:
    order = Endpoint(path="order", section="fapiPrivate", method="POST")
    async with venue_server(tmp_path) as server:
        server.answer("POST /fapi/v1/order", {"ok": 1})
        async with open_session(server.local, domains=frozenset({"binance.com"})) as session:
            first, second = transport(session), transport(session)
            replies = await asyncio.gather(
                *(held.call(order, {"newClientOrderId": "q"}) for held in (first, second) * 5)
            )
            await first.close()
            await second.close()

    assert [reply.status for reply in replies] == [200] * 10
    assert len(server.asked) == 10


async def test_the_tap_sees_each_frame_before_ccxt_merges_it() -> None:
    seen: list[object] = []
    async with aiohttp.ClientSession() as session:
        held = transport(session, streaming=True)
        held.set_tap(lambda _, message: seen.append(message))
        frames = [{"e": "nothing of ccxt's", "number": number} for number in range(6)]
        for frame in frames:
            held.exchange.handle_message(_Client(), frame)
        await held.close()

    assert seen == frames


class _Client:
    subscriptions: dict[str, object] = {}  # noqa: RUF012 - ccxt looks it up here


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(KEYS)
    assert "key=" not in repr(KEYS).replace("api_key=", "")


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_venue_is_built_or_says_why_not(name: str, tmp_path: Path) -> None:
    local = LocalEndpoint(port=1, ca_file=tmp_path) if name == "paper" else None
    problems = {
        "binance": None,
        "paper": None,
        "remote": "dial remote.address",
    }
    problem = problems.get(name, "known but not built yet")

    if problem is None:
        check_venue(name, local=local)
    else:
        with pytest.raises(VenueConfigError, match=problem) as caught:
            check_venue(name, local=local)
        assert "\n" not in str(caught.value)


async def test_an_unknown_venue_is_answered_with_the_known_ones() -> None:
    with pytest.raises(VenueConfigError) as caught:
        build_venue("mtgox", credentials=KEYS, clock=SystemClock(), log=log.get("opensqt.tests"))

    assert str(caught.value) == f"unknown venue 'mtgox', known are: {' '.join(KNOWN)}"


def test_paper_needs_an_endpoint_and_a_real_venue_takes_none(tmp_path: Path) -> None:
    with pytest.raises(VenueConfigError, match="needs the local endpoint"):
        check_venue("paper", local=None)
    with pytest.raises(VenueConfigError, match="takes no local endpoint"):
        check_venue("binance", local=LocalEndpoint(port=1, ca_file=tmp_path))


@pytest.mark.parametrize("host", ["fapi.binance.com", "binance.com"])
async def test_hosts_of_the_venue_are_local(host: str) -> None:
    resolver = LoopbackResolver(port=4321, domains=frozenset({"binance.com"}))

    (found,) = await resolver.resolve(host, 443)

    assert (found["host"], found["port"]) == ("127.0.0.1", 4321)


@pytest.mark.parametrize(
    "host", ["example.com", "notbinance.com", "binance.com.evil.org", "localhost", ""]
)
async def test_no_other_host_can_be_reached(host: str, tmp_path: Path) -> None:
    resolver = LoopbackResolver(port=4321, domains=frozenset({"binance.com"}))

    with pytest.raises(OSError, match="not served"):
        await resolver.resolve(host)


async def test_a_local_session_refuses_other_hosts(tmp_path: Path) -> None:
    async with (
        venue_server(tmp_path) as server,
        open_session(server.local, domains=frozenset({"binance.com"})) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await session.get("https://example.com/")

    assert server.asked == []


async def test_the_clocks_distance_is_the_median_with_half_the_way_there_and_back() -> None:
    ways = iter([(10, 30), (10, 30), (400, 30), (10, 30), (10, 900)])

    class Clock:
        at_ms = 1_000

        def now_ms(self) -> UnixMs:
            return UnixMs(self.at_ms + 5_000_000)

        def monotonic_ms(self) -> int:
            return self.at_ms

        async def sleep_ms(self, duration_ms: int) -> None:
            self.at_ms += duration_ms

    clock = Clock()

    async def ask() -> int:
        there, back = next(ways)
        clock.at_ms += there
        venue_ms = clock.at_ms + 5_000_000 + 777
        clock.at_ms += back
        return venue_ms

    offset = await measure_offset_ms(ask, clock=clock)

    # Ten there and thirty back are taken for twenty and twenty.
    assert offset == 777 - 10
