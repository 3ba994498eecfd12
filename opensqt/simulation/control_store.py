"""The control store of one world: one for all processes, and sometimes it does not answer."""

from collections.abc import Callable
from typing import Any

from opensqt.core.ids import UnitId
from opensqt.core.registry import KillRow, UnitRecord
from opensqt.ports.registry import RegistryError
from opensqt.simulation.registry import MemoryRegistry

_CALLS = frozenset(
    {
        "units",
        "unit",
        "put_unit",
        "next_symbol_epoch",
        "symbol_epoch",
        "acquire_account",
        "renew_account",
        "account_lease",
        "kill_row",
        "set_kill",
    }
)


class ControlStore(MemoryRegistry):
    """A ``MemoryRegistry`` that can be down, and tells which rows were stored."""

    def __init__(self, *, deployment: str) -> None:
        """Start up and empty."""
        super().__init__(deployment=deployment)
        self.is_down = False
        self.stored: Callable[[UnitRecord], None] = lambda _: None

    def __getattribute__(self, name: str) -> Any:
        if name in _CALLS and object.__getattribute__(self, "is_down"):
            return _refuse
        return object.__getattribute__(self, name)

    async def put_unit(self, record: UnitRecord, *, expected_revision: int) -> None:
        """Store a row and tell."""
        await super().put_unit(record, expected_revision=expected_revision)
        self.stored(record)

    @property
    def kill(self) -> KillRow:
        """Return the kill switch as it is."""
        return self._kill

    def row(self, unit: UnitId) -> UnitRecord | None:
        """Return a row as it is; for the judge, who needs no connection."""
        return self._units.get(unit)

    def rows(self) -> tuple[UnitRecord, ...]:
        """Return all rows as they are."""
        return tuple(self._units[unit] for unit in sorted(self._units))

    def epoch(self, unit: UnitId) -> int:
        """Return the newest epoch of a unit as it is."""
        return self._epochs.get(unit, 0)


async def _refuse(*_: object, **__: object) -> None:
    message = "the control store does not answer"
    raise RegistryError(message)
