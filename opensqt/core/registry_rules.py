"""What becomes of the registry when an operator asks, and what has to be done to make it true.

Two pure halves. ``decide_*`` take a row (None = never registered) and a wish and return the new
row, the unchanged row, or a refusal in words. ``next_step`` takes a row and what was seen of the
unit's process and returns the one thing to do next; doing it twice is harmless, and repeating
look-and-step always ends in ``Step.REST`` once the process obeys.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from opensqt.core.facts import Directive
from opensqt.core.ids import UnitId, UnixMs
from opensqt.core.reconcile import TRADE_OVERLAP_MS
from opensqt.core.registry import Desire, UnitPhase, UnitRecord

CRASH_LOOP_STARTS: Final = 5
"""Consecutive starts that never reached a settled phase before the unit is quarantined."""
APART_MS: Final = TRADE_OVERLAP_MS + 5_000
"""How long after the removal of a unit another one on its symbol may be added: so far back a new
one asks for trades, and of a trade nobody can say which unit of a deployment it was."""
SILENCE_MAX_MS: Final = 60_000
"""A process that is there but does not answer for so long is replaced; a slow start on a busy
machine takes up to 20 s."""
ADDED: Final = "added"
"""Reason of a row by which a unit was registered."""
RESUMED: Final = "resume"
"""Reason of a row after the operator decided to go on."""
# A start that got here has succeeded; what is left is the operator's business, not a crash loop.
SETTLED_PHASES: Final = frozenset(
    {
        UnitPhase.QUOTING,
        UnitPhase.PAUSED,
        UnitPhase.DRAINING,
        UnitPhase.STOPPED,
        UnitPhase.QUARANTINED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The row to store."""

    record: UnitRecord
    created: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """What was asked for is so already."""

    record: UnitRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The present state does not allow it."""

    is_absent: bool
    """True when the unit is not registered at all."""
    message: str


Decision: TypeAlias = Changed | Unchanged | Refused


def decide_add(
    row: UnitRecord | None, *, unit: UnitId, config_text: str, now_ms: UnixMs
) -> Decision:
    """Register a unit, or register it anew after its removal has completed."""
    if row is None or row.is_removed:
        record = UnitRecord(
            unit=unit,
            desire=Desire.RUNNING,
            directive=Directive.RUN,
            config_text=config_text,
            config_version=1 if row is None else row.config_version + 1,
            revision=1 if row is None else row.revision + 1,
            updated_ms=now_ms,
            reason=ADDED,
        )
        return Changed(record=record, created=True)
    if row.desire is Desire.REMOVED:
        return _refused(row, "add it again when that is done")
    if row.config_text != config_text:
        return Refused(
            is_absent=False,
            message=f"{unit.text} is registered with another configuration "
            f"(version {row.config_version}); remove it first",
        )
    return Unchanged(record=row)


def neighbours_of(unit: UnitId, rows: Iterable[UnitRecord]) -> tuple[UnitRecord, ...]:
    """Return the rows of other units on the same symbol of the same account."""
    place = (unit.account, unit.symbol)
    return tuple(
        row for row in rows if (row.unit.account, row.unit.symbol) == place and row.unit != unit
    )


def rival_of(unit: UnitId, rows: Iterable[UnitRecord]) -> UnitId | None:
    """Return another unit on the same symbol of the same account, None if there is none.

    Venues report one position per symbol, and an order id does not tell whose it is: two units
    would take each other's orders for lost ones.
    """
    return next((row.unit for row in neighbours_of(unit, rows) if not row.is_removed), None)


def refuse_beside(unit: UnitId, rows: Iterable[UnitRecord], *, now_ms: UnixMs) -> str:
    """Return why a unit cannot be added beside those of ``rows``; empty when it can.

    One that is registered already is not in its own way.
    """
    rows = tuple(rows)
    rival = rival_of(unit, rows)
    if rival is not None:
        return (
            f"{unit.text}: expected one unit per symbol, but {rival.text} trades it; "
            f"remove that one first: opensqt remove-symbol {rival.text}"
        )
    if any(row.unit == unit and not row.is_removed for row in rows):
        return ""
    for row in neighbours_of(unit, rows):
        wait_ms = APART_MS - (now_ms - row.updated_ms)
        if 0 < wait_ms <= APART_MS:
            return (
                f"{unit.text}: {row.unit.text} was removed {(APART_MS - wait_ms) // 1_000} s ago "
                f"and its last trades could be taken for those of another unit; "
                f"try again in {-(-wait_ms // 1_000)} s"
            )
    return ""


def decide_remove(
    row: UnitRecord | None, *, unit: UnitId, mode: Directive, now_ms: UnixMs
) -> Decision:
    """Begin a removal, or take over one that is under way.

    Draining is the mildest way: it may be replaced by another and replaces none. Canceling and
    flattening may replace each other, because a flattening that cannot be done must have an end.
    A quarantined unit gets one more chance to close its position each time it is asked for;
    canceling needs no process.
    """
    if mode is Directive.RUN:
        return Refused(is_absent=False, message="expected drain, cancel or flatten")
    if row is None:
        return _absent(unit)
    is_asked_again = row.desire is Desire.REMOVED and row.directive is mode
    is_stuck = bool(row.quarantine) and mode is not Directive.CANCEL
    if row.is_removed or (is_asked_again and not is_stuck):
        return Unchanged(record=row)
    if row.desire is Desire.REMOVED and mode is Directive.DRAIN and not is_asked_again:
        return _refused(row, f"{mode} is milder than {row.directive} and does not replace it")
    quarantine = row.quarantine if mode is Directive.CANCEL else ""
    return Changed(
        record=_changed(
            row,
            desire=Desire.REMOVED,
            directive=mode,
            quarantine=quarantine,
            reason=f"remove ({mode})",
            now_ms=now_ms,
        )
    )


def decide_pause(
    row: UnitRecord | None, *, unit: UnitId, mode: Directive, now_ms: UnixMs
) -> Decision:
    """Stop quoting and keep the unit."""
    if mode not in {Directive.DRAIN, Directive.CANCEL}:
        return Refused(is_absent=False, message=f"expected drain or cancel, got {mode}")
    if row is None or row.is_removed:
        return _absent(unit)
    if row.desire is Desire.REMOVED:
        return _refused(row, "there is nothing left to pause")
    if row.desire is Desire.PAUSED and row.directive is mode:
        return Unchanged(record=row)
    return Changed(
        record=_changed(
            row,
            desire=Desire.PAUSED,
            directive=mode,
            quarantine=row.quarantine,
            reason=f"pause ({mode})",
            now_ms=now_ms,
        )
    )


def decide_resume(
    row: UnitRecord | None, *, unit: UnitId, now_ms: UnixMs, is_stuck: bool = False
) -> Decision:
    """Quote again; also the human decision that ends a quarantine.

    ``is_stuck``: the unit's process reports that it has quarantined itself; then the row changes
    although it says RUNNING already, so that the process hears of the decision.
    """
    if row is None or row.is_removed:
        return _absent(unit)
    if row.desire is Desire.REMOVED:
        return _refused(row, "add it again when that is done")
    if row.desire is Desire.RUNNING and not row.quarantine and not is_stuck:
        return Unchanged(record=row)
    return Changed(
        record=_changed(
            row,
            desire=Desire.RUNNING,
            directive=Directive.RUN,
            quarantine="",
            reason=RESUMED,
            now_ms=now_ms,
        )
    )


def quarantined(row: UnitRecord, *, reason: str, now_ms: UnixMs) -> UnitRecord:
    """Return the row that keeps the unit from being started; what is desired stays."""
    return replace(row, quarantine=reason, revision=row.revision + 1, updated_ms=now_ms)


def removed(row: UnitRecord, *, now_ms: UnixMs) -> UnitRecord:
    """Return the row of a unit whose removal has completed."""
    return replace(
        row, is_removed=True, quarantine="", revision=row.revision + 1, updated_ms=now_ms
    )


class Step(StrEnum):
    """The one thing to do next for a unit."""

    REST = "rest"
    WAIT = "wait"
    """The process is at work; look again soon."""
    START = "start"
    TELL = "tell"
    """The process acts on an old revision of the row."""
    STOP = "stop"
    REPLACE = "replace"
    """Stop the process; a new one follows."""
    FINISH = "finish"
    """Stop the process and store that the removal has completed."""
    QUARANTINE = "quarantine"
    CANCEL_ORDERS = "cancel_orders"
    """No process of the unit may do it: have the exchange process cancel its orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen of a unit."""

    has_process: bool
    phase: UnitPhase | None = None
    """None = the process does not answer."""
    revision: int = 0
    """Revision of the row the process acts on."""
    silent_ms: int = 0
    """For how long the process has not answered."""
    failed_starts: int = 0
    """Consecutive starts before the present one that never reached a settled phase."""
    has_stopped: bool = False
    """Whether the process was seen stopped under the present row, and was ended for that."""
    orders_left: int | None = None
    """Orders of ours last seen at the venue by the process, or by the exchange process when the
    unit has none; None = nobody looked since the row changed."""


def next_step(row: UnitRecord, seen: Observed) -> Step:
    """Return what to do next; total over all combinations."""
    if row.is_removed:
        return Step.STOP if seen.has_process else Step.REST
    if row.quarantine:
        return _step_in_quarantine(row, seen)
    is_ending = row.desire is Desire.REMOVED and seen.has_stopped
    if is_ending and not seen.has_process:
        # Looking at the venue takes an epoch each time: that is no start, and no crash loop.
        return Step.FINISH
    is_settled = seen.phase in SETTLED_PHASES
    if seen.failed_starts >= CRASH_LOOP_STARTS and not is_settled:
        return Step.QUARANTINE
    if not seen.has_process:
        return Step.START
    if seen.phase is None:
        return Step.REPLACE if seen.silent_ms >= SILENCE_MAX_MS else Step.WAIT
    return _step_of_running(row, seen)


def _step_of_running(row: UnitRecord, seen: Observed) -> Step:
    if seen.phase is UnitPhase.STARTING:  # it reads the row by itself
        return Step.WAIT
    if seen.revision < row.revision:
        return Step.TELL
    if row.desire is Desire.REMOVED:
        return _step_to_removal(row, seen)
    return Step.REST if seen.phase in SETTLED_PHASES else Step.WAIT


def _step_to_removal(row: UnitRecord, seen: Observed) -> Step:
    if seen.phase is UnitPhase.QUARANTINED and row.directive is Directive.CANCEL:
        # Its book may be wrong, so it cannot vouch for the venue: the exchange process looks.
        return Step.QUARANTINE
    return Step.FINISH if seen.phase is UnitPhase.STOPPED else Step.WAIT


def _step_in_quarantine(row: UnitRecord, seen: Observed) -> Step:
    if seen.has_process:
        return Step.STOP
    if seen.orders_left != 0:
        return Step.CANCEL_ORDERS
    # Drain and flatten promise a closed position, which only a working process can bring about.
    is_end = row.desire is Desire.REMOVED and row.directive is Directive.CANCEL
    return Step.FINISH if is_end else Step.REST


def _changed(
    row: UnitRecord,
    *,
    desire: Desire,
    directive: Directive,
    quarantine: str,
    reason: str,
    now_ms: UnixMs,
) -> UnitRecord:
    return replace(
        row,
        desire=desire,
        directive=directive,
        quarantine=quarantine,
        revision=row.revision + 1,
        reason=reason,
        updated_ms=now_ms,
    )


def _absent(unit: UnitId) -> Refused:
    return Refused(is_absent=True, message=f"{unit.text} is not registered")


def _refused(row: UnitRecord, advice: str) -> Refused:
    return Refused(
        is_absent=False, message=f"{row.unit.text} is being removed ({row.directive}); {advice}"
    )
