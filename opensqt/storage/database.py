"""One connection to a transactional store, behind a surface that SQLite and PostgreSQL share.

The SQL of this package is the common subset of both: text parameters as ``?``, integers of 64 bits,
``ON CONFLICT``. What differs is named in ``Dialect``. Plain drivers instead of SQLAlchemy, because
a symbol process cannot afford its import (see docs/decisions).

A ``Database`` may be used from several threads; its calls are serialized. Times are milliseconds.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

Parameter: TypeAlias = str | int | None
Row: TypeAlias = tuple[str | int | None, ...]

# A stale process may hold the file for one commit (below 1 ms); a second of waiting is a defect.
BUSY_TIMEOUT_MS: Final = 2_000
_OPEN_ATTEMPTS_MAX: Final = 5


class DatabaseError(Exception):
    """The store cannot be used; the transaction was rolled back. One line: what and where."""


class DatabaseBusyError(DatabaseError):
    """Somebody else held the store for too long; the same transaction may be tried again."""


class DuplicateKeyError(DatabaseError):
    """A row with this key exists; the transaction was rolled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the two kinds of stores spell differently."""

    name: str
    row_key: str
    """Type of an ever growing integer key."""
    clustered: str
    """Suffix of a table that is its own primary key index."""

    def spelled(self, script: str) -> tuple[str, ...]:
        """Return the statements of a schema script in this dialect."""
        script = script.replace("@row_key", self.row_key).replace("@clustered", self.clustered)
        return tuple(part.strip() for part in script.split(";") if part.strip())


class Database(Protocol):
    """One connection. All methods raise ``DatabaseError`` and block while the disk works."""

    @property
    def dialect(self) -> Dialect:
        """Return how this store spells what is not common."""

    @property
    def is_local(self) -> bool:
        """Tell whether a commit takes well below a millisecond: no thread is worth it."""

    @property
    def place(self) -> str:
        """Return the path or address for messages, without a password."""

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> list[Row]:
        """Run one statement and return its rows."""

    def write_many(self, sql: str, rows: Sequence[Sequence[Parameter]]) -> None:
        """Run one statement for each row."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the only write transaction; commit durably at the end, roll back on any error."""

    def close(self) -> None:
        """Release the connection; idempotent."""


SQLITE: Final = Dialect(name="sqlite", row_key="INTEGER PRIMARY KEY", clustered="WITHOUT ROWID")


class SqliteDatabase:
    """A file in WAL mode with full synchronization: a commit has reached the disk."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        """Open or create the file; raise ``DatabaseError`` with one line that says why not."""
        self._path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"cannot create {path}: {error.strerror}") from error
        with self._translated():
            self._connection = sqlite3.connect(
                path,
                timeout=busy_timeout_ms / 1000,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            self._configure()
        except DatabaseError:
            self._connection.close()
            raise

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    @property
    def is_local(self) -> bool:
        return True

    @property
    def place(self) -> str:
        return str(self._path)

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> list[Row]:
        with self._lock, self._translated():
            return self._connection.execute(sql, parameters).fetchall()

    def write_many(self, sql: str, rows: Sequence[Sequence[Parameter]]) -> None:
        with self._lock, self._translated():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            with self._translated():
                # The write lock is taken first, so that what is read below is the newest.
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                with self._translated():
                    self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._roll_back()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _configure(self) -> None:
        for attempt in range(1, _OPEN_ATTEMPTS_MAX + 1):
            try:
                mode = self.query("PRAGMA journal_mode=WAL")
                break
            except DatabaseBusyError:
                # Another process switches the fresh file at this moment.
                if attempt == _OPEN_ATTEMPTS_MAX:
                    raise
        else:
            raise AssertionError
        if mode != [("wal",)]:
            raise DatabaseError(f"{self._path} cannot be used with a write-ahead log: {mode}")
        self.query("PRAGMA synchronous=FULL")
        self.query("PRAGMA trusted_schema=OFF")

    def _roll_back(self) -> None:
        with self._translated():
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise DuplicateKeyError(f"{self._path}: {error}") from error
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            kind = DatabaseBusyError if name.startswith("SQLITE_BUSY") else DatabaseError
            raise kind(f"cannot use {self._path}: {error}") from error
