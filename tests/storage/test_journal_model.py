"""Any sequence of commits, crashes and take-overs: the file and the model always say the same.

Both journals get the same calls; each answer, error kind included, and the whole content must agree
after every step. What the model promises is checked by the contract suite.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opensqt.core.facts import Fact
from opensqt.core.ids import ClientOrderId, TradeId, VenueOrderId
from opensqt.core.symbol import SymbolState
from opensqt.ports.journal import JournalError, JournalPort
from opensqt.simulation.journal import JournalDisk, MemoryJournal
from opensqt.storage.journal import open_journal
from tests.storage.contract import EMPTY, UNIT, intended, reported, started, traded

T = TypeVar("T")
NAMES = st.sampled_from(["a", "b", "c", "d"])
FACTS = st.one_of(
    st.builds(started, st.integers(1, 3)),
    NAMES.map(intended),
    st.builds(reported, NAMES, venue_order_id=st.none() | st.sampled_from(["v1", "v2"])),
    st.builds(traded, st.sampled_from(["1", "2", "3", "4"]), NAMES),
)


def outcome(call: Coroutine[object, object, T]) -> T | type[JournalError]:
    """Return what a call returns, or the kind of error it raises."""
    try:
        return asyncio.run(call)
    except JournalError as error:
        return type(error)


class Journals(RuleBasedStateMachine):
    @initialize()
    def open_both(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="opensqt-journal-"))
        self.disk = JournalDisk(unit=UNIT)
        self.model = MemoryJournal(self.disk)
        self.real = open_journal(self.folder, UNIT)

    def both(self) -> tuple[JournalPort, JournalPort]:
        return self.model, self.real

    @rule(
        facts=st.lists(FACTS, max_size=4),
        epoch=st.integers(1, 3),
        offset=st.sampled_from([0, 0, 0, 0, -1, 1]),
        with_snapshot=st.booleans(),
    )
    def commit(self, facts: list[Fact], epoch: int, offset: int, *, with_snapshot: bool) -> None:
        expected = self.disk.sequence + offset
        snapshot: SymbolState | None = None
        if with_snapshot:
            snapshot = replace(EMPTY, sequence=expected + len(facts), quarantine=str(len(facts)))

        results = [
            outcome(
                journal.commit(facts, epoch=epoch, expected_sequence=expected, snapshot=snapshot)
            )
            for journal in self.both()
        ]

        assert results[0] == results[1]

    @rule(epoch=st.integers(1, 3))
    def claim(self, epoch: int) -> None:
        results = [outcome(journal.claim(epoch)) for journal in self.both()]

        assert results[0] == results[1]

    @rule()
    def restart(self) -> None:
        self.real.close()
        self.real = open_journal(self.folder, UNIT)
        self.model = MemoryJournal(self.disk)

    @rule(trade=st.sampled_from(["1", "2", "3", "4"]))
    def ask_for_a_trade(self, trade: str) -> None:
        model, real = (outcome(journal.has_trade(TradeId(trade))) for journal in self.both())

        assert model == real

    @rule(ours=st.none() | NAMES, theirs=st.none() | st.sampled_from(["v", "v1", "v2"]))
    def ask_for_an_order(self, ours: str | None, theirs: str | None) -> None:
        model, real = (
            outcome(
                journal.find_order(
                    client_order_id=None if ours is None else ClientOrderId(ours),
                    venue_order_id=None if theirs is None else VenueOrderId(theirs),
                )
            )
            for journal in self.both()
        )

        assert model == real

    @invariant()
    def both_hold_the_same(self) -> None:
        if hasattr(self, "real"):
            assert outcome(self.model.load()) == outcome(self.real.load())
            assert asyncio.run(self.real.history()) == tuple(self.disk.facts)
            assert asyncio.run(self.real.epoch()) == self.disk.epoch

    def teardown(self) -> None:
        if hasattr(self, "real"):
            self.real.close()
            shutil.rmtree(self.folder)


TestJournals = pytest.mark.property(Journals.TestCase)
TestJournals.settings = settings(max_examples=25, stateful_step_count=25)
