"""`up` in the foreground, with one tiny child: what ends it, and what does not."""

import os
import pty
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from opensqt.cli.exits import Exit
from opensqt.cli.supervisor import read_children
from opensqt.system.clock import SystemClock
from opensqt.system.locks import lock_holder
from opensqt.system.process import ProcessName
from opensqt.system.rundir import RunDir
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.crash

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()
UP = """
import sys
from opensqt.cli import up
from opensqt.cli.main import main
from tests.cli.test_supervisor import python
up.child_specs = lambda layout: (python("a"),)
sys.exit(main(["up", "-c", "configs/paper.yaml"]))
"""


def start_up(*, terminal: int) -> subprocess.Popen[bytes]:
    """Start `up` as the leader of a session whose terminal this is."""
    return subprocess.Popen(
        [sys.executable, "-c", UP],
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )


def ready(run: RunDir) -> ProcessName | None:
    state = read_children(run).get("a")
    return state.process if state is not None and state.is_ready else None


def started(run: RunDir) -> ProcessName:
    wait_until(lambda: ready(run) is not None)
    child = ready(run)
    assert child is not None
    return child


def test_a_closed_terminal_takes_the_deployment_down(run: RunDir) -> None:
    ours, theirs = pty.openpty()
    with start_up(terminal=theirs) as up:
        os.close(theirs)
        child = started(run)

        os.close(ours)
        up.send_signal(signal.SIGHUP)  # the kernel's part, for the leader of a session

        assert up.wait(60) == Exit.PARTLY  # nobody was there to cancel orders
    assert not child.is_alive
    assert read_children(run) == {}


def test_a_reader_that_goes_away_ends_nothing(run: RunDir) -> None:
    reader, writer = os.pipe()
    with start_up(terminal=writer) as up:
        os.close(writer)
        os.close(reader)
        child = started(run)

        assert up.poll() is None
        up.send_signal(signal.SIGINT)

        assert up.wait(60) == Exit.PARTLY
    assert not child.is_alive


def test_a_deleted_run_directory_starts_everything_again(run: RunDir) -> None:
    with start_up(terminal=subprocess.DEVNULL) as up:
        first = started(run)

        shutil.rmtree(run.path, ignore_errors=True)

        def is_again() -> bool:
            with suppress(OSError):
                return ready(run) not in {None, first}
            return False

        wait_until(is_again)
        assert not first.is_alive
        assert up.poll() is None
        assert lock_holder(run.path / "supervisor.lock") is not None
        assert run.processes()["supervisor"].pid == up.pid
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == Exit.PARTLY
    wait_until(lambda: ready(run) is None)
