"""The supervisor with real, tiny children."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opensqt.cli.processes import MARK, mark_of, send
from opensqt.cli.supervision import ChildSpec, Kind
from opensqt.cli.supervisor import Supervisor, read_children, stop_children
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.system.process import ProcessName, start_ticks
from opensqt.system.rundir import RunDir
from tests.fakes.waiting import until

CLOCK = SystemClock()
SLEEP = "import time; time.sleep(300)"
SERVICE = f"print('ready: here', flush=True); {SLEEP}"
# Leaves its session and its environment behind, as processes that rename themselves do.
FAMILY = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "{SLEEP}"])
subprocess.Popen([sys.executable, "-c", "{SLEEP}"], start_new_session=True)
subprocess.Popen([sys.executable, "-c", "{SLEEP}"], env={{}})
print("ready: family", flush=True)
time.sleep(300)
"""
OTHER_SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from tests.cli.test_supervisor import make, python
from opensqt.system.rundir import RunDir
data = Path(sys.argv[1])
supervisor = make(RunDir(data, {}), python("a"), data=data)
supervisor.adopt()
asyncio.run(supervisor.run(asyncio.Event()))
"""


def python(name: str, code: str = SERVICE, **more: object) -> ChildSpec:
    return ChildSpec(
        name=name,
        arguments=(sys.executable, "-c", code),
        **({"ready_text": "ready: "} | more),  # type: ignore[arg-type]
    )


def make(run: RunDir, *specs: ChildSpec, data: Path) -> Supervisor:
    logger = log.get("opensqt.test")
    return Supervisor(run=run, specs=specs, logs=data / "logs", clock=CLOCK, log=logger)


@asynccontextmanager
async def supervised(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    stop = asyncio.Event()
    supervisor.adopt()
    task = asyncio.create_task(supervisor.run(stop))
    yield supervisor
    stop.set()
    await task


def is_ready(run: RunDir, name: str) -> bool:
    state = read_children(run).get(name)
    return state is not None and state.is_ready


def process_of(run: RunDir, name: str) -> ProcessName:
    process = read_children(run)[name].process
    assert process is not None
    return process


async def test_a_killed_child_is_started_again(run: RunDir, tmp_path: Path) -> None:
    async with supervised(make(run, python("a"), python("b"), data=tmp_path)):
        await until(lambda: is_ready(run, "a") and is_ready(run, "b"))
        first, other = process_of(run, "a"), process_of(run, "b")

        send(first, signal.SIGKILL)
        await until(lambda: read_children(run)["a"].restarts == 1 and is_ready(run, "a"))

        assert process_of(run, "a") != first
        assert process_of(run, "b") == other
        assert run.processes()["a"] == process_of(run, "a")


async def test_what_a_dead_child_left_behind_is_gone_before_its_successor(
    run: RunDir, tmp_path: Path
) -> None:
    async with supervised(make(run, python("a", FAMILY), data=tmp_path)):
        await until(lambda: is_ready(run, "a"))
        first = process_of(run, "a")
        before = members(first.pid)

        send(first, signal.SIGKILL)
        await until(lambda: read_children(run)["a"].restarts == 1 and is_ready(run, "a"))

        assert len(before) >= 3
        await until(lambda: not any(member.is_alive for member in before))


async def test_a_child_waits_for_what_it_needs_and_a_task_follows_every_new_head(
    run: RunDir, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x')"
    task = python("task", code, kind=Kind.TASK, needs=("head",), ready_text="")
    async with supervised(make(run, task, python("head"), data=tmp_path)):
        await until(lambda: count.exists() and read_children(run)["task"].is_done)
        assert count.read_text() == "x"

        send(process_of(run, "head"), signal.SIGKILL)
        await until(lambda: count.read_text() == "xx")


async def test_the_next_supervisor_adopts_what_a_killed_one_left(
    run: RunDir, tmp_path: Path
) -> None:
    other = start(OTHER_SUPERVISOR, str(tmp_path))
    await until(lambda: is_ready(run, "a"))
    before = process_of(run, "a")

    other.kill()
    other.wait()
    async with supervised(make(run, python("a"), data=tmp_path)) as supervisor:
        await CLOCK.sleep_ms(500)

        assert process_of(run, "a") == before
        assert before.is_alive
        assert supervisor.states["a"].restarts == 0

        send(before, signal.SIGKILL)
        await until(lambda: read_children(run)["a"].restarts == 1 and is_ready(run, "a"))


async def test_a_child_nobody_noted_is_ended_on_adoption(run: RunDir, tmp_path: Path) -> None:
    stray = start(SLEEP, **{MARK: mark_of(run.path, "a")})

    make(run, data=tmp_path).adopt()

    assert await asyncio.to_thread(stray.wait, 10) == -signal.SIGKILL


async def test_down_ends_the_whole_family_and_nothing_else(run: RunDir, tmp_path: Path) -> None:
    bystander = start(SLEEP)
    try:
        async with supervised(make(run, python("a", FAMILY), python("b"), data=tmp_path)):
            await until(lambda: is_ready(run, "a") and is_ready(run, "b"))
        ours = [*members(process_of(run, "a").pid), process_of(run, "b")]

        left = await stop_children(run, ["a", "b"], clock=CLOCK, grace_ms=1_000)

        assert len(ours) >= 4
        assert left == frozenset()
        assert not any(process.is_alive for process in ours)
        assert read_children(run) == {}
        assert run.processes() == {}
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_child_that_ignores_the_request_is_forced(run: RunDir, tmp_path: Path) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVICE}"
    async with supervised(make(run, python("a", deaf), data=tmp_path)):
        await until(lambda: is_ready(run, "a"))
    process = process_of(run, "a")

    assert await stop_children(run, ["a"], clock=CLOCK, grace_ms=300) == frozenset()
    assert not process.is_alive


def start(code: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process that is not the supervisor's."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        start_new_session=True,
    )


def members(session: int) -> list[ProcessName]:
    """Return the processes of a session, and their children in other sessions."""
    answer = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,sid="], capture_output=True, check=True, text=True
    )
    rows = [tuple(map(int, line.split())) for line in answer.stdout.splitlines()]
    found = [pid for pid, parent, sid in rows if session in {sid, parent}]
    return [ProcessName(pid=pid, start=start_ticks(pid) or 0) for pid in found]
