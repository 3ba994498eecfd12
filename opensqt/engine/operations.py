"""Adding and removing a unit as durable operations.

The registry row is the truth and the tenders make it true; an operation sees to it that they do
until the row has come true, and its record says how that ended. Its id is the unit and the
revision of the row it is about: asking twice is one operation, and a successor of a dead
orchestrator finds by the row which operations are unfinished. A store of workflows that fails
delays the record, never the work.

A store answers an id that failed with the same failure for ever, so each attempt has an id of its
own. A successor asks for the attempts in the same order: what it learns of those before it is how
many have failed.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from opensqt.core.ids import UnitId
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.registry_rules import ADDED
from opensqt.core.targets import unit_of_path
from opensqt.ports.clock import ClockPort
from opensqt.ports.registry import RegistryError, RegistryPort
from opensqt.ports.telemetry import LogPort
from opensqt.ports.workflow import WorkflowFailedError, WorkflowPort, WorkflowStoreError

LOOK_MS: Final = 500
OPEN_AGAIN_MS: Final = 2_000
ATTEMPTS_MAX: Final = 5
"""Attempts at one record that may fail; a store that cannot be asked does not count."""
_BACKOFF_FIRST_MS: Final = 2_000
_BACKOFF_MAX_MS: Final = 60_000


class OperationKind(StrEnum):
    """What is done to a unit; also the stored name of the workflow."""

    ADD = "add_symbol"
    REMOVE = "remove_symbol"


class OperationEnd(StrEnum):
    """How an operation ended."""

    DONE = "done"
    SUPERSEDED = "superseded"
    """The operator has asked for something else since."""
    QUARANTINED = "quarantined"
    """The unit never got to its work; a human decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationPorts:
    """What operations work with."""

    workflows: WorkflowPort
    registry: RegistryPort
    clock: ClockPort
    log: LogPort
    look_after: Callable[[UnitId], None]
    """Have the unit looked after; never waits."""
    is_settled: Callable[[UnitRecord], bool]
    """Tell whether the unit was seen to do what its row says."""


def operation_of(row: UnitRecord) -> OperationKind | None:
    """Return which operation a row is about, None when it is about none or has come true."""
    if row.is_removed:
        return None
    if row.desire is Desire.REMOVED:
        return OperationKind.REMOVE
    return OperationKind.ADD if row.reason == ADDED else None


def operation_id(kind: OperationKind, row: UnitRecord, *, attempt: int = 1) -> str:
    """Return the id under which an attempt at an operation is recorded."""
    name = f"{kind}:{row.unit.path}:{row.revision}"
    return name if attempt == 1 else f"{name}:{attempt}"


class Operations:
    """The operations of one deployment."""

    def __init__(self, ports: OperationPorts) -> None:
        """Bind the handlers; ``start`` begins."""
        self._ports = ports
        self._log = ports.log
        self._opening: asyncio.Task[None] | None = None
        self._is_open = False
        # While the deployment is down operations rest; their records stay unfinished.
        self._may_work = asyncio.Event()
        self._wanted: dict[str, tuple[OperationKind, UnitRecord]] = {}
        """What is asked for and has not begun, by its id."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: set[str] = set()
        self._problems: dict[str, str] = {}
        """What keeps an operation from being recorded, by its id."""
        ports.workflows.register(OperationKind.ADD, self._add)
        ports.workflows.register(OperationKind.REMOVE, self._remove)

    def start(self) -> None:
        """Work, or go on working; the store is opened in the background."""
        self._may_work.set()
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def rest(self) -> None:
        """Do nothing until the next ``start``."""
        self._may_work.clear()

    async def stop(self) -> None:
        """End; what is unfinished is found by its row."""
        self.rest()
        tasks = [*self._tasks.values(), *([self._opening] if self._opening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._opening, self._is_open = None, False
        await self._ports.workflows.stop()

    def follow(self, rows: Iterable[UnitRecord]) -> None:
        """Begin the operations the rows are about, unless they have begun or ended."""
        if not self._may_work.is_set():
            return
        for row in rows:
            kind = operation_of(row)
            if kind is not None and operation_id(kind, row) not in self._ended:
                self._wanted[operation_id(kind, row)] = (kind, row)
        # What came true before the store was open is recorded all the same.
        wanted = tuple(self._wanted.items()) if self._is_open else ()
        for name, (kind, row) in wanted:
            del self._wanted[name]
            if name not in self._tasks:
                work = self._run(kind, name, row)
                self._tasks[name] = asyncio.get_running_loop().create_task(work, name=name)

    def problem_of(self, row: UnitRecord) -> str:
        """Return why what is done to a unit is not recorded; empty while nothing is wrong."""
        kind = operation_of(row)
        return "" if kind is None else self._problems.get(operation_id(kind, row), "")

    # -- inside

    async def _open(self) -> None:
        while not self._is_open:
            try:
                await self._ports.workflows.start()
                self._is_open = True
                self.follow(())
            except Exception as error:  # noqa: BLE001 - nothing else would ever open it
                self._log.error("workflows.unavailable", reason=str(error) or repr(error))
                await self._ports.clock.sleep_ms(OPEN_AGAIN_MS)

    async def _run(self, kind: OperationKind, name: str, row: UnitRecord) -> None:
        inputs = json.dumps(
            {"unit": row.unit.path, "revision": row.revision, "directive": row.directive}
        )
        try:
            failures = 0
            while (error := await self._attempt(kind, row, failures + 1, inputs)) is not None:
                failures += 1
                self._log.warning(
                    "operation.failed", operation=name, attempt=failures, reason=error
                )
                if failures == ATTEMPTS_MAX:
                    self._give_up(kind, row, error)
                    return
                await self._ports.clock.sleep_ms(_backoff_ms(failures))
            self._problems.pop(name, None)
        finally:
            self._tasks.pop(name, None)

    def _give_up(self, kind: OperationKind, row: UnitRecord, error: str) -> None:
        name = operation_id(kind, row)
        problem = (
            f"{kind} of {row.unit.text} is not recorded after {ATTEMPTS_MAX} attempts, "
            f"the last one: {error}; the unit is looked after all the same"
        )
        self._ended.add(name)
        self._problems[name] = problem
        self._log.error("operation.given_up", operation=name, reason=problem)

    async def _attempt(
        self, kind: OperationKind, row: UnitRecord, attempt: int, inputs: str
    ) -> str | None:
        """Run until there is an answer; return its error in one line, None when it has ended."""
        name = operation_id(kind, row)
        waits = 0
        while True:
            await self._may_work.wait()
            try:
                end = await self._ports.workflows.run(
                    kind, operation_id(kind, row, attempt=attempt), inputs
                )
            except WorkflowStoreError as error:
                waits += 1
                problem = f"{kind} waits to be recorded: {_line(error)}"
                if self._problems.get(name) != problem:
                    self._problems[name] = problem
                    self._log.warning("operation.not_recorded", operation=name, reason=problem)
                await self._ports.clock.sleep_ms(_backoff_ms(waits))
            except Exception as error:  # noqa: BLE001 - whatever it is, the tenders go on
                return _line(error)
            else:
                self._ended.add(name)
                self._log.info("operation.ended", operation=name, end=end)
                return None

    async def _add(self, inputs: str) -> str:
        """Wait until the unit is at its work."""

        def end_of(row: UnitRecord | None, wanted: dict[str, object]) -> OperationEnd | None:
            _ = wanted
            if row is None or row.desire is Desire.REMOVED:
                return OperationEnd.SUPERSEDED
            if row.quarantine:
                return OperationEnd.QUARANTINED
            return OperationEnd.DONE if self._ports.is_settled(row) else None

        return await self._until(end_of, inputs)

    async def _remove(self, inputs: str) -> str:
        """Wait until the venue was seen without an order of the unit and its process has ended."""

        def end_of(row: UnitRecord | None, wanted: dict[str, object]) -> OperationEnd | None:
            # A unit that is wanted again had been removed before: adding it was refused till then.
            if row is None or row.is_removed or row.desire is not Desire.REMOVED:
                return OperationEnd.DONE
            is_same = row.directive == wanted["directive"]
            return None if is_same else OperationEnd.SUPERSEDED

        return await self._until(end_of, inputs)

    async def _until(
        self,
        end_of: Callable[[UnitRecord | None, dict[str, object]], OperationEnd | None],
        inputs: str,
    ) -> str:
        """Look at the row until it says how the operation ends; may be run again at any time."""
        wanted = json.loads(inputs)
        unit = unit_of_path(wanted["unit"])
        assert unit is not None, f"{wanted['unit']} names no unit"
        while True:
            await self._may_work.wait()
            try:
                end = end_of(await self._ports.registry.unit(unit), wanted)
            except RegistryError as error:
                self._log.warning("operation.waits", unit=unit.text, reason=str(error))
            else:
                if end is not None:
                    return end
                self._ports.look_after(unit)
            await self._ports.clock.sleep_ms(LOOK_MS)


def _backoff_ms(failures: int) -> int:
    """Return the pause after so many failures in a row, at least one."""
    # Shifting by more would only make numbers nobody waits for.
    return min(_BACKOFF_FIRST_MS << min(failures - 1, 10), _BACKOFF_MAX_MS)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    is_told = isinstance(error, WorkflowStoreError | WorkflowFailedError)
    return text if is_told else f"{type(error).__name__}: {text}"
