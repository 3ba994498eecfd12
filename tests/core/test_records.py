import dataclasses
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core import records
from opensqt.core.position import PositionBook

NAMES = [field.name for field in dataclasses.fields(PositionBook)]
VALUES = st.integers().map(Decimal)
CHANGES = st.dictionaries(st.sampled_from(NAMES), VALUES)


@dataclass(frozen=True, slots=True)
class Judged:
    low: int
    high: int

    def __post_init__(self) -> None:
        assert self.low <= self.high


@dataclass(frozen=True)
class Loose:
    one: int
    other: int


@given(first=CHANGES, then=CHANGES)
def test_a_changed_copy_is_what_the_standard_library_makes(
    first: dict[str, Decimal], then: dict[str, Decimal]
) -> None:
    record = dataclasses.replace(PositionBook(), **first)  # type: ignore[arg-type]
    before = dataclasses.replace(record)

    copy = records.replace(record, **then)  # type: ignore[arg-type]

    assert copy == dataclasses.replace(record, **then)  # type: ignore[arg-type]
    assert record == before
    assert type(copy) is PositionBook


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        records.replace(PositionBook(), nonsense=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("record", [Judged(low=1, high=2), Loose(one=1, other=2)])
def test_a_record_that_cannot_be_copied_field_by_field_is_refused(record: Judged | Loose) -> None:
    with pytest.raises(TypeError, match=type(record).__name__):
        records.replace(record)
