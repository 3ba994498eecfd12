"""Whether a deployment's control store can be used at all, asked before anything is started."""

from contextlib import closing
from pathlib import Path

from opensqt.ports.registry import RegistryError
from opensqt.storage.control import CONTROL, check_not_lost
from opensqt.storage.database import DatabaseError
from opensqt.storage.location import Location, control_path, is_server
from opensqt.storage.reading import Reader, SqliteReader


def problem_of(location: Location) -> str:
    """Return in one line why nothing could start, empty if nothing speaks against it.

    Looks only: an older schema is no problem, it will be migrated, and a server without any stores
    gets them at the first start.
    """
    if is_server(location):
        return _problem_on_server(str(location))
    path = control_path(Path(location))
    try:
        check_not_lost(location)
        if not path.exists() or not path.stat().st_size:
            return ""
        with closing(SqliteReader(path)) as reader:
            if not reader.query("SELECT name FROM sqlite_master WHERE type = 'table'"):
                return ""
            return _problem_of_schema(reader)
    except RegistryError as error:
        return str(error)
    except (DatabaseError, OSError) as error:
        return f"{error}; restore it from a backup"


def _problem_on_server(address: str) -> str:
    # Imported on use: the driver costs a process 0.2 s and 7 MB that a file does not need.
    from opensqt.storage.postgres_reader import PostgresReader  # noqa: PLC0415 - see above
    from opensqt.storage.server_copy import units_on_server  # noqa: PLC0415 - see above

    try:
        if units_on_server(address) is None:
            return ""
        with closing(PostgresReader(address, schema=CONTROL.kind)) as reader:
            return _problem_of_schema(reader)
    except DatabaseError as error:
        return f"{error}; start the server, or mend app.store"


def _problem_of_schema(reader: Reader) -> str:
    meta = {str(row[0]): str(row[1]) for row in reader.query("SELECT name, value FROM meta")}
    kind, version = meta.get("kind"), meta.get("schema", "")
    if kind != CONTROL.kind or not version.isdecimal():
        return (
            f"{reader.place} is of kind {kind}, expected {CONTROL.kind}; restore it from a backup"
        )
    if int(version) > CONTROL.version:
        return (
            f"{reader.place} was written by a newer build: schema {version}, this one knows "
            f"{CONTROL.version}; upgrade this build"
        )
    return ""
