"""Moving every store of a deployment to the schema of this build, before others open them."""

from collections.abc import Callable
from pathlib import Path

from opensqt.ports.journal import JournalError
from opensqt.storage.control import open_control
from opensqt.storage.database import Database, DatabaseError, SqliteDatabase
from opensqt.storage.journal import JOURNAL
from opensqt.storage.location import Location, control_database, is_server, journal_paths, server
from opensqt.storage.migrate import ensure


def upgrade(
    location: Location,
    *,
    writer: str,
    random_bytes: bytes,
    refused: Callable[[str], None] | None = None,
) -> int:
    """Create the control store if needed and migrate all stores; return how many journals exist.

    Idempotent, and safe beside another process that does the same. The right of the orchestrator,
    or of the composition root where there is none. Raise ``RegistryError`` or ``JournalError``:
    the stores before the failing one are migrated, the failing one is unchanged. With ``refused``
    a journal that cannot be moved is told there instead, and the others are moved: its own unit
    will not open it, and nobody else needs it.
    """
    open_control(location, writer=writer, random_bytes=random_bytes, may_migrate=True).close()
    places = _journal_places(location)
    for place in places:
        try:
            _upgrade_journal(_opened(location, place))
        except DatabaseError as error:
            if refused is None:
                raise JournalError(str(error)) from error
            refused(str(error))
    return len(places)


def _upgrade_journal(database: Database) -> None:
    try:
        ensure(database, JOURNAL, properties={}, may_migrate=True)
    finally:
        database.close()


def _journal_places(location: Location) -> tuple[str, ...]:
    if not is_server(location):
        return tuple(str(path) for path in journal_paths(Path(location)))
    database = control_database(location)
    try:
        rows = database.query(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'journal-%' ORDER BY nspname"
        )
    finally:
        database.close()
    return tuple(str(row[0]) for row in rows)


def _opened(location: Location, place: str) -> Database:
    if is_server(location):
        return server(str(location), place)
    return SqliteDatabase(Path(place))
