"""The command that proves the protocol: its report, its exit codes, its smallest worlds."""

import json

import pytest

from opensqt.cli.main import main
from opensqt.simulation.certify import drawn_faults, run_seeds, shrunk
from opensqt.simulation.faults import Faults
from opensqt.simulation.mutants import mutant

pytestmark = pytest.mark.sim


def test_a_clean_run_reports_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["certify", "--seeds", "3", "--jobs", "1", "--json"])
    report = json.loads(capsys.readouterr().out)

    assert code == 0
    assert report["seeds"] == 3
    assert report["failing"] == []
    assert report["orders"] > 3
    assert {"violations", "crashes", "fills", "seconds"} <= report.keys()


def test_a_planted_bug_is_reported_with_the_seed_that_found_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["certify", "--mutant", "cancel_as_success", "--seeds", "30", "--json"])

    (row,) = json.loads(capsys.readouterr().out)["mutants"]
    assert (code, row["name"], row["caught"]) == (0, "cancel_as_success", True)


def test_a_bug_that_is_not_found_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Faults, "draw", lambda _: Faults())
    code = main(["certify", "--mutant", "absent_after_one_not_found", "--seeds", "1", "--json"])

    (row,) = json.loads(capsys.readouterr().out)["mutants"]
    assert (code, row["caught"]) == (1, False)


def test_an_unknown_mutant_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", "--mutant", "nonsense"]) == 2
    assert "cancel_as_success" in capsys.readouterr().err


def test_a_failing_world_is_made_smaller() -> None:
    with mutant("cancel_as_success").planted():
        failing = next(one.seed for one in run_seeds(range(30), jobs=0) if one.violation)
        found = shrunk(failing)

    assert found.violation
    assert found.trace
    drawn, left = drawn_faults(failing), found.faults
    kept = [name for name in Faults.__slots__ if getattr(left, name) == getattr(drawn, name)]
    assert len(kept) < len(Faults.__slots__), "not a single fault could be taken away"
