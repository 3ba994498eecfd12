"""The command that proves the protocol: its report, its exit codes, its smallest worlds."""

import json

import pytest

from opensqt.cli.main import main
from opensqt.simulation import certify
from opensqt.simulation.certify import drawn_faults, run_seeds, shrunk
from opensqt.simulation.faults import NOTHING, Faults
from opensqt.simulation.mutants import mutant
from opensqt.simulation.world import SeedResult, run_seed

pytestmark = pytest.mark.sim


def test_a_clean_run_reports_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["certify", "--seeds", "3", "--jobs", "1", "--json"])
    report = json.loads(capsys.readouterr().out)

    assert code == 0
    assert report["seeds"] == 3
    assert report["failing"] == []
    assert report["orders"] > 3
    assert {"violations", "crashes", "fills", "seconds"} <= report.keys()
    assert report["cpu_seconds"] > 0
    assert report["orders_mean"] == round(report["orders"] / 3, 1)


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
        named = ",".join(f"{name}={value}" for name, value in found.schedule.items())
        again = run_seed(failing, faults=Faults.parse(named or NOTHING))

    assert found.violation
    assert found.trace
    assert again.violation == found.violation
    drawn = drawn_faults(failing)
    assert all(getattr(drawn, name) == value for name, value in found.schedule.items())
    knobs = [name for name in Faults.__slots__ if getattr(drawn, name) != getattr(Faults(), name)]
    assert len(found.schedule) < len(knobs), "not a single fault could be taken away"


def test_a_failing_world_is_told_with_its_schedule_and_its_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(certify, "run_seed", _broken_run_seed)
    monkeypatch.setattr(Faults, "draw", lambda _: Faults(kills=1, bans=1))
    code = main(["certify", "--first", "7", "--seeds", "1", "--jobs", "1"])
    told = capsys.readouterr().out
    again = main(["certify", "--first", "7", "--seeds", "1", "--jobs", "1", "--json"])
    (failing,) = json.loads(capsys.readouterr().out)["failing"]

    assert (code, again) == (1, 1)
    assert "seed 7: I1a: a test" in told
    assert "still fails with only: kills=1" in told
    assert "a story" in told
    assert "replay: opensqt certify --seed 7 --only kills=1\n" in told
    assert failing == {
        "seed": 7,
        "violation": "I1a: a test",
        "schedule": {"kills": 1},
        "replay": "opensqt certify --seed 7 --only kills=1",
        "trace": ["a story"],
    }


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("kils=1", "--only: got 'kils', expected one of safety_ms, drop_request"),
        ("kills=many", "--only: got 'kills=many', expected kills=NUMBER"),
    ],
)
def test_a_replay_that_names_no_faults_is_one_line(
    capsys: pytest.CaptureFixture[str], only: str, said: str
) -> None:
    assert main(["certify", "--seed", "7", "--only", only]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def _broken_run_seed(
    seed: int, *, faults: Faults | None = None, keep_trace: bool = False
) -> SeedResult:
    """Stand for a world that fails as long as there is a kill switch in it."""
    kills = Faults(kills=1).kills if faults is None else faults.kills
    return SeedResult(
        seed=seed,
        violation="I1a: a test" if kills else "",
        units=1,
        crashes=0,
        orders=1,
        fills=0,
        trace=["a story"] if keep_trace else [],
    )
