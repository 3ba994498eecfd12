"""What cannot be trusted is not opened, and one line says why."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from opensqt.ports.journal import JournalError
from opensqt.ports.registry import RegistryError
from opensqt.storage.control import CONTROL, open_control
from opensqt.storage.database import DatabaseError, SqliteDatabase
from opensqt.storage.journal import JOURNAL, open_journal
from opensqt.storage.location import control_path, journal_database, journal_path
from opensqt.storage.migrate import Schema, SchemaError, ensure, read_meta, stored_version
from tests.storage.contract import OTHER, RANDOM, UNIT, at_sequence, started


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    """Return the file of a journal with one fact in it, closed."""
    open_journal(tmp_path, UNIT).close()
    return journal_path(tmp_path, UNIT)


def refusal(data: Path) -> str:
    """Return the one line with which the journal is refused."""
    with pytest.raises(JournalError) as caught:
        open_journal(data, UNIT)
    message = str(caught.value)
    assert "\n" not in message
    return message


def execute(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_journal_lies_in_a_folder_of_its_unit_and_is_private(tmp_path: Path) -> None:
    open_journal(tmp_path / "data", UNIT).close()

    file = tmp_path / "data" / "symbols" / "paper-BTCUSDT-perp-grid" / "journal.db"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


async def test_nothing_is_written_past_a_fence_that_is_gone(
    tmp_path: Path, journal_file: Path
) -> None:
    journal = open_journal(tmp_path, UNIT)
    execute(journal_file, "DELETE FROM fence")

    with pytest.raises(JournalError, match="the fence is missing"):
        await journal.commit([started(1)], epoch=1, expected_sequence=0)
    assert await journal.history() == ()
    journal.close()


def test_a_commit_has_reached_the_disk(tmp_path: Path) -> None:
    database = journal_database(tmp_path, UNIT)

    assert database.query("PRAGMA journal_mode") == [("wal",)]
    assert database.query("PRAGMA synchronous") == [(2,)]  # 2 = FULL
    database.close()


def test_a_file_of_rubbish_is_refused(tmp_path: Path, journal_file: Path) -> None:
    journal_file.write_bytes(b"rubbish" * 1000)

    assert refusal(tmp_path) == f"cannot use {journal_file}: file is not a database"


async def test_a_damaged_page_is_found_when_it_is_read(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, UNIT)
    for sequence in range(0, 2000, 200):
        await journal.commit([started()] * 200, epoch=1, expected_sequence=sequence)
    journal.close()
    file = journal_path(tmp_path, UNIT)
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : -4096] = b"\xa5" * (len(content) - 4096 - len(content) // 2)
    file.write_bytes(content)

    journal = open_journal(tmp_path, UNIT)
    with pytest.raises(JournalError, match=r"malformed|cannot be read|is missing"):
        await journal.load()
    journal.close()


def test_a_journal_of_another_unit_is_refused(tmp_path: Path, journal_file: Path) -> None:
    other = journal_path(tmp_path, OTHER)
    other.parent.mkdir(parents=True)
    journal_file.rename(other)

    with pytest.raises(JournalError) as caught:
        open_journal(tmp_path, OTHER)

    assert str(caught.value) == (
        f"{other} is the journal of paper/BTCUSDT:perp, expected paper/ETHUSDT:perp"
    )


def test_another_kind_of_store_is_refused(tmp_path: Path, journal_file: Path) -> None:
    control = open_control(tmp_path / "other", writer="t", random_bytes=RANDOM)
    control.close()
    control_path(tmp_path / "other").rename(journal_file)

    assert refusal(tmp_path) == f"{journal_file} is of kind control, expected journal"


def test_a_foreign_database_is_refused(tmp_path: Path, journal_file: Path) -> None:
    journal_file.unlink()
    execute(journal_file, "CREATE TABLE photos (x)")

    assert refusal(tmp_path) == f"{journal_file} holds foreign tables: photos"


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, journal_file: Path) -> None:
    execute(journal_file, "UPDATE meta SET value = '99' WHERE name = 'schema'")

    assert refusal(tmp_path) == (
        f"{journal_file} was written by a newer build: schema 99, this one knows "
        f"{JOURNAL.version}; upgrade this build"
    )
    with pytest.raises(JournalError):
        open_journal(tmp_path, UNIT, may_migrate=True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)

    with pytest.raises(JournalError, match="Permission denied"):
        open_journal(tmp_path / "data", UNIT)


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "symbols").write_text("")

    message = refusal(tmp_path)

    assert message.startswith(f"cannot create {journal_path(tmp_path, UNIT)}: ")


async def test_a_store_that_became_read_only_writes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, UNIT)
    await journal.commit([started()], epoch=1, expected_sequence=0)
    journal._database.query("PRAGMA query_only = ON")

    with pytest.raises(JournalError, match="attempt to write a readonly database"):
        await journal.commit([started()], epoch=1, expected_sequence=1)

    assert len(await journal.history()) == 1
    journal.close()


async def test_a_full_disk_fails_the_commit_and_nothing_else(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, UNIT)
    await journal.commit([started()], epoch=1, expected_sequence=0)
    pages = journal._database.query("PRAGMA page_count")[0][0]
    journal._database.query(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(JournalError, match="database or disk is full"):
        await journal.commit([started()] * 500, epoch=1, expected_sequence=1)

    assert len(await journal.history()) == 1
    assert await journal.commit([started()], epoch=1, expected_sequence=1) == 2
    journal.close()


async def test_a_fact_that_cannot_be_stored_fails_the_commit(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, UNIT)

    with pytest.raises(JournalError, match=r"cannot store: ProcessStarted\.epoch: expected an int"):
        await journal.commit([started("1")], epoch=1, expected_sequence=0)  # type: ignore[arg-type]

    assert await journal.history() == ()
    journal.close()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "UPDATE facts SET body = '{}' WHERE sequence = 2",
            "fact 2 cannot be read: expected a tag",
        ),
        ("DELETE FROM facts WHERE sequence = 2", "fact 2 is missing"),
        ("INSERT INTO snapshots VALUES (2, '{}')", "snapshot 2 cannot be read: expected a tag"),
    ],
)
async def test_a_row_that_cannot_be_read_stops_the_recovery(
    tmp_path: Path, statement: str, message: str
) -> None:
    journal = open_journal(tmp_path, UNIT)
    await journal.commit([started()] * 3, epoch=1, expected_sequence=0)
    journal.close()
    execute(journal_path(tmp_path, UNIT), statement)

    journal = open_journal(tmp_path, UNIT)
    with pytest.raises(JournalError, match=message):
        await journal.load()
    journal.close()


async def test_two_snapshots_are_kept_and_all_facts(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, UNIT)
    for sequence in range(5):
        snapshot = at_sequence(sequence + 1)
        await journal.commit([started()], epoch=1, expected_sequence=sequence, snapshot=snapshot)

    assert journal._database.query("SELECT sequence FROM snapshots") == [(4,), (5,)]
    assert len(await journal.history()) == 5
    assert len(await journal.history(after=1, count_max=2)) == 2
    journal.close()


# ------------------------------------------------------------------------------------------ control
def test_a_lost_control_store_is_not_silently_replaced(tmp_path: Path, journal_file: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        open_control(tmp_path, writer="t", random_bytes=RANDOM)

    assert str(caught.value) == (
        f"{tmp_path / 'control.db'} is missing but 1 journals exist, such as {journal_file}; "
        f"restore it, or move the folder {tmp_path / 'symbols'} away"
    )
    assert not control_path(tmp_path).exists()


def test_the_tag_needs_randomness(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="expected 4 random bytes, got 3"):
        open_control(tmp_path, writer="t", random_bytes=b"abc")


def _open_and_tag(folder: str, number: int) -> str:
    store = open_control(Path(folder), writer=str(number), random_bytes=bytes([number] * 4))
    tag = store._deployment
    store.close()
    return tag


def test_processes_that_start_together_agree_on_one_tag(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        tags = set(pool.map(_open_and_tag, [str(tmp_path)] * 8, range(8)))

    assert len(tags) == 1


# --------------------------------------------------------------------------------------- migrations
NEXT = Schema(kind="journal", scripts=(*JOURNAL.scripts, "ALTER TABLE facts ADD COLUMN note TEXT"))


def test_an_older_store_is_refused_until_somebody_may_migrate_it(journal_file: Path) -> None:
    database = SqliteDatabase(journal_file)

    with pytest.raises(SchemaError, match="has the old schema 1, this build needs 2"):
        ensure(database, NEXT, properties={})
    ensure(database, NEXT, properties={}, may_migrate=True)

    assert stored_version(database, NEXT) == 2
    assert read_meta(database, "unit") == UNIT.text
    database.query("SELECT note FROM facts")
    database.close()


def test_a_migration_that_fails_changes_nothing(journal_file: Path) -> None:
    broken = Schema(
        kind="journal",
        scripts=(*JOURNAL.scripts, "ALTER TABLE facts ADD COLUMN note TEXT; SELECT * FROM nowhere"),
    )
    database = SqliteDatabase(journal_file)

    with pytest.raises(DatabaseError, match="no such table: nowhere"):
        ensure(database, broken, properties={}, may_migrate=True)

    assert stored_version(database, JOURNAL) == 1
    with pytest.raises(DatabaseError, match="no such column: note"):
        database.query("SELECT note FROM facts")
    database.close()


def test_a_store_of_the_right_version_is_not_written(journal_file: Path) -> None:
    before = journal_file.read_bytes()

    database = SqliteDatabase(journal_file)
    ensure(database, JOURNAL, properties={}, may_migrate=True)
    database.close()

    assert journal_file.read_bytes() == before
    assert CONTROL.version == 1


def test_the_journal_of_a_file_imports_no_server_driver() -> None:
    code = (
        "import sys, opensqt.storage.journal, opensqt.storage.control;"
        "print([m for m in sys.modules if m.split('.')[0] in ('psycopg', 'sqlalchemy')])"
    )

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    assert printed.stdout.strip() == b"[]"
