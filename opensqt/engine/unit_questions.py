"""What an operator asks of one unit's own process, through the orchestrator.

The answers are the process's; nothing is stored here. A unit without a process is explained by its
registry row.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

from opensqt.core.grid.explain import LevelReason
from opensqt.core.ids import UnitId
from opensqt.core.registry import UnitRecord
from opensqt.engine.status_report import observed_phase
from opensqt.engine.unit_adoption import WishError, wish_of
from opensqt.engine.unit_explanation import unexplained
from opensqt.engine.unit_tender import Snapshot, UnitView
from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.ports.spawn import SpawnError, SpawnPort

ANSWER_S: Final = 2.0
"""An explanation never waits for anything; what takes longer is a process that hangs."""

ADOPT_S: Final = 10.0
"""Adopting asks the venue for everything once more."""


class UnitQuestions(ABC):
    """The part of ``ControlPort`` that only a unit's process can answer."""

    _spawn: SpawnPort
    _watcher: asyncio.Task[None] | None
    """None while the deployment is down."""

    @abstractmethod
    async def _unit(self, text: str) -> UnitId:
        """Return the unit a target names."""

    @abstractmethod
    async def _row(self, unit: UnitId) -> UnitRecord | None:
        """Return the unit's registry row."""

    @abstractmethod
    async def _fresh_view(self, row: UnitRecord) -> UnitView:
        """Return what is seen of the unit's process at this moment."""

    async def explain(self, target: str) -> Answer:
        """See ``ControlPort``."""
        row = await self._registered(target)
        view = await self._fresh_view(row)
        answer = None if row.quarantine else await self._explanation(row.unit)
        if answer is None:
            answer = unexplained(*self._why_silent(row))
        state = str(observed_phase(row, view))
        return {**answer, "target": row.unit.text, "state": state}

    def _why_silent(self, row: UnitRecord) -> tuple[LevelReason, str]:
        if row.quarantine:
            return LevelReason.QUARANTINED, row.quarantine
        if self._watcher is None:
            return LevelReason.DOWN, "the deployment is down"
        return LevelReason.STARTING, "its process does not answer"

    async def adopt(
        self,
        target: str,
        *,
        operator: str,
        reason: str,
        quantity: str | None = None,
        price: str | None = None,
        dry_run: bool = False,
    ) -> Answer:
        """See ``ControlPort``."""
        wish = {"operator": operator, "reason": reason, "quantity": quantity, "price": price}
        try:
            wish_of(wish)
        except WishError as error:
            raise ControlError(ControlCode.INVALID, str(error)) from error
        row = await self._registered(target)
        if row.quarantine or self._watcher is None:
            _, why = self._why_silent(row)
            message = (
                f"no process runs for {row.unit.text}: {why}; "
                "once the cause is gone: opensqt resume, then adopt"
            )
            raise ControlError(ControlCode.CONFLICT, message)
        answer = await self._adopted(row.unit, wish, dry_run=dry_run)
        state = str(observed_phase(row, await self._fresh_view(row)))
        return {**answer, "target": row.unit.text, "state": state}

    async def _adopted(
        self, unit: UnitId, wish: Mapping[str, str | None], *, dry_run: bool
    ) -> Snapshot:
        try:
            async with asyncio.timeout(ADOPT_S):
                answer = await self._spawn.adopt_unit(unit, wish, dry_run=dry_run)
        except (SpawnError, TimeoutError) as error:
            said = str(error) or "no answer in time"
            message = f"whether it was adopted is not known ({said}); ask again"
            raise ControlError(ControlCode.NOT_READY, message) from error
        if "refused" in answer:
            raise ControlError(ControlCode.CONFLICT, f"{unit.text}: {answer['refused']}")
        if "problem" in answer:
            raise ControlError(ControlCode.NOT_READY, f"{unit.text}: {answer['problem']}")
        return answer

    async def _registered(self, target: str) -> UnitRecord:
        unit = await self._unit(target)
        row = await self._row(unit)
        if row is None or row.is_removed:
            raise ControlError(ControlCode.NOT_FOUND, f"{target} is not registered")
        return row

    async def _explanation(self, unit: UnitId) -> Snapshot | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._spawn.unit_explanation(unit)
        except (SpawnError, TimeoutError):
            return None
