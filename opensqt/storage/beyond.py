"""Telling journals that ids from a lost past must not come again."""

from opensqt.core.facts import JournalRestored
from opensqt.core.ids import UnixMs
from opensqt.storage.journal import SqlJournal


def put_back_fact(backup_ms: UnixMs, *, at_ms: UnixMs) -> JournalRestored:
    """Return what a journal learns that was put back: nothing lost can have a generation so high.

    Generations count the round trips of a unit, from 1 or from the moment of an earlier restore;
    the wall clock in milliseconds is beyond any of them.
    """
    return JournalRestored(backup_ms=backup_ms, generation=at_ms, at_ms=at_ms)


async def begin_beyond(
    journal: SqlJournal, restored_ms: int, *, epoch: int, now_ms: UnixMs
) -> None:
    """Let a journal that begins after a restore begin beyond what a lost one may have used."""
    if not restored_ms or await journal.history(count_max=1):
        return
    fact = put_back_fact(UnixMs(restored_ms), at_ms=UnixMs(max(restored_ms, now_ms)))
    await journal.commit([fact], epoch=epoch, expected_sequence=0)
