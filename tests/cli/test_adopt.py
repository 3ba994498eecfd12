"""`opensqt adopt` shows what it would do, asks, and does exactly that."""

import io
import json
import sys
from pathlib import Path

import pytest

from opensqt.cli.main import main
from tests.cli.fake_control import calls


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
