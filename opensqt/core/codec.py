"""The one JSON codec: facts, intents, states, configs and registry rows as canonical text.

Theory of operation. The type hints of a frozen dataclass are its format. They are resolved once
per class into a pair of functions and cached; nothing is looked up by name from the text except in
the closed set of classes a union names. The text is canonical: sorted keys, no spaces, ASCII.

========================  =====================================================================
in memory                 in the text
========================  =====================================================================
top level, union member   object with its class name as ``"t"``; top level also the schema ``"v"``
other dataclass           object of its fields
Decimal                   plain decimal text, canonical (``"1.5"``), never a JSON number
StrEnum, str, int, bool   its value
None of ``X | None``      null
tuple                     array
Mapping                   array of [key, value] pairs in the mapping's order
========================  =====================================================================

A mapping is not a JSON object because its order is part of the state: the aggregate forgets its
oldest orders first, so a snapshot that sorted them would differ from a replay.

Reading is strict: an unknown tag, an unknown field, a wrong type or a newer schema raises
``CodecError`` with what and where. Only a field with a default may be missing: an older build did
not know it. Writing is as strict, so that nothing is stored that cannot be read back.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter, itemgetter
from types import NoneType, UnionType
from typing import Final, NewType, NoReturn, TypeVar, Union, cast, get_args, get_origin
from typing import get_type_hints as resolved_hints

from opensqt.core.facts import JOURNAL_SCHEMA, Fact
from opensqt.core.intents import Intent
from opensqt.core.money import to_text

T = TypeVar("T")

TAG: Final = "t"
SCHEMA: Final = "v"
# A hundred digits before and after the point: an average price is a quotient of 28 digits that
# may start 18 places behind the point. Bounded, because a stored text may be hostile.
_DIGITS_MAX: Final = 100
_DECIMAL_TEXT: Final = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,130})?")
_CANONICAL_TEXT: Final = re.compile(r"(?!-0$)-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{0,129}[1-9])?")


class CodecError(ValueError):
    """A text is not what the reader expects, or a value cannot be stored.

    ``where`` is the path inside the value, outermost first, such as ``OrderIntended.price``.
    """

    def __init__(self, what: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where

    def within(self, place: str) -> "CodecError":
        """Return the same error one level further out."""
        separator = "" if not self.where or self.where.startswith("[") else "."
        return CodecError(self.what, where=f"{place}{separator}{self.where}")


def _refuse_number(text: str) -> NoReturn:
    raise CodecError(f"expected decimals as text, got the number {text}")


_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_read = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """How values of one type are turned into JSON values and back."""

    encode: Callable[[object], object]
    decode: Callable[[object], object]
    plain: type | None = None
    """The one type of the value, if it is written as it is and read back as it was."""


def encode(value: object) -> str:
    """Return the canonical text of a frozen dataclass, tagged with its class name."""
    name = type(value).__name__
    body = _encoded_object(value)
    body[TAG] = name
    body[SCHEMA] = JOURNAL_SCHEMA
    return _write(body)


def decode(text: str, expected: type[T]) -> T:
    """Return the value of a text written by ``encode`` for exactly this class."""
    tag, body = _opened(text)
    if tag != expected.__name__:
        raise CodecError(f"expected the tag {expected.__name__!r}, got {tag!r}")
    return cast("T", _decoded_object(body, expected))


def decode_fact(text: str) -> Fact:
    """Return the fact of a stored text."""
    return cast("Fact", _decoded_member(text, _FACTS, "fact"))


def decode_intent(text: str) -> Intent:
    """Return the intent of a stored text."""
    return cast("Intent", _decoded_member(text, _INTENTS, "intent"))


def stored_name(value: object) -> str:
    """Return the tag under which a value is stored."""
    return type(value).__name__


def _opened(text: str) -> tuple[str, dict[str, object]]:
    """Return the tag and the fields of a top-level text, its schema checked."""
    try:
        body = _read(text)
    except CodecError:
        raise
    except (ValueError, RecursionError) as error:
        raise CodecError(f"not a JSON text: {error}") from error
    if type(body) is not dict:
        raise CodecError(f"expected an object, got {_kind(body)}")
    tag, schema = body.pop(TAG, None), body.pop(SCHEMA, None)
    if type(tag) is not str:
        raise CodecError(f"expected a tag {TAG!r}, got {_kind(tag)}")
    if type(schema) is not int or schema < 1:
        raise CodecError(f"expected a schema version {SCHEMA!r}, got {schema!r}", where=tag)
    if schema > JOURNAL_SCHEMA:
        raise CodecError(
            f"written by a newer build: schema {schema}, this one reads up to {JOURNAL_SCHEMA}",
            where=tag,
        )
    return tag, body


def _decoded_member(text: str, members: Mapping[str, type], noun: str) -> object:
    tag, body = _opened(text)
    member = members.get(tag)
    if member is None:
        raise CodecError(f"unknown {noun} {tag!r}")
    return _decoded_object(body, member)


def _encoded_object(value: object) -> dict[str, object]:
    try:
        return _record(type(value)).encode(value)
    except CodecError as error:
        raise error.within(type(value).__name__) from None


def _decoded_object(body: dict[str, object], expected: type) -> object:
    try:
        return _record(expected).decode(body)
    except CodecError as error:
        raise error.within(expected.__name__) from None


# ------------------------------------------------------------------------------------------ formats
def _kind(value: object) -> str:
    """Return a short description of a value for an error message."""
    if value is None:
        return "null"
    text = repr(value)
    shown = text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - one line of a log
    return f"{type(value).__name__} {shown}"


def _plain_format(expected: type, noun: str) -> _Format:
    def checked(value: object) -> object:
        if type(value) is not expected:
            raise CodecError(f"expected {noun}, got {_kind(value)}")
        return value

    return _Format(encode=checked, decode=checked, plain=expected)


def _encode_decimal(value: object) -> object:
    if type(value) is not Decimal:
        raise CodecError(f"expected a decimal, got {_kind(value)}")
    text = str(value)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if _CANONICAL_TEXT.fullmatch(text):  # nearly always; the rest of this function is slower
        return text
    if not value.is_finite() or abs(value.adjusted()) >= _DIGITS_MAX:
        raise CodecError(f"expected a finite decimal of sensible size, got {value}")
    text = to_text(value)
    if not _DECIMAL_TEXT.fullmatch(text):
        raise CodecError(f"expected a decimal of at most 130 decimals, got {value}")
    return text


def _decode_decimal(value: object) -> object:
    if type(value) is not str or not _DECIMAL_TEXT.fullmatch(value):
        raise CodecError(f"expected a decimal text, got {_kind(value)}")
    return Decimal(value)


def _decode_none(value: object) -> object:
    if value is not None:
        raise CodecError(f"expected null, got {_kind(value)}")
    return None


_PLAIN: Final[Mapping[object, _Format]] = {
    str: _plain_format(str, "a text"),
    int: _plain_format(int, "an integer"),
    bool: _plain_format(bool, "true or false"),
    Decimal: _Format(encode=_encode_decimal, decode=_decode_decimal),
    NoneType: _Format(encode=_decode_none, decode=_decode_none),
}


def _format_of(hint: object) -> _Format:
    """Return the format of a type hint; raise ``CodecError`` for a type that has none."""
    plain = _PLAIN.get(hint)
    if plain is not None:
        return plain
    if isinstance(hint, NewType):
        return _format_of(hint.__supertype__)
    if isinstance(hint, type) and is_dataclass(hint):
        record = _record(hint)
        return _Format(encode=record.encode, decode=record.decode)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum_format(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union_format(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        return _tuple_format(arguments[0])
    if origin is Mapping:
        return _mapping_format(arguments[0], arguments[1])
    raise CodecError(f"no format for the type {hint}")


def _enum_format(expected: type[StrEnum]) -> _Format:
    members = {member.value: member for member in expected}

    def encode_enum(value: object) -> object:
        if type(value) is not expected:
            raise CodecError(f"expected a member of {expected.__name__}, got {_kind(value)}")
        return value

    def decode_enum(value: object) -> object:
        member = members.get(value) if type(value) is str else None
        if member is None:
            raise CodecError(f"expected one of {', '.join(members)}, got {_kind(value)}")
        return member

    return _Format(encode=encode_enum, decode=decode_enum)


def _union_format(arguments: tuple[object, ...]) -> _Format:
    """Return the format of ``X | None``, or of a union of dataclasses told apart by their tags."""
    present = tuple(argument for argument in arguments if argument is not NoneType)
    inner = _format_of(present[0]) if len(present) == 1 else _tagged_format(present)
    if len(present) == len(arguments):
        return inner
    encode_inner, decode_inner = inner.encode, inner.decode
    return _Format(
        encode=lambda value: None if value is None else encode_inner(value),
        decode=lambda value: None if value is None else decode_inner(value),
    )


def _members(union: tuple[object, ...]) -> dict[str, type]:
    members = {}
    for member in union:
        if not isinstance(member, type) or not is_dataclass(member):
            raise CodecError(f"no format for a union with {member}")
        members[member.__name__] = member
    return members


def _tagged_format(union: tuple[object, ...]) -> _Format:
    members = _members(union)

    def encode_tagged(value: object) -> object:
        if type(value) not in members.values():
            raise CodecError(f"expected one of {', '.join(members)}, got {_kind(value)}")
        return {**_encoded_object(value), TAG: stored_name(value)}

    def decode_tagged(value: object) -> object:
        if type(value) is not dict:
            raise CodecError(f"expected an object, got {_kind(value)}")
        tag = value.get(TAG)
        member = members.get(tag) if type(tag) is str else None
        if member is None:
            raise CodecError(f"expected a tag of {', '.join(members)}, got {_kind(tag)}")
        return _decoded_object({k: v for k, v in value.items() if k != TAG}, member)

    return _Format(encode=encode_tagged, decode=decode_tagged)


def _tuple_format(item: object) -> _Format:
    inner = _format_of(item)

    def converted(
        values: tuple[object, ...] | list[object], convert: Callable[[object], object]
    ) -> list[object]:
        result: list[object] = []
        try:
            for value in values:
                result.append(convert(value))  # noqa: PERF401 - the index of a failure is needed
        except CodecError as error:
            raise error.within(f"[{len(result)}]") from None
        return result

    def encode_tuple(value: object) -> object:
        if type(value) is not tuple:
            raise CodecError(f"expected a tuple, got {_kind(value)}")
        return converted(value, inner.encode)

    def decode_tuple(value: object) -> object:
        if type(value) is not list:
            raise CodecError(f"expected an array, got {_kind(value)}")
        return tuple(converted(value, inner.decode))

    return _Format(encode=encode_tuple, decode=decode_tuple)


def _mapping_format(key: object, value: object) -> _Format:
    pair_format = _pair_format(_format_of(key), _format_of(value))

    def encode_mapping(mapping: object) -> object:
        if not isinstance(mapping, Mapping):
            raise CodecError(f"expected a mapping, got {_kind(mapping)}")
        return [pair_format.encode(pair) for pair in mapping.items()]

    def decode_mapping(pairs: object) -> object:
        if type(pairs) is not list:
            raise CodecError(f"expected an array of pairs, got {_kind(pairs)}")
        mapping = dict(cast("tuple[object, object]", pair_format.decode(pair)) for pair in pairs)
        if len(mapping) != len(pairs):
            raise CodecError("a key occurs twice")
        return mapping

    return _Format(encode=encode_mapping, decode=decode_mapping)


def _pair_format(keys: _Format, values: _Format) -> _Format:
    def encode_pair(pair: object) -> object:
        key, value = cast("tuple[object, object]", pair)
        try:
            return [keys.encode(key), values.encode(value)]
        except CodecError as error:
            raise error.within(f"[{key}]") from None

    def decode_pair(pair: object) -> object:
        if type(pair) is not list or len(pair) != 2:  # noqa: PLR2004 - a pair
            raise CodecError(f"expected a pair, got {_kind(pair)}")
        try:
            return keys.decode(pair[0]), values.decode(pair[1])
        except CodecError as error:
            raise error.within(f"[{pair[0]}]") from None

    return _Format(encode=encode_pair, decode=decode_pair)


# ---------------------------------------------------------------------------------------- dataclass
_records: "dict[type, _Record]" = {}


def _record(expected: type) -> "_Record":
    """Return the format of a dataclass; built at its first use."""
    found = _records.get(expected)
    if found is None:
        found = _Record(expected)
        _records[expected] = found
    return found


class _Record:
    """The format of one dataclass.

    Fields whose text is their value (texts, integers, enums) are checked all at once by comparing
    a tuple of types; only when that fails are they looked at one by one, to say which is wrong.
    """

    __slots__ = ("_converted", "_formats", "_names", "_plain", "_required", "_type")

    def __init__(self, expected: type) -> None:
        if not is_dataclass(expected):
            raise CodecError(f"no format for the type {expected.__name__}")
        hints = resolved_hints(expected)
        declared = [field for field in fields(expected) if field.init]
        reserved = {TAG, SCHEMA} & {field.name for field in declared}
        if reserved:
            raise CodecError(f"reserved field name {min(reserved)!r}", where=expected.__name__)
        self._type = expected
        self._formats = {field.name: _format_of(hints[field.name]) for field in declared}
        self._names = self._formats.keys()
        self._required = frozenset(
            field.name
            for field in declared
            if field.default is MISSING and field.default_factory is MISSING
        )
        self._plain = _Plain(self._formats)
        self._converted = tuple(
            (name, form)
            for name, form in self._formats.items()
            if form.plain is None or not self._plain.names
        )

    def encode(self, value: object) -> dict[str, object]:
        """Return the fields of an instance as JSON values."""
        if type(value) is not self._type:
            raise CodecError(f"expected {self._type.__name__}, got {_kind(value)}")
        body = self._plain.read(value)
        name = ""
        try:
            if body is None:
                body = {}
                for name, form in self._formats.items():
                    body[name] = form.encode(getattr(value, name))
            else:
                for name, form in self._converted:
                    body[name] = form.encode(getattr(value, name))
        except CodecError as error:
            raise error.within(name) from None
        return body

    def decode(self, body: object) -> object:
        """Return the instance of decoded JSON; ``body`` is used up."""
        if type(body) is not dict:
            raise CodecError(f"expected an object, got {_kind(body)}")
        name = ""
        try:
            if body.keys() == self._names and self._plain.fits(body):
                for name, form in self._converted:
                    body[name] = form.decode(body[name])
            else:
                self._check_names(body)
                for name, item in body.items():
                    body[name] = self._formats[name].decode(item)
        except CodecError as error:
            raise error.within(name) from None
        try:
            built: object = self._type(**body)
        except ValueError as error:
            raise CodecError(f"refused by {self._type.__name__}: {error}") from error
        return built

    def _check_names(self, body: dict[str, object]) -> None:
        unknown = body.keys() - self._names
        if unknown:
            raise CodecError(f"unknown field {', '.join(sorted(unknown))}")
        missing = self._required - body.keys()
        if missing:
            raise CodecError(f"missing field {', '.join(sorted(missing))}")


class _Plain:
    """The fields of a dataclass whose JSON value is the value itself."""

    __slots__ = ("_from_body", "_from_value", "_types", "names")

    def __init__(self, formats: Mapping[str, _Format]) -> None:
        plain = {name: form.plain for name, form in formats.items() if form.plain is not None}
        # Getters of a single name return no tuple; such a class has no fast path.
        self.names = tuple(plain) if len(plain) > 1 else ()
        self._types = tuple(plain.values())
        self._from_value = attrgetter(*(self.names or ("__class__",)))
        self._from_body = itemgetter(*(self.names or ("",)))

    def read(self, value: object) -> dict[str, object] | None:
        """Return the plain fields of an instance, or None when one has a wrong type."""
        if not self.names:
            return {}
        values = cast("tuple[object, ...]", self._from_value(value))
        if tuple(map(type, values)) != self._types:
            return None
        return dict(zip(self.names, values, strict=True))

    def fits(self, body: dict[str, object]) -> bool:
        """Tell whether all plain fields of a complete body have the right type."""
        if not self.names:
            return True
        return tuple(map(type, cast("tuple[object, ...]", self._from_body(body)))) == self._types


_FACTS: Final = _members(get_args(Fact))
_INTENTS: Final = _members(get_args(Intent))
