"""One process moves all stores forward before the others open them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from opensqt.ports.journal import JournalError
from opensqt.storage import upgrade as module
from opensqt.storage.control import open_control
from opensqt.storage.journal import JOURNAL, open_journal
from opensqt.storage.keeping import kept_path
from opensqt.storage.location import Location, journal_path
from opensqt.storage.migrate import Schema
from tests.storage.contract import OTHER, RANDOM, UNIT

NEXT = Schema(kind="journal", scripts=(*JOURNAL.scripts, "ALTER TABLE facts ADD COLUMN note TEXT"))


def upgraded(location: Location) -> int:
    return module.upgrade(location, writer="test", random_bytes=RANDOM)


def test_an_empty_deployment_gets_a_control_store(location: Location) -> None:
    assert upgraded(location) == 0

    open_control(location, writer="test", random_bytes=bytes(4)).close()


def test_all_journals_move_forward_and_the_old_build_then_refuses_them(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded(location)
    for unit in (UNIT, OTHER):
        open_journal(location, unit).close()

    monkeypatch.setattr(module, "JOURNAL", NEXT)

    assert upgraded(location) == 2
    assert upgraded(location) == 2
    for unit in (UNIT, OTHER):
        with pytest.raises(JournalError, match="written by a newer build: schema 2"):
            open_journal(location, unit)


def migrated(location: Location, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move a journal from schema 1 through ``count`` newer ones."""
    upgraded(location)
    open_journal(location, UNIT).close()
    for number in range(1, count + 1):
        added = [f"ALTER TABLE facts ADD COLUMN note{n} TEXT" for n in range(number)]
        schema = Schema(kind="journal", scripts=(*JOURNAL.scripts, *added))
        monkeypatch.setattr(module, "JOURNAL", schema)
        upgraded(location)


def test_before_a_migration_a_copy_is_kept_and_never_many(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated(location, 5, monkeypatch)

    if isinstance(location, Path):
        path = journal_path(location, UNIT)
        kept = sorted(path.parent.glob("journal.db.schema-*"))
        assert [one.name[-1] for one in kept] == ["3", "4", "5"]
        assert {one.stat().st_mode & 0o777 for one in kept} == {0o600}
        with closing(sqlite3.connect(kept[-1])) as copy:
            columns = [row[1] for row in copy.execute("PRAGMA table_info(facts)")]
            (fence,) = copy.execute("SELECT epoch FROM fence").fetchone()
        assert (columns[-1], fence) == ("note3", 0)
        return
    with psycopg.connect(str(location)) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'schema-%' ORDER BY nspname"
        ).fetchall()
        name = f"journal-{UNIT.path}"
        assert [row[0] for row in rows] == [f"schema-{number}-{name}" for number in (3, 4, 5)]
        found = connection.execute(f'SELECT epoch FROM "schema-5-{name}".fence').fetchall()
        assert found == [(0,)]


def test_without_room_for_the_copy_nothing_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded(tmp_path)
    open_journal(tmp_path, UNIT).close()
    kept_path(journal_path(tmp_path, UNIT), 1).mkdir()
    monkeypatch.setattr(module, "JOURNAL", NEXT)

    with pytest.raises(JournalError, match="cannot keep a copy"):
        upgraded(tmp_path)

    open_journal(tmp_path, UNIT).close()


def test_a_store_that_cannot_be_moved_is_named(tmp_path: Path) -> None:
    upgraded(tmp_path)
    open_journal(tmp_path, UNIT).close()
    file = journal_path(tmp_path, UNIT)
    file.write_bytes(b"rubbish" * 1000)

    with pytest.raises(JournalError, match=f"cannot use {file}: file is not a database"):
        upgraded(tmp_path)
