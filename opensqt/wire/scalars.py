"""Decimals, texts and enums at the boundary: strict in both directions.

A decimal crosses as plain text and nothing else: ``"1,0"``, ``" 1"``, ``"1e3"``, ``"NaN"`` and an
empty text are refused where a number is required. An enum value that this build does not know, and
every ``*_UNSPECIFIED``, is refused.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Generic, TypeVar

from opensqt.core.money import MoneyError, parse_decimal, to_text
from opensqt.wire.errors import WireError

CoreT = TypeVar("CoreT")
WireT = TypeVar("WireT")

_PLAIN = "a plain decimal text"


def decimal_to_text(value: Decimal, field: str) -> str:
    """Return the canonical text; raise ``WireError`` for what no reader would accept."""
    text = to_text(value)
    decimal_from_text(text, field)
    return text


def decimal_from_text(text: str, field: str) -> Decimal:
    """Return the exact value; raise ``WireError`` naming ``field``."""
    try:
        return parse_decimal(text)
    except MoneyError:
        raise WireError(field, expected=_PLAIN, got=text) from None


def optional_to_text(value: Decimal | None, field: str) -> str:
    """Return the canonical text, empty for None."""
    return "" if value is None else decimal_to_text(value, field)


def optional_from_text(text: str, field: str) -> Decimal | None:
    """Return the exact value, None for the empty text."""
    return None if not text else decimal_from_text(text, field)


def text_required(text: str, field: str) -> str:
    """Return a text that must not be empty."""
    if not text:
        raise WireError(field, expected="a text", got=text)
    return text


class EnumMap(Generic[CoreT, WireT]):
    """A one-to-one table between an enum of ours and one of the protobuf files."""

    def __init__(self, pairs: Mapping[CoreT, WireT]) -> None:
        """Take the table; the reverse must be unambiguous."""
        self._to_wire = dict(pairs)
        self._to_core = {wire: core for core, wire in pairs.items()}
        if len(self._to_core) != len(self._to_wire):
            message = f"two values share one wire value in {pairs!r}"
            raise ValueError(message)

    def to_wire(self, value: CoreT, field: str) -> WireT:
        """Return the wire value; raise ``WireError`` for a value that never travels."""
        try:
            return self._to_wire[value]
        except KeyError:
            raise WireError(field, expected=self._names(), got=value) from None

    def to_core(self, value: WireT, field: str) -> CoreT:
        """Return our value; raise ``WireError`` for unspecified and unknown ones."""
        try:
            return self._to_core[value]
        except KeyError:
            raise WireError(field, expected=self._names(), got=value) from None

    def _names(self) -> str:
        return "one of " + ", ".join(str(core) for core in self._to_wire)
