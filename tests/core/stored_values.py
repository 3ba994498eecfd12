"""Generated values of everything that is stored, built from the type hints of the classes."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import NewType, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from opensqt.core.facts import Fact
from opensqt.core.intents import Intent
from opensqt.core.registry import KillRow, UnitRecord
from opensqt.core.symbol import SymbolState
from opensqt.core.unit_config import UnitConfig

FACTS: tuple[type, ...] = get_args(Fact)
INTENTS: tuple[type, ...] = get_args(Intent)
ROWS: tuple[type, ...] = (SymbolState, UnitConfig, UnitRecord, KillRow)
STORED = (*FACTS, *INTENTS, *ROWS)

_COINS = st.decimals(min_value=-(10**12), max_value=10**12, places=8)
_DUST = st.decimals(min_value=-1, max_value=1, places=18)
_QUOTIENTS = st.builds(
    lambda a, b: Decimal(a) / Decimal(b),
    st.integers(-(10**15), 10**15),
    st.integers(1, 10**15),
)
_ODD = st.sampled_from([Decimal(text) for text in ("0", "-0.0", "1E+3", "1.50", "-1E-20", "7E+30")])
DECIMALS = st.one_of(_COINS, _DUST, _QUOTIENTS, _ODD)

_SCALARS: Mapping[object, st.SearchStrategy[object]] = {
    str: st.text(max_size=12),
    int: st.integers(-(2**62), 2**62),
    bool: st.booleans(),
    Decimal: DECIMALS,
    NoneType: st.none(),
}


def values_of(hint: object) -> st.SearchStrategy[object]:
    """Return a strategy for every value of a stored type."""
    if isinstance(hint, NewType):
        return values_of(hint.__supertype__)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(
            hint, **{field.name: values_of(hints[field.name]) for field in fields(hint)}
        )
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    return _SCALARS[hint]


def spelled(hint: object) -> str:
    """Return how a type hint is stored, aliases resolved: ``str``, ``Side | None``, ..."""
    if isinstance(hint, NewType):
        return spelled(hint.__supertype__)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " | ".join(spelled(argument) for argument in arguments)
    if origin is tuple:
        return f"tuple[{spelled(arguments[0])}, ...]"
    if origin is Mapping:
        return f"Mapping[{spelled(arguments[0])}, {spelled(arguments[1])}]"
    assert isinstance(hint, type), hint
    return "None" if hint is NoneType else hint.__name__


def reachable(roots: tuple[type, ...]) -> dict[str, type]:
    """Return every dataclass and enum that can occur in a stored value, by name."""
    found: dict[str, type] = {}
    todo: list[object] = list(roots)
    while todo:
        hint = todo.pop()
        if isinstance(hint, NewType):
            continue
        if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, StrEnum)):
            assert found.get(hint.__name__, hint) is hint, f"two types are called {hint.__name__}"
            if hint.__name__ not in found:
                found[hint.__name__] = hint
                todo.extend(get_type_hints(hint).values() if is_dataclass(hint) else ())
        else:
            todo.extend(get_args(hint))
    return found


def has_default(field: "Field[object]") -> bool:
    """Tell whether an older text may lack the field."""
    return field.default is not MISSING or field.default_factory is not MISSING


def example(cls: type) -> object:
    """Return one fixed instance of a class: every field set, every value plain."""
    hints = get_type_hints(cls)
    return cls(**{field.name: _example(hints[field.name], field.name) for field in fields(cls)})


def _example(hint: object, name: str) -> object:
    if isinstance(hint, NewType):
        return _example(hint.__supertype__, name)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return next(iter(hint))
    if isinstance(hint, type) and is_dataclass(hint):
        return example(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _example(arguments[0], name)
    if origin is tuple:
        return (_example(arguments[0], name),)
    if origin is Mapping:
        return {_example(arguments[0], name): _example(arguments[1], name)}
    plain: Mapping[object, object] = {str: name, int: 7, bool: True, Decimal: Decimal("1.5")}
    return plain[hint]


def enums_and_records(
    roots: tuple[type, ...],
) -> Iterator[tuple[str, type, list[str] | dict[str, str]]]:
    """Yield (name, type, enum values or fields) of everything reachable, sorted by name."""
    for name, found in sorted(reachable(roots).items()):
        if issubclass(found, StrEnum):
            yield name, found, [member.value for member in found]
        elif is_dataclass(found):
            hints = get_type_hints(found)
            yield name, found, {field.name: spelled(hints[field.name]) for field in fields(found)}
