"""Copying all stores of a deployment into one file, also while it runs.

The control store first, the journals after it: a journal may know more than the control store
knows of it, never less (see ``note_claim``). On a server all of it is one snapshot.
"""

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from opensqt.core.ids import UnitId, UnixMs
from opensqt.core.targets import unit_of_path
from opensqt.storage.archive import (
    CONTROL_NAME,
    BackupError,
    Copy,
    Manifest,
    checked,
    journal_name,
    write_archive,
)
from opensqt.storage.control import CONTROL
from opensqt.storage.database import DatabaseError
from opensqt.storage.journal import JOURNAL
from opensqt.storage.keeping import copy_database
from opensqt.storage.location import Location, control_path, is_server, journal_paths
from opensqt.storage.migrate import Schema
from opensqt.storage.reading import SqliteReader

Progress = Callable[[str], None]


def create_backup(
    location: Location, target: Path, *, build: str, now_ms: UnixMs, told: Progress
) -> Manifest:
    """Write a backup of everything at ``location`` to ``target``; raise ``BackupError``.

    ``now_ms`` is the time before anything is read. ``told`` hears the name of each store.
    """
    if target.exists():
        raise BackupError(f"{target} exists; a backup overwrites nothing")
    if not is_server(location) and not control_path(Path(location)).exists():
        missing = control_path(Path(location))
        raise BackupError(f"{missing} does not exist; there is nothing to back up")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as scratch:
            manifest = _copied(location, Path(scratch), told)
            manifest = replace(manifest, build=build, created_ms=now_ms)
            write_archive(target, manifest, Path(scratch))
    except (DatabaseError, sqlite3.Error) as error:
        raise BackupError(str(error)) from error
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror or error}") from error
    return manifest


def copy_file(source: Path, target: Path) -> None:
    """Copy a store as it is at this moment into a file of its own; raise ``DatabaseError``."""
    with closing(SqliteReader(source)) as reader:
        copy_database(reader.connection, target)


def copy_entry(path: Path, unit: UnitId | None, schema: Schema) -> Copy:
    """Return the entry of a copied store; raise ``DatabaseError`` unless it is of ``schema``."""
    with closing(SqliteReader(path)) as reader:
        version = schema_of(reader, schema)
        if version > schema.version:
            raise DatabaseError(
                f"the {schema.kind} was written by a newer build: schema {version}, "
                f"this one knows {schema.version}"
            )
        sequence = 0
        if unit is not None:
            rows = reader.query("SELECT coalesce(max(sequence), 0) FROM facts")
            sequence = int(rows[0][0] or 0)
    name = CONTROL_NAME if unit is None else journal_name(unit)
    return checked(path, name=name, sequence=sequence)


def schema_of(reader: SqliteReader, schema: Schema) -> int:
    """Return the schema version of a store; raise ``DatabaseError`` if it is of another kind."""
    meta = {str(name): value for name, value in reader.query("SELECT name, value FROM meta")}
    if meta.get("kind") != schema.kind:
        raise DatabaseError(f"{reader.place} is of kind {meta.get('kind')}, expected {schema.kind}")
    return int(meta.get("schema") or 0)


def _copied(location: Location, folder: Path, told: Progress) -> Manifest:
    if is_server(location):
        from opensqt.storage.server_copy import copy_server  # noqa: PLC0415 - the driver is heavy

        units = copy_server(str(location), folder, told)
    else:
        units = _copy_folder(Path(location), folder, told)
    control = folder / CONTROL_NAME
    with closing(SqliteReader(control)) as reader:
        control_schema = schema_of(reader, CONTROL)
        tags = reader.query("SELECT value FROM meta WHERE name = 'deployment'")
    copies = [copy_entry(control, None, CONTROL)]
    copies += [copy_entry(folder / journal_name(unit), unit, JOURNAL) for unit in units]
    return Manifest(
        build="",
        deployment=str(tags[0][0]),
        created_ms=UnixMs(0),
        control_schema=control_schema,
        journal_schema=JOURNAL.version,
        copies=tuple(copies),
    )


def _copy_folder(data: Path, folder: Path, told: Progress) -> tuple[UnitId, ...]:
    told("control store")
    copy_file(control_path(data), folder / CONTROL_NAME)
    units = []
    for path in journal_paths(data):
        unit = unit_of_path(path.parent.name)
        if unit is not None:
            told(unit.text)
            copy_file(path, folder / journal_name(unit))
            units.append(unit)
    return tuple(units)
