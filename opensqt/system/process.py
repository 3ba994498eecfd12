"""Processes of this machine: who lives, who is proven dead, what one costs.

A process is named by its id and its start time: an id alone is given to another process some day.
Everything is read from ``/proc``.
"""

import gc
import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
# Positions in /proc/<pid>/stat counted after the command name, see proc(5).
_STATE, _USER_TICKS, _SYSTEM_TICKS, _START_TICKS = 0, 11, 12, 19
_DEAD_STATES: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessName:
    """One process, for good: no other one ever has this id and this start."""

    pid: int
    start: int
    """Clock ticks between the boot of the machine and the start of the process."""

    @property
    def is_alive(self) -> bool:
        """Tell whether exactly this process runs; a zombie does not."""
        return is_alive(self.pid, self.start)


def current() -> ProcessName:
    """Return the name of this process."""
    pid = os.getpid()
    start = start_ticks(pid)
    assert start is not None, "this process has no entry in /proc"
    return ProcessName(pid=pid, start=start)


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None if there is none."""
    stat = _stat(pid)
    return None if stat is None else int(stat[_START_TICKS])


def is_alive(pid: int, start: int) -> bool:
    """Tell whether the process with this id and start time runs; a zombie does not."""
    stat = _stat(pid)
    return (
        stat is not None and int(stat[_START_TICKS]) == start and stat[_STATE] not in _DEAD_STATES
    )


def holder(process: ProcessName | None = None) -> str:
    """Return ``host:pid:start`` of a process of this machine (this one), as leases name it."""
    process = process or current()
    return f"{_host()}:{process.pid}:{process.start}"


def is_proven_dead(holder_text: str) -> bool:
    """Tell whether the process a lease names certainly does not run any more.

    Only a process of this machine, since its last boot and in this container, can be proven dead;
    of any other one, and of a text that is no holder, nothing is known and the answer is no.
    """
    host, _, rest = holder_text.partition(":")
    pid, _, start = rest.partition(":")
    if host != _host() or not (pid.isdecimal() and start.isdecimal()):
        return False
    return not is_alive(int(pid), int(start))


def private_bytes(pid: int) -> int | None:
    """Return the memory only this process holds (USS), or None if it has ended or is not ours."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    except OSError:
        return None
    kibibytes = (line.split()[1] for line in text.splitlines() if line.startswith("Private_"))
    return sum(map(int, kibibytes)) * 1024


def cpu_ms(pid: int) -> int | None:
    """Return the processor time a process has used, user and system, or None if it has ended."""
    stat = _stat(pid)
    if stat is None:
        return None
    return (int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])) * 1000 // _TICKS_PER_SECOND


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def spare_collector() -> None:
    """Take all objects that exist now out of the garbage collector's rounds; call once started.

    A full round over everything the libraries have imported stops a process for a tenth of a
    second, in the middle of the market.
    """
    gc.freeze()


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The command name in parentheses may hold spaces and parentheses of its own.
    return text.rpartition(")")[2].split()


@cache
def _host() -> str:
    """Return a name of this machine since its boot, seen from this container.

    Two containers may share host name and data folder but not process ids; a reboot starts the
    ids anew. In both cases a missing id proves nothing.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    namespace = re.sub(r"\D", "", str(Path("/proc/self/ns/pid").readlink()))
    return f"{socket.gethostname().replace(':', '_')}/{boot}/{namespace}"
