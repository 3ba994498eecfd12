"""A journal that was lost, or is an older copy, is not mistaken for a new one."""

from pathlib import Path

import pytest

from opensqt.core.ids import deployment_tag
from opensqt.ports.journal import JournalError
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from opensqt.storage.location import Location, journal_path
from opensqt.storage.tags import tags_of_journals
from opensqt.storage.upgrade import upgrade
from tests.storage.contract import OTHER, RANDOM, UNIT, intended


async def test_the_newest_claim_of_each_unit_is_kept(location: Location) -> None:
    store = open_control(location, writer="t", random_bytes=RANDOM)

    assert await store.claimed_epoch(UNIT) == 0
    await store.note_claim(UNIT, 3)
    await store.note_claim(UNIT, 2)

    assert await store.claimed_epoch(UNIT) == 3
    assert await store.claimed_epoch(OTHER) == 0
    store.close()


async def test_a_journal_that_was_claimed_must_be_there(location: Location) -> None:
    with pytest.raises(JournalError, match=r"(missing|empty).*although epoch 3.*restore it"):
        open_journal(location, UNIT, claimed_epoch=3)

    # Refused without leaving anything behind that could be mistaken for it.
    with pytest.raises(JournalError, match="although epoch 3"):
        open_journal(location, UNIT, claimed_epoch=3)


async def test_a_journal_that_forgot_a_claim_is_an_older_copy(location: Location) -> None:
    journal = open_journal(location, UNIT)
    await journal.claim(2)
    journal.close()

    with pytest.raises(JournalError, match="older copy: it ends with epoch 2, epoch 3 of"):
        open_journal(location, UNIT, claimed_epoch=3)
    open_journal(location, UNIT, claimed_epoch=2).close()
    open_journal(location, UNIT, claimed_epoch=1).close()


async def test_one_journal_that_cannot_be_moved_does_not_hold_up_the_others(
    tmp_path: Path,
) -> None:
    open_control(tmp_path, writer="t", random_bytes=RANDOM).close()
    for unit in (UNIT, OTHER):
        open_journal(tmp_path, unit).close()
    file = journal_path(tmp_path, UNIT)
    file.write_bytes(b"rubbish" * 1000)
    refused: list[str] = []

    upgrade(tmp_path, writer="t", random_bytes=RANDOM, refused=refused.append)

    assert refused == [f"cannot use {file}: file is not a database"]
    open_journal(tmp_path, OTHER).close()


async def test_the_journals_tell_whose_orders_are_ours(tmp_path: Path) -> None:
    tag = deployment_tag(RANDOM)
    for unit in (UNIT, OTHER):
        journal = open_journal(tmp_path, unit)
        order = intended(f"q1{tag}{unit.symbol[0].lower()}{'0' * 19}")
        await journal.commit([order], epoch=1, expected_sequence=0)
        journal.close()
    journal_path(tmp_path, UNIT).write_bytes(b"rubbish" * 1000)

    assert tags_of_journals(tmp_path) == {tag}
    assert tags_of_journals(tmp_path / "nowhere") == frozenset()
