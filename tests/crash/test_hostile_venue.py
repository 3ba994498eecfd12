"""What a venue does to whoever trades there, one kind of trouble at a time, over real sockets.

Every story lets the market move through the grid under the fault, lifts it, and demands that
everything comes to rest and trades on. What must never be is checked all along, such as an order
that the venue has and the journal calls refused.
"""

import asyncio
from pathlib import Path

import pytest

from tests.crash.together import together
from tests.e2e.child import LOOK_S, SETTLE_S
from tests.e2e.harness import Scenario
from tests.e2e.ledger import ZERO
from tests.e2e.setting import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

PLACE = "POST /fapi/v1/order"
LOOKUP = "GET /fapi/v1/order"
HTML = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
FAULTS: dict[str, dict[str, object]] = {
    "lands-late": {"kind": "land_late", "route": PLACE, "delay_ms": 300},
    "reply-late": {"kind": "delay_reply", "route": PLACE, "delay_ms": 1_200},
    "page-and-order": {"kind": "error", "route": PLACE, "status": 503, "body": HTML, "acts": True},
    "page-no-order": {"kind": "error", "route": PLACE, "status": 502, "body": HTML},
    "unknown-and-order": {
        "kind": "error",
        "route": PLACE,
        "status": 400,
        "code": -1007,
        "acts": True,
    },
    "cut-short": {
        "kind": "error",
        "route": PLACE,
        "status": 200,
        "body": '{"orderId": 1',
        "acts": True,
    },
    "unlisted-code": {
        "kind": "error",
        "route": PLACE,
        "status": 400,
        "code": -987_654,
        "acts": True,
    },
    "lookup-lies": {"kind": "lag", "route": LOOKUP, "delay_ms": 150},
    "forgets": {"kind": "forget", "route": "GET"},
    "events-twice": {"kind": "duplicate", "route": "/private"},
    "events-overtake": {"kind": "reorder", "route": "/private", "delay_ms": 80},
    "garbage": {"kind": "garble", "route": "/private", "probability": 0.3},
    # Without Retry-After a ban counts as two minutes.
    "ban": {
        "kind": "error",
        "route": "",
        "status": 418,
        "code": -1003,
        "delay_ms": 1_000,
        "lasts_ms": 700,
    },
    "rate-limit": {"kind": "error", "route": PLACE, "status": 429, "code": -1003, "delay_ms": 900},
    "cancel-denied": {
        "kind": "error",
        "route": "DELETE /fapi/v1/order",
        "status": 400,
        "code": -2011,
    },
}
COUNTS = {"forgets": None, "events-twice": None, "events-overtake": None, "garbage": None}

ASKED = ("lookup-lies", "forgets")
"""Faults of questions, which are asked only about what is not heard of."""


async def offered(flow: Scenario) -> None:
    """Wait until everything held is offered: a client that was banned waits before it sends."""
    async with asyncio.timeout(6 * SETTLE_S):
        while True:
            ledger = await flow.ledger()
            sells = sum(
                (o.quantity - o.filled for o in ledger.open_orders if o.side == "sell"), ZERO
            )
            if sells == ledger.position:
                return
            await asyncio.sleep(LOOK_S)


async def test_no_trouble_of_a_venue_doubles_or_loses_anything(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        async with scenario(folder, patience_s=6 * SETTLE_S) as flow:
            if name in ASKED:
                # Nobody else tells of them either: only a look-up can.
                await flow.fault("drop_reply", PLACE, count=2)
                await flow.fault("silence", "/private", count=None, delay_ms=1_500)
            fault = dict(FAULTS[name])
            kind, route = str(fault.pop("kind")), str(fault.pop("route"))
            count = None if name in COUNTS or "lasts_ms" in fault else 2
            await flow.fault(kind, route, count=count, **fault)
            for price in ("2997.50", "2995.90", "3003.00", "3007.00", "3004.50"):
                await flow.jump(price, settle=False)

            await flow.settle()
            assert await flow.struck(kind), f"no {kind} struck"
            await flow.clear_faults()
            await offered(flow)
            await flow.price("3012.10")
            view = await flow.expect(position="0", sells=(), state="quoting")

            assert view.ledger.fills

    names = list(FAULTS)
    for group in (names[:8], names[8:]):
        await together(tmp_path, group, play)
