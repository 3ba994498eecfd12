"""`opensqt adopt` shows what it would do, asks, and does exactly that."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensqt.cli.main import main
from opensqt.system.rundir import run_dir_path

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("OPENSQT_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    shutil.rmtree(run_dir_path(tmp_path, {}), ignore_errors=True)


@pytest.fixture
def orchestrator(data: Path) -> Iterator[Path]:
    """Yield the file with the calls a fake orchestrator was asked."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.fake_control", str(data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready: fake\n"
    yield data / "calls.jsonl"
    process.kill()
    process.wait()
    process.stdout.close()


def calls(file: Path) -> list[list[object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_what_was_shown_is_what_is_done(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["adopt", "BTCUSDT", "--reason", "moved by hand", "--operator", "ann", "--yes"]

    assert main(command) == 0

    assert calls(orchestrator) == [
        ["adopt", "BTCUSDT", "ann", "moved by hand", None, None, True],
        ["adopt", "BTCUSDT", "ann", "moved by hand", "0.5", None, False],
    ]
    text = capsys.readouterr().out
    assert "book 0, venue 0.5, difference 0.5" in text
    assert "1. book an adjustment of 0.5 at 100" in text
    assert "adopted by ann" in text


def test_a_dry_run_only_looks(orchestrator: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", "BTCUSDT", "--reason", "x", "--dry-run", "--json"]) == 0

    assert [call[-1] for call in calls(orchestrator)] == [True]
    assert json.loads(capsys.readouterr().out)["adopted"] is False


def test_nothing_to_adopt_asks_nobody(
    orchestrator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adopt", "XRPUSDT", "--reason", "x"]) == 0

    assert [call[-1] for call in calls(orchestrator)] == [True]
    assert "nothing to adopt" in capsys.readouterr().out


def test_without_a_terminal_or_a_yes_nothing_is_changed(
    orchestrator: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert main(["adopt", "BTCUSDT", "--reason", "x"]) == 2

    assert [call[-1] for call in calls(orchestrator)] == [True]
    assert "say --yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["adopt", "ETHUSDT", "--reason", "x"], 5, "2 orders of ours may still trade"),
        (["adopt", "btcusdt", "--reason", "x"], 2, "did you mean 'BTCUSDT'?"),
        (["adopt", "BTCUSDT"], 2, "--reason"),
    ],
)
def test_a_refusal_is_said_in_one_line(
    orchestrator: Path,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    code: int,
    said: str,
) -> None:
    assert main(command) == code

    assert said in capsys.readouterr().err


def test_without_an_orchestrator_it_is_not_ready(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adopt", "BTCUSDT", "--reason", "x"]) == 4

    assert "the orchestrator is not running" in capsys.readouterr().err
