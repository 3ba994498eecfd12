"""kill -9 at any moment leaves whole commits only, and a process that was replaced cannot write."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opensqt.core.facts import OrderIntended, TradeFilled
from opensqt.core.ids import ClientOrderId, TradeId
from opensqt.core.symbol import replay
from opensqt.storage.journal import SqlJournal, open_journal
from tests.storage.contract import EMPTY, UNIT
from tests.storage.writer import BATCH, EXIT_STALE

pytestmark = pytest.mark.crash
ROUNDS = 8
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def writing(data: Path, epoch: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.storage.writer", str(data), str(epoch)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def acknowledged(process: subprocess.Popen[str]) -> int:
    """Return the next acknowledged sequence."""
    assert process.stdout is not None
    return int(process.stdout.readline())


async def check_whole(journal: SqlJournal, *, at_least: int) -> int:
    """Check that nothing acknowledged is lost and nothing is half there; return the sequence."""
    facts = await journal.history()
    recovered = await journal.load()
    orders = [fact.client_order_id for fact in facts if isinstance(fact, OrderIntended)]
    trades = [fact.trade_id for fact in facts if isinstance(fact, TradeFilled)]
    query = journal._database.query

    assert len(facts) >= at_least
    assert len(facts) % BATCH == 0
    assert replay(recovered.snapshot or EMPTY, recovered.facts) == replay(EMPTY, facts)
    assert {ClientOrderId(str(row[0])) for row in query("SELECT client_order_id FROM orders")} == {
        *orders
    }
    assert {TradeId(str(row[0])) for row in query("SELECT trade_id FROM trades")} == {*trades}
    assert len(set(trades)) == len(trades)
    assert query("PRAGMA integrity_check") == [("ok",)]
    return len(facts)


async def test_a_killed_process_leaves_only_whole_commits(tmp_path: Path) -> None:
    moments = random.Random(1)
    sequence = 0
    for epoch in range(1, ROUNDS + 1):
        with writing(tmp_path, epoch) as process:
            last = acknowledged(process)
            assert last == sequence + BATCH
            await asyncio.sleep(moments.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            last = max([last, *map(int, process.stdout.read().split())])

        journal = open_journal(tmp_path, UNIT)
        sequence = await check_whole(journal, at_least=last)
        journal.close()
    assert sequence > ROUNDS * BATCH


async def test_a_process_that_was_replaced_stops_at_its_next_commit(tmp_path: Path) -> None:
    with writing(tmp_path, 1) as old:
        acknowledged(old)
        journal = open_journal(tmp_path, UNIT)
        await journal.claim(2)
        sequence = len(await journal.history())

        assert old.wait(timeout=20) == EXIT_STALE

    assert old.stdout is not None
    rows = journal._database.query("SELECT DISTINCT epoch FROM facts")
    assert rows == [(1,)]
    assert await check_whole(journal, at_least=BATCH) == sequence
    journal.close()
