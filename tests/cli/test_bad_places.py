"""Data directories and stores that cannot be used: one line, the right exit code, nothing begun."""

import asyncio
import errno
import json
import os
from pathlib import Path

import pytest

from opensqt.cli import up, view
from opensqt.cli.children import Layout, Playback, choose_ports
from opensqt.cli.exits import Exit
from opensqt.cli.main import main
from opensqt.config.load import load
from opensqt.storage.location import control_path
from opensqt.system.rundir import RunDir
from tests.fakes.lived import store_life

CONFIG = str(Path(__file__).parents[2] / "configs/paper.yaml")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the only line that was printed."""
    captured = capsys.readouterr()
    (line,) = (captured.out + captured.err).splitlines()
    return line


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", no_space)


def test_nothing_starts_where_a_file_is_or_nothing_can_be_made(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data / "notes.txt"
    file.write_text("mine")

    assert main(["up", "-c", CONFIG, "--detach", "--data-dir", str(file)]) == Exit.USAGE
    assert f"data directory {file}: got no folder, expected" in said(capsys)
    assert main(["up", "-c", CONFIG, "--detach", "--data-dir", "/proc/x"]) == Exit.REFUSED
    assert "data directory /proc/x: got 'No such file or directory'" in said(capsys)
    assert file.read_text() == "mine"


@pytest.mark.usefixtures("full_disk")
def test_nothing_starts_on_a_full_disk(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "-c", CONFIG, "--detach"]) == Exit.REFUSED

    line = said(capsys)
    assert f"data directory {data}: got 'No space left on device', expected" in line
    assert "fix: make room" in line
    assert list(data.iterdir()) == []


@pytest.mark.usefixtures("full_disk")
def test_doctor_finds_a_full_disk(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-c", CONFIG, "--json"]) == Exit.USAGE

    findings = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert findings["data directory"]["verdict"] == "fail"
    assert findings["stores"]["verdict"] == "ok"


def test_a_damaged_control_store_is_told_by_whoever_needs_it(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_life(data)
    control_path(data).write_bytes(b"rubbish" * 1_000)

    for command in (["up", "-c", CONFIG, "--detach"], ["backup", "b.tar"]):
        assert main(command) == Exit.REFUSED
        line = said(capsys)
        assert f"{control_path(data)}: file is not a database" in line
        assert "restore it from a backup" in line
    assert main(["doctor", "-c", CONFIG]) == Exit.USAGE
    assert "file is not a database" in capsys.readouterr().err
    assert not (data / "b.tar").exists()


def test_nothing_is_restored_where_a_file_is(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data / "notes.txt"
    file.write_text("mine")

    for command in (["restore", "b.tar"], ["restore", "--finish"]):
        assert main([*command, "--data-dir", str(file)]) == Exit.USAGE
        assert f"data directory {file}: got no folder" in said(capsys)


def test_what_the_system_refuses_leaves_no_trace_of_the_program(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data / "notes.txt"
    file.write_text("mine")
    command = ["serve", "paper-venue", "-c", CONFIG, "--data-dir", str(file)]

    assert main(command) == Exit.UNEXPECTED

    assert said(capsys) == f"opensqt: {file}/paper: Not a directory"


def test_what_never_was_is_not_deleted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", "--purge", "--data-dir", str(data / "none")]) == Exit.OK

    assert "nothing to delete" in capsys.readouterr().out


def test_programs_get_an_error_they_can_read(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json"]) == Exit.NOT_READY

    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": captured.err.strip(), "exit_code": 4}


def test_a_symbol_in_quarantine_is_a_start_that_has_worked_in_part(
    data: Path,
    run: RunDir,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        {"account": "paper", "symbol": "A:perp", "state": "quoting", "idle_reason": "in_window"},
        {"account": "paper", "symbol": "B:perp", "state": "quarantined", "idle_reason": "why"},
    ]
    monkeypatch.setattr(view, "status", lambda _: {"symbols": rows})
    monkeypatch.setattr(up, "is_supervised", lambda _: True)
    monkeypatch.setattr(up, "is_all_up", lambda *_: True)
    deployment = load(Path(CONFIG), {"OPENSQT_DATA_DIR": str(data)})
    ports = choose_ports(run, deployment)
    layout = Layout(deployment=deployment, run=run, ports=ports, playback=Playback())

    assert asyncio.run(up.watch_start(layout, lambda: True)) == Exit.PARTLY
    assert "paper/B:perp is quarantined: why" in capsys.readouterr().err.splitlines()
    rows.pop()
    assert asyncio.run(up.watch_start(layout, lambda: True)) == Exit.OK
