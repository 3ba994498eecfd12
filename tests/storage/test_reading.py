"""Readers see what was committed, while it is written and afterwards, and change nothing."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from opensqt.core.facts import ConfigApplied, GridAnchored, OrderIntended
from opensqt.core.ids import ClientOrderId
from opensqt.core.order_story import tell_order
from opensqt.core.symbol import SymbolState, replay
from opensqt.storage.database import DatabaseError
from opensqt.storage.journal import open_journal
from opensqt.storage.location import Location, control_path, journal_path
from opensqt.storage.reading import open_journals, read_registry
from tests.engine.stage import UNIT
from tests.fakes.lived import lived, store_life


def test_an_order_is_found_and_told_like_from_the_whole_journal(location: Location) -> None:
    store_life(location)
    whole = list(enumerate(lived(), start=1))
    orders = [fact for fact in lived() if isinstance(fact, OrderIntended)]

    with open_journals(location) as (journal,):
        for order in orders:
            own = order.client_order_id
            assert journal.story_of(own) == tell_order(UNIT, own, whole)
        assert journal.sequence_of(ClientOrderId("q1abc00000000000000000000")) is None


@pytest.mark.parametrize("cut", [20, 60, 100])
def test_a_story_begins_at_a_snapshot_and_is_the_same(tmp_path: Path, cut: int) -> None:
    facts = lived()
    whole = list(enumerate(facts, start=1))
    state = replay(SymbolState(unit=UNIT, deployment="abc"), facts[:cut])
    store_life(tmp_path, snapshot=replace(state, price=None))

    with open_journals(tmp_path) as (journal,):
        for order in (fact for fact in facts if isinstance(fact, OrderIntended)):
            own = order.client_order_id
            assert journal.story_of(own) == tell_order(UNIT, own, whole)


def test_state_newest_facts_and_registry_are_read_while_the_journal_is_open(
    location: Location,
) -> None:
    store_life(location)

    with closing(open_journal(location, UNIT)), open_journals(location) as (journal,):
        state = journal.state("abc")
        anchored = journal.newest(GridAnchored)
        nothing = journal.newest(UnknownKind)
    tag, rows = read_registry(location)

    assert state.sequence == len(lived())
    assert isinstance(anchored, GridAnchored)
    assert state.anchor == anchored.anchor
    assert nothing is None
    assert len(tag) == 3
    assert [row.unit for row in rows] == [UNIT]


class UnknownKind:
    """A class no fact has."""


def test_reading_leaves_files_as_they_are(tmp_path: Path) -> None:
    store_life(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.db")}

    with open_journals(tmp_path) as (journal,):
        assert journal.newest(ConfigApplied) is not None

    assert {path: path.read_bytes() for path in tmp_path.rglob("*.db")} == before


def test_nothing_is_created_where_nothing_is(location: Location) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        read_registry(location)
    if isinstance(location, Path):
        assert not location.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"rubbish" * 1000, "file is not a database"), (b"", "is not a control of ours")],
)
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    control_path(tmp_path).write_bytes(content)

    with pytest.raises(DatabaseError, match=said):
        read_registry(tmp_path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    store_life(tmp_path)
    with closing(sqlite3.connect(journal_path(tmp_path, UNIT))) as file, file:
        file.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")

    with pytest.raises(DatabaseError, match="has the schema 99"), open_journals(tmp_path):
        pass


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    store_life(tmp_path)
    folder = journal_path(tmp_path, UNIT).parent
    folder.chmod(0o500)

    with open_journals(tmp_path) as (journal,):
        assert journal.newest(ConfigApplied) is not None

    folder.chmod(0o700)
