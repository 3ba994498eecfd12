"""What durability costs: importing it, encoding facts, committing them, reading them back."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from opensqt.core import codec
from opensqt.core.facts import Fact
from opensqt.storage.journal import SqlJournal, open_journal
from tests.bench.plan import Plan
from tests.bench.row import Row
from tests.storage.contract import UNIT, intended, reported, traded

COMMITS = 1_000
FACTS_RECOVERED = 10_000
REPEATS = 2_000


def run(_: Plan) -> list[Row]:
    return [*import_cost(), *codec_cost(), *asyncio.run(journal_cost())]


def import_cost() -> list[Row]:
    """Measure what the stores add to a fresh interpreter with asyncio and the core."""
    code = (
        "import asyncio, os; from opensqt.core import codec; from opensqt.system import process\n"
        "me = os.getpid(); memory, cpu = process.private_bytes(me), os.times()\n"
        "import opensqt.storage.journal, opensqt.storage.control\n"
        "after = os.times(); used = after.user + after.system - cpu.user - cpu.system\n"
        "print(used, process.private_bytes(me) - memory)"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    seconds, size = output.stdout.split()
    return [
        Row(name="storage.import_cpu", value=float(seconds), unit="s", budget=0.1),
        Row(name="storage.import_private", value=int(size) / 1e6, unit="MB", budget=4),
    ]


def codec_cost() -> list[Row]:
    rows = []
    for fact in (intended("q1abc00000000000000000000"), traded("1"), reported("a")):
        text, name = codec.encode(fact), type(fact).__name__
        encoded = best(lambda fact=fact: codec.encode(fact))  # type: ignore[misc]
        decoded = best(lambda text=text: codec.decode_fact(text))  # type: ignore[misc]
        rows += [
            Row(name=f"codec.encode_{name}", value=encoded, unit="us"),
            Row(name=f"codec.decode_{name}", value=decoded, unit="us"),
            Row(name=f"codec.both_{name}", value=encoded + decoded, unit="us", budget=25),
        ]
    return rows


def best(call: Callable[[], object]) -> float:
    """Return processor microseconds of one call, the best of ten rounds: machines are shared."""
    rounds = []
    for _ in range(10):
        started = time.process_time()
        for _ in range(REPEATS):
            call()
        rounds.append((time.process_time() - started) / REPEATS * 1e6)
    return min(rounds)


async def journal_cost() -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="opensqt-bench-", dir="/var/tmp") as folder:
        journal = open_journal(Path(folder), UNIT)
        sequence = 0
        for size in (1, 10):
            took, sequence = await commit_many(journal, size, sequence)
            rows += [
                Row(name=f"journal.commit_{size}_p50", value=took[COMMITS // 2], unit="ms",
                    budget=1),
                Row(name=f"journal.commit_{size}_p99", value=took[COMMITS * 99 // 100], unit="ms"),
            ]  # fmt: skip
        started = time.perf_counter()
        facts = await journal.history(after=sequence - FACTS_RECOVERED)
        seconds = time.perf_counter() - started
        assert len(facts) == FACTS_RECOVERED
        rows.append(
            Row(name="journal.load_10000_facts", value=seconds * 1e3, unit="ms", budget=500)
        )
        journal.close()
    return rows


async def commit_many(journal: SqlJournal, size: int, sequence: int) -> tuple[Sequence[float], int]:
    """Return sorted milliseconds per commit of ``size`` facts, and the sequence afterwards."""
    took = []
    for number in range(COMMITS):
        facts: list[Fact] = [
            replace(intended(f"q1abc0000000000{size:02}{number:05}{part:02}"), slot=part)
            if part % 2
            else traded(f"{size}-{number}-{part}")
            for part in range(size)
        ]
        started = time.perf_counter()
        sequence = await journal.commit(facts, epoch=1, expected_sequence=sequence)
        took.append((time.perf_counter() - started) * 1e3)
    return sorted(took), sequence
