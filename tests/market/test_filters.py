"""Order filters: each rule at its edge, and total over everything a client can send."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.orders import Side
from opensqt.market.filters import filter_order
from opensqt.market.types import Refusal
from tests.market.builders import buy, instrument, sell

MARK = Decimal(100)


def verdict(request: Any, *, open_orders: int = 0, mark: Decimal | None = MARK) -> Refusal | None:
    return filter_order(instrument(), request, mark_price=mark, open_orders=open_orders)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (buy("100.0"), None),
        (buy("100.05"), Refusal.TICK),
        (buy("0"), Refusal.TICK),
        (buy("-100"), Refusal.TICK),
        (buy("NaN"), Refusal.TICK),
        (buy("100", "0.0005"), Refusal.QUANTITY_MIN),
        (buy("100", "0"), Refusal.QUANTITY_MIN),
        (buy("100", "-1"), Refusal.QUANTITY_MIN),
        (buy("100", "NaN"), Refusal.QUANTITY_MIN),
        (buy("100", "1.0005"), Refusal.LOT),
        (buy("100", "1000"), None),
        (buy("100", "1000.001"), Refusal.QUANTITY_MAX),
        (buy("100", "0.05"), None),
        (buy("100", "0.049"), Refusal.NOTIONAL_MIN),
        (buy("100", "0.001", reduce_only=True), None),
        (buy("105.0"), None),
        (buy("105.1"), Refusal.PRICE_TOO_HIGH),
        (buy("50.0"), None),
        (sell("95.0"), None),
        (sell("94.9"), Refusal.PRICE_TOO_LOW),
        (sell("200.0"), None),
        (sell("9999999"), None),
        (sell("9999999.1"), Refusal.PRICE_TOO_HIGH),
        (sell("1" + "0" * 29), Refusal.PRICE_TOO_HIGH),
        (buy(None, "0.05"), None),
        (buy(None, "0.049"), Refusal.NOTIONAL_MIN),
    ],
)
def test_every_filter_at_its_edge(request_: Any, expected: Refusal | None) -> None:
    assert verdict(request_) is expected


def test_the_number_of_open_orders_is_bounded() -> None:
    assert verdict(buy("100"), open_orders=199) is None
    assert verdict(buy("100"), open_orders=200) is Refusal.ORDERS_OPEN_MAX


def test_without_a_mark_price_only_the_band_is_skipped() -> None:
    assert verdict(buy("500"), mark=None) is None
    assert verdict(buy("500", "0.001"), mark=None) is Refusal.NOTIONAL_MIN
    assert verdict(buy(None, "0.001"), mark=None) is None


def test_reduce_only_is_not_exempt_where_the_venue_says_so() -> None:
    strict = instrument(reduce_only_exempt=False)
    request = buy("100", "0.001", reduce_only=True)

    found = filter_order(strict, request, mark_price=MARK, open_orders=0)

    assert found is Refusal.NOTIONAL_MIN


@pytest.mark.property
@given(
    st.sampled_from(Side),
    st.none() | st.decimals(),
    st.decimals(),
    st.none() | st.decimals(min_value="0.1", max_value=1000, places=1),
    st.booleans(),
)
def test_filters_answer_to_anything(
    side: Side,
    price: Decimal | None,
    quantity: Decimal,
    mark: Decimal | None,
    reduce_only: bool,
) -> None:
    request = replace(buy("1"), side=side, price=price, quantity=quantity, reduce_only=reduce_only)

    refusal = verdict(request, mark=mark)

    if refusal is None:
        rules = instrument()
        assert quantity % rules.lot_size == 0
        assert rules.quantity_min <= quantity <= rules.quantity_max
        assert price is None or price % rules.tick_size == 0
