"""The orchestrator: stores what the operator wants, and keeps making it true.

The registry in the database is the truth. A control call decides (``registry_rules``), stores the
row and answers; tenders compare rows with processes and act. Nothing is remembered that matters: a
new orchestrator reads the rows, looks at the processes and goes on, and while there is none the
units trade on. Two orchestrators do no harm beyond double work: every step is idempotent and every
row is written by compare-and-set.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, UnitId, UnixMs
from opensqt.core.registry import UnitPhase, UnitRecord
from opensqt.core.registry_rules import (
    Changed,
    Decision,
    Refused,
    decide_add,
    decide_pause,
    decide_remove,
    decide_resume,
    refuse_beside,
)
from opensqt.core.targets import TargetError, parse_target, resolve
from opensqt.engine.operations import OperationPorts, Operations
from opensqt.engine.orchestrator_ports import (
    OrchestratorPorts,
    OrchestratorSettings,
    StandDownPort,
)
from opensqt.engine.stand_down import StandDown, UnitEnd, positions
from opensqt.engine.status_report import (
    Deployment,
    accounts_of,
    observed_phase,
    status_report,
)
from opensqt.engine.unit_questions import UnitQuestions
from opensqt.engine.unit_tender import (
    Census,
    Snapshot,
    TenderPorts,
    UnitTender,
    UnitView,
    is_settled,
    phase_of,
)
from opensqt.ports.catalog import CatalogError, CatalogPort
from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.ports.registry import RegistryError, RevisionConflictError
from opensqt.ports.spawn import SpawnError

__all__ = ["Orchestrator", "OrchestratorPorts", "OrchestratorSettings", "StandDownPort"]

SHUTDOWN_WAIT_MS: Final = 30_000
LOOK_MS: Final = 1_000
EXCHANGE_LOOK_MS: Final = 2_000
WAIT_LOOK_MS: Final = 100
STORE_ATTEMPTS: Final = 5


class Orchestrator(UnitQuestions):
    """Implements ``ControlPort``."""

    def __init__(
        self, *, ports: OrchestratorPorts, catalog: CatalogPort, settings: OrchestratorSettings
    ) -> None:
        """Do nothing yet."""
        self._registry = ports.registry
        self._spawn = ports.spawn
        self._clock = ports.clock
        self._log = ports.log
        self._down = ports.down
        self._surroundings = ports.surroundings
        self._ended = ports.ended
        self._catalog = catalog
        self._settings = settings
        self._census = Census(spawn=ports.spawn, clock=ports.clock)
        self._tender_ports = TenderPorts(
            registry=ports.registry,
            spawn=ports.spawn,
            clock=ports.clock,
            log=ports.log,
            census=self._census,
            wave=asyncio.Semaphore(settings.wave_max),
        )
        self._tenders: dict[UnitId, UnitTender] = {}
        self._tasks: dict[UnitId | AccountName, asyncio.Task[None]] = {}
        self._operations = Operations(
            OperationPorts(
                workflows=ports.workflows,
                registry=ports.registry,
                clock=ports.clock,
                log=ports.log,
                look_after=self._look_after,
                is_settled=lambda row: is_settled(row, self._view(row.unit)),
            )
        )
        self._watcher: asyncio.Task[None] | None = None
        self._adding = asyncio.Lock()
        self._ending: Answer | None = None
        """Answer of a shutdown that is complete; asking again gives the same."""

    # ------------------------------------------------------------------------------- life

    async def start(self) -> None:
        """Register what the catalog lists and begin to reconcile, unless the deployment is down."""
        if self._down.is_set():
            self._log.info("orchestrator.down")
            return
        await self._register_plans()
        self._operations.start()
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name="orchestrator.watch")

    async def launch(self, catalog: CatalogPort) -> None:
        """Take a configuration and run: the operator's ``up``. Idempotent."""
        self._catalog = catalog
        self._ending = None
        self._down.clear()
        await self.start()

    async def stop(self) -> None:
        """Stop reconciling; the processes trade on."""
        await self._halt()
        await self._operations.stop()

    async def _halt(self) -> None:
        self._operations.rest()
        tasks = [task for task in (self._watcher, *self._tasks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watcher = None
        self._tasks.clear()
        self._tenders.clear()

    # ---------------------------------------------------------------------------- control

    async def add_symbol(
        self, target: str, config: Mapping[str, object] | None = None, *, dry_run: bool = False
    ) -> Answer:
        """See ``ControlPort``."""
        try:
            plan = self._catalog.plan(target, config)
        except CatalogError as error:
            raise ControlError(ControlCode.INVALID, str(error)) from error

        def decide(row: UnitRecord | None, now_ms: UnixMs) -> Decision:
            return decide_add(row, unit=plan.unit, config_text=plan.config_text, now_ms=now_ms)

        async with self._adding:
            refusal = refuse_beside(plan.unit, await self._rows(), now_ms=self._clock.now_ms())
            if refusal:
                raise ControlError(ControlCode.CONFLICT, refusal)
            row, decision = await self._change(plan.unit, decide, dry_run=dry_run)
        created = isinstance(decision, Changed) and decision.created
        return {**(await self._answer(row)), "created": created}

    async def remove_symbol(
        self, target: str, mode: str = "drain", *, wait_ms: int = 0, dry_run: bool = False
    ) -> Answer:
        """See ``ControlPort``."""
        unit = await self._unit(target)
        directive = _directive(mode)

        def decide(row: UnitRecord | None, now_ms: UnixMs) -> Decision:
            return decide_remove(row, unit=unit, mode=directive, now_ms=now_ms)

        row, _ = await self._change(unit, decide, dry_run=dry_run)
        give_up_ms = self._clock.monotonic_ms() + (0 if dry_run else wait_ms)
        while not row.is_removed and self._clock.monotonic_ms() < give_up_ms:
            await self._clock.sleep_ms(WAIT_LOOK_MS)
            row = await self._registry.unit(unit) or row
        snapshot = self._view(unit).snapshot or {}
        return {
            **(await self._answer(row)),
            "done": row.is_removed,
            "position": snapshot.get("position"),
            "open_orders": 0 if row.is_removed else snapshot.get("open_orders"),
        }

    async def pause(self, target: str, mode: str = "cancel") -> Answer:
        """See ``ControlPort``."""
        unit = await self._unit(target)
        directive = _directive(mode)

        def decide(row: UnitRecord | None, now_ms: UnixMs) -> Decision:
            return decide_pause(row, unit=unit, mode=directive, now_ms=now_ms)

        row, _ = await self._change(unit, decide)
        return await self._answer(row)

    async def resume(self, target: str) -> Answer:
        """See ``ControlPort``."""
        unit = await self._unit(target)
        row = await self._row(unit)
        is_stuck = row is not None and phase_of((await self._fresh_view(row)).snapshot) is (
            UnitPhase.QUARANTINED
        )

        def decide(row: UnitRecord | None, now_ms: UnixMs) -> Decision:
            return decide_resume(row, unit=unit, now_ms=now_ms, is_stuck=is_stuck)

        row, _ = await self._change(unit, decide)
        return await self._answer(row)

    async def status(self, targets: tuple[str, ...] = ()) -> Answer:
        """See ``ControlPort``."""
        rows = [row for row in await self._rows() if not row.is_removed]
        if targets:
            wanted = [await self._unit(target) for target in targets]
            rows = [row for row in rows if row.unit in wanted]
        accounts = accounts_of(rows)
        views = await asyncio.gather(*(self._fresh_view(row) for row in rows))
        exchanges = await asyncio.gather(*(self._exchange_answer(name) for name in accounts))
        return status_report(
            Deployment(
                mode=self._catalog.mode,
                timezone=self._catalog.timezone,
                kill=await self._registry.kill_row(),
                units=tuple(zip(rows, views, strict=True)),
                problems={row.unit: self._operations.problem_of(row) for row in rows},
                exchanges=tuple(zip(accounts, exchanges, strict=True)),
                here=self._surroundings(),
                is_down=self._watcher is None and self._down.is_set(),
            )
        )

    async def list_symbols(self) -> Answer:
        """See ``ControlPort``."""
        rows = [row for row in await self._rows() if not row.is_removed]
        return {
            "symbols": [
                {
                    "target": row.unit.text,
                    "account": row.unit.account,
                    "symbol": row.unit.symbol,
                    "instance": row.unit.instance,
                    "desired": str(row.desire),
                    "observed": str(observed_phase(row, self._view(row.unit))),
                    "config": row.config_text,
                }
                for row in rows
            ]
        }

    async def shutdown(self, *, orders: str = "cancel", wait_ms: int = 0) -> Answer:
        """See ``ControlPort``."""
        if orders not in {"cancel", "keep"}:
            raise ControlError(ControlCode.INVALID, f"expected cancel or keep, got {orders!r}")
        self._down.set()
        if self._ending is not None:
            return self._ending
        rows = await self._rows()
        last_seen = {row.unit: self._view(row.unit).snapshot for row in rows if not row.is_removed}
        await self._halt()
        for account in accounts_of(rows):  # looking at the venue takes one, also the second time
            await self._ensure_exchange(account)
        cancel = orders == "cancel"
        stand_down = StandDown(
            spawn=self._spawn,
            clock=self._clock,
            log=self._log,
            cancel=cancel,
            call_timeout_ms=self._settings.tender.call_timeout_ms,
            wait_ms=wait_ms or SHUTDOWN_WAIT_MS,
        )
        ends = await stand_down.run(last_seen)
        orders_empty = cancel and all(end.open_orders == () for end in ends)
        self._log.info("orchestrator.shutdown", units=len(ends), orders_empty=orders_empty)
        answer: Answer = {
            "orders_empty": orders_empty,
            "open_orders": _open_orders(ends),
            "positions": positions(ends),
        }
        if orders_empty or not cancel:
            self._ending = answer
            await self._stop_exchanges(rows)
            await self._ended()
        return answer

    # -------------------------------------------------------------------------- reconcile

    async def _watch(self) -> None:
        while True:
            try:
                rows = await self._registry.units()
                for account in accounts_of(rows):
                    self._keep_exchange(account)
                running = await self._census.running()
                for row in rows:
                    if not row.is_removed or row.unit in running:
                        self._keep_unit(row.unit)
                self._operations.follow(rows)
            except Exception as error:  # noqa: BLE001 - the outermost loop
                self._log.warning("orchestrator.watch_failed", error=repr(error))
            await self._clock.sleep_ms(LOOK_MS)

    def _look_after(self, unit: UnitId) -> None:
        self._keep_exchange(unit.account)
        self._keep_unit(unit)
        self._tenders[unit].wake()

    def _keep_unit(self, unit: UnitId) -> None:
        """Have the unit looked after, by one tender at a time."""
        if self._is_busy(unit):
            return
        tender = UnitTender(unit, ports=self._tender_ports, settings=self._settings.tender)
        self._tenders[unit] = tender
        self._tasks[unit] = asyncio.create_task(tender.run(), name=f"tender.{unit.text}")

    def _keep_exchange(self, account: AccountName) -> None:
        if not self._is_busy(account):
            self._tasks[account] = asyncio.create_task(
                self._tend_exchange(account), name=f"tender.{account}"
            )

    def _is_busy(self, key: UnitId | AccountName) -> bool:
        task = self._tasks.get(key)
        return task is not None and not task.done()

    async def _tend_exchange(self, account: AccountName) -> None:
        while True:
            await self._ensure_exchange(account)
            await self._clock.sleep_ms(EXCHANGE_LOOK_MS)

    async def _ensure_exchange(self, account: AccountName) -> None:
        try:
            async with asyncio.timeout(self._settings.tender.call_timeout_ms / 1_000):
                lease = await self._registry.account_lease(account)
                epoch = 0 if lease is None else lease.epoch
                await self._spawn.ensure_exchange(account, epoch=epoch)
        except (SpawnError, RegistryError, TimeoutError) as error:
            self._log.warning("exchange.failed", account=account, error=repr(error))

    async def _stop_exchanges(self, rows: tuple[UnitRecord, ...]) -> None:
        for account in accounts_of(rows):
            try:
                async with asyncio.timeout(self._settings.tender.call_timeout_ms / 1_000):
                    await self._spawn.stop_exchange(account)
            except (SpawnError, TimeoutError) as error:
                self._log.warning("exchange.stop_failed", account=account, error=repr(error))

    # -------------------------------------------------------------------------- registry

    async def _register_plans(self) -> None:
        """Store the catalog's units that were never registered; known rows keep their say."""
        known = {row.unit: row for row in await self._registry.units()}
        for plan in self._catalog.plans:
            row = known.get(plan.unit)
            refusal = refuse_beside(plan.unit, known.values(), now_ms=self._clock.now_ms())
            if refusal:
                self._log.warning("unit.not_registered", unit=plan.unit.text, reason=refusal)
            elif row is None:
                decision = decide_add(
                    None, unit=plan.unit, config_text=plan.config_text, now_ms=self._clock.now_ms()
                )
                if isinstance(decision, Changed):
                    await self._put(decision.record)
            elif not row.is_removed and row.config_text != plan.config_text:
                self._log.warning(
                    "unit.file_differs",
                    unit=plan.unit.text,
                    hint="the registered configuration stays; remove and add to take the file's",
                )

    async def _put(self, record: UnitRecord) -> bool:
        """Store a row; False when somebody else was faster."""
        try:
            await self._registry.put_unit(record, expected_revision=record.revision - 1)
        except RevisionConflictError:
            return False
        self._log.info(
            "unit.desired",
            unit=record.unit.text,
            desire=record.desire,
            directive=record.directive,
            revision=record.revision,
        )
        return True

    async def _change(
        self,
        unit: UnitId,
        decide: Callable[[UnitRecord | None, UnixMs], Decision],
        *,
        dry_run: bool = False,
    ) -> tuple[UnitRecord, Decision]:
        """Decide on the newest row, store the result, have it made true."""
        if self._watcher is None:
            raise ControlError(ControlCode.NOT_READY, "the deployment is down")
        for _ in range(STORE_ATTEMPTS):
            decision = decide(await self._row(unit), self._clock.now_ms())
            if isinstance(decision, Refused):
                code = ControlCode.NOT_FOUND if decision.is_absent else ControlCode.CONFLICT
                raise ControlError(code, decision.message)
            if dry_run or not isinstance(decision, Changed):
                return decision.record, decision
            try:
                is_stored = await self._put(decision.record)
            except RegistryError as error:
                raise ControlError(ControlCode.NOT_READY, str(error)) from error
            if is_stored:
                self._look_after(unit)
                self._operations.follow((decision.record,))
                return decision.record, decision
        raise ControlError(ControlCode.NOT_READY, f"{unit.text} keeps changing; try again")

    async def _rows(self) -> tuple[UnitRecord, ...]:
        try:
            return await self._registry.units()
        except RegistryError as error:
            raise ControlError(ControlCode.NOT_READY, str(error)) from error

    async def _row(self, unit: UnitId) -> UnitRecord | None:
        try:
            return await self._registry.unit(unit)
        except RegistryError as error:
            raise ControlError(ControlCode.NOT_READY, str(error)) from error

    # --------------------------------------------------------------------------- targets

    async def _unit(self, text: str) -> UnitId:
        """Return the registered unit a target names; removed ones only when no other fits."""
        rows = await self._rows()
        present = [row.unit for row in rows if not row.is_removed]
        try:
            target = parse_target(text)
            is_gone = not any(target.covers(unit) for unit in present)
            candidates = [row.unit for row in rows] if is_gone else present
            if not any(target.covers(unit) for unit in candidates):
                raise ControlError(ControlCode.NOT_FOUND, f"{text} is not registered")
            return resolve(text, candidates)
        except TargetError as error:
            raise ControlError(ControlCode.INVALID, str(error)) from error

    # --------------------------------------------------------------------------- looking

    def _view(self, unit: UnitId) -> UnitView:
        tender = self._tenders.get(unit)
        return UnitView() if tender is None else tender.view

    async def _answer(self, row: UnitRecord) -> Answer:
        state = observed_phase(row, await self._fresh_view(row))
        return {"target": row.unit.text, "state": str(state)}

    async def _fresh_view(self, row: UnitRecord) -> UnitView:
        """Return the tender's view with an answer of this moment, if one comes in time."""
        view = self._view(row.unit)
        try:
            async with asyncio.timeout(self._settings.status_wait_ms / 1_000):
                snapshot = await self._spawn.unit_snapshot(row.unit)
        except (SpawnError, TimeoutError):
            snapshot = None
        return replace(view, snapshot=snapshot or view.snapshot, answers=snapshot is not None)

    async def _exchange_answer(self, account: AccountName) -> Snapshot | None:
        try:
            async with asyncio.timeout(self._settings.status_wait_ms / 1_000):
                return await self._spawn.exchange_snapshot(account)
        except (SpawnError, TimeoutError):
            return None


def _directive(mode: str) -> Directive:
    try:
        return Directive(mode)
    except ValueError as error:
        message = f"expected drain, cancel or flatten, got {mode!r}"
        raise ControlError(ControlCode.INVALID, message) from error


def _open_orders(ends: tuple[UnitEnd, ...]) -> list[str]:
    return [order for end in ends for order in end.open_orders or ()]
