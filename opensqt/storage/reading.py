"""Looking into the stores of a deployment without changing anything, running or not.

Files are opened for reading only; nothing is created, migrated or locked for writing. On a server
the session is read-only and no schema is made. What is of another schema than this build's is
refused, never read on suspicion.
"""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from opensqt.core import codec
from opensqt.core.facts import ConfigApplied, Fact, OrderIntended
from opensqt.core.ids import ClientOrderId, UnitId
from opensqt.core.order_story import OrderStory, Start, tell_order
from opensqt.core.registry import UnitRecord
from opensqt.core.symbol import SymbolState, replay
from opensqt.core.targets import unit_of_path
from opensqt.storage.control import CONTROL
from opensqt.storage.database import DatabaseError, Parameter, Row
from opensqt.storage.journal import JOURNAL
from opensqt.storage.location import (
    Location,
    control_path,
    is_server,
    journal_path,
    journal_paths,
)
from opensqt.storage.migrate import Schema

_CHUNK: Final = 1_000


class Reader(Protocol):
    """A store that answers questions."""

    @property
    def place(self) -> str:
        """Return path or address for messages, without a password."""

    def query(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> list[Row]:
        """Run one question; raise ``DatabaseError``."""

    def close(self) -> None:
        """Release the store; idempotent."""


class SqliteReader:
    """A file opened for reading only."""

    def __init__(self, path: Path) -> None:
        """Open the file; raise ``DatabaseError`` if it is missing or no database."""
        self._path = path
        if not path.is_file():
            raise DatabaseError(f"{path} does not exist")
        self._connection = self._opened()

    @property
    def place(self) -> str:
        """Return the path."""
        return str(self._path)

    @property
    def connection(self) -> sqlite3.Connection:
        """Return the connection, for a copy of the file."""
        return self._connection

    def query(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> list[Row]:
        """Run one question; raise ``DatabaseError``."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise DatabaseError(f"cannot read {self._path}: {error}") from error

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        modes = ["mode=ro"]
        if not self._path.with_name(f"{self._path.name}-wal").exists():
            # In a folder we may not write to, a file without a log can only be read as it is.
            modes.append("mode=ro&immutable=1")
        problem: sqlite3.Error | None = None
        for mode in modes:
            connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?{mode}", uri=True, check_same_thread=False
            )
            try:
                connection.execute("SELECT count(*) FROM sqlite_master")
            except sqlite3.Error as error:
                connection.close()
                problem = error
            else:
                return connection
        raise DatabaseError(f"cannot read {self._path}: {problem}") from problem


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReader:
    """One unit's journal, for questions only."""

    unit: UnitId
    store: Reader

    def sequence_of(self, client_order_id: ClientOrderId) -> int | None:
        """Return where an order was intended, None if it never was."""
        rows = self.store.query(
            "SELECT sequence FROM orders WHERE client_order_id = ?", (client_order_id,)
        )
        return int(rows[0][0] or 0) if rows else None

    def story_of(self, client_order_id: ClientOrderId) -> OrderStory | None:
        """Return the story of an order, None when the journal does not know it."""
        intended_at = self.sequence_of(client_order_id)
        if intended_at is None:
            return None
        start = self._start_before(intended_at)
        first = 0 if start is None else start.state.sequence
        facts = itertools.chain(
            self._facts("sequence > ? AND sequence <= ?", first, intended_at),
            # An id holds no wildcard.
            self._facts("sequence > ? AND body LIKE ?", intended_at, f"%{client_order_id}%"),
        )
        return tell_order(self.unit, client_order_id, facts, start=start)

    def _start_before(self, intended_at: int) -> Start | None:
        """Return the newest snapshot older than what the decision knew, None if there is none."""
        ((_, intent),) = self._facts("sequence > ? AND sequence <= ?", intended_at - 1, intended_at)
        known = intent.decided_at if isinstance(intent, OrderIntended) else None
        rows = self.store.query(
            "SELECT body FROM snapshots WHERE sequence < ? ORDER BY sequence DESC LIMIT 1",
            (intended_at - 1 if known is None else known,),
        )
        if not rows:
            return None
        state = self._snapshot(rows[0][0])
        config = self._newest(ConfigApplied, up_to=state.sequence)
        return Start(state=state, config=config if isinstance(config, ConfigApplied) else None)

    def state(self, deployment: str) -> SymbolState:
        """Return the state the journal amounts to."""
        rows = self.store.query(
            "SELECT sequence, body FROM snapshots ORDER BY sequence DESC LIMIT 1"
        )
        state = SymbolState(unit=self.unit, deployment=deployment)
        if rows:
            state = self._snapshot(rows[0][1])
        later = self._facts("sequence > ? AND sequence > ?", state.sequence, 0)
        return replay(state, (fact for _, fact in later))

    def newest(self, kind: type) -> Fact | None:
        """Return the newest fact of a kind, None if there is none."""
        return self._newest(kind, up_to=1 << 62)

    def _newest(self, kind: type, *, up_to: int) -> Fact | None:
        rows = self.store.query(
            "SELECT body FROM facts WHERE kind = ? AND sequence <= ? "
            "ORDER BY sequence DESC LIMIT 1",
            (kind.__name__, up_to),
        )
        return codec.decode_fact(str(rows[0][0])) if rows else None

    def _snapshot(self, body: Parameter) -> SymbolState:
        try:
            return codec.decode(str(body), SymbolState)
        except codec.CodecError as error:
            raise DatabaseError(f"{self.store.place}: a snapshot: {error}") from error

    def _facts(self, where: str, after: int, value: Parameter) -> Iterator[tuple[int, Fact]]:
        while True:
            rows = self.store.query(
                f"SELECT sequence, body FROM facts WHERE {where} "  # noqa: S608 - our own text
                "ORDER BY sequence LIMIT ?",
                (after, value, _CHUNK),
            )
            for sequence, body in rows:
                after = int(sequence or 0)
                try:
                    yield after, codec.decode_fact(str(body))
                except codec.CodecError as error:
                    raise DatabaseError(f"{self.store.place}: fact {after}: {error}") from error
            if len(rows) < _CHUNK:
                return


@contextmanager
def open_journals(
    location: Location, *, refused: Callable[[str], None] | None = None
) -> Iterator[tuple[JournalReader, ...]]:
    """Yield every journal of a deployment; raise ``DatabaseError`` for one that cannot be read.

    With ``refused`` such a journal is told there instead and left out.
    """
    stores: list[Reader] = []
    readers = []
    try:
        for name in _journal_names(location):
            unit = unit_of_path(name)
            if unit is None:
                continue
            try:
                store = _journal_store(location, unit)
                stores.append(store)
                _check_schema(store, JOURNAL)
            except DatabaseError as error:
                if refused is None:
                    raise
                refused(str(error))
            else:
                readers.append(JournalReader(unit=unit, store=store))
        yield tuple(readers)
    finally:
        for store in stores:
            store.close()


def read_registry(location: Location) -> tuple[str, tuple[UnitRecord, ...]]:
    """Return the deployment's tag and all registry rows; raise ``DatabaseError``."""
    with closing(_control_store(location)) as store:
        _check_schema(store, CONTROL)
        tags = store.query("SELECT value FROM meta WHERE name = 'deployment'")
        rows = store.query("SELECT body FROM units ORDER BY unit")
        try:
            records = tuple(codec.decode(str(row[0]), UnitRecord) for row in rows)
        except codec.CodecError as error:
            raise DatabaseError(f"{store.place}: {error}") from error
        return str(tags[0][0]), records


def _journal_names(location: Location) -> tuple[str, ...]:
    if not is_server(location):
        return tuple(path.parent.name for path in journal_paths(Path(location)))
    with closing(_server_reader(location, "control")) as store:
        rows = store.query(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'journal-%' ORDER BY nspname"
        )
    return tuple(str(row[0]).removeprefix("journal-") for row in rows)


def _journal_store(location: Location, unit: UnitId) -> Reader:
    if is_server(location):
        return _server_reader(location, f"journal-{unit.path}")
    return SqliteReader(journal_path(Path(location), unit))


def _control_store(location: Location) -> Reader:
    if is_server(location):
        return _server_reader(location, "control")
    return SqliteReader(control_path(Path(location)))


def _server_reader(location: Location, schema: str) -> Reader:
    # Imported on use: the driver costs a process 0.2 s and 7 MB that a file does not need.
    from opensqt.storage.postgres_reader import PostgresReader  # noqa: PLC0415 - see above

    return PostgresReader(str(location), schema=schema)


def _check_schema(store: Reader, schema: Schema) -> None:
    try:
        rows = {str(name): value for name, value in store.query("SELECT name, value FROM meta")}
    except DatabaseError as error:
        raise DatabaseError(f"{store.place} is not a {schema.kind} of ours: {error}") from error
    kind, version = rows.get("kind"), str(rows.get("schema"))
    if kind != schema.kind:
        raise DatabaseError(f"{store.place} is of kind {kind}, expected {schema.kind}")
    if version != str(schema.version):
        raise DatabaseError(
            f"{store.place} has the schema {version}, this build reads {schema.version}"
        )
