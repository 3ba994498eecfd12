"""Which processes of this machine were started by us, children of children included.

Every child of the supervisor leads a session of its own and carries a mark in its environment.
Whatever it starts stays in that session unless it asks for a new one, and inherits the mark unless
it overwrites its own environment (processes that change their title do). So a process is ours when
its session is one we opened, when it carries the mark, or when its parent is ours.
"""

import os
import signal
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opensqt.system.process import ProcessName

MARK: Final = "OPENSQT_UP"
"""Environment variable saying which deployment, and which child of it, a process belongs to."""

# Positions in /proc/<pid>/stat counted after the command name, see proc(5).
_STATE, _PARENT, _SESSION, _START = 0, 1, 3, 19
_DEAD: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One living process."""

    name: ProcessName
    parent: int
    session: int
    mark: str
    """Empty when it carries none, or hides its environment."""


def mark_of(run: Path, child: str = "") -> str:
    """Return the mark of a child, or the beginning of the marks of all children."""
    return f"{run}|{child}|" if child else f"{run}|"


def process_table() -> tuple[Row, ...]:
    """Return all living processes of the machine."""
    rows = (_row(folder) for folder in Path("/proc").iterdir() if folder.name.isdecimal())
    return tuple(row for row in rows if row is not None)


def family(
    table: Iterable[Row],
    *,
    mark: str,
    leaders: Iterable[ProcessName],
    spared: Iterable[int] = (),
) -> frozenset[ProcessName]:
    """Return the processes that belong to the leaders or carry the mark, with descendants.

    ``leaders`` may be dead; their sessions outlive them. ``spared`` are never named: ourselves.
    """
    rows = {row.name.pid: row for row in table}
    marked = {row.name.pid for row in rows.values() if row.mark.startswith(mark)}
    sessions = {leader.pid for leader in leaders if _is_ours(leader, rows, marked)}
    ours = marked | {row.name.pid for row in rows.values() if row.session in sessions}
    ours = _with_descendants(ours, rows) - set(spared)
    return frozenset(rows[pid].name for pid in ours)


def send(process: ProcessName, signum: signal.Signals) -> None:
    """Signal exactly this process; nothing happens when it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        # The handle keeps its process: an id given to another one in between is never hit.
        handle = os.pidfd_open(process.pid)
        try:
            if process.is_alive:
                signal.pidfd_send_signal(handle, signum)
        finally:
            os.close(handle)


def _is_ours(leader: ProcessName, rows: Mapping[int, Row], marked: Collection[int]) -> bool:
    # The number of a session cannot be given away while a member lives, but afterwards it can:
    # then its new leader has another start, or is dead and left nobody with our mark behind.
    present = rows.get(leader.pid)
    if present is not None:
        return present.name == leader
    return any(row.session == leader.pid and pid in marked for pid, row in rows.items())


def _with_descendants(seeds: set[int], rows: Mapping[int, Row]) -> set[int]:
    children: dict[int, list[int]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row.name.pid)
    found, waiting = set(seeds), [*seeds]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _row(folder: Path) -> Row | None:
    try:
        fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[_STATE] in _DEAD:
        return None
    environment = b""
    with suppress(OSError):  # another user's process, or one that has just ended
        environment = (folder / "environ").read_bytes()
    return Row(
        name=ProcessName(pid=int(folder.name), start=int(fields[_START])),
        parent=int(fields[_PARENT]),
        session=int(fields[_SESSION]),
        mark=_mark(environment),
    )


def _mark(environment: bytes) -> str:
    prefix = f"{MARK}=".encode()
    found = (item for item in environment.split(b"\0") if item.startswith(prefix))
    return next(found, prefix).removeprefix(prefix).decode("utf-8", "replace")
