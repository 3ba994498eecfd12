"""Copying the schemas of a server into files and back, each in one transaction.

A backup is one REPEATABLE READ transaction over all schemas: one moment. Putting back renames the
present schemas and fills new ones, also in one transaction: whole or not at all.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from opensqt.core.ids import UnitId
from opensqt.core.targets import unit_of_path
from opensqt.storage.archive import CONTROL_NAME, journal_name
from opensqt.storage.control import CONTROL
from opensqt.storage.database import SQLITE, DatabaseError, Row
from opensqt.storage.journal import JOURNAL
from opensqt.storage.migrate import META_TABLE, Schema
from opensqt.storage.postgres import POSTGRESQL

_JOURNAL: Final = "journal-"
_CONTROL: Final = "control"
_ROWS: Final = 1_000
_NAME_LENGTH_MAX: Final = 63


def copy_server(address: str, folder: Path, told: Callable[[str], None]) -> tuple[UnitId, ...]:
    """Copy all stores of a server into files as an archive names them; return the units."""
    with _connected(address) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        names = _schemas(connection)
        if _CONTROL not in names:
            raise DatabaseError("the server holds no control store; there is nothing to back up")
        units = []
        for name in names:
            unit = unit_of_path(name.removeprefix(_JOURNAL)) if name != _CONTROL else None
            if name != _CONTROL and unit is None:
                continue
            told(_CONTROL if unit is None else unit.text)
            if unit is None:
                _copy_out(connection, name, CONTROL, folder / CONTROL_NAME)
            else:
                _copy_out(connection, name, JOURNAL, folder / journal_name(unit))
                units.append(unit)
        return tuple(units)


def put_back(address: str, folder: Path, units: tuple[UnitId, ...], *, aside: str) -> None:
    """Replace all stores of a server by files; the present ones get names that begin ``aside``.

    Raise ``DatabaseError``: then nothing was changed.
    """
    with _connected(address) as connection, connection.transaction():
        for name in _schemas(connection):
            kept = sql.Identifier(_aside(aside, name))
            connection.execute(
                sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(name), kept)
            )
        _copy_in(connection, folder / CONTROL_NAME, _CONTROL, CONTROL)
        for unit in units:
            _copy_in(connection, folder / journal_name(unit), f"{_JOURNAL}{unit.path}", JOURNAL)


def _aside(prefix: str, name: str) -> str:
    """Return what a schema that is kept is called; a name too long for the server is hashed."""
    kept = f"{prefix}{name}"
    if len(kept.encode()) <= _NAME_LENGTH_MAX:
        return kept
    return f"{prefix}{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def others_connected(address: str) -> int:
    """Return how many other sessions of this program use the server's database."""
    with _connected(address) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'opensqt' AND pid <> pg_backend_pid()"
        ).fetchall()
        return int(rows[0][0] or 0)


def units_on_server(address: str) -> tuple[UnitId, ...] | None:
    """Return the units whose journals a server holds, None when it holds no deployment."""
    with _connected(address) as connection:
        names = _schemas(connection)
    if _CONTROL not in names:
        return None
    found = (unit_of_path(name.removeprefix(_JOURNAL)) for name in names if name != _CONTROL)
    return tuple(unit for unit in found if unit is not None)


def _schemas(connection: "psycopg.Connection[Row]") -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname = 'control' OR nspname LIKE 'journal-%' "
        "ORDER BY nspname DESC"
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def _copy_out(
    connection: "psycopg.Connection[Row]", name: str, schema: Schema, target: Path
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.touch(mode=0o600)
    found = connection.execute(
        sql.SQL("SELECT value FROM {}.meta WHERE name = 'schema'").format(sql.Identifier(name))
    ).fetchall()
    version = int(found[0][0] or 0)
    if version > schema.version:
        raise DatabaseError(f"schema {name} was written by a newer build: schema {version}")
    with closing(sqlite3.connect(target)) as copy, copy:
        for statement in (META_TABLE, *_statements(schema, version, SQLITE.spelled)):
            copy.execute(statement)
        for table in _tables(copy):
            rows = connection.execute(
                sql.SQL("SELECT * FROM {}.{}").format(sql.Identifier(name), sql.Identifier(table))
            )
            columns = [column.name for column in rows.description or ()]
            marks = ", ".join("?" * len(columns))
            copy.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            copy.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - same
                rows.fetchall(),
            )


def _copy_in(
    connection: "psycopg.Connection[Row]", source: Path, name: str, schema: Schema
) -> None:
    target = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(target))
    connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(target))
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copy:
        (version,) = copy.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        for statement in (META_TABLE, *_statements(schema, int(version), POSTGRESQL.spelled)):
            connection.execute(statement.encode())
        for table in _tables(copy):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            rows = copy.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own names
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(sql.Identifier(column[0]) for column in rows.description),
                sql.SQL(", ").join(sql.Placeholder() for _ in rows.description),
            )
            with connection.cursor() as cursor:
                while chunk := rows.fetchmany(_ROWS):
                    cursor.executemany(insert, chunk)


def _statements(
    schema: Schema, version: int, spelled: Callable[[str], tuple[str, ...]]
) -> Iterator[str]:
    for script in schema.scripts[:version]:
        yield from spelled(script)


def _tables(copy: sqlite3.Connection) -> list[str]:
    rows = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(row[0]) for row in rows]


@contextmanager
def _connected(address: str) -> Iterator["psycopg.Connection[Row]"]:
    try:
        with psycopg.connect(
            address, autocommit=True, connect_timeout=5, application_name="opensqt backup"
        ) as connection:
            yield connection
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        raise DatabaseError(f"cannot use the server of the stores: {text}") from error
