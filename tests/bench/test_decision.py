"""How the bench of decisions reads what its processes noted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.bench_decision import Found, at
from tests.bench.bench_durable import pages
from tests.bench.measure import MeasureError

MS = 1_000_000


def found(*ways: tuple[str, int, int], moments: tuple[int, ...] = (0, 500, 1_000)) -> Found:
    """Return notes of orders: name, heard and read in milliseconds."""
    return Found(
        moments=[moment * MS for moment in moments],
        heard={name: heard * MS for name, heard, _ in ways},
        read={name: read * MS for name, _, read in ways},
    )


def test_orders_before_the_first_step_do_not_count() -> None:
    notes = found(("a", -20, -5), ("b", 10, 13), ("c", 510, 518))

    assert notes.delays == {"b": 3.0, "c": 8.0}


def test_the_slowest_order_of_a_step_counts_if_every_unit_placed_one() -> None:
    notes = found(
        ("a", 1, 4), ("b", 1, 9), ("c", 501, 502), ("d", 1_001, 1_003), ("e", 1_001, 1_002)
    )

    assert notes.slowest(2) == [8.0, 2.0]


def test_steps_without_orders_are_no_measurement() -> None:
    with pytest.raises(MeasureError, match="only 1 of 3 steps made 1 orders"):
        found(("a", 1, 4)).slowest(1)


def test_the_highest_of_few_is_their_p99() -> None:
    assert at([1.0, 2.0, 9.0], 0.99) == 9.0


def test_pages_on_the_free_list_are_not_in_use(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with closing(sqlite3.connect(file)) as store:
        store.execute("CREATE TABLE t (x)")
        store.execute("INSERT INTO t VALUES (zeroblob(1000000))")
        store.commit()
        full = pages(file)
        store.execute("DELETE FROM t")
        store.commit()

    used, size = pages(file)

    assert full[0] == full[1] == size
    assert used < size / 10
