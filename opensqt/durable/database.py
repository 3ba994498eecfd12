"""The database behind the workflows: a file of the host, or a PostgreSQL server."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from opensqt.storage.postgres import ALIVE

# One connection, on which threads wait for each other in turn. With several, SQLite's own waiting
# (it sleeps, then looks again) made twenty decisions at once take three times as long.
_FILE_CONNECTIONS = 1
_SERVER_CONNECTIONS = 2
_WAIT_S = 5.0


def open_engine(location: str, host: str) -> sa.Engine:
    """Return an engine for a folder or a ``postgresql://`` address; connects on use."""
    if location.startswith(("postgresql://", "postgres://")):
        _, _, rest = location.partition("://")
        return sa.create_engine(
            f"postgresql+psycopg://{rest}",
            pool_size=_SERVER_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_WAIT_S,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": int(_WAIT_S),
                "application_name": "opensqt",
                **ALIVE,
            },
        )
    folder = Path(location) / "hosts" / host
    folder.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        f"sqlite:///{folder / 'dbos.db'}", pool_size=_FILE_CONNECTIONS, max_overflow=0
    )
    sa.event.listen(engine, "connect", _prepare)
    return engine


def compact(engine: sa.Engine | None) -> None:
    """Give pages that deleting has freed back to the file system; nothing on a server."""
    if engine is None or engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        for pragma in ("incremental_vacuum", "wal_checkpoint(TRUNCATE)"):
            # Each row that is fetched is a piece of the work.
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetchall()


def _prepare(connection: Any, record: object) -> None:
    _ = record
    # What DBOS sets for engines of its own, plus the write-ahead log and full durability.
    connection.isolation_level = None
    for pragma in (
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.isolation_level = "IMMEDIATE"
