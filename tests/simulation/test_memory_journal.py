"""The ways in which the journal of the simulation fails; what it promises is in tests/storage."""

import pytest

from opensqt.ports.journal import JournalError
from opensqt.simulation.journal import CommitPoint, JournalDisk, MemoryJournal
from tests.fakes.journal import CrashedError, FailingCommit, make_journal
from tests.storage.contract import UNIT, started


async def test_a_crash_before_the_commit_leaves_nothing() -> None:
    journal = make_journal(UNIT, hook=FailingCommit(CommitPoint.BEFORE))

    with pytest.raises(CrashedError):
        await journal.commit([started()], epoch=1, expected_sequence=0)

    assert (await journal.load()).facts == ()


async def test_a_crash_after_the_commit_leaves_everything() -> None:
    disk = JournalDisk(unit=UNIT)
    journal = MemoryJournal(disk, hook=FailingCommit(CommitPoint.AFTER, after=1))
    await journal.commit([started()], epoch=1, expected_sequence=0)

    with pytest.raises(CrashedError):
        await journal.commit([started(), started()], epoch=1, expected_sequence=1)

    assert len((await MemoryJournal(disk).load()).facts) == 3


async def test_a_lost_reply_is_found_by_reading_again() -> None:
    journal = make_journal(UNIT, hook=FailingCommit.lost_reply())

    with pytest.raises(JournalError, match="connection lost"):
        await journal.commit([started()], epoch=1, expected_sequence=0)

    assert len((await journal.load()).facts) == 1
    assert await journal.commit([started()], epoch=1, expected_sequence=1) == 2


async def test_a_full_disk_loses_the_commit_and_says_so() -> None:
    journal = make_journal(UNIT, hook=FailingCommit.full_disk())

    with pytest.raises(JournalError, match="disk full"):
        await journal.commit([started()], epoch=1, expected_sequence=0)

    assert await journal.commit([started()], epoch=1, expected_sequence=0) == 1


async def test_a_process_killed_while_it_waits_for_the_disk_writes_nothing() -> None:
    disk = JournalDisk(unit=UNIT)

    async def die(point: CommitPoint, facts: object) -> None:
        if point is CommitPoint.BEFORE:
            journal.kill()

    journal = MemoryJournal(disk, hook=die)

    with pytest.raises(JournalError, match="is closed"):
        await journal.commit([started()], epoch=1, expected_sequence=0)

    assert disk.facts == []
