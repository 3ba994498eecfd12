"""The orchestrator's registry: which units shall exist, and what became of them.

Desired state is what the operator said and is stored before anything happens; observed state is
rebuilt by looking. The reconcile loop compares the two.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from opensqt.core.facts import Directive
from opensqt.core.ids import UnitId, UnixMs

_EPOCH: Final = UnixMs(0)


class UnitPhase(StrEnum):
    """What a unit is doing, as shown to people."""

    STARTING = "starting"
    RECOVERING = "recovering"
    QUOTING = "quoting"
    PAUSED = "paused"
    DRAINING = "draining"
    STOPPED = "stopped"
    QUARANTINED = "quarantined"


class Desire(StrEnum):
    """What shall become of a unit."""

    RUNNING = "running"
    PAUSED = "paused"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRecord:
    """One row of the registry."""

    unit: UnitId
    desire: Desire
    directive: Directive
    """How to get there: RUN while running, otherwise drain, cancel or flatten."""
    config_text: str
    """Canonical JSON of the validated unit configuration (core.codec)."""
    config_version: int
    revision: int
    """Rises with every change of the row; compare-and-set guard."""
    is_removed: bool = False
    """Whether the removal has completed: no order of ours left at the venue."""
    updated_ms: UnixMs
    reason: str = ""
    quarantine: str = ""
    """Why no process is started for the unit until a human decides; empty = may run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRow:
    """The durable kill switch. The epoch only rises; engaged means no risk may be added."""

    epoch: int = 0
    is_engaged: bool = False
    operator: str = ""
    reason: str = ""
    at_ms: UnixMs = _EPOCH
