"""A control store that cannot be used is named before anything is started."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from opensqt.storage.control import CONTROL, open_control
from opensqt.storage.journal import open_journal
from opensqt.storage.location import control_path
from opensqt.storage.soundness import problem_of
from tests.storage.contract import RANDOM, UNIT


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the folder of a deployment that has traded."""
    open_control(tmp_path, writer="t", random_bytes=RANDOM).close()
    open_journal(tmp_path, UNIT).close()
    return tmp_path


def test_nothing_speaks_against_a_new_folder_or_a_sound_one(tmp_path: Path, data: Path) -> None:
    assert problem_of(tmp_path / "new") == ""
    assert problem_of(data) == ""


@pytest.mark.pg
def test_nothing_speaks_against_a_new_database_or_a_sound_one(database: str) -> None:
    assert problem_of(database) == ""
    open_control(database, writer="t", random_bytes=RANDOM).close()
    assert problem_of(database) == ""


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    found = problem_of("postgresql://me:hunter2@127.0.0.1:1/none")

    assert "cannot use the server of the stores" in found
    assert "start the server, or mend app.store" in found
    assert "hunter2" not in found
    assert "\n" not in found


@pytest.mark.pg
def test_a_database_that_is_not_there_or_newer_is_named(database: str) -> None:
    assert 'database "none" does not exist' in problem_of(f"{database.rpartition('/')[0]}/none")
    open_control(database, writer="t", random_bytes=RANDOM).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE control.meta SET value = '99' WHERE name = 'schema'")

    assert "was written by a newer build: schema 99" in problem_of(database)


def test_a_broken_store_is_named(data: Path) -> None:
    control_path(data).write_bytes(b"rubbish" * 1000)

    assert problem_of(data) == (
        f"cannot read {control_path(data)}: file is not a database; restore it from a backup"
    )


@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_lost_store_is_named(data: Path, is_emptied: bool) -> None:
    control_path(data).unlink()
    if is_emptied:
        control_path(data).touch()

    assert f"{control_path(data)} is missing but 1 journals exist" in problem_of(data)


def test_a_newer_store_is_named(data: Path) -> None:
    with closing(sqlite3.connect(control_path(data))) as database:
        database.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
        database.commit()

    assert problem_of(data) == (
        f"{control_path(data)} was written by a newer build: schema 99, this one knows "
        f"{CONTROL.version}; upgrade this build"
    )


def test_another_kind_of_store_is_named(data: Path, tmp_path: Path) -> None:
    journal = next(tmp_path.glob("symbols/*/journal.db"))
    control_path(data).unlink()
    journal.rename(control_path(data))

    assert "is of kind journal, expected control" in problem_of(data)


def test_up_starts_nothing_beside_a_broken_store(data: Path) -> None:
    control_path(data).write_bytes(b"rubbish" * 1000)

    answer = subprocess.run(
        [sys.executable, "-m", "opensqt.cli.main", "up", "--detach"],
        env={**os.environ, "OPENSQT_DATA_DIR": str(data), "XDG_RUNTIME_DIR": str(data)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert answer.returncode == 5
    assert "file is not a database" in answer.stderr + answer.stdout
    assert not (data / "logs").exists()
