"""Telling journals that ids from a lost past must not come again."""

from collections.abc import Iterable

from opensqt.core.facts import JournalRestored
from opensqt.core.ids import UnitId, UnixMs
from opensqt.core.registry import UnitRecord
from opensqt.core.registry_rules import APART_MS, neighbours_of
from opensqt.storage.journal import SqlJournal


def put_back_fact(backup_ms: UnixMs, *, at_ms: UnixMs) -> JournalRestored:
    """Return what a journal learns that was put back: nothing lost can have a generation so high.

    Generations count the round trips of a unit, from 1 or from the moment of an earlier restore;
    the wall clock in milliseconds is beyond any of them.
    """
    return JournalRestored(backup_ms=backup_ms, generation=at_ms, at_ms=at_ms)


def lost_since_ms(unit: UnitId, rows: Iterable[UnitRecord], *, restored_ms: int) -> int:
    """Return since when a trade on a unit's symbol may be of an order that a restore has lost.

    The removal of a unit ends with the venue seen without any order of ours on the symbol, lost
    ones included: what traded before was that unit's, or was seen by it.
    """
    ended = [row.updated_ms + APART_MS for row in neighbours_of(unit, rows) if row.is_removed]
    return max([restored_ms, *ended])


async def begin_beyond(
    journal: SqlJournal, restored_ms: int, *, lost_ms: int = 0, epoch: int, now_ms: UnixMs
) -> None:
    """Let a journal that begins after a restore begin beyond what a lost one may have used.

    ``lost_ms``: see ``lost_since_ms``; 0 = the moment of the restore.
    """
    if not restored_ms or await journal.history(count_max=1):
        return
    at_ms = UnixMs(max(restored_ms, now_ms))
    asked_ms = UnixMs(min(lost_ms or restored_ms, at_ms))
    fact = put_back_fact(asked_ms, at_ms=at_ms)
    await journal.commit([fact], epoch=epoch, expected_sequence=0)
