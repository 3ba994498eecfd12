"""Going down: our orders canceled, the empty open list seen at the venue, positions kept.

What shall run after the next start stays as it is. Every unit is asked first (it knows its orders
best); one that does not obey in time loses its process, and the exchange process cancels for it.
Either way the venue's open list is looked at after the unit's process has ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from opensqt.core.facts import Directive
from opensqt.core.ids import UnitId
from opensqt.core.registry import UnitPhase
from opensqt.engine.unit_tender import Snapshot, phase_of
from opensqt.ports.clock import ClockPort
from opensqt.ports.spawn import SpawnPort
from opensqt.ports.telemetry import LogPort

ResultT = TypeVar("ResultT")
LOOK_MS: Final = 150
# Kept back for the exchange process when a unit does not obey; a third of a short wait.
RESERVE_MS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEnd:
    """How a unit ended."""

    unit: UnitId
    snapshot: Snapshot | None
    open_orders: tuple[str, ...] | None
    """Client order ids seen at the venue after the process had ended; None = not seen."""


class StandDown:
    """Ends all units side by side; every step may be repeated."""

    def __init__(
        self,
        *,
        spawn: SpawnPort,
        clock: ClockPort,
        log: LogPort,
        cancel: bool,
        call_timeout_ms: int,
        wait_ms: int,
    ) -> None:
        """Count ``wait_ms`` from now; ``cancel`` False leaves our orders at the venue."""
        self._spawn = spawn
        self._clock = clock
        self._log = log
        self._cancel = cancel
        self._call_timeout_ms = call_timeout_ms
        self._give_up_ms = clock.monotonic_ms() + wait_ms
        self._obey_until_ms = self._give_up_ms - min(RESERVE_MS, wait_ms // 3)

    async def run(self, last_seen: Mapping[UnitId, Snapshot | None]) -> tuple[UnitEnd, ...]:
        """End every unit and return how each ended, in the order given."""
        units = tuple(last_seen)
        ends = await asyncio.gather(*(self._end(unit, last_seen[unit]) for unit in units))
        found = dict(zip(units, ends, strict=True))
        # A start that was under way when the tenders ended may have succeeded since, and traded.
        late = await self._ask(self._spawn.running_units) or frozenset()
        again = await asyncio.gather(*(self._end(unit, last_seen.get(unit)) for unit in late))
        return tuple((found | dict(zip(late, again, strict=True))).values())

    async def _end(self, unit: UnitId, snapshot: Snapshot | None) -> UnitEnd:
        running = await self._ask(self._spawn.running_units)
        if self._cancel and running is not None and unit in running:
            snapshot = await self._hold(unit) or snapshot
        await self._stop(unit)
        return UnitEnd(unit=unit, snapshot=snapshot, open_orders=await self._orders_left(unit))

    async def _hold(self, unit: UnitId) -> Snapshot | None:
        """Have the unit cancel its orders; return its last answer."""
        latest: Snapshot | None = None
        while self._clock.monotonic_ms() < self._obey_until_ms:
            snapshot = await self._ask(lambda: self._spawn.unit_snapshot(unit))
            latest = snapshot or latest
            if snapshot is not None and snapshot.get("held") == Directive.CANCEL:
                if phase_of(snapshot) in {UnitPhase.STOPPED, UnitPhase.QUARANTINED}:
                    return snapshot
            else:
                await self._ask(lambda: self._spawn.hold_unit(unit, Directive.CANCEL))
            await self._clock.sleep_ms(LOOK_MS)
        self._log.warning("stand_down.unit_slow", unit=unit.text)
        return latest

    async def _stop(self, unit: UnitId) -> None:
        while True:
            running = await self._ask(self._spawn.running_units)
            if running is not None and unit not in running:
                return
            await self._ask(lambda: self._spawn.stop_unit(unit))
            if self._clock.monotonic_ms() >= self._give_up_ms:
                return
            await self._clock.sleep_ms(LOOK_MS)

    async def _orders_left(self, unit: UnitId) -> tuple[str, ...] | None:
        """Look at the venue, cancel what is there, until nothing is or the time is up."""
        if not self._cancel:
            return None
        while True:
            left = await self._ask(lambda: self._spawn.cancel_unit_orders(unit))
            if left == () or self._clock.monotonic_ms() >= self._give_up_ms:
                return left
            await self._clock.sleep_ms(LOOK_MS)

    async def _ask(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT | None:
        try:
            async with asyncio.timeout(self._call_timeout_ms / 1_000):
                return await call()
        except Exception as error:  # noqa: BLE001 - going down goes on whatever a call says
            self._log.warning("stand_down.call_failed", error=repr(error))
            await self._clock.sleep_ms(LOOK_MS)
            return None


def positions(ends: tuple[UnitEnd, ...]) -> list[dict[str, object]]:
    """Return the positions that stay, as strings."""
    return [
        {
            "account": end.unit.account,
            "symbol": end.unit.symbol,
            "quantity": _position_text(end.snapshot),
        }
        for end in ends
    ]


def _position_text(snapshot: Mapping[str, object] | None) -> str:
    """Return the position for people; a unit that never loaded has none it knows of."""
    known = None if snapshot is None else snapshot.get("position")
    return "unknown" if known is None else str(known)
