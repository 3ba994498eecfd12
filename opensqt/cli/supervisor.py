"""Keeps the processes of one deployment alive; its own death stops none of them.

What it knows is in the run directory, so the next supervisor adopts what it finds. It never asks
how trading goes: that is the orchestrator's business.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from opensqt.cli.processes import MARK, family, mark_of, process_table, send
from opensqt.cli.supervision import (
    ChildSpec,
    ChildState,
    after_exit,
    after_start,
    from_entry,
    is_due,
    to_entry,
)
from opensqt.ports.clock import ClockPort
from opensqt.ports.telemetry import LogPort
from opensqt.system.process import ProcessName, start_ticks
from opensqt.system.rundir import RunDir, write_atomically

PAUSE_MS: Final = 100
LOG_BYTES_MAX: Final = 32 * 1024 * 1024
NOT_INHERITED: Final = frozenset({"RAY_ADDRESS", "RAY_AUTH_TOKEN"})
"""Of an operator who works with another cluster as well."""
_FORCE_MS: Final = 10_000
_READY_BYTES_MAX: Final = 1024 * 1024
_CHILDREN: Final = "children.json"


def read_children(run: RunDir) -> dict[str, ChildState]:
    """Return what the last supervisor knew of its children, by name."""
    try:
        entries = json.loads((run.path / _CHILDREN).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {name: from_entry(entry) for name, entry in entries.items() if isinstance(entry, dict)}


class Supervisor:
    """The children of one run directory. Whoever holds the lock ``supervisor`` may build one."""

    def __init__(
        self,
        *,
        run: RunDir,
        specs: tuple[ChildSpec, ...],
        logs: Path,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Read what an earlier supervisor left; start nothing."""
        self.specs = specs
        self._run = run
        self._logs = logs
        self._clock = clock
        self._log = log
        self._states = read_children(run)
        self._stored: Mapping[str, ChildState] = {}
        self._folder = _identity(run.path)

    @property
    def is_lost(self) -> bool:
        """Tell whether the run directory was deleted, and with it every socket of the children."""
        return _identity(self._run.path) != self._folder

    @property
    def states(self) -> Mapping[str, ChildState]:
        """Return what is known of every child."""
        return dict(self._states)

    def adopt(self) -> None:
        """Take over what runs, and end what carries our mark but is nobody's child.

        The latter is left behind when a supervisor dies between starting a child and noting it.
        """
        known = {spec.name for spec in self.specs}
        for name, state in self._states.items():
            if state.process is not None and state.process.is_alive:
                event = "supervisor.adopted" if name in known else "supervisor.ended"
                self._log.info(event, child=name, pid=state.pid)
                if name not in known:
                    self._sweep(name, state.process)
        self._states = {name: state for name, state in self._states.items() if name in known}
        mark = mark_of(self._run.path)
        table = process_table()
        leaders = [state.process for state in self._states.values() if state.process]
        kept: set[ProcessName] = set()
        for name, state in self._states.items():
            if state.process is not None:
                child = mark_of(self._run.path, name)
                kept |= family(table, mark=child, leaders=[state.process])
        for orphan in family(table, mark=mark, leaders=leaders, spared=[os.getpid()]) - kept:
            self._log.warning("supervisor.orphan", pid=orphan.pid)
            send(orphan, signal.SIGKILL)
        self._store()

    def step(self) -> None:
        """Look once at every child; note what ended, start what is due."""
        for spec in self.specs:
            self._observe(spec)
        for spec in self.specs:
            if is_due(spec, self._states, now_ms=self._clock.now_ms()):
                self._start(spec)
        self._store()

    async def run(self, stop: asyncio.Event) -> None:
        """Look and act until told to stop or the run directory is lost; children run on."""
        while not (stop.is_set() or self.is_lost):
            try:
                self.step()
            except FileNotFoundError:
                if not self.is_lost:
                    raise
            await self._clock.sleep_ms(PAUSE_MS)

    def _observe(self, spec: ChildSpec) -> None:
        state = self._states.get(spec.name, ChildState())
        process = state.process
        if process is None:
            return
        ended, code = _end_of(process)
        if not ended:
            if not state.is_ready and self._says_ready(spec, state):
                self._log.info("supervisor.ready", child=spec.name, pid=state.pid)
                self._states[spec.name] = from_entry(to_entry(state) | {"is_ready": True})
            return
        self._sweep(spec.name, process)
        after = after_exit(spec, state, is_success=code == 0, now_ms=self._clock.now_ms())
        self._states[spec.name] = after
        if not after.is_done:
            self._log.warning(
                "supervisor.child_ended",
                child=spec.name,
                pid=state.pid,
                exit_code=code,
                restarts=after.restarts,
                again_in_ms=max(0, after.due_ms - self._clock.now_ms()),
            )

    def _start(self, spec: ChildSpec) -> None:
        path = self._logs / f"{spec.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
        inherited = {name: text for name, text in os.environ.items() if name not in NOT_INHERITED}
        mark = {MARK: mark_of(self._run.path, spec.name)}
        environment = inherited | dict(spec.environment) | mark
        offset = path.stat().st_size if path.exists() else 0
        try:
            pid = _spawn(spec.arguments, environment, log=path)
        except OSError as error:
            now_ms = self._clock.now_ms()
            state = self._states.get(spec.name, ChildState(started_ms=now_ms))
            failed = after_exit(spec, state, is_success=False, now_ms=now_ms)
            self._states[spec.name] = failed
            self._log.error("supervisor.not_started", child=spec.name, error=str(error))
            return
        # A child of ours stays in the process table until we collect it, so its start is there.
        process = ProcessName(pid=pid, start=start_ticks(pid) or 0)
        self._states[spec.name] = after_start(
            spec, self._states, process, now_ms=self._clock.now_ms(), log_offset=offset
        )
        self._store()
        self._log.info("supervisor.started", child=spec.name, pid=pid)

    def _says_ready(self, spec: ChildSpec, state: ChildState) -> bool:
        try:
            with (self._logs / f"{spec.name}.log").open("rb") as log:
                log.seek(state.log_offset)
                return spec.ready_text.encode() in log.read(_READY_BYTES_MAX)
        except FileNotFoundError:
            return False

    def _sweep(self, name: str, leader: ProcessName) -> None:
        # What a dead child leaves behind (a Ray head: all of Ray) would be in its successor's way.
        mark = mark_of(self._run.path, name)
        left = family(process_table(), mark=mark, leaders=[leader], spared=[os.getpid()])
        for process in left:
            send(process, signal.SIGKILL)

    def _store(self) -> None:
        if self._states == self._stored:
            return
        entries = {name: to_entry(state) for name, state in self._states.items()}
        write_atomically(self._run.path / _CHILDREN, json.dumps(entries, indent=2))
        for name, state in self._states.items():
            earlier = self._stored.get(name)
            if earlier is None or earlier.process != state.process:
                self._run.set_process(name, state.process)
        self._stored = dict(self._states)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _spawn(arguments: Sequence[str], environment: Mapping[str, str], *, log: Path) -> int:
    """Start a process in a session of its own, detached from our terminal; return its id.

    Not ``subprocess.Popen``, whose objects mind being dropped while their process lives on.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        arguments[0],
        [*arguments],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        # What the interpreter or a shell before us ignores, a child shall not ignore.
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
    )


def _end_of(process: ProcessName) -> tuple[bool, int | None]:
    """Return whether a process has ended, and its exit code if it was ours to collect.

    A child whose first thread has ended looks dead in ``/proc`` while its others still run, so for
    a child only the kernel's word counts.
    """
    try:
        found, status = os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        return not process.is_alive, None
    return (True, os.waitstatus_to_exitcode(status)) if found else (False, None)


async def stop_children(
    run: RunDir, names: Iterable[str], *, clock: ClockPort, grace_ms: int
) -> frozenset[ProcessName]:
    """End these children with everything they started; return what would not go.

    First asked (SIGTERM), after ``grace_ms`` forced. Nothing else is touched.
    """
    wanted = [*names]
    states = read_children(run)
    recorded = run.processes()
    leaders = {
        name: process
        for name in wanted
        for process in (states.get(name, ChildState()).process or recorded.get(name),)
        if process is not None
    }

    def present() -> frozenset[ProcessName]:
        table = process_table()
        found: frozenset[ProcessName] = frozenset()
        for name in wanted:
            mark = mark_of(run.path, name)
            lead = [leaders[name]] if name in leaders else []
            found |= family(table, mark=mark, leaders=lead, spared=[os.getpid()])
        return found

    left = await _end(present, clock=clock, grace_ms=grace_ms)
    _forget(run, wanted)
    return left


def marked(folder: Path) -> frozenset[ProcessName]:
    """Return every process started with this run directory, noted or not."""
    return family(process_table(), mark=mark_of(folder), leaders=[], spared=[os.getpid()])


async def stop_marked(run: RunDir, *, clock: ClockPort, grace_ms: int) -> frozenset[ProcessName]:
    """End every process that carries our mark; return what would not go."""
    return await _end(lambda: marked(run.path), clock=clock, grace_ms=grace_ms)


async def _end(
    present: Callable[[], frozenset[ProcessName]], *, clock: ClockPort, grace_ms: int
) -> frozenset[ProcessName]:
    asked: set[ProcessName] = set()
    deadline = clock.monotonic_ms() + grace_ms
    limit = deadline + _FORCE_MS
    while (found := present()) and clock.monotonic_ms() < limit:
        is_late = clock.monotonic_ms() >= deadline
        for process in found:
            if is_late or process not in asked:
                send(process, signal.SIGKILL if is_late else signal.SIGTERM)
        asked |= found
        await clock.sleep_ms(PAUSE_MS)
    return present()


def _forget(run: RunDir, names: Iterable[str]) -> None:
    states = read_children(run)
    for name in names:
        states.pop(name, None)
        run.set_process(name, None)
    entries = {name: to_entry(state) for name, state in states.items()}
    write_atomically(run.path / _CHILDREN, json.dumps(entries, indent=2))
