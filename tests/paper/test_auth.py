"""Who may ask, how often, and when: keys, signatures, receive windows, request weight."""

import hashlib
import hmac
import time
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.paper.api import RawRequest, check_signature
from opensqt.paper.config import PaperAccount, PaperConfig
from opensqt.paper.errors import ApiError
from tests.paper.client import Client, serving

ACCOUNT = "/fapi/v3/account"
ORDER = "/fapi/v1/order"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_a_good_signature_opens_the_account_in_query_and_body(client: Client) -> None:
    wanted = client.order("BUY", "59000.0", "0.001")

    in_body = await client.raw("POST", ORDER, body=client.sign(**wanted))
    assert in_body.status == 200, in_body
    assert (await client.signed("GET", ACCOUNT)).status == 200


async def test_a_request_signed_over_query_and_body_together_is_good(client: Client) -> None:
    params = {k: v for k, v in client.order("BUY", "59000.0", "0.001").items() if v is not None}
    query = urlencode({"symbol": params.pop("symbol")})
    body = urlencode(params | {"timestamp": now_ms()})
    signature = hmac.new(b"paper", (query + body).encode(), hashlib.sha256).hexdigest()

    reply = await client.raw("POST", ORDER, query, f"{body}&signature={signature}")

    assert reply.status == 200, reply


@pytest.mark.parametrize(
    ("key", "secret", "status", "code"),
    [
        ("", "paper", 401, -2014),
        ("stranger", "paper", 401, -2015),
        ("paper", "wrong", 400, -1022),
    ],
)
async def test_strangers_are_refused_and_logged(
    client: Client, key: str, secret: str, status: int, code: int
) -> None:
    stranger = client.other(key, secret)

    reply = await stranger.place("BUY", "59000.0", "0.001", newClientOrderId="x1")

    assert (reply.status, reply.code) == (status, code)
    ledger = await client.ledger()
    assert ledger["orders"] == []
    (row,) = ledger["requests"]
    assert (row["client_order_id"], row["outcome"]) == ("x1", f"rejected:{code}")
    assert (await stranger.signed("GET", ACCOUNT)).code == code


async def test_a_missing_signature_is_no_signature(client: Client) -> None:
    reply = await client.raw("GET", ACCOUNT, f"timestamp={now_ms()}")

    assert reply.code == -1022


@pytest.mark.parametrize(
    ("offset_ms", "window", "code"),
    [
        (0, None, 0),
        (-4_000, None, 0),
        (-6_000, None, -1021),
        (-6_000, 10_000, 0),
        (-11_000, 10_000, -1021),
        (500, None, 0),
        (2_000, 60_000, -1021),
        (0, 60_001, -1131),
    ],
)
async def test_a_request_is_good_within_its_window_only(
    client: Client, offset_ms: int, window: int | None, code: int
) -> None:
    reply = await client.signed("GET", ACCOUNT, timestamp=now_ms() + offset_ms, recvWindow=window)

    assert reply.code == code


async def test_a_timestamp_is_mandatory(client: Client) -> None:
    assert (await client.signed("GET", ACCOUNT, timestamp=None)).code == -1102
    assert (await client.signed("GET", ACCOUNT, timestamp="soon")).code == -1102


async def test_used_weight_is_told_and_too_much_is_refused(config: PaperConfig) -> None:
    async with serving(replace(config, weight_limit=100)) as client:
        replies = [await client.raw("GET", "/fapi/v1/klines") for _ in range(21)]
        # The minute may turn once on the way; the last request of one minute tells enough.
        used = [int(reply.headers["X-MBX-USED-WEIGHT-1M"]) for reply in replies]
        refused = [reply for reply in replies if reply.status == 429]

    assert used[0] == 5
    assert max(used) > 50
    for reply in refused:
        assert reply.code == -1003
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
    assert all(reply.code == -1102 for reply in replies if reply.status != 429)
    assert refused or used[-1] < used[0] * 21


async def test_an_unknown_path_is_named(client: Client) -> None:
    reply = await client.raw("GET", "/fapi/v9/nothing")

    assert (reply.status, reply.code) == (404, -5000)
    assert "/fapi/v9/nothing" in reply.body["msg"]


TEXTS = st.text(alphabet="abcXYZ0123456789=%.", min_size=0, max_size=40)


@pytest.mark.property
@given(TEXTS, TEXTS, st.booleans(), st.binary(min_size=1, max_size=8))
def test_only_the_exact_bytes_that_were_signed_pass(
    query: str, body: str, in_query: bool, flip: bytes
) -> None:
    account = PaperAccount(api_secret="secret")
    signature = hmac.new(b"secret", (query + body).encode(), hashlib.sha256).hexdigest()
    end = f"signature={signature}"
    signed_query = f"{query}&{end}" if in_query and query else (end if in_query else query)
    signed_body = body if in_query else (f"{body}&{end}" if body else end)
    raw = RawRequest(
        method="GET", path="/", query=signed_query, body=signed_body, api_key="", client=""
    )

    check_signature(raw, account)

    with pytest.raises(ApiError, match="-1022"):
        check_signature(replace(raw, query=f"{flip.hex()}&{signed_query}"), account)
