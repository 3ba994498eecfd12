"""What commands are tried on: a data directory, and an orchestrator made of a dictionary."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensqt.cli.supervisor import read_children, stop_children
from opensqt.system.clock import SystemClock
from opensqt.system.rundir import RunDir, run_dir_path

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the data directory commands find, which is also where they are called."""
    monkeypatch.setenv("OPENSQT_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    if run_dir_path(tmp_path, {}).exists():
        run = RunDir(tmp_path, {})
        asyncio.run(stop_children(run, [*read_children(run)], clock=SystemClock(), grace_ms=0))
        shutil.rmtree(run.path)


@pytest.fixture
def run(data: Path) -> RunDir:
    """Return the run directory of the deployment in ``data``; its children end with the test."""
    return RunDir(data, {})


@pytest.fixture
def orchestrator(data: Path) -> Iterator[Path]:
    """Serve ``fake_control``; yield the file with the calls it was asked."""
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
