"""Where the stores of a deployment lie: files of a data folder, or schemas of one server.

======================================  ========================================
folder                                  PostgreSQL address
======================================  ========================================
``<data>/symbols/<unit>/journal.db``    schema ``journal-<unit>``
``<data>/control.db``                   schema ``control``
======================================  ========================================

A unit has a schema of its own, so that the same SQL serves the file and the server.
"""

from pathlib import Path
from typing import TypeAlias

from opensqt.core.ids import UnitId
from opensqt.storage.database import Database, SqliteDatabase

Location: TypeAlias = Path | str
"""A data folder, or an address starting with ``postgresql://``."""


def is_server(location: Location) -> bool:
    """Tell whether the location names a PostgreSQL server."""
    return isinstance(location, str) and location.startswith(("postgresql://", "postgres://"))


def journal_path(data: Path, unit: UnitId) -> Path:
    """Return the file of a unit's journal."""
    return data / "symbols" / unit.path / "journal.db"


def control_path(data: Path) -> Path:
    """Return the file of the control store."""
    return data / "control.db"


def restoring_path(data: Path) -> Path:
    """Return the mark of a restore that has begun to change the folder and has not ended."""
    return data / "restoring"


def journal_paths(data: Path) -> tuple[Path, ...]:
    """Return the files of all journals that exist."""
    return tuple(sorted((data / "symbols").glob("*/journal.db")))


def has_control(location: Location) -> bool:
    """Tell whether the control store may exist; on a server only opening it tells."""
    return is_server(location) or control_path(Path(location)).exists()


def has_journal(location: Location, unit: UnitId) -> bool:
    """Tell whether a unit's journal may exist; on a server only opening it tells."""
    return is_server(location) or journal_path(Path(location), unit).exists()


def place_of(location: Location) -> str:
    """Return a location for messages, without a password."""
    return "the server" if is_server(location) else str(location)


def journal_database(location: Location, unit: UnitId) -> Database:
    """Open the store of a unit's journal; raise ``DatabaseError``."""
    if is_server(location):
        return server(str(location), f"journal-{unit.path}")
    return SqliteDatabase(journal_path(Path(location), unit))


def control_database(location: Location) -> Database:
    """Open the control store; raise ``DatabaseError``."""
    if is_server(location):
        return server(str(location), "control")
    return SqliteDatabase(control_path(Path(location)))


def server(address: str, schema: str) -> Database:
    """Open one schema of a server; raise ``DatabaseError``."""
    # Imported on use: the driver costs a process 0.2 s and 7 MB that a file does not need.
    from opensqt.storage.postgres import PostgresDatabase  # noqa: PLC0415 - see above

    return PostgresDatabase(address, schema=schema)
