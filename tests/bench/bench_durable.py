"""What durable workflows cost a process: decisions a second, and what they leave on the disk.

A decision is what it is in the engine: one workflow whose handler commits one order to the unit's
journal; the order's three reports follow in a commit of their own. Pruning runs as in production.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from opensqt.core import codec
from opensqt.core.facts import Fact, OrderIntended
from opensqt.durable.workflows import DbosWorkflows, WorkflowStore
from opensqt.engine.decider import PLACE_BATCH
from opensqt.storage.journal import SqlJournal, open_journal
from opensqt.system import log
from tests.bench.plan import Plan
from tests.bench.row import Row
from tests.storage.contract import UNIT, intended, reported, traded

TIMED = 1_000
AT_ONCE = 20
STATED_FOR = 100_000
"""Decisions the bound on the file is stated for."""
_MEBIBYTE = 1 << 20


def run(plan: Plan) -> list[Row]:
    """Time decisions, make many, weigh both files."""
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-", dir="/var/tmp") as folder:
        return asyncio.run(_measured(Path(folder), plan.decisions))


async def _measured(folder: Path, decisions: int) -> list[Row]:
    store = WorkflowStore(host=UNIT.path, location=str(folder))
    port = DbosWorkflows(store, log=log.get("opensqt.bench"))
    unit = _Unit(open_journal(folder, UNIT), port)
    await port.start()
    alone = await unit.timed(TIMED, at_once=1)
    together = await unit.timed(TIMED, at_once=AT_ONCE)
    while unit.made < decisions:
        await unit.decide(AT_ONCE)
    await port.prune()
    await port.stop()
    unit.journal.close()
    host = folder / "hosts" / UNIT.path / "dbos.db"
    used, size = pages(host)
    journal = (folder / "symbols" / UNIT.path / "journal.db").stat().st_size
    return [
        Row(
            name="durable.decisions_per_s", value=alone, unit="1/s", budget=100,
            higher_is_better=True,
        ),
        Row(name=f"durable.decisions_per_s_{AT_ONCE}_at_once", value=together, unit="1/s"),
        Row(name="durable.decisions", value=unit.made, unit="1"),
        Row(name="durable.used_after_pruning", value=used / _MEBIBYTE, unit="MB", budget=50),
        Row(name="durable.file_after_pruning", value=size / _MEBIBYTE, unit="MB"),
        Row(
            name=f"durable.journal_growth_of_{STATED_FOR}",
            value=journal * STATED_FOR / unit.made / _MEBIBYTE,
            unit="MB",
        ),
    ]  # fmt: skip


def pages(file: Path) -> tuple[int, int]:
    """Return the bytes in use and the bytes of a SQLite file."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        values = [
            int(store.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        ]
    count, free, size = values
    return (count - free) * size, count * size


class _Unit:
    """Decides without an engine around it."""

    def __init__(self, journal: SqlJournal, port: DbosWorkflows) -> None:
        self.journal = journal
        self.made = 0
        self._port = port
        self._sequence = 0
        port.register(PLACE_BATCH, self._handle)

    async def timed(self, count: int, *, at_once: int) -> float:
        """Make decisions and return how many there were a second."""
        begun = time.perf_counter()
        for _ in range(count // at_once):
            await self.decide(at_once)
        return count / (time.perf_counter() - begun)

    async def decide(self, at_once: int) -> None:
        await asyncio.gather(*(self._decide() for _ in range(at_once)))

    async def _decide(self) -> None:
        self.made += 1
        number, name = self.made, f"q1abc{self.made:020}"
        order = replace(intended(name), slot=number)
        inputs = {"id": name, "epoch": 1, "sequence": number, "facts": [codec.encode(order)]}
        await self._port.run(PLACE_BATCH, f"{UNIT.path}:1:{number}", json.dumps(inputs))
        await self._commit(
            [reported(name), traded(f"{number}"), replace(reported(name), reason="filled")]
        )

    async def _handle(self, inputs: str) -> str:
        facts = [codec.decode_fact(text) for text in json.loads(inputs)["facts"]]
        assert isinstance(facts[0], OrderIntended)
        await self._commit(facts)
        return "sent"

    async def _commit(self, facts: list[Fact]) -> None:
        self._sequence = await self.journal.commit(facts, epoch=1, expected_sequence=self._sequence)
