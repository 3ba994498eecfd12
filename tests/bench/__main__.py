"""Run the benches: every tests/bench/bench_*.py with a function `run(plan: Plan) -> list[Row]`.

`python -m tests.bench [NAME…]` runs all but the opt-in ones, or those whose name contains a NAME.
Exits 1 if a figure misses its budget or a bench fails, after all of them have run.
"""

import argparse
import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.plan import Plan
from tests.bench.row import Row

OPT_IN = frozenset({"bench_fresh_clone"})
"""Benches that run only when they are named."""
HEADER = ("name", "value", "unit", "budget", "ok?")


def names(wanted: Sequence[str]) -> list[str]:
    """Return the benches whose name contains one of the wanted parts; the usual ones without."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    if not wanted:
        return [name for name in found if name not in OPT_IN]
    return [name for name in found if any(part in name for part in wanted)]


def measure(name: str, plan: Plan) -> list[Row]:
    """Return the figures of one bench; a bench that raises is one missed figure."""
    try:
        module = importlib.import_module(f"tests.bench.{name}")
        return list(module.run(plan))
    except Exception:  # noqa: BLE001 - one broken bench must not hide the figures of the others
        traceback.print_exc()
        return [Row(name=f"{name} failed", value=1, unit="failure", budget=0)]


def number(value: float) -> str:
    """Return four significant digits, large numbers in full."""
    return f"{value:.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def cells(row: Row) -> tuple[str, ...]:
    """Return one line of the table."""
    sign = "≥" if row.higher_is_better else "≤"
    budget = "" if row.budget is None else f"{sign} {number(row.budget)}"
    verdict = "" if row.budget is None else "yes" if row.is_within_budget else "NO"
    return (row.name, number(row.value), row.unit, budget, verdict)


def load() -> str:
    """Return how busy the machine is: a wall time means nothing without it."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def table(rows: Iterable[Row]) -> str:
    """Return all figures as aligned text."""
    lines = [HEADER, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="part of a bench's name")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument(
        "--kills", type=int, default=Plan().kills, help="kills per kind of process; 20 for p95"
    )
    parser.add_argument(
        "--decisions", type=int, default=Plan().decisions, help="durable decisions made"
    )
    options = parser.parse_args(arguments)
    plan = Plan(kills=options.kills, decisions=options.decisions)
    rows = []
    for name in names(options.names):
        print(f"running {name}, load {load()}", file=sys.stderr, flush=True)
        rows += measure(name, plan)
    if not options.names:
        left = " ".join(sorted(name.removeprefix("bench_") for name in OPT_IN))
        print(f"not measured unless named: {left}", file=sys.stderr)
    print(f"done, load {load()}", file=sys.stderr, flush=True)
    print(json.dumps([asdict(row) for row in rows]) if options.json else table(rows))
    return 0 if all(row.is_within_budget for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
