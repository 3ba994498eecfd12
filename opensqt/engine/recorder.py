"""The one writer of a unit: facts change the state and are committed, all or nothing.

Facts that were heard may be staged: the state holds them at once, so that a decision can be made,
and the next commit stores them in one transaction with what was decided from them. Until then they
are acknowledged to nobody; a commit that fails takes them out of the state again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from opensqt.core.facts import Fact
from opensqt.core.symbol import SymbolState, apply, replay
from opensqt.ports.journal import JournalError, JournalPort

SNAPSHOT_EVERY: Final = 1_000


class OutdatedError(Exception):
    """What was decided was decided from facts the state holds no more."""


class Recorder:
    """State and journal of one unit: state = replay(journal and what is staged), always."""

    def __init__(self, journal: JournalPort, *, initial: SymbolState, epoch: int) -> None:
        """Start from an empty state; ``load`` brings what the journal holds."""
        self._journal = journal
        self._state = initial
        self._epoch = epoch
        self._snapshot_sequence = 0
        self._staged: tuple[Fact, ...] = ()
        self._before = initial
        self._stored: Callable[[], None] | None = None
        self._writing = asyncio.Lock()
        self._problem = ""

    @property
    def state(self) -> SymbolState:
        """Return the current state, an immutable value."""
        return self._state

    @property
    def journal(self) -> JournalPort:
        """Return the journal, for questions only."""
        return self._journal

    @property
    def problem(self) -> str:
        """Return why the last commit failed, empty if it did not."""
        return self._problem

    @property
    def epoch(self) -> int:
        """Return the epoch under which this process writes."""
        return self._epoch

    async def load(self) -> int:
        """Fence older processes, rebuild the state; return how many facts were replayed."""
        await self._journal.claim(self._epoch)
        recovered = await self._journal.load()
        start = recovered.snapshot or self._state
        self._snapshot_sequence = start.sequence
        self._state = replay(start, recovered.facts)
        return len(recovered.facts)

    def stage(self, facts: Sequence[Fact], *, stored: Callable[[], None]) -> bool:
        """Apply facts which the next commit stores; ``stored`` is called once it has.

        Return False, with nothing done, while a commit is under way: it does not hold them, and its
        end would forget them. Nothing may be staged yet. A commit that fails forgets them.
        """
        if self._writing.locked():
            return False
        assert not self._staged, "facts are staged already"
        self._before = self._state
        self._state = replay(self._state, facts)
        self._staged, self._stored = tuple(facts), stored
        return True

    async def record(self, facts: Sequence[Fact], *, at_sequence: int | None = None) -> None:
        """Commit journaled facts in one transaction and apply them; all or nothing.

        Raise what the journal raises; the state is then unchanged, without what was staged. With
        ``at_sequence`` raise ``OutdatedError`` when that is not the sequence of the state.
        """
        if facts:
            await self._commit(facts, at_sequence=at_sequence)

    async def flush(self) -> None:
        """Commit what is staged, if anything is; raise what the journal raises."""
        if self._staged:
            await self._commit(())

    async def _commit(self, facts: Sequence[Fact], *, at_sequence: int | None = None) -> None:
        async with self._writing:
            if at_sequence not in (None, self._state.sequence):
                message = f"decided at {at_sequence}, the state is at {self._state.sequence}"
                raise OutdatedError(message)
            after = replay(self._state, facts)
            snapshot = None
            if after.sequence - self._snapshot_sequence >= SNAPSHOT_EVERY:
                snapshot = after
            try:
                await self._journal.commit(
                    (*self._staged, *facts),
                    epoch=self._epoch,
                    expected_sequence=self._state.sequence - len(self._staged),
                    snapshot=snapshot,
                )
            except BaseException as error:
                self._problem = str(error) if isinstance(error, JournalError) else ""
                if self._staged:
                    self._state = replace(self._before, price=self._state.price)
                    self._staged, self._stored = (), None
                raise
            self._problem = ""
            if snapshot is not None:
                self._snapshot_sequence = after.sequence
            self._state = after
            self._staged, stored, self._stored = (), self._stored, None
        if stored is not None:
            stored()

    def forget_price(self) -> None:
        """Know no price until the next one is observed."""
        self._state = replace(self._state, price=None)

    def observe(self, fact: Fact) -> None:
        """Apply a fact that is not journaled (prices)."""
        self._state = apply(self._state, fact)
