"""What a run of the benches was asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Handed to every bench; most have no use for it."""

    kills: int = 2
    """How often each kind of process is killed; the budgets are meant for twenty."""
    decisions: int = 20_000
    """How many durable decisions are made before their store is weighed."""
    memory_after_s: float = 60.0
    """When a symbol process is weighed, after its first quote."""
