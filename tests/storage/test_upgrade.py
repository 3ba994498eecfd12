"""One process moves all stores forward before the others open them."""

from pathlib import Path

import pytest

from opensqt.ports.journal import JournalError
from opensqt.storage import upgrade as module
from opensqt.storage.control import open_control
from opensqt.storage.journal import JOURNAL, open_journal
from opensqt.storage.location import Location, journal_path
from opensqt.storage.migrate import Schema
from tests.storage.contract import OTHER, RANDOM, UNIT

NEXT = Schema(kind="journal", scripts=(*JOURNAL.scripts, "ALTER TABLE facts ADD COLUMN note TEXT"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "sqlite":
        return tmp_path
    address: str = request.getfixturevalue("database")
    return address


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


def test_a_store_that_cannot_be_moved_is_named(tmp_path: Path) -> None:
    upgraded(tmp_path)
    open_journal(tmp_path, UNIT).close()
    file = journal_path(tmp_path, UNIT)
    file.write_bytes(b"rubbish" * 1000)

    with pytest.raises(JournalError, match=f"cannot use {file}: file is not a database"):
        upgraded(tmp_path)
