"""When to start and restart a child: pure rules, time is an argument.

A service shall always run: it is started once what it needs is ready, and again with a growing
pause whenever it ends. A task shall have succeeded once for the present incarnation of what it
needs: it is repeated when it failed, and when one of its needs was replaced.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Final

from opensqt.system.process import ProcessName

BACKOFF_MS: Final = (200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
"""Pauses after one failure in a row, two, three...; the last one repeats."""
STEADY_MS: Final = 10_000
"""A child that was ready and ran this long had no failure in a row before."""


class Kind(StrEnum):
    """How long a child shall run."""

    SERVICE = "service"
    TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A process the supervisor keeps alive."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of the supervisor's own."""
    needs: tuple[str, ...] = ()
    """Children that must be ready before this one starts."""
    kind: Kind = Kind.SERVICE
    ready_text: str = ""
    """The child is ready once this stands in its log; empty = as soon as it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildState:
    """What is known of a child; stored, so that the next supervisor can adopt it."""

    pid: int = 0
    """0 = no process."""
    start: int = 0
    restarts: int = 0
    failures: int = 0
    """Ends in a row without a steady run."""
    started_ms: int = 0
    due_ms: int = 0
    """Not started before."""
    is_ready: bool = False
    is_done: bool = False
    """A task that has succeeded for ``seen``."""
    log_offset: int = 0
    """Where this incarnation's part of the log begins."""
    seen: Mapping[str, int] = field(default_factory=dict)
    """Start times of the needs this incarnation was started against."""

    @property
    def process(self) -> ProcessName | None:
        """Return the process, if one was started and has not been seen to end."""
        return ProcessName(pid=self.pid, start=self.start) if self.pid else None


def backoff_ms(failures: int) -> int:
    """Return the pause before the next start after so many failures in a row.

    >>> [backoff_ms(n) for n in (0, 1, 2, 99)]
    [0, 200, 500, 30000]
    """
    return BACKOFF_MS[min(failures, len(BACKOFF_MS)) - 1] if failures > 0 else 0


def is_due(spec: ChildSpec, states: Mapping[str, ChildState], *, now_ms: int) -> bool:
    """Tell whether the child shall be started now."""
    state = states.get(spec.name, ChildState())
    if state.pid or now_ms < state.due_ms:
        return False
    needs = [states.get(name, ChildState()) for name in spec.needs]
    if not all(need.pid and need.is_ready for need in needs):
        return False
    return not (spec.kind is Kind.TASK and state.is_done and state.seen == _starts(spec, states))


def after_start(
    spec: ChildSpec,
    states: Mapping[str, ChildState],
    process: ProcessName,
    *,
    now_ms: int,
    log_offset: int,
) -> ChildState:
    """Return the child's state after its process was started."""
    return replace(
        states.get(spec.name, ChildState()),
        pid=process.pid,
        start=process.start,
        started_ms=now_ms,
        is_ready=not spec.ready_text,
        is_done=False,
        log_offset=log_offset,
        seen=_starts(spec, states),
    )


def after_exit(spec: ChildSpec, state: ChildState, *, is_success: bool, now_ms: int) -> ChildState:
    """Return the child's state after its process ended."""
    ended = replace(state, pid=0, start=0, is_ready=False)
    if spec.kind is Kind.TASK and is_success:
        return replace(ended, is_done=True, failures=0, due_ms=0)
    was_steady = state.is_ready and now_ms - state.started_ms >= STEADY_MS
    failures = 1 if was_steady else state.failures + 1
    return replace(
        ended,
        failures=failures,
        restarts=state.restarts + 1,
        due_ms=now_ms + backoff_ms(failures),
    )


def is_all_up(specs: tuple[ChildSpec, ...], states: Mapping[str, ChildState]) -> bool:
    """Tell whether every service is ready and every task has succeeded."""
    return all(
        state.is_done if spec.kind is Kind.TASK else bool(state.pid) and state.is_ready
        for spec in specs
        for state in (states.get(spec.name, ChildState()),)
    )


def to_entry(state: ChildState) -> dict[str, object]:
    """Return the state as it is stored."""
    return asdict(state) | {"seen": dict(state.seen)}


def from_entry(entry: Mapping[str, object]) -> ChildState:
    """Return a stored state; a text of another build that does not fit is an unknown child."""
    known = {name: value for name, value in entry.items() if name in ChildState.__slots__}
    integers = ("pid", "start", "restarts", "failures", "started_ms", "due_ms", "log_offset")
    flags = ("is_ready", "is_done")
    seen = known.get("seen", {})
    fits = (
        all(isinstance(known.get(name, 0), int) for name in integers)
        and all(isinstance(known.get(name, False), bool) for name in flags)
        and isinstance(seen, Mapping)
        and all(isinstance(value, int) for value in seen.values())
    )
    return ChildState(**known) if fits else ChildState()  # type: ignore[arg-type]  # checked by fits


def _starts(spec: ChildSpec, states: Mapping[str, ChildState]) -> dict[str, int]:
    return {name: states[name].start for name in spec.needs if name in states}
