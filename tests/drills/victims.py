"""The processes of a live deployment by kind, found without asking any of them."""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from opensqt.cli.children import RAY
from opensqt.cli.processes import family, mark_of, process_table, send
from opensqt.cli.supervisor import read_children
from opensqt.system.process import ProcessName
from tests.drills.deployment import Deployment

SUPERVISOR = "supervisor"
_KINDS = (
    ("symbol", re.compile(rb"^ray::SymbolManager")),
    ("exchange", re.compile(rb"^ray::Exchange")),
    ("orchestrator", re.compile(rb"^ray::Orchestrator")),
    ("connector", re.compile(rb"\0serve\0connector\0")),
    (RAY, re.compile(rb"/gcs_server\0")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """One process that may be struck."""

    kind: str
    process: ProcessName

    def strike(self, number: signal.Signals) -> None:
        """Signal it; nothing happens when it has ended."""
        send(self.process, number)


def victims(running: Deployment) -> list[Victim]:
    """Return what runs and may be struck: everything but the venue, and Ray only by its heart."""
    run = running.run_dir
    children = read_children(run)
    leaders = [child.process for child in children.values() if child.process is not None]
    found = []
    for process in family(process_table(), mark=mark_of(run.path), leaders=leaders):
        kind = _kind(process.pid)
        if kind:
            found.append(Victim(kind=kind, process=process))
    head = children[RAY].process if RAY in children else None
    if head is not None and head.is_alive:
        found.append(Victim(kind=RAY, process=head))
    supervisor = run.processes().get(SUPERVISOR)
    if supervisor is not None and supervisor.is_alive:
        found.append(Victim(kind=SUPERVISOR, process=supervisor))
    return sorted(found, key=lambda one: (one.kind, one.process.pid))


def _kind(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return next((kind for kind, pattern in _KINDS if pattern.search(command)), "")
