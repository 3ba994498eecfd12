from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.money import MoneyError, ceil_to, floor_to, is_multiple, parse_decimal, to_text

STEPS = st.sampled_from([Decimal(text) for text in ("1", "10", "0.5", "0.01", "0.003", "1E-8")])
AMOUNTS = st.decimals(
    min_value=-(10**12), max_value=10**12, places=10, allow_nan=False, allow_infinity=False
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", "0"), ("-12.50", "-12.50"), ("007.10", "7.10"), ("1" * 30 + "." + "9" * 30, None)],
)
def test_plain_texts_are_read_exactly(text: str, value: str | None) -> None:
    assert parse_decimal(text) == Decimal(value or text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "+1", "1.", ".5", "1e3", "1E999999", "NaN", "Infinity", "1_000", "--1"),
        *("٣", "1" * 31, "0." + "1" * 31, "1,5", "0x10", "1\n"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        parse_decimal(text)


@given(AMOUNTS)
def test_text_and_value_are_one(value: Decimal) -> None:
    text = to_text(value)

    assert parse_decimal(text) == value
    assert to_text(parse_decimal(text)) == text


@given(AMOUNTS, STEPS)
def test_floor_and_ceiling_enclose_a_value_within_one_step(value: Decimal, step: Decimal) -> None:
    low, high = floor_to(value, step), ceil_to(value, step)

    assert low <= value <= high
    assert high - low == (0 if is_multiple(value, step) else step)
    assert is_multiple(low, step)
    assert is_multiple(high, step)


@pytest.mark.parametrize("step", ["0", "-0.1"])
def test_a_step_must_be_positive(step: str) -> None:
    with pytest.raises(MoneyError):
        floor_to(Decimal(1), Decimal(step))
