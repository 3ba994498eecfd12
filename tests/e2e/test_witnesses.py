"""The checks of scenarios and drills notice what they are there for."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.drills.kill_drill import percentile
from tests.e2e.ledger import Ledger, LedgerFill, LedgerOrder, Request, earned

ORDER = LedgerOrder(
    client_order_id="q1",
    order_id="1",
    side="buy",
    price=Decimal(100),
    quantity=Decimal(2),
    filled=Decimal(2),
    status="FILLED",
    reduce_only=False,
    post_only=True,
    created_ms=1,
)
FILL = LedgerFill(
    trade_id="1",
    client_order_id="q1",
    side="buy",
    price=Decimal(100),
    quantity=Decimal(2),
    fee=Decimal("0.1"),
    maker=True,
    time_ms=2,
)
SENT = Request(
    time_ms=1, method="POST", path="/fapi/v1/order", client_order_id="q1", outcome="accepted"
)
GOOD = Ledger(
    orders=(ORDER,), fills=(FILL,), requests=(SENT,), position=Decimal(2), wallet=Decimal(1)
)


def test_an_honest_ledger_has_no_problems() -> None:
    assert GOOD.problems() == []


@pytest.mark.parametrize(
    ("ledger", "words"),
    [
        (replace(GOOD, orders=(ORDER, replace(ORDER, order_id="2"))), "q1 accepted 2 times"),
        (replace(GOOD, requests=(SENT, SENT)), "q1 sent 2 times"),
        (replace(GOOD, position=Decimal(1)), "fills add up to 2, the position is 1"),
        (replace(GOOD, orders=(replace(ORDER, filled=Decimal(1)),)), "do not add up to 1"),
    ],
)
def test_each_lie_is_noticed(ledger: Ledger, words: str) -> None:
    assert any(words in problem for problem in ledger.problems())


def test_earnings_are_realized_at_average_cost_and_pay_fees() -> None:
    more = replace(FILL, price=Decimal(110), fee=Decimal(0))
    part = replace(FILL, side="sell", price=Decimal(120), quantity=Decimal(1), fee=Decimal(0))
    through = replace(part, quantity=Decimal(4))

    assert earned([FILL, more]) == Decimal("-0.1")
    assert earned([FILL, more, part]) == Decimal(15) - Decimal("0.1")
    # Three close at 105 on average, one opens short.
    assert earned([FILL, more, part, through]) == Decimal(60) - Decimal("0.1")


def test_a_percentile_is_one_of_the_values() -> None:
    times = [float(number) for number in range(1, 21)]

    assert percentile(times, 95) == 19.0
    assert percentile(times[:5], 95) == 5.0
    assert percentile([], 95) == 0.0
