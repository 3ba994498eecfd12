"""Changed copies of frozen records, at less than half the price of ``dataclasses.replace``.

A decision makes dozens of them, and each has most fields in common with the former one.
"""

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

RecordT = TypeVar("RecordT")

if TYPE_CHECKING:
    # The same to whoever checks types: fields and their types are known.
    from dataclasses import replace as replace  # noqa: PLC0414 - for others to import
else:

    def replace(record: RecordT, /, **changes: object) -> RecordT:
        """Return ``record``, a slotted dataclass, with some fields changed."""
        kind = type(record)
        slots = _SLOTS.get(kind) or _slots(kind)
        copy = _new(kind)
        for write, value in zip(slots[0], slots[1](record), strict=True):
            write(copy, value)
        for name, value in changes.items():
            _write(copy, name, value)
        return copy


_Slots = tuple[tuple[Callable[[object, object], None], ...], Callable[[object], tuple[object, ...]]]
_SLOTS: Final[dict[type, _Slots]] = {}
_FIELDS_MIN: Final = 2
_new: Final = object.__new__
_write: Final = object.__setattr__


def _slots(kind: type) -> _Slots:
    """Return how the fields of a class are written one by one, and read all at once."""
    names = tuple(field.name for field in fields(kind))
    is_slotted = all(hasattr(vars(kind).get(name), "__set__") for name in names)
    if hasattr(kind, "__post_init__") or not is_slotted or len(names) < _FIELDS_MIN:
        message = f"expected a slotted dataclass of two fields or more, got {kind.__name__}"
        raise TypeError(message)
    writers = tuple(vars(kind)[name].__set__ for name in names)
    _SLOTS[kind] = writers, attrgetter(*names)
    return _SLOTS[kind]
