"""A human decides, over real sockets and stores: a position nobody journaled, and its audit."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from opensqt.core.facts import Directive, PositionAdjusted, QuarantineLifted
from tests.e2e.child import LOOK_S, SETTLE_S
from tests.e2e.harness import Scenario
from tests.e2e.processes import ALL, SYMBOL
from tests.e2e.setting import scenario

pytestmark = pytest.mark.e2e

WISH = {"operator": "ann", "reason": "bought by hand", "quantity": None, "price": None}


async def adopt(flow: Scenario, *, dry_run: bool = False, **changes: str) -> dict[str, Any]:
    wish = {**WISH, **changes}
    answer: dict[str, Any] = await flow.children[SYMBOL].ask("adopt", wish=wish, dry_run=dry_run)
    return answer


async def test_a_position_found_at_the_first_start_is_adopted_and_sold(tmp_path: Path) -> None:
    async with scenario(tmp_path, begin=False, patience_s=2 * SETTLE_S) as flow:
        await flow.place_by_hand("manual1", side="buy", price="3000.01", quantity="0.02")
        await flow.start(*ALL)
        await flow.expect(state="quarantined", quarantine="not in the journal")

        shown = await adopt(flow, dry_run=True)
        assert await flow.journal.history() == tuple(
            fact for fact in await flow.journal.history() if not isinstance(fact, PositionAdjusted)
        )
        refused = await adopt(flow, quantity="0.01")
        done = await adopt(flow, quantity=shown["difference"])
        again = await adopt(flow)

        assert (shown["adopted"], done["adopted"], again["adopted"]) == (False, True, False)
        assert "found a difference of 0.02" in refused["refused"]
        assert (done["book"], done["venue"], done["price"]) == ("0", "0.02", "3000.01")
        view = await flow.expect(position="0.02", state="quoting")
        (booked,) = view.of(PositionAdjusted)
        assert (booked.operator, booked.reason) == ("ann", "bought by hand")
        assert len(view.of(QuarantineLifted)) == 1
        (row, *_) = await flow.registry.audit(count_max=1)
        assert (row.who, row.what, row.subject) == ("ann", "unit.adopted", flow.unit.text)
        assert json.loads(row.details)["difference"] == "0.02"
        await flow.price("3009.00")
        await flow.expect(position="0", state="quoting")


async def test_a_difference_that_froze_a_unit_is_adopted_once_it_is_paused(tmp_path: Path) -> None:
    async with scenario(tmp_path, patience_s=2 * SETTLE_S) as flow:
        await flow.price("2997.50")
        await flow.expect(sells=("3000",), position="0.01")
        await flow.place_by_hand("manual1", side="buy", price="2997.51", quantity="0.5")
        await flow.restart(SYMBOL, settle=False)
        await flow.expect(state="quarantined", quarantine="position: book 0.01, venue 0.51")
        assert "may still trade" in (await adopt(flow))["refused"]

        await flow.direct(Directive.CANCEL, settle=False)
        async with asyncio.timeout(2 * SETTLE_S):
            while (done := await adopt(flow)).get("adopted") is not True:
                await asyncio.sleep(LOOK_S)
        await flow.direct(Directive.RUN, settle=False)

        assert done["difference"] == "0.5"
        view = await flow.expect(position="0.51", state="quoting", within_s=2 * SETTLE_S)
        assert len(view.of(PositionAdjusted)) == 1
