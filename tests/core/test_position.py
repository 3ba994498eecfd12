"""The average-cost book against a brute force that knows no averages: cash and quantity."""

from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.money import ZERO
from opensqt.core.position import PositionBook, apply_fill

QUANTITIES = st.integers(-50, 50).filter(bool).map(lambda lots: Decimal(lots) / 10)
PRICES = st.integers(1, 10_000).map(lambda ticks: Decimal(ticks) / 100)
FILLS = st.lists(st.tuples(QUANTITIES, PRICES), max_size=30)
# Averages are shown with 12 decimals, and each close rounds the released cost to as many.
CLOSE = Decimal("1E-9")


def book_of(fills: list[tuple[Decimal, Decimal]], contract_size: Decimal) -> PositionBook:
    book = PositionBook()
    for quantity, price in fills:
        book = apply_fill(book, signed_quantity=quantity, price=price, contract_size=contract_size)
    return book


@given(FILLS, PRICES, st.sampled_from([Decimal(1), Decimal("0.01")]))
def test_profit_is_what_the_cash_says(
    fills: list[tuple[Decimal, Decimal]], mark: Decimal, contract_size: Decimal
) -> None:
    book = book_of(fills, contract_size)

    cash = -sum((quantity * price for quantity, price in fills), start=ZERO) * contract_size
    worth = sum((quantity for quantity, _ in fills), start=ZERO) * mark * contract_size
    profit = book.realized_pnl + book.unrealized_pnl(mark, contract_size)
    assert profit == cash + worth


@given(FILLS)
def test_quantity_and_turnover_are_sums_of_the_fills(
    fills: list[tuple[Decimal, Decimal]],
) -> None:
    book = book_of(fills, Decimal(1))

    assert book.quantity == sum((quantity for quantity, _ in fills), start=ZERO)
    assert book.bought_quantity - book.sold_quantity == book.quantity
    assert book.bought_quantity + book.sold_quantity == sum(abs(one) for one, _ in fills)
    assert book.fills == len(fills)


@given(FILLS)
def test_the_average_lies_within_the_prices_since_the_book_was_flat_or_turned(
    fills: list[tuple[Decimal, Decimal]],
) -> None:
    book = book_of(fills, Decimal(1))
    held = list(accumulate((quantity for quantity, _ in fills), initial=ZERO))
    turns = [i for i in range(len(fills)) if held[i] * held[i + 1] <= ZERO]
    prices = [price for _, price in fills[turns[-1] :]] if turns else []

    if book.quantity == ZERO:
        assert book.average_price == ZERO
    else:
        assert min(prices) - CLOSE <= book.average_price <= max(prices) + CLOSE


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "realized"),
    [
        ([("1", "100"), ("1", "110")], "2", "105", "0"),
        ([("2", "100"), ("-1", "110")], "1", "100", "10"),
        ([("1", "100"), ("-1", "90")], "0", "0", "-10"),
        ([("-2", "100"), ("1", "90")], "-1", "100", "10"),
        ([("1", "100"), ("-3", "110")], "-2", "110", "10"),
        ([("-1", "100"), ("3", "90")], "2", "90", "10"),
    ],
)
def test_books_worked_by_hand(
    fills: list[tuple[str, str]], quantity: str, average: str, realized: str
) -> None:
    book = book_of([(Decimal(one), Decimal(price)) for one, price in fills], Decimal(1))

    assert book.quantity == Decimal(quantity)
    assert book.average_price == Decimal(average)
    assert book.realized_pnl == Decimal(realized)


def test_fees_are_kept_per_asset_and_apart_from_profit() -> None:
    book = PositionBook().with_fee("USDT", Decimal("0.3")).with_fee("BNB", Decimal("0.001"))

    book = book.with_fee("USDT", Decimal("-0.1"))

    assert book.fees == {"USDT": Decimal("0.2"), "BNB": Decimal("0.001")}
    assert book.fees_in("USDT") == Decimal("0.2")
    assert book.fees_in("DOGE") == ZERO
    assert book.realized_pnl == ZERO
