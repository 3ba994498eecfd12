"""One schema of a PostgreSQL server, for questions only: nothing is created, nothing is locked."""

import re
from typing import Final

import psycopg

from opensqt.storage.database import BUSY_TIMEOUT_MS, DatabaseError, Parameter, Row

_PASSWORD: Final = re.compile(r"(://[^:/@]*):[^@]*@")


class PostgresReader:
    """A read-only session."""

    def __init__(self, address: str, *, schema: str) -> None:
        """Connect; raise ``DatabaseError``, also when there is no such schema."""
        shown = _PASSWORD.sub(r"\1:***@", address)
        self._place = f"{shown} schema {schema}"
        try:
            self._connection: psycopg.Connection[Row] = psycopg.connect(
                address,
                autocommit=True,
                connect_timeout=max(2, BUSY_TIMEOUT_MS // 1_000),
                application_name="opensqt",
                options="-c default_transaction_read_only=on",
            )
            found = self._connection.execute(
                "SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)
            ).fetchall()
            self._connection.execute(
                "SELECT set_config('search_path', %s, false)", (f'"{schema}"',)
            )
        except psycopg.Error as error:
            raise self._translated(error) from error
        if not found:
            self._connection.close()
            raise DatabaseError(f"{self._place} does not exist")

    @property
    def place(self) -> str:
        """Return the address without a password."""
        return self._place

    def query(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> list[Row]:
        """Run one question; raise ``DatabaseError``."""
        text = sql.replace("%", "%%").replace("?", "%s")
        try:
            # What is asked here are constants of this package.
            return self._connection.execute(text, parameters).fetchall()
        except psycopg.Error as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Release the session."""
        self._connection.close()

    def _translated(self, error: psycopg.Error) -> DatabaseError:
        return DatabaseError(f"cannot read {self._place}: {' '.join(str(error).split())}")
