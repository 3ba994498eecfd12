"""Journals for tests, and the ways in which they fail.

The journal itself is the simulation's: one implementation of the semantics in memory. Its hook is
asynchronous, so that a failure may also be a wait.
"""

from collections.abc import Sequence

from opensqt.core.facts import Fact
from opensqt.core.ids import UnitId
from opensqt.ports.journal import JournalError
from opensqt.simulation.journal import CommitHook, CommitPoint, JournalDisk, MemoryJournal

__all__ = [
    "CommitPoint",
    "CrashedError",
    "FailingCommit",
    "JournalDisk",
    "MemoryJournal",
    "make_journal",
]


class CrashedError(BaseException):
    """The process ended here. Not an ``Exception``: no handler of the code under test sees it."""


class FailingCommit:
    """A hook that lets ``after`` commits pass, then raises ``error`` once at ``point``.

    ``CrashedError`` stands for kill -9, ``JournalError`` before for a full disk, ``JournalError``
    after for a reply that was lost.
    """

    def __init__(
        self, point: CommitPoint, *, after: int = 0, error: BaseException | None = None
    ) -> None:
        self._point = point
        self._remaining = after
        self._error = error or CrashedError(point)
        self.has_failed = False

    async def __call__(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        if point is not self._point or self.has_failed:
            return
        if self._remaining:
            self._remaining -= 1
            return
        self.has_failed = True
        raise self._error

    @classmethod
    def full_disk(cls, *, after: int = 0) -> "FailingCommit":
        """Return a hook by which one commit does not reach the disk, and says so."""
        return cls(CommitPoint.BEFORE, after=after, error=JournalError("disk full"))

    @classmethod
    def lost_reply(cls, *, after: int = 0) -> "FailingCommit":
        """Return a hook by which one commit reaches the disk, and says it failed."""
        return cls(CommitPoint.AFTER, after=after, error=JournalError("connection lost"))


def make_journal(unit: UnitId, *, hook: CommitHook | None = None) -> MemoryJournal:
    """Return an empty journal of its own."""
    return MemoryJournal(JournalDisk(unit=unit), hook=hook)
