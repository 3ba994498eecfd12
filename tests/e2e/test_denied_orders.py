"""A venue that takes an order and answers that it was refused, over real sockets."""

from pathlib import Path

import pytest

from opensqt.core.facts import Directive, Evidence, OrderReported
from tests.e2e.setting import scenario

pytestmark = pytest.mark.e2e

PLACE = "POST /fapi/v1/order"


async def test_an_order_that_was_denied_is_found_taken_back_and_raised(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.fault("error", PLACE, status=400, code=-2010, acts=True)
        await flow.jump("3005.00", settle=False)

        view = await flow.settle()

        assert await flow.struck("error") == 1
        [denied] = [
            fact.client_order_id
            for fact in view.facts
            if isinstance(fact, OrderReported) and fact.evidence is Evidence.AUDIT
        ]
        assert view.state.quarantine == f"resurrected: {denied}"
        await flow.direct(Directive.CANCEL)
        end = await flow.settle()
        assert not end.ledger.open_orders
        assert end.state.is_quiescent
