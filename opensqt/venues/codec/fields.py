"""Reading fields of decoded JSON strictly: exact numbers, no defaults, no floats."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from opensqt.core.ids import UnixMs
from opensqt.core.money import MoneyError, parse_decimal

Raw: TypeAlias = Mapping[str, Any]

# A bare JSON number keeps its own text, which may have an exponent; two digits bound its size.
_SCIENTIFIC: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?[eE][+-]?\d{1,2}")


class PayloadError(ValueError):
    """A venue's message is not what its documentation says."""


def mapping_of(value: object) -> Raw:
    """Return a JSON object, or raise ``PayloadError``."""
    if not isinstance(value, Mapping):
        raise PayloadError(f"expected an object, got {type(value).__name__}")
    return value


def rows_of(value: object) -> tuple[Raw, ...]:
    """Return a JSON list of objects, or raise ``PayloadError``."""
    if not isinstance(value, list):
        raise PayloadError(f"expected a list, got {type(value).__name__}")
    return tuple(mapping_of(row) for row in value)


def text_of(raw: Raw, key: str) -> str:
    """Return a text field, or raise ``PayloadError``."""
    value = raw.get(key)
    if not isinstance(value, str):
        raise PayloadError(f"expected text in {key!r}, got {value!r}")
    return value


def integer_of(raw: Raw, key: str) -> int:
    """Return an integral number field, or raise ``PayloadError``."""
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PayloadError(f"expected an integer in {key!r}, got {value!r}")
    return value


def time_of(raw: Raw, key: str) -> UnixMs:
    """Return a field of milliseconds since 1970, or raise ``PayloadError``."""
    return UnixMs(integer_of(raw, key))


def flag_of(raw: Raw, key: str) -> bool:
    """Return a boolean field, or raise ``PayloadError``."""
    value = raw.get(key)
    if not isinstance(value, bool):
        raise PayloadError(f"expected true or false in {key!r}, got {value!r}")
    return value


def decimal_of(raw: Raw, key: str) -> Decimal:
    """Return the exact value of a number field given as text or integer; refuse floats."""
    value = raw.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if not isinstance(value, str):
        raise PayloadError(f"expected a decimal text in {key!r}, got {value!r}")
    try:
        return parse_decimal(value)
    except MoneyError:
        if _SCIENTIFIC.fullmatch(value):
            return Decimal(value)
        raise PayloadError(f"expected a decimal text in {key!r}, got {value!r}") from None
