"""The one writer of a unit: commits facts, then lets them change the state."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from opensqt.core.facts import Fact
from opensqt.core.symbol import SymbolState, apply, replay
from opensqt.ports.journal import JournalPort

SNAPSHOT_EVERY: Final = 1_000


class Recorder:
    """State and journal of one unit, kept equal: state = replay(journal), always."""

    def __init__(self, journal: JournalPort, *, initial: SymbolState, epoch: int) -> None:
        """Start from an empty state; ``load`` brings what the journal holds."""
        self._journal = journal
        self._state = initial
        self._epoch = epoch
        self._snapshot_sequence = 0

    @property
    def state(self) -> SymbolState:
        """Return the current state, an immutable value."""
        return self._state

    @property
    def journal(self) -> JournalPort:
        """Return the journal, for questions only."""
        return self._journal

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

    async def record(self, facts: Sequence[Fact]) -> None:
        """Commit journaled facts in one transaction and apply them; all or nothing.

        Raise what the journal raises; the state is then unchanged.
        """
        if not facts:
            return
        before = self._state
        after = replay(before, facts)
        snapshot = None
        if after.sequence - self._snapshot_sequence >= SNAPSHOT_EVERY:
            snapshot = after
        await self._journal.commit(
            facts, epoch=self._epoch, expected_sequence=before.sequence, snapshot=snapshot
        )
        if snapshot is not None:
            self._snapshot_sequence = after.sequence
        self._state = after

    def forget_price(self) -> None:
        """Know no price until the next one is observed."""
        self._state = replace(self._state, price=None)

    def observe(self, fact: Fact) -> None:
        """Apply a fact that is not journaled (prices)."""
        self._state = apply(self._state, fact)
