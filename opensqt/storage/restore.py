"""Putting a deployment back to an older point, whole or not at all.

What lies in the archive is checked, completed and only then exchanged for what lies there now,
which is kept. Completed means, because the venue does not go back in time:

* every journal learns that it was put back (``JournalRestored``): its levels begin anew in
  generations above the wall clock in milliseconds, which no lost decision can have reached, so no
  client order id comes again, while the deployment's tag stays and lost orders are known as ours;
* the control store remembers the moment for units whose journal begins later;
* epochs and the kill switch never fall below what is known now.
"""

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opensqt.core import codec
from opensqt.core.ids import UnitId, UnixMs
from opensqt.core.registry import KillRow
from opensqt.core.targets import unit_of_path
from opensqt.ports.journal import JournalError
from opensqt.ports.registry import RegistryError
from opensqt.storage.archive import BackupError, Manifest, read_manifest, unpack
from opensqt.storage.backup import copy_entry
from opensqt.storage.beyond import put_back_fact
from opensqt.storage.control import CONTROL, RESTORED, open_control
from opensqt.storage.database import Database, DatabaseError, SqliteDatabase
from opensqt.storage.journal import JOURNAL, SqlJournal, open_journal
from opensqt.storage.location import (
    Location,
    control_path,
    is_server,
    journal_paths,
    restoring_path,
)
from opensqt.storage.reading import SqliteReader

if TYPE_CHECKING:
    from opensqt.storage.postgres_reader import PostgresReader

_MOVED: Final = ("control.db", "control.db-wal", "control.db-shm", "symbols", "hosts")
_PUT: Final = ("symbols", "control.db")
"""The control store last: until it is there, nothing starts."""
_WRITER: Final = "restore"
GENERATIONS_MAX: Final = 10**9
"""More round trips than any unit makes between two restores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is known of the deployment that is replaced."""

    deployment: str = ""
    """Tag; empty when there is none, or it cannot be read."""
    is_readable: bool = True
    epochs: dict[str, int] = field(default_factory=dict)
    """Epoch of each unit."""
    accounts: dict[str, int] = field(default_factory=dict)
    """Epoch of each account's lease."""
    kill: KillRow = field(default_factory=KillRow)
    restored_ms: int = 0
    """When it was itself put back, 0 if it never was."""
    units: frozenset[UnitId] = frozenset()
    """Units that have a journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back."""

    manifest: Manifest
    kept: str
    """Where the former state lies now; empty when there was none."""
    missing: tuple[UnitId, ...]
    """Units that exist now and not in the backup: nobody looks after their orders."""


def restore(
    location: Location, data: Path, archive: Path, *, now_ms: UnixMs, is_trial: bool = False
) -> Restored:
    """Replace the deployment at ``location`` by a backup; ``data`` is its folder.

    Nothing of it may run. ``is_trial`` only checks. Raise ``BackupError``: nothing changed then.
    """
    if restoring_path(data).exists():
        raise BackupError(
            f"a restore of {data} was interrupted; finish it first: opensqt restore --finish"
        )
    manifest = read_manifest(archive)
    try:
        present = _present_on_server(str(location)) if is_server(location) else _present(data)
        _check_same(manifest, present, archive)
        if present.restored_ms:
            # The clock may have been set back since: generations must rise all the same.
            now_ms = UnixMs(max(now_ms, present.restored_ms + GENERATIONS_MAX))
        return _restored(location, data, archive, manifest, present, now_ms, is_trial=is_trial)
    except (DatabaseError, RegistryError, JournalError, sqlite3.Error) as error:
        raise BackupError(f"{archive}: {error}") from error
    except OSError as error:
        raise BackupError(f"cannot restore into {data}: {error}") from error


def finish(data: Path) -> bool:
    """Complete a restore that was interrupted while it exchanged files; False if there is none."""
    mark = restoring_path(data)
    try:
        plan = json.loads(mark.read_text("utf-8"))
    except FileNotFoundError:
        return False
    except ValueError as error:
        raise BackupError(f"{mark} cannot be read: {error}") from error
    _exchange(data, data / plan["stage"], data / plan["aside"], is_moved=plan["is_moved"])
    return True


def _restored(  # noqa: PLR0913 - one step of ``restore``
    location: Location,
    data: Path,
    archive: Path,
    manifest: Manifest,
    present: Present,
    now_ms: UnixMs,
    *,
    is_trial: bool,
) -> Restored:
    stage, aside = data / f".restore-{now_ms}", data / f"before-restore-{now_ms}"
    has_former = bool(present.units or present.deployment or not present.is_readable)
    units = {unit for copy in manifest.copies if (unit := copy.unit) is not None}
    kept = f"schemas {_aside(now_ms)}..." if is_server(location) else str(aside)
    found = Restored(
        manifest=manifest,
        kept=kept if has_former else "",
        missing=tuple(sorted(present.units - units)),
    )
    # Of a restore that was killed before it changed anything.
    for leftover in data.glob(".restore-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    stage.mkdir(parents=True, mode=0o700)
    try:
        unpack(archive, manifest, stage)
        _check_stores(stage, manifest)
        if is_trial:
            return found
        _complete(stage, manifest, present, now_ms)
        if is_server(location):
            _put_back(str(location), stage, tuple(sorted(units)), now_ms)
        else:
            aside.mkdir(mode=0o700)
            _exchange(data, stage, aside, is_moved=False)
    finally:
        if not restoring_path(data).exists():
            shutil.rmtree(stage, ignore_errors=True)
    return found


def _check_same(manifest: Manifest, present: Present, archive: Path) -> None:
    if present.deployment and present.deployment != manifest.deployment:
        raise BackupError(
            f"{archive} is of the deployment {manifest.deployment}, here is {present.deployment}; "
            "restore into an empty data directory"
        )


def _check_stores(stage: Path, manifest: Manifest) -> None:
    """Refuse stores of another kind or of a newer build, and such as lack what they should hold."""
    for copy in manifest.copies:
        schema = CONTROL if copy.unit is None else JOURNAL
        found = copy_entry(stage / copy.name, copy.unit, schema)
        if found.sequence != copy.sequence:
            raise DatabaseError(
                f"{copy.name} holds {found.sequence} facts, the manifest says {copy.sequence}"
            )


def _complete(stage: Path, manifest: Manifest, present: Present, now_ms: UnixMs) -> None:
    """Move the copies to this build's schema and tell them that they were put back."""
    open_control(stage, writer=_WRITER, random_bytes=bytes(8), may_migrate=True).close()
    fences = {}
    for copy in manifest.copies:
        if copy.unit is not None:
            journal = open_journal(stage, copy.unit, may_migrate=True)
            try:
                told = _tell(journal, copy.sequence, manifest.created_ms, now_ms)
                fences[copy.unit.text] = asyncio.run(told)
            finally:
                journal.close()
    with closing(SqliteDatabase(control_path(stage))) as database, database.transaction():
        _raise_epochs(database, present, fences)
        _keep_kill(database, present)
        _note(database, manifest, fences, now_ms)
    for path in (control_path(stage), *journal_paths(stage)):
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA journal_mode=DELETE")


async def _tell(journal: SqlJournal, sequence: int, backup_ms: UnixMs, now_ms: UnixMs) -> int:
    """Commit that the journal was put back; return the epoch that wrote to it last."""
    epoch = await journal.epoch()
    fact = put_back_fact(backup_ms, at_ms=now_ms)
    await journal.commit([fact], epoch=epoch, expected_sequence=sequence)
    return epoch


def _raise_epochs(database: Database, present: Present, fences: Mapping[str, int]) -> None:
    rows = database.query("SELECT unit, epoch FROM symbol_epochs")
    known = {str(unit): int(epoch or 0) for unit, epoch in rows}
    # One above all that is known: workflows are named after the epoch, and names must not repeat.
    raised = {
        unit: 1 + max(one.get(unit, 0) for one in (known, present.epochs, fences))
        for unit in known.keys() | present.epochs.keys() | fences.keys()
    }
    database.write_many(
        "INSERT INTO symbol_epochs (unit, epoch) VALUES (?, ?) "
        "ON CONFLICT (unit) DO UPDATE SET epoch = excluded.epoch",
        list(raised.items()),
    )
    # Whoever held an account then does not hold it now.
    database.write_many("UPDATE leases SET epoch = epoch + ?, expires_ms = 0", [(1,)])
    database.write_many(
        "UPDATE leases SET epoch = ? WHERE account = ? AND epoch < ?",
        [(epoch + 1, account, epoch + 1) for account, epoch in present.accounts.items()],
    )


def _keep_kill(database: Database, present: Present) -> None:
    rows = database.query("SELECT body FROM kill_switch WHERE id = 1")
    known = codec.decode(str(rows[0][0]), KillRow) if rows else KillRow()
    if present.kill.epoch <= known.epoch:
        return
    database.write_many(
        "INSERT INTO kill_switch (id, epoch, body) VALUES (1, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, body = excluded.body",
        [(present.kill.epoch, codec.encode(present.kill))],
    )


def _note(
    database: Database, manifest: Manifest, fences: Mapping[str, int], now_ms: UnixMs
) -> None:
    # What is known of the journals is what these copies of them know.
    database.query("DELETE FROM meta WHERE name LIKE 'journal of %'")
    claims = [(f"journal of {unit}", str(epoch)) for unit, epoch in fences.items() if epoch]
    database.write_many(
        "INSERT INTO meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [(RESTORED, str(now_ms)), *claims],
    )
    database.write_many(
        "INSERT INTO audit (id, at_ms, who, what, subject, details) "
        "SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ? FROM audit",
        [(now_ms, _WRITER, "deployment.restored", "", f"backup of {manifest.created_ms}")],
    )


def _present(data: Path) -> Present:
    """Return what can be read of the present deployment; a damaged one is no reason to stop."""
    units = frozenset(
        unit for path in journal_paths(data) if (unit := unit_of_path(path.parent.name)) is not None
    )
    path = control_path(data)
    if not path.exists():
        return Present(units=units)
    try:
        with closing(SqliteReader(path)) as reader:
            return replace(_present_in(reader), units=units)
    except (DatabaseError, codec.CodecError, IndexError):
        return Present(is_readable=False, units=units)


def _present_on_server(address: str) -> Present:
    from opensqt.storage.postgres_reader import PostgresReader  # noqa: PLC0415 - the driver is heavy
    from opensqt.storage.server_copy import units_on_server  # noqa: PLC0415 - same

    units = units_on_server(address)
    if units is None:
        return Present()
    with closing(PostgresReader(address, schema="control")) as reader:
        return replace(_present_in(reader), units=frozenset(units))


def _put_back(address: str, stage: Path, units: tuple[UnitId, ...], now_ms: UnixMs) -> None:
    from opensqt.storage.server_copy import put_back  # noqa: PLC0415 - the driver is heavy

    put_back(address, stage, units, aside=_aside(now_ms))


def _aside(now_ms: UnixMs) -> str:
    return f"before-{now_ms}-"


def _present_in(reader: "SqliteReader | PostgresReader") -> Present:
    tags = reader.query("SELECT value FROM meta WHERE name = 'deployment'")
    epochs = reader.query("SELECT unit, epoch FROM symbol_epochs")
    leases = reader.query("SELECT account, epoch FROM leases")
    kills = reader.query("SELECT body FROM kill_switch WHERE id = 1")
    restored = reader.query("SELECT value FROM meta WHERE name = ?", (RESTORED,))
    return Present(
        deployment=str(tags[0][0]),
        epochs={str(unit): int(epoch or 0) for unit, epoch in epochs},
        accounts={str(account): int(epoch or 0) for account, epoch in leases},
        kill=codec.decode(str(kills[0][0]), KillRow) if kills else KillRow(),
        restored_ms=int(restored[0][0] or 0) if restored else 0,
    )


def _exchange(data: Path, stage: Path, aside: Path, *, is_moved: bool) -> None:
    """Move the present stores aside and the staged ones in; goes on where it was interrupted."""
    if not is_moved:
        _mark(data, stage, aside, is_moved=False)
        for name in _MOVED:
            _rename(data / name, aside / name)
        _mark(data, stage, aside, is_moved=True)
    for name in _PUT:
        _rename(stage / name, data / name)
    _synchronize(data)
    restoring_path(data).unlink()
    shutil.rmtree(stage, ignore_errors=True)
    if not any(aside.iterdir()):
        aside.rmdir()


def _rename(source: Path, target: Path) -> None:
    if source.exists():
        source.rename(target)


def _mark(data: Path, stage: Path, aside: Path, *, is_moved: bool) -> None:
    scratch = restoring_path(data).with_name(".restoring")
    plan = {"stage": stage.name, "aside": aside.name, "is_moved": is_moved}
    with scratch.open("w", encoding="utf-8") as stream:
        json.dump(plan, stream)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(restoring_path(data))
    _synchronize(data)


def _synchronize(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
