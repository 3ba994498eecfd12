"""Whether a deployment's control store can be used at all, asked before anything is started."""

from contextlib import closing
from pathlib import Path

from opensqt.ports.registry import RegistryError
from opensqt.storage.control import CONTROL, check_not_lost
from opensqt.storage.database import DatabaseError
from opensqt.storage.location import Location, control_path, is_server
from opensqt.storage.reading import SqliteReader


def problem_of(location: Location) -> str:
    """Return in one line why nothing could start, empty if nothing speaks against it.

    Looks only, and only at files: an older schema is no problem, it will be migrated. What a server
    holds is seen by the first process that opens it.
    """
    if is_server(location):
        return ""
    path = control_path(Path(location))
    try:
        check_not_lost(location)
        if not path.exists() or not path.stat().st_size:
            return ""
        with closing(SqliteReader(path)) as reader:
            if not reader.query("SELECT name FROM sqlite_master WHERE type = 'table'"):
                return ""
            meta = {
                str(row[0]): str(row[1]) for row in reader.query("SELECT name, value FROM meta")
            }
    except RegistryError as error:
        return str(error)
    except (DatabaseError, OSError) as error:
        return f"{error}; restore it from a backup"
    kind, version = meta.get("kind"), meta.get("schema", "")
    if kind != CONTROL.kind or not version.isdecimal():
        return f"{path} is of kind {kind}, expected {CONTROL.kind}; restore it from a backup"
    if int(version) > CONTROL.version:
        return (
            f"{path} was written by a newer build: schema {version}, this one knows "
            f"{CONTROL.version}; upgrade this build"
        )
    return ""
