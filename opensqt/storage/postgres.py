"""A schema of a PostgreSQL server behind the same surface as a file.

A transaction first takes the write lock of its schema (an advisory lock, freed by commit, rollback
and loss of the connection), as a file does: what it then reads nobody changes. Primary keys are the
second line. ``synchronous_commit`` is forced on. A broken connection fails the call it broke and is
opened anew by the next one; nothing is retried here.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors, sql

from opensqt.storage.database import (
    BUSY_TIMEOUT_MS,
    Database,
    DatabaseBusyError,
    DatabaseError,
    Dialect,
    DuplicateKeyError,
    Parameter,
    Row,
)

POSTGRESQL: Final = Dialect(name="postgresql", row_key="BIGINT PRIMARY KEY", clustered="")
ALIVE: Final[dict[str, Any]] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How a connection notices that the server's machine is gone, seconds and milliseconds."""
# PostgreSQL cuts longer names off silently, and two units must never share a schema.
_NAME_LENGTH_MAX: Final = 63
_PASSWORD: Final = re.compile(r"(://[^:/@]*):[^@]*@")
_BUSY: Final = (errors.LockNotAvailable, errors.SerializationFailure, errors.DeadlockDetected)


class PostgresDatabase:
    """One connection to one schema of a server."""

    def __init__(self, address: str, *, schema: str, timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        """Connect and create the schema if there is none; raise ``DatabaseError``."""
        if len(schema.encode()) > _NAME_LENGTH_MAX:
            raise DatabaseError(f"the schema name {schema!r} is longer than {_NAME_LENGTH_MAX}")
        self._address = address
        self._schema = schema
        self._timeout_ms = timeout_ms
        self._lock = threading.RLock()
        self._is_closed = False
        self._connection: psycopg.Connection[Row] | None = None
        self._connected()

    @property
    def dialect(self) -> Dialect:
        return POSTGRESQL

    @property
    def is_local(self) -> bool:
        return False

    @property
    def place(self) -> str:
        address = _PASSWORD.sub(r"\1:***@", self._address)
        return f"{address} schema {self._schema}"

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> list[Row]:
        with self._lock, self._translated():
            cursor = self._connected().execute(_spelled(sql), parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def write_many(self, sql: str, rows: Sequence[Sequence[Parameter]]) -> None:
        with self._lock, self._translated(), self._connected().cursor() as cursor:
            cursor.executemany(_spelled(sql), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, self._translated():
            connection = self._connected()
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self._schema,))
                yield

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()

    def _connected(self) -> psycopg.Connection[Row]:
        if self._is_closed:
            raise DatabaseError(f"{self.place} is closed")
        connection = self._connection
        if connection is not None and not connection.closed:
            return connection
        with self._translated():
            connection = psycopg.connect(
                self._address,
                autocommit=True,
                connect_timeout=max(2, self._timeout_ms // 1000),
                application_name="opensqt",
                **ALIVE,
                options=(
                    f"-c lock_timeout={self._timeout_ms} "
                    f"-c statement_timeout={4 * self._timeout_ms} -c synchronous_commit=on"
                ),
            )
            try:
                name = sql.Identifier(self._schema)
                connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (self._schema,))
                connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
                connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (self._schema,))
                connection.execute(sql.SQL("SET search_path TO {}").format(name))
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        return connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except errors.IntegrityError as error:
            raise DuplicateKeyError(f"{self.place}: {_line(error)}") from error
        except psycopg.Error as error:
            kind = DatabaseBusyError if isinstance(error, _BUSY) else DatabaseError
            raise kind(f"cannot use {self.place}: {_line(error)}") from error


def _spelled(text: str) -> str:
    # Only the constants of this package come here; none holds a question mark of another meaning.
    return text.replace("%", "%%").replace("?", "%s")


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())


_conforms: type[Database] = PostgresDatabase
