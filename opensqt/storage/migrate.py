"""Schema versions: a store is created, moved forward, or refused; never read on suspicion.

Script ``n`` of a schema leads from version ``n`` to ``n + 1``; version 0 is an empty store. Scripts
are only ever appended. Creating and moving forward happen inside one transaction of the store
itself, which is the lock between processes: whoever comes second finds the work done.
"""

from dataclasses import dataclass
from typing import Final

from opensqt.storage.database import Database, DatabaseError
from opensqt.storage.keeping import keep_copy

META_TABLE: Final = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
)"""


class SchemaError(DatabaseError):
    """The store belongs to something else, to another build, or has to be moved forward first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a kind of store holds, as the scripts that build it."""

    kind: str
    scripts: tuple[str, ...]

    @property
    def version(self) -> int:
        """Return the version this build reads and writes."""
        return len(self.scripts)


def read_meta(database: Database, name: str) -> str | None:
    """Return one property of the store."""
    rows = database.query("SELECT value FROM meta WHERE name = ?", (name,))
    return str(rows[0][0]) if rows else None


def ensure(
    database: Database, schema: Schema, *, properties: dict[str, str], may_migrate: bool = False
) -> None:
    """Create the store if it is empty, then refuse it unless it is exactly of this schema.

    ``properties`` are written at creation. With ``may_migrate`` an older store is moved forward,
    which is the right of the one process that starts before all others; a copy is kept beside it.
    Raise ``SchemaError``, or ``DatabaseError`` when the copy cannot be made.
    """
    if stored_version(database, schema) == schema.version:
        return
    with database.transaction():
        version = stored_version(database, schema)
        if version == 0:
            database.query(META_TABLE)
            _set_meta(database, {"kind": schema.kind, **properties})
        elif version > schema.version:
            raise SchemaError(
                f"{database.place} was written by a newer build: schema {version}, "
                f"this one knows {schema.version}; upgrade this build"
            )
        elif version < schema.version and not may_migrate:
            raise SchemaError(
                f"{database.place} has the old schema {version}, this build needs "
                f"{schema.version}; start the orchestrator first, it migrates"
            )
        if version:
            keep_copy(database, frozenset(_tables(database)), version=version)
        for script in schema.scripts[version:]:
            for statement in database.dialect.spelled(script):
                database.query(statement)
        _set_meta(database, {"schema": str(schema.version)})


def stored_version(database: Database, schema: Schema) -> int:
    """Return the version of a store, 0 if it is empty; raise ``SchemaError`` if it is not ours."""
    tables = _tables(database)
    if not tables:
        return 0
    if "meta" not in tables:
        raise SchemaError(f"{database.place} holds foreign tables: {', '.join(sorted(tables)[:3])}")
    kind, version = read_meta(database, "kind"), read_meta(database, "schema")
    if kind != schema.kind or version is None or not version.isdecimal():
        raise SchemaError(f"{database.place} is of kind {kind}, expected {schema.kind}")
    return int(version)


def _tables(database: Database) -> set[str]:
    sql = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    }
    return {str(row[0]) for row in database.query(sql[database.dialect.name])}


def _set_meta(database: Database, values: dict[str, str]) -> None:
    database.write_many(
        "INSERT INTO meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        list(values.items()),
    )
