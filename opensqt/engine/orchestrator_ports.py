"""What the orchestrator is made of: the world as it reaches it, and its pace."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from opensqt.engine.status_report import Surroundings
from opensqt.engine.unit_tender import TenderSettings
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.clock import ClockPort
from opensqt.ports.registry import RegistryPort
from opensqt.ports.spawn import SpawnPort
from opensqt.ports.telemetry import LogPort
from opensqt.ports.workflow import WorkflowPort


class StandDownPort(Protocol):
    """The durable mark that nothing shall run until the next start by an operator."""

    def is_set(self) -> bool:
        """Tell whether the deployment is down."""

    def set(self) -> None:
        """Mark it down; idempotent."""

    def clear(self) -> None:
        """Let it run; idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorPorts:
    """The world as the orchestrator reaches it."""

    registry: RegistryPort
    spawn: SpawnPort
    clock: ClockPort
    log: LogPort
    down: StandDownPort
    surroundings: Callable[[], Surroundings]
    ended: Callable[[], Awaitable[None]]
    """Called at the end of a shutdown that left nothing of ours unattended."""
    workflows: WorkflowPort = field(default_factory=DirectWorkflows)
    """Where additions and removals are recorded until they are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorSettings:
    """Sizes and pace."""

    wave_max: int
    """Processes started at the same time: the number of cores."""
    status_wait_ms: int = 1_500
    """How long a status answer waits for a process that may be hanging."""
    tender: TenderSettings = field(default_factory=TenderSettings)
