"""Children that nobody supervises: started detached, restarted, adopted, ended."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensqt.bootstrap.standalone import Child, Standalone, children_of, is_supervised
from opensqt.config.load import load
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.system.rundir import RunDir

SERVES = "import time; print('ready: x', flush=True); time.sleep(60)"
PATIENCE_S = 15


def child(name: str, code: str = SERVES, needs: str = "") -> Child:
    return Child(
        name=name, arguments=(sys.executable, "-c", code), environment={"MARK": name}, needs=needs
    )


class Place:
    """A run directory and everything that was started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = RunDir(folder / "data", {"XDG_RUNTIME_DIR": str(folder)})

    def keeper(self, *children: Child) -> Standalone:
        return Standalone(
            children,
            run=self.run,
            logs=self.folder / "logs",
            clock=SystemClock(),
            log=log.get("opensqt.test"),
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for process in made.run.live_processes().values():
        os.kill(process.pid, signal.SIGKILL)


def pids(keeper: Standalone) -> list[object]:
    return [one["pid"] for one in keeper.processes]


async def settled(keeper: Standalone, *, restarts: int = 0, patience_s: float = PATIENCE_S) -> None:
    """Let the keeper work until all children run, so often restarted."""
    keeping = asyncio.create_task(keeper.keep())
    try:
        for _ in range(int(patience_s * 50)):
            await asyncio.sleep(0.02)
            ended = sum(int(str(one["restarts"])) for one in keeper.processes)
            if all(pids(keeper)) and ended == restarts:
                return
        raise TimeoutError
    finally:
        keeping.cancel()


def fields(pid: object) -> list[str]:
    """Return what the kernel says of a process after its name: state, parent, group, session."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()


def test_the_paper_venue_is_announced_as_the_supervisor_does(place: Place) -> None:
    config = Path(__file__).parents[2] / "configs" / "paper.yaml"
    deployment = load(config, {"OPENSQT_PAPER__CONTROL_PORT": "7001"})

    children_of(deployment, place.run)

    assert place.run.endpoints() == {"paper_control": "http://127.0.0.1:7001"}


async def test_children_start_in_order_and_run_detached(place: Place) -> None:
    keeper = place.keeper(child("venue"), child("connector", needs="venue"))

    await settled(keeper)

    for pid in pids(keeper):
        assert int(fields(pid)[1]) != os.getpid(), "a child of ours would end with us"
        assert int(fields(pid)[3]) == pid, "and so would one in our session"


async def test_a_child_waits_for_what_it_needs(place: Place) -> None:
    keeper = place.keeper(child("venue", "import time; time.sleep(60)"), child("c", needs="venue"))

    with pytest.raises(TimeoutError):
        await settled(keeper, patience_s=1.5)

    assert [bool(pid) for pid in pids(keeper)] == [True, False]


async def test_a_successor_adopts_what_runs(place: Place) -> None:
    first = place.keeper(child("venue"))
    await settled(first)

    second = place.keeper(child("venue"))
    await settled(second)

    assert pids(second) == pids(first)


async def test_a_killed_child_is_started_again(place: Place) -> None:
    keeper = place.keeper(child("venue"))
    await settled(keeper)
    before = pids(keeper)

    os.kill(int(str(before[0])), signal.SIGKILL)
    await settled(keeper, restarts=1)

    assert pids(keeper) != before


async def test_stopping_ends_also_a_child_that_does_not_listen(place: Place) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVES
    keeper = place.keeper(child("venue"), child("deaf", deaf, needs="venue"))
    await settled(keeper)
    processes = place.run.live_processes()

    await keeper.stop(grace_ms=500)

    assert [*processes] == ["deaf", "venue"]
    assert not any(process.is_alive for process in processes.values())
    assert place.run.processes() == {}


def test_the_supervisors_mark_tells_who_looks_after_the_children() -> None:
    assert is_supervised({"OPENSQT_UP": "x"})
    assert not is_supervised({"PATH": "/bin"})
