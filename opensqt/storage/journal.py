"""The journal of one unit in a transactional store.

Tables: ``facts`` is the history and never pruned; ``orders`` and ``trades`` index it in the same
transaction and make it impossible to intend an order or apply a trade twice; ``snapshots`` keeps
the newest two states; ``fence`` holds the highest epoch that ever committed.

Nothing read is cached between calls: the store decides about epoch, sequence and duplicates inside
the transaction that writes, so a second process, a restored file or a lost reply cannot mislead it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeVar

from opensqt.core import codec
from opensqt.core.facts import Fact, OrderIntended, OrderReported, PriceTicked, TradeFilled
from opensqt.core.ids import ClientOrderId, TradeId, UnitId, VenueOrderId
from opensqt.core.symbol import SymbolState
from opensqt.ports.journal import (
    DuplicateTradeError,
    JournalError,
    Recovered,
    SequenceConflictError,
    StaleEpochError,
    check_batch,
)
from opensqt.storage.database import Database, DatabaseError, DuplicateKeyError, Parameter
from opensqt.storage.location import Location, has_journal, journal_database, place_of
from opensqt.storage.migrate import Schema, SchemaError, ensure, read_meta, stored_version

T = TypeVar("T")

SNAPSHOTS_KEPT: Final = 2
JOURNAL: Final = Schema(
    kind="journal",
    scripts=(
        """
        CREATE TABLE fence (id @row_key, epoch BIGINT NOT NULL);
        INSERT INTO fence (id, epoch) VALUES (1, 0);
        CREATE TABLE facts (
            sequence @row_key,
            epoch BIGINT NOT NULL,
            at_ms BIGINT NOT NULL,
            kind TEXT NOT NULL,
            body TEXT NOT NULL
        );
        CREATE TABLE orders (
            client_order_id TEXT PRIMARY KEY,
            venue_order_id TEXT,
            sequence BIGINT NOT NULL
        ) @clustered;
        CREATE INDEX orders_by_venue_order_id ON orders (venue_order_id);
        CREATE TABLE trades (
            account TEXT NOT NULL,
            symbol TEXT NOT NULL,
            trade_id TEXT NOT NULL,
            client_order_id TEXT NOT NULL,
            sequence BIGINT NOT NULL,
            PRIMARY KEY (account, symbol, trade_id)
        ) @clustered;
        CREATE TABLE snapshots (sequence @row_key, body TEXT NOT NULL);
        """,
    ),
)


def open_journal(
    location: Location, unit: UnitId, *, may_migrate: bool = False, claimed_epoch: int = 0
) -> "SqlJournal":
    """Open the unit's journal, creating it if there is none; raise ``JournalError`` saying why not.

    ``may_migrate`` is for the one process that starts before all others. ``claimed_epoch`` is the
    epoch that is known to have claimed the journal: one that is missing then, or does not know it,
    was lost or is an older copy, and would derive ids that were used before.
    """
    if claimed_epoch and not has_journal(location, unit):
        raise JournalError(
            f"the journal of {unit.text} is missing in {place_of(location)} although epoch "
            f"{claimed_epoch} wrote to it; restore it"
        )
    try:
        database = journal_database(location, unit)
    except DatabaseError as error:
        raise JournalError(str(error)) from error
    try:
        _check_claimed(database, unit, claimed_epoch)
        ensure(database, JOURNAL, properties={"unit": unit.text}, may_migrate=may_migrate)
        owner = read_meta(database, "unit")
        if owner != unit.text:
            raise SchemaError(f"{database.place} is the journal of {owner}, expected {unit.text}")
    except DatabaseError as error:
        database.close()
        raise JournalError(str(error)) from error
    return SqlJournal(database, unit)


def _check_claimed(database: Database, unit: UnitId, epoch: int) -> None:
    """Raise ``SchemaError`` when a journal has forgotten an epoch that claimed it."""
    if not epoch:
        return
    if stored_version(database, JOURNAL) == 0:
        raise SchemaError(
            f"{database.place} is empty although epoch {epoch} of {unit.text} wrote to it; "
            "restore it"
        )
    found = int(database.query("SELECT coalesce(max(epoch), 0) FROM fence")[0][0] or 0)
    if found < epoch:
        raise SchemaError(
            f"{database.place} is an older copy: it ends with epoch {found}, epoch {epoch} of "
            f"{unit.text} wrote to it; restore the newest one"
        )


class SqlJournal:
    """Implements ``JournalPort``. Not to be shared by two engines of one process."""

    def __init__(self, database: Database, unit: UnitId) -> None:
        self._database = database
        self._unit = unit

    async def claim(self, epoch: int) -> None:
        def write() -> None:
            with self._database.transaction():
                self._check_fence(epoch)

        await self._run(write)

    async def load(self) -> Recovered:
        return await self._run(self._load)

    async def commit(
        self,
        facts: Sequence[Fact],
        *,
        epoch: int,
        expected_sequence: int,
        snapshot: SymbolState | None = None,
    ) -> int:
        check_batch(facts, unit=self._unit, sequence=expected_sequence, snapshot=snapshot)
        try:
            # Before the transaction: what cannot be stored does not even take the lock.
            bodies = [codec.encode(fact) for fact in facts]
            state = None if snapshot is None else codec.encode(replace(snapshot, price=None))
        except codec.CodecError as error:
            raise JournalError(f"cannot store: {error}") from error

        def write() -> int:
            with self._database.transaction():
                self._check(epoch, expected_sequence)
                self._insert(facts, bodies, after=expected_sequence, epoch=epoch)
                if state is not None:
                    self._insert_snapshot(state, expected_sequence + len(facts))
            return expected_sequence + len(facts)

        return await self._run(write)

    async def has_trade(self, trade_id: TradeId) -> bool:
        return await self._run(lambda: self._has_trade(trade_id))

    async def find_order(
        self,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> ClientOrderId | None:
        return await self._run(lambda: self._find_order(client_order_id, venue_order_id))

    async def history(self, *, after: int = 0, count_max: int | None = None) -> tuple[Fact, ...]:
        """Return committed facts beyond sequence ``after``, oldest first, snapshots ignored."""
        return await self._run(lambda: self._facts(after, count_max))

    async def epoch(self) -> int:
        """Return the highest epoch that ever claimed or committed, 0 if none did."""
        return await self._run(self._fence)

    def close(self) -> None:
        """Release the file; idempotent."""
        self._database.close()

    async def _run(self, work: Callable[[], T]) -> T:
        """Do blocking work: here when it is short, in a thread when a network may stall."""
        with _translated():
            if self._database.is_local:
                return work()
            return await asyncio.to_thread(work)

    def _load(self) -> Recovered:
        rows = self._database.query(
            "SELECT sequence, body FROM snapshots ORDER BY sequence DESC LIMIT 1"
        )
        if not rows:
            return Recovered(snapshot=None, facts=self._facts(0, None))
        sequence, body = int(rows[0][0] or 0), str(rows[0][1])
        try:
            snapshot = codec.decode(body, SymbolState)
        except codec.CodecError as error:
            raise JournalError(
                f"{self._database.place}: snapshot {sequence} cannot be read: {error}"
            ) from error
        if snapshot.sequence != sequence or snapshot.unit != self._unit:
            raise JournalError(
                f"{self._database.place}: snapshot {sequence} is of "
                f"{snapshot.unit.text} at {snapshot.sequence}"
            )
        return Recovered(snapshot=snapshot, facts=self._facts(sequence, None))

    def _facts(self, after: int, count_max: int | None) -> tuple[Fact, ...]:
        rows = self._database.query(
            "SELECT sequence, body FROM facts WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (after, (1 << 62) if count_max is None else count_max),
        )
        facts = []
        for expected, (sequence, body) in enumerate(rows, start=after + 1):
            if sequence != expected:
                raise JournalError(f"{self._database.place}: fact {expected} is missing")
            try:
                facts.append(codec.decode_fact(str(body)))
            except codec.CodecError as error:
                raise JournalError(
                    f"{self._database.place}: fact {expected} cannot be read: {error}"
                ) from error
        return tuple(facts)

    def _fence(self) -> int:
        rows = self._database.query("SELECT epoch FROM fence WHERE id = 1")
        if not rows:
            raise JournalError(f"{self._database.place}: the fence is missing")
        return int(rows[0][0] or 0)

    def _check_fence(self, epoch: int) -> None:
        self._pass_fence(epoch, self._fence())

    def _pass_fence(self, epoch: int, newest: int) -> None:
        if epoch < newest:
            raise StaleEpochError(
                f"epoch {epoch} of {self._unit.text} is over, the newest is {newest}"
            )
        if epoch > newest:
            self._database.write_many("UPDATE fence SET epoch = ? WHERE id = 1", [(epoch,)])

    def _check(self, epoch: int, expected: int) -> None:
        # In one question: a server is asked once less.
        newest, found = self._database.query(
            "SELECT (SELECT epoch FROM fence WHERE id = 1), "
            "(SELECT coalesce(max(sequence), 0) FROM facts)"
        )[0]
        if newest is None:
            raise JournalError(f"{self._database.place}: the fence is missing")
        self._pass_fence(epoch, int(newest))
        sequence = int(found or 0)
        if sequence != expected:
            raise SequenceConflictError(
                f"expected sequence {expected} of {self._unit.text}, found {sequence}"
            )

    def _insert(
        self, facts: Sequence[Fact], bodies: Sequence[str], *, after: int, epoch: int
    ) -> None:
        rows: list[tuple[Parameter, ...]] = []
        for sequence, (fact, body) in enumerate(zip(facts, bodies, strict=True), start=after + 1):
            assert not isinstance(fact, PriceTicked)
            rows.append((sequence, epoch, fact.at_ms, codec.stored_name(fact), body))
            match fact:
                case OrderIntended():
                    self._insert_order(fact, sequence)
                case OrderReported(venue_order_id=str(venue_order_id)):
                    self._set_venue_order_id(fact.client_order_id, venue_order_id)
                case TradeFilled():
                    self._insert_trade(fact, sequence)
                    self._set_venue_order_id(fact.client_order_id, fact.venue_order_id)
                case _:
                    pass
        if rows:
            self._database.write_many(
                "INSERT INTO facts (sequence, epoch, at_ms, kind, body) VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def _insert_order(self, fact: OrderIntended, sequence: int) -> None:
        try:
            self._database.write_many(
                "INSERT INTO orders (client_order_id, sequence) VALUES (?, ?)",
                [(fact.client_order_id, sequence)],
            )
        except DuplicateKeyError as error:
            raise JournalError(f"order {fact.client_order_id} was intended before") from error

    def _insert_trade(self, fact: TradeFilled, sequence: int) -> None:
        try:
            self._database.write_many(
                "INSERT INTO trades (account, symbol, trade_id, client_order_id, sequence) "
                "VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        self._unit.account,
                        self._unit.symbol,
                        fact.trade_id,
                        fact.client_order_id,
                        sequence,
                    )
                ],
            )
        except DuplicateKeyError as error:
            raise DuplicateTradeError(f"trade {fact.trade_id} was committed before") from error

    def _set_venue_order_id(self, client_order_id: str, venue_order_id: str) -> None:
        self._database.write_many(
            "UPDATE orders SET venue_order_id = ? "
            "WHERE client_order_id = ? AND venue_order_id IS NULL",
            [(venue_order_id, client_order_id)],
        )

    def _insert_snapshot(self, body: str, sequence: int) -> None:
        self._database.write_many(
            "INSERT INTO snapshots (sequence, body) VALUES (?, ?) "
            "ON CONFLICT (sequence) DO UPDATE SET body = excluded.body",
            [(sequence, body)],
        )
        self._database.write_many(
            "DELETE FROM snapshots WHERE sequence NOT IN "
            "(SELECT sequence FROM snapshots ORDER BY sequence DESC LIMIT ?)",
            [(SNAPSHOTS_KEPT,)],
        )

    def _has_trade(self, trade_id: TradeId) -> bool:
        rows = self._database.query(
            "SELECT 1 FROM trades WHERE account = ? AND symbol = ? AND trade_id = ?",
            (self._unit.account, self._unit.symbol, trade_id),
        )
        return bool(rows)

    def _find_order(
        self, client_order_id: ClientOrderId | None, venue_order_id: VenueOrderId | None
    ) -> ClientOrderId | None:
        rows = []
        if client_order_id is not None:
            rows = self._database.query(
                "SELECT client_order_id FROM orders WHERE client_order_id = ?", (client_order_id,)
            )
        if not rows and venue_order_id is not None:
            rows = self._database.query(
                "SELECT client_order_id FROM orders WHERE venue_order_id = ? "
                "ORDER BY sequence LIMIT 1",
                (venue_order_id,),
            )
        return ClientOrderId(str(rows[0][0])) if rows else None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise JournalError(str(error)) from error
