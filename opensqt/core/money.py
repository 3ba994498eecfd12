"""Exact money arithmetic: parse decimals from text, round only by an explicit step.

Prices are in quote units per base unit, quantities in base units, notionals in quote units.
Nothing here accepts a float, and nothing rounds unless its name says so.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

# Thirty digits each side hold every venue amount seen so far (18 decimals at most) and keep a
# hostile "1e999999" from becoming a gigabyte of digits.
_DECIMAL_TEXT: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


class MoneyError(ValueError):
    """A text is not a plain decimal number, or a step is not positive."""


def parse_decimal(text: str) -> Decimal:
    """Return the exact value of a plain decimal text such as ``"-12.50"``.

    Exponents, signs other than a leading minus, spaces, NaN and infinities are refused.

    >>> parse_decimal("0.10")
    Decimal('0.10')
    """
    if not _DECIMAL_TEXT.fullmatch(text):
        message = f"expected a plain decimal text, got {text!r}"
        raise MoneyError(message)
    return Decimal(text)


def to_text(value: Decimal) -> str:
    """Return the canonical text of ``value``: no exponent, no trailing zeros.

    >>> to_text(Decimal("1.500")), to_text(Decimal("1E+3")), to_text(Decimal("-0.0"))
    ('1.5', '1000', '0')
    """
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` that is not above ``value``.

    >>> floor_to(Decimal("0.01987"), Decimal("0.001"))
    Decimal('0.019')
    """
    return _multiple(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of ``step`` that is not below ``value``.

    >>> ceil_to(Decimal("0.01987"), Decimal("0.001"))
    Decimal('0.020')
    """
    return _multiple(value, step, ROUND_CEILING)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether ``value`` lies exactly on the lattice of ``step``."""
    return floor_to(value, step) == value


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= ZERO:
        message = f"expected a positive step, got {step}"
        raise MoneyError(message)
    return (value / step).to_integral_value(rounding) * step
