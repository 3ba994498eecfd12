"""From when on a unit that begins after a restore looks for what was lost."""

import asyncio
from dataclasses import replace
from pathlib import Path

from opensqt.core.facts import Directive, JournalRestored
from opensqt.core.ids import AccountName, InstanceName, Symbol, UnitId, UnixMs
from opensqt.core.reconcile import TRADE_OVERLAP_MS, trades_since_ms
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.symbol import SymbolState, replay
from opensqt.storage.beyond import begin_beyond, lost_since_ms
from opensqt.storage.journal import open_journal
from tests.engine.stage import UNIT

RESTORED_MS = 1_700_000_000_000
DAY_MS = 86_400_000
ENDED_MS = RESTORED_MS + 5 * DAY_MS
NOW_MS = RESTORED_MS + 9 * DAY_MS


def row(unit: UnitId, *, is_removed: bool = True, updated_ms: int = ENDED_MS) -> UnitRecord:
    return UnitRecord(
        unit=unit,
        desire=Desire.REMOVED,
        directive=Directive.CANCEL,
        config_text="{}",
        config_version=1,
        revision=1,
        is_removed=is_removed,
        updated_ms=UnixMs(updated_ms),
    )


EARLIER = replace(UNIT, instance=InstanceName("earlier"))


def since_ms(*rows: UnitRecord) -> int:
    return lost_since_ms(UNIT, rows, restored_ms=RESTORED_MS)


def test_nobody_else_on_the_symbol_has_looked_since_the_restore() -> None:
    other_symbol = replace(UNIT, symbol=Symbol("XRPUSDT:perp"))
    other_account = replace(EARLIER, account=AccountName("other"))

    assert since_ms() == RESTORED_MS
    assert since_ms(row(other_symbol), row(other_account), row(UNIT)) == RESTORED_MS
    assert since_ms(row(EARLIER, is_removed=False)) == RESTORED_MS
    assert since_ms(row(EARLIER, updated_ms=RESTORED_MS - DAY_MS)) == RESTORED_MS


def test_the_end_of_an_earlier_unit_left_nothing_that_could_trade() -> None:
    newer = replace(UNIT, instance=InstanceName("newer"))

    assert since_ms(row(EARLIER)) >= ENDED_MS + TRADE_OVERLAP_MS
    assert since_ms(row(newer, updated_ms=ENDED_MS + 9), row(EARLIER)) == since_ms(row(EARLIER)) + 9


def asked_ms(folder: Path, *rows: UnitRecord) -> int:
    """Return from when on a unit that starts now asks for its trades."""

    async def begin() -> tuple[object, ...]:
        journal = open_journal(folder, UNIT, may_migrate=True)
        await begin_beyond(
            journal, RESTORED_MS, lost_ms=since_ms(*rows), epoch=1, now_ms=UnixMs(NOW_MS)
        )
        facts = await journal.history()
        journal.close()
        return facts

    (told,) = asyncio.run(begin())
    assert isinstance(told, JournalRestored)
    assert told.generation == NOW_MS, "ids rise all the same"
    state = replay(SymbolState(unit=UNIT, deployment="abc"), [told])
    return trades_since_ms(state, now_ms=NOW_MS)


def test_a_unit_that_begins_long_after_a_restore_leaves_an_earlier_ones_trades_alone(
    tmp_path: Path,
) -> None:
    last_trade_ms = ENDED_MS

    assert asked_ms(tmp_path / "alone") <= RESTORED_MS
    assert last_trade_ms < asked_ms(tmp_path / "after", row(EARLIER)) < ENDED_MS + 10_000
