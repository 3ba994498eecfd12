"""The control store: registry, symbol epochs, account leases, kill switch and the audit trail.

Writers are few and rare, several processes at a time. Every change is one short transaction that
takes the write lock first, compares and sets; a busy store is tried again a bounded number of
times. Calls run in a thread: a slow disk must not stop the loop that feeds a gate.

Every change leaves a row in ``audit`` in the same transaction, except heartbeats (lease renewals).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from opensqt.core import codec
from opensqt.core.ids import AccountName, UnitId, UnixMs, deployment_tag
from opensqt.core.registry import KillRow, UnitRecord
from opensqt.ports.registry import (
    AccountLease,
    LeaseHeldError,
    LeaseLostError,
    RegistryError,
    RevisionConflictError,
)
from opensqt.storage.database import Database, DatabaseBusyError, DatabaseError
from opensqt.storage.location import (
    Location,
    control_database,
    control_path,
    is_server,
    journal_paths,
    restoring_path,
)
from opensqt.storage.migrate import Schema, SchemaError, ensure, read_meta

T = TypeVar("T")

_ATTEMPTS_MAX: Final = 3
_RANDOM_BYTES_MIN: Final = 4
RESTORED: Final = "restored_ms"
"""Property of a store that was put back: when that was, in milliseconds."""
CONTROL: Final = Schema(
    kind="control",
    scripts=(
        """
        CREATE TABLE units (unit TEXT PRIMARY KEY, revision BIGINT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE symbol_epochs (unit TEXT PRIMARY KEY, epoch BIGINT NOT NULL);
        CREATE TABLE leases (
            account TEXT PRIMARY KEY,
            epoch BIGINT NOT NULL,
            holder TEXT NOT NULL,
            expires_ms BIGINT NOT NULL
        );
        CREATE TABLE kill_switch (id @row_key, epoch BIGINT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE audit (
            id @row_key,
            at_ms BIGINT NOT NULL,
            who TEXT NOT NULL,
            what TEXT NOT NULL,
            subject TEXT NOT NULL,
            details TEXT NOT NULL
        );
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Who did what, and when."""

    at_ms: UnixMs
    who: str
    """Operator, or the process that acted on its own."""
    what: str
    """Stable name such as ``unit.changed`` or ``kill.engaged``."""
    subject: str
    """Unit, account, or empty for the whole deployment."""
    details: str = ""


def open_control(
    location: Location, *, writer: str, random_bytes: bytes, may_migrate: bool = False
) -> "SqlControlStore":
    """Open the control store, creating it if there is none; raise ``RegistryError``.

    ``writer`` names this process in the audit trail. ``random_bytes`` (at least 4, freshly drawn)
    become the deployment's tag if the store is created now, otherwise they are not used.
    """
    if len(random_bytes) < _RANDOM_BYTES_MIN:
        raise RegistryError(f"expected {_RANDOM_BYTES_MIN} random bytes, got {len(random_bytes)}")
    check_not_lost(location)
    try:
        database = control_database(location)
    except DatabaseError as error:
        raise RegistryError(str(error)) from error
    try:
        ensure(
            database,
            CONTROL,
            properties={"deployment": deployment_tag(random_bytes)},
            may_migrate=may_migrate,
        )
        deployment = read_meta(database, "deployment")
        if deployment is None:
            raise SchemaError(f"{database.place} has no deployment tag")
    except DatabaseError as error:
        database.close()
        raise RegistryError(str(error)) from error
    return SqlControlStore(database, deployment=deployment, writer=writer)


def check_not_lost(location: Location) -> None:
    """Refuse to mint a deployment next to journals of a lost one: nobody would own their orders.

    A file that was emptied is as lost as one that is missing. Raise ``RegistryError``.
    """
    if is_server(location):
        return
    data = Path(location)
    if restoring_path(data).exists():
        raise RegistryError(
            f"a restore of {data} was interrupted; finish it with: opensqt restore --finish"
        )
    path = control_path(data)
    journals = () if path.exists() and path.stat().st_size else journal_paths(data)
    if journals:
        raise RegistryError(
            f"{path} is missing but {len(journals)} journals exist, such as "
            f"{journals[0]}; restore it, or move the folder {data / 'symbols'} away"
        )


class SqlControlStore:
    """Implements ``RegistryPort``; one per process."""

    def __init__(self, database: Database, *, deployment: str, writer: str) -> None:
        self._database = database
        self._deployment = deployment
        self._writer = writer

    async def deployment(self) -> str:
        return self._deployment

    async def restored_ms(self) -> int:
        """Return when this store was last put back to an older point, 0 if it never was."""
        text = await self._run(lambda: read_meta(self._database, RESTORED))
        return int(text or 0)

    async def units(self) -> tuple[UnitRecord, ...]:
        rows = await self._run(
            lambda: self._database.query("SELECT unit, body FROM units ORDER BY unit")
        )
        return tuple(sorted((_unit(row[0], row[1]) for row in rows), key=lambda r: r.unit))

    async def unit(self, unit: UnitId) -> UnitRecord | None:
        rows = await self._run(
            lambda: self._database.query("SELECT body FROM units WHERE unit = ?", (unit.text,))
        )
        return _unit(unit.text, rows[0][0]) if rows else None

    async def put_unit(self, record: UnitRecord, *, expected_revision: int) -> None:
        if record.revision != expected_revision + 1:
            raise RegistryError(
                f"expected revision {expected_revision + 1} of {record.unit.text}, "
                f"got {record.revision}"
            )
        body, subject = _text(record), record.unit.text

        def write() -> None:
            with self._database.transaction():
                revision = self._number("units", "revision", "unit", subject)
                if revision != expected_revision:
                    raise RevisionConflictError(
                        f"expected revision {expected_revision} of {subject}, found {revision}"
                    )
                self._database.write_many(
                    "INSERT INTO units (unit, revision, body) VALUES (?, ?, ?) "
                    "ON CONFLICT (unit) DO UPDATE "
                    "SET revision = excluded.revision, body = excluded.body",
                    [(subject, record.revision, body)],
                )
                self._audit(record.updated_ms, "unit.changed", subject, body)

        await self._run(write)

    async def next_symbol_epoch(self, unit: UnitId) -> int:
        def write() -> int:
            with self._database.transaction():
                epoch = self._number("symbol_epochs", "epoch", "unit", unit.text) + 1
                self._database.write_many(
                    "INSERT INTO symbol_epochs (unit, epoch) VALUES (?, ?) "
                    "ON CONFLICT (unit) DO UPDATE SET epoch = excluded.epoch",
                    [(unit.text, epoch)],
                )
                return epoch

        return await self._run(write)

    async def symbol_epoch(self, unit: UnitId) -> int:
        return await self._run(lambda: self._number("symbol_epochs", "epoch", "unit", unit.text))

    async def claimed_epoch(self, unit: UnitId) -> int:
        """Return the newest epoch known to have claimed the unit's journal, 0 if none is."""
        name = _claim_key(unit)
        return int(await self._run(lambda: read_meta(self._database, name)) or 0)

    async def note_claim(self, unit: UnitId, epoch: int) -> None:
        """Note that an epoch has claimed the unit's journal, so that its loss is noticed.

        Whoever copies the stores copies this one first: a journal may know more, never less.
        """

        def write() -> None:
            with self._database.transaction():
                known = int(read_meta(self._database, _claim_key(unit)) or 0)
                if epoch > known:
                    self._database.write_many(
                        "INSERT INTO meta (name, value) VALUES (?, ?) "
                        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                        [(_claim_key(unit), str(epoch))],
                    )

        await self._run(write)

    async def acquire_account(
        self, account: AccountName, *, holder: str, now_ms: int, ttl_ms: int, take_over: bool
    ) -> AccountLease:
        def write() -> AccountLease:
            with self._database.transaction():
                held = self._lease(account)
                if held is not None and held.holder != holder and not take_over:
                    _check_expired(held, now_ms=now_ms)
                lease = AccountLease(
                    account=account,
                    epoch=held.epoch + 1 if held else 1,
                    holder=holder,
                    expires_ms=now_ms + ttl_ms,
                )
                self._put_lease(lease)
                before = f" from {held.holder}" if held else ""
                details = f"epoch {lease.epoch} by {holder}{before}"
                self._audit(UnixMs(now_ms), "account.acquired", account, details)
                return lease

        return await self._run(write)

    async def renew_account(self, lease: AccountLease, *, now_ms: int, ttl_ms: int) -> AccountLease:
        def write() -> AccountLease:
            with self._database.transaction():
                held = self._lease(lease.account)
                if held is None or (held.epoch, held.holder) != (lease.epoch, lease.holder):
                    now_held = f"{held.holder} with epoch {held.epoch}" if held else "nobody"
                    raise LeaseLostError(
                        f"account {lease.account} is held by {now_held}, "
                        f"not with epoch {lease.epoch}"
                    )
                renewed = replace(lease, expires_ms=now_ms + ttl_ms)
                self._put_lease(renewed)
                return renewed

        return await self._run(write)

    async def account_lease(self, account: AccountName) -> AccountLease | None:
        return await self._run(lambda: self._lease(account))

    async def kill_row(self) -> KillRow:
        return await self._run(self._kill_row)

    async def set_kill(self, row: KillRow, *, expected_epoch: int) -> None:
        if row.epoch <= expected_epoch:
            raise RegistryError(f"expected a kill epoch above {expected_epoch}, got {row.epoch}")
        body = _text(row)

        def write() -> None:
            with self._database.transaction():
                epoch = self._kill_row().epoch
                if epoch != expected_epoch:
                    raise RevisionConflictError(
                        f"expected kill epoch {expected_epoch}, found {epoch}"
                    )
                self._database.write_many(
                    "INSERT INTO kill_switch (id, epoch, body) VALUES (1, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE "
                    "SET epoch = excluded.epoch, body = excluded.body",
                    [(row.epoch, body)],
                )
                what = "kill.engaged" if row.is_engaged else "kill.released"
                self._audit(row.at_ms, what, "", body, who=row.operator or self._writer)

        await self._run(write)

    async def record_audit(self, row: AuditRow) -> None:
        """Append a row that no change of this store stands for, such as a refused command."""

        def write() -> None:
            with self._database.transaction():
                self._audit(row.at_ms, row.what, row.subject, row.details, who=row.who)

        await self._run(write)

    async def audit(self, *, count_max: int) -> tuple[AuditRow, ...]:
        """Return the newest rows, newest first."""
        rows = await self._run(
            lambda: self._database.query(
                "SELECT at_ms, who, what, subject, details FROM audit ORDER BY id DESC LIMIT ?",
                (count_max,),
            )
        )
        return tuple(
            AuditRow(
                at_ms=UnixMs(int(at_ms or 0)),
                who=str(who),
                what=str(what),
                subject=str(subject),
                details=str(details),
            )
            for at_ms, who, what, subject, details in rows
        )

    def close(self) -> None:
        """Release the store; idempotent."""
        self._database.close()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(_attempted, work)

    def _number(self, table: str, column: str, key: str, value: str) -> int:
        """Return one number of one row, 0 if there is no such row."""
        rows = self._database.query(
            f"SELECT {column} FROM {table} WHERE {key} = ?",  # noqa: S608 - our own names
            (value,),
        )
        return int(rows[0][0] or 0) if rows else 0

    def _lease(self, account: AccountName) -> AccountLease | None:
        rows = self._database.query(
            "SELECT epoch, holder, expires_ms FROM leases WHERE account = ?", (account,)
        )
        if not rows:
            return None
        epoch, holder, expires_ms = rows[0]
        return AccountLease(
            account=account,
            epoch=int(epoch or 0),
            holder=str(holder),
            expires_ms=int(expires_ms or 0),
        )

    def _put_lease(self, lease: AccountLease) -> None:
        self._database.write_many(
            "INSERT INTO leases (account, epoch, holder, expires_ms) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (account) DO UPDATE SET epoch = excluded.epoch, "
            "holder = excluded.holder, expires_ms = excluded.expires_ms",
            [(lease.account, lease.epoch, lease.holder, lease.expires_ms)],
        )

    def _kill_row(self) -> KillRow:
        rows = self._database.query("SELECT body FROM kill_switch WHERE id = 1")
        return _decoded(rows[0][0], KillRow, "the kill switch") if rows else KillRow()

    def _audit(
        self, at_ms: UnixMs, what: str, subject: str, details: str, *, who: str | None = None
    ) -> None:
        self._database.write_many(
            "INSERT INTO audit (id, at_ms, who, what, subject, details) "
            "SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ? FROM audit",
            [(at_ms, self._writer if who is None else who, what, subject, details)],
        )


def _claim_key(unit: UnitId) -> str:
    return f"journal of {unit.text}"


def _check_expired(lease: AccountLease, *, now_ms: int) -> None:
    remaining_ms = lease.expires_ms - now_ms
    if remaining_ms > 0:
        raise LeaseHeldError(
            f"account {lease.account} is held by {lease.holder} for another {remaining_ms} ms"
        )


def _attempted(work: Callable[[], T]) -> T:
    """Do ``work``, again while the store is busy; every error becomes a ``RegistryError``."""
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        try:
            return work()
        except DatabaseBusyError as error:
            if attempt == _ATTEMPTS_MAX:
                raise RegistryError(str(error)) from error
        except DatabaseError as error:
            raise RegistryError(str(error)) from error
    raise AssertionError


def _text(row: UnitRecord | KillRow) -> str:
    try:
        return codec.encode(row)
    except codec.CodecError as error:
        raise RegistryError(f"cannot store: {error}") from error


def _unit(name: object, body: object) -> UnitRecord:
    return _decoded(body, UnitRecord, f"the row of {name}")


def _decoded(body: object, expected: type[T], noun: str) -> T:
    try:
        return codec.decode(str(body), expected)
    except codec.CodecError as error:
        raise RegistryError(f"{noun} cannot be read: {error}") from error
