"""Looks after one unit: compares its registry row with its process and does the next step.

A tender decides nothing (``registry_rules.next_step`` does) and owns nothing durable: killed at any
point, its successor looks and goes on. Tenders run side by side, so a slow unit delays only itself.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar, assert_never

from opensqt.core.ids import UnitId
from opensqt.core.registry import UnitPhase, UnitRecord
from opensqt.core.registry_rules import (
    CRASH_LOOP_STARTS,
    SETTLED_PHASES,
    Observed,
    Step,
    next_step,
    quarantined,
    removed,
)
from opensqt.ports.clock import ClockPort
from opensqt.ports.registry import RegistryPort, RevisionConflictError
from opensqt.ports.spawn import SpawnPort
from opensqt.ports.telemetry import LogPort

Snapshot = Mapping[str, object]
"""A process's own status, see ``SpawnPort.unit_snapshot``."""
ResultT = TypeVar("ResultT")
_BACKOFF_FIRST_MS: Final = 500
_BACKOFF_MAX_MS: Final = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TenderSettings:
    """Pace of the reconcile loop."""

    call_timeout_ms: int = 5_000
    """Upper bound of any call to a unit's process."""
    busy_ms: int = 300
    """Pause between two looks while something is under way."""
    settled_ms: int = 5_000
    """Pause between two looks at a unit that is as it should be; Ray restarts it meanwhile."""
    start_ms_max: int = 20_000
    """How long a start keeps its place in the wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitView:
    """What the tender last saw."""

    row: UnitRecord | None = None
    has_process: bool = False
    snapshot: Snapshot | None = None
    """The newest answer of the process."""
    answers: bool = False
    """Whether the process answered when it was last asked."""
    seen_ms: int = 0
    """Monotonic time of the snapshot."""
    orders_left: tuple[str, ...] | None = None
    """Open orders of a unit without a process, as the exchange process saw them."""


def phase_of(snapshot: Snapshot | None) -> UnitPhase | None:
    """Return the phase a snapshot reports, or None."""
    return None if snapshot is None else UnitPhase(str(snapshot["state"]))


def is_settled(row: UnitRecord, view: UnitView) -> bool:
    """Tell whether the unit's process was seen to do what ``row`` says."""
    return (
        view.answers
        and phase_of(view.snapshot) in SETTLED_PHASES
        and _integer(view.snapshot, "revision") >= row.revision
    )


class Census:
    """Which units have a process; one answer serves all tenders for a moment."""

    def __init__(self, *, spawn: SpawnPort, clock: ClockPort, fresh_ms: int = 100) -> None:
        """Know nothing yet."""
        self._spawn = spawn
        self._clock = clock
        self._fresh_ms = fresh_ms
        self._lock = asyncio.Lock()
        self._units: frozenset[UnitId] = frozenset()
        self._taken_ms: int | None = None

    async def running(self) -> frozenset[UnitId]:
        """Return the units with a process, at most ``fresh_ms`` old."""
        async with self._lock:
            now = self._clock.monotonic_ms()
            if self._taken_ms is None or now - self._taken_ms > self._fresh_ms:
                self._units = await self._spawn.running_units()
                self._taken_ms = self._clock.monotonic_ms()
            return self._units


@dataclass(frozen=True, slots=True, kw_only=True)
class TenderPorts:
    """What all tenders share."""

    registry: RegistryPort
    spawn: SpawnPort
    clock: ClockPort
    log: LogPort
    census: Census
    wave: asyncio.Semaphore
    """Bounds simultaneous starts: a process start is mostly CPU time."""


class UnitTender:
    """One unit's part of the reconcile loop."""

    def __init__(self, unit: UnitId, *, ports: TenderPorts, settings: TenderSettings) -> None:
        """Do nothing yet; ``run`` is the loop."""
        self.unit = unit
        self.view = UnitView()
        self._registry = ports.registry
        self._spawn = ports.spawn
        self._clock = ports.clock
        self._log = ports.log
        self._census = ports.census
        self._wave = ports.wave
        self._settings = settings
        self._news = asyncio.Event()
        self._silent_since_ms: int | None = None
        self._settled_epoch: int | None = None
        self._replaced = 0
        self._stopped_revision = 0
        self._last_step = Step.REST

    def wake(self) -> None:
        """Look now rather than at the end of the pause."""
        self._news.set()

    async def run(self) -> None:
        """Look and step until the unit is removed and has no process."""
        backoff_ms = 0
        while True:
            self._news.clear()
            try:
                step = await self.look_and_step()
            except Exception as error:  # noqa: BLE001 - the outermost loop of the unit
                backoff_ms = min(max(backoff_ms * 2, _BACKOFF_FIRST_MS), _BACKOFF_MAX_MS)
                self._log.warning(
                    "tender.failed", unit=self.unit.text, error=repr(error), retry_ms=backoff_ms
                )
                await self._pause(backoff_ms)
                continue
            backoff_ms = 0
            if step is Step.REST and (self.view.row is None or self.view.row.is_removed):
                return
            is_settled = step is Step.REST
            await self._pause(self._settings.settled_ms if is_settled else self._settings.busy_ms)

    async def look_and_step(self) -> Step:
        """Look once, do the next step, return it."""
        row = await self._registry.unit(self.unit)
        if row is None:
            return Step.REST
        seen = await self._look(row)
        step = next_step(row, seen)
        if step not in {Step.REST, Step.WAIT, self._last_step}:
            self._log.info("unit.step", unit=self.unit.text, step=step, revision=row.revision)
        self._last_step = step
        await self._do(step, row)
        return step

    async def _look(self, row: UnitRecord) -> Observed:
        has_process = self.unit in await self._bounded(self._census.running())
        snapshot = None
        if has_process:
            snapshot = await self._bounded(self._spawn.unit_snapshot(self.unit))
        now = self._clock.monotonic_ms()
        epoch = await self._epoch(snapshot)
        failed = self._failed_starts(row, phase_of(snapshot), epoch, has_process=has_process)
        if snapshot is not None or not has_process:
            self._silent_since_ms = None
        elif self._silent_since_ms is None:
            self._silent_since_ms = now
        is_same_row = self.view.row is not None and self.view.row.revision == row.revision
        self.view = UnitView(
            row=row,
            has_process=has_process,
            snapshot=snapshot or self.view.snapshot,
            answers=snapshot is not None,
            seen_ms=now if snapshot is not None else self.view.seen_ms,
            orders_left=self.view.orders_left if is_same_row else None,
        )
        return Observed(
            has_process=has_process,
            phase=phase_of(snapshot),
            revision=_integer(snapshot, "revision"),
            silent_ms=0 if self._silent_since_ms is None else now - self._silent_since_ms,
            failed_starts=failed,
            has_stopped=self._stopped_revision == row.revision,
            orders_left=_orders_left(self.view, snapshot),
        )

    async def _epoch(self, snapshot: Snapshot | None) -> int:
        # A process that has just begun has not taken its epoch yet and says 0.
        return _integer(snapshot, "epoch") or await self._registry.symbol_epoch(self.unit)

    def _failed_starts(
        self, row: UnitRecord, phase: UnitPhase | None, epoch: int, *, has_process: bool
    ) -> int:
        if self._settled_epoch is None:
            self._settled_epoch = max(0, epoch - has_process)
        if phase in SETTLED_PHASES or row.quarantine:
            self._settled_epoch = epoch
            self._replaced = 0
        return max(0, epoch - self._settled_epoch - 1) + self._replaced

    async def _do(self, step: Step, row: UnitRecord) -> None:  # noqa: C901 - one arm per step
        match step:
            case Step.REST | Step.WAIT:
                return
            case Step.START:
                await self._start()
            case Step.TELL:
                await self._bounded(self._spawn.tell_unit(self.unit, row.revision))
            case Step.STOP:
                await self._bounded(self._spawn.stop_unit(self.unit))
            case Step.REPLACE:
                self._replaced += 1
                self._silent_since_ms = None
                await self._bounded(self._spawn.stop_unit(self.unit))
            case Step.FINISH:
                await self._finish(row)
            case Step.QUARANTINE:
                reason = _why_quarantined(self.view)
                self._log.error("unit.quarantined", unit=self.unit.text, reason=reason)
                await self._store(quarantined(row, reason=reason, now_ms=self._clock.now_ms()))
            case Step.CANCEL_ORDERS:
                left = await self._bounded(self._spawn.cancel_unit_orders(self.unit))
                self.view = replace(self.view, orders_left=tuple(left))
            case _:
                assert_never(step)

    async def _finish(self, row: UnitRecord) -> None:
        """End the process, fence it, see the venue without an order of ours, then say so.

        The process has seen that list empty twice; after its end nobody else could know of an
        order that was still on its way, or stop a process that only seems to have ended.
        """
        if self.view.has_process:
            await self._bounded(self._spawn.stop_unit(self.unit))
        self._stopped_revision = row.revision
        left = await self._bounded(self._spawn.cancel_unit_orders(self.unit))
        self.view = replace(self.view, orders_left=tuple(left))
        if not left:
            await self._store(removed(row, now_ms=self._clock.now_ms()))

    async def _start(self) -> None:
        """Start the process and keep the place in the wave until it answers."""
        async with self._wave:
            epoch = await self._registry.symbol_epoch(self.unit)
            await self._bounded(self._spawn.ensure_unit(self.unit, epoch=epoch))
            give_up_ms = self._clock.monotonic_ms() + self._settings.start_ms_max
            while self._clock.monotonic_ms() < give_up_ms:
                if await self._bounded(self._spawn.unit_snapshot(self.unit)) is not None:
                    return
                await self._clock.sleep_ms(self._settings.busy_ms)

    async def _store(self, row: UnitRecord) -> None:
        try:
            await self._registry.put_unit(row, expected_revision=row.revision - 1)
        except RevisionConflictError:
            self._log.info("unit.row_moved", unit=self.unit.text)  # the next look sees the new one

    async def _bounded(self, call: Awaitable[ResultT]) -> ResultT:
        async with asyncio.timeout(self._settings.call_timeout_ms / 1_000):
            return await call

    async def _pause(self, duration_ms: int) -> None:
        """Wait, but not beyond the next ``wake``."""
        sleeper = asyncio.ensure_future(self._clock.sleep_ms(duration_ms))
        waker = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waker.cancel()


def _why_quarantined(view: UnitView) -> str:
    if phase_of(view.snapshot) is UnitPhase.QUARANTINED and view.snapshot is not None:
        return str(view.snapshot.get("idle_reason") or "quarantined by its process")
    why = "" if view.snapshot is None else str(view.snapshot.get("idle_reason") or "")
    reason = f"{CRASH_LOOP_STARTS} starts in a row never got to quoting"
    return f"{reason}: {why}" if why else reason


def _integer(snapshot: Snapshot | None, key: str) -> int:
    value = None if snapshot is None else snapshot.get(key)
    return value if isinstance(value, int) else 0


def _orders_left(view: UnitView, snapshot: Snapshot | None) -> int | None:
    if snapshot is not None and view.row is not None:
        is_current = _integer(snapshot, "revision") >= view.row.revision
        return _integer(snapshot, "open_orders") if is_current else None
    return None if view.orders_left is None else len(view.orders_left)
