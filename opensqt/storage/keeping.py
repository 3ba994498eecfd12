"""A copy of a store beside it, made before it is moved to another schema.

On a server the copy is a schema of its own. The newest few are kept: an older build can go on from
one of them, by hand, when an upgrade was a mistake.
"""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from opensqt.storage.database import SQLITE, Database, DatabaseError

COPIES_KEPT: Final = 3
_NAME_LENGTH_MAX: Final = 63


def keep_copy(database: Database, tables: frozenset[str], *, version: int) -> None:
    """Copy a store of schema ``version``; the caller holds its write transaction.

    Raise ``DatabaseError``: then nothing may be migrated.
    """
    if database.dialect is SQLITE:
        _keep_file(Path(database.place), version)
    else:
        _keep_schema(database, tables, version)


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Write what ``source`` holds at this moment into a file of its own, readable by its owner.

    Raise ``DatabaseError``, also when the source is damaged.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.touch(mode=0o600)
        with closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            # One file: a reader of the copy needs no log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"cannot copy to {target}: {error}") from error
    if verdict != "ok":
        raise DatabaseError(f"the source of {target} is damaged: {verdict}")


def kept_path(path: Path, version: int) -> Path:
    """Return where the copy of a file of schema ``version`` lies."""
    return path.with_name(f"{path.name}.schema-{version}")


def kept_schema(name: str, version: int) -> str:
    """Return what the copy of a server's schema is called; a name too long for it is hashed."""
    kept = f"schema-{version}-{name}"
    if len(kept.encode()) <= _NAME_LENGTH_MAX:
        return kept
    return f"schema-{version}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _keep_file(path: Path, version: int) -> None:
    target = kept_path(path, version)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        # A second connection sees what was committed; nobody can write while we hold the lock.
        with closing(sqlite3.connect(path)) as source:
            copy_database(source, scratch)
        scratch.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"cannot keep a copy of {path}: {error}") from error
    finally:
        scratch.unlink(missing_ok=True)
    for older in range(version - COPIES_KEPT + 1):
        kept_path(path, older).unlink(missing_ok=True)


def _keep_schema(database: Database, tables: frozenset[str], version: int) -> None:
    name = str(database.query("SELECT current_schema()")[0][0])
    kept = kept_schema(name, version)
    # The names are our own: a unit's path has neither quotes nor dots.
    database.query(f'DROP SCHEMA IF EXISTS "{kept}" CASCADE')
    database.query(f'CREATE SCHEMA "{kept}"')
    for table in sorted(tables):
        database.query(f'CREATE TABLE "{kept}"."{table}" AS TABLE "{table}"')
    for older in range(version - COPIES_KEPT + 1):
        database.query(f'DROP SCHEMA IF EXISTS "{kept_schema(name, older)}" CASCADE')
