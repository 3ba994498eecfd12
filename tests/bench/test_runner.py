import json

import pytest

from tests.bench import __main__ as runner
from tests.bench.plan import Plan
from tests.bench.row import Row

SLOW = Row(name="order.round_trip_p99", value=12.5, unit="ms", budget=10)
FAST = Row(name="prices.rate", value=21_000, unit="1/s", budget=20_000, higher_is_better=True)
PLAIN = Row(name="lines", value=3, unit="1")


def measured(monkeypatch: pytest.MonkeyPatch, rows: list[Row]) -> None:
    monkeypatch.setattr(runner, "names", lambda _: ["bench_fake"])
    monkeypatch.setattr(runner, "measure", lambda *_: rows)


def test_a_ceiling_and_a_floor_are_told_apart() -> None:
    assert not SLOW.is_within_budget
    assert FAST.is_within_budget
    assert PLAIN.is_within_budget


def test_the_table_shows_every_figure_with_its_budget_and_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(monkeypatch, [FAST, SLOW, PLAIN])

    code = runner.main([])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert lines == [
        ["name", "value", "unit", "budget", "ok?"],
        ["prices.rate", "21000", "1/s", "≥", "20000", "yes"],
        ["order.round_trip_p99", "12.5", "ms", "≤", "10", "NO"],
        ["lines", "3", "1"],
    ]


def test_all_figures_within_budget_exit_zero(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(monkeypatch, [FAST])

    assert runner.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "prices.rate"


def test_a_bench_that_raises_is_a_missed_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        message = "no such bench"
        raise ImportError(message)

    monkeypatch.setattr("importlib.import_module", broken)

    rows = runner.measure("bench_fake", Plan())

    assert [row.is_within_budget for row in rows] == [False]
