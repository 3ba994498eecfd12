"""Composition root of one symbol process; imports no more than that process needs.

``SymbolProcess`` keeps one engine running: it takes a new epoch, opens the journal, follows the
registry row, and begins anew with back-off when the engine fails. It ends for good only when a
newer process has taken the unit over, or when the unit is not registered (any more).
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from opensqt.bootstrap.runtime import Runtime, build_text, fresh_bytes, link_name
from opensqt.bootstrap.workflows import workflows_of
from opensqt.core import codec
from opensqt.core.facts import Directive
from opensqt.core.ids import UnitId
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.adopting import AdoptionError
from opensqt.engine.decider import Identity
from opensqt.engine.symbol_engine import StaleProcessError, SymbolEngine
from opensqt.engine.unit_adoption import plain_adoption, wish_of
from opensqt.engine.unit_explanation import explained_unit
from opensqt.engine.unit_follower import UnitFollower
from opensqt.engine.unit_status import UnitStatus, unit_status
from opensqt.ports.journal import StaleEpochError
from opensqt.ports.registry import RegistryError
from opensqt.rpc.endpoint import UnixLocator
from opensqt.rpc.link_client import GrpcLink
from opensqt.storage.beyond import begin_beyond, lost_since_ms
from opensqt.storage.control import AuditRow, SqlControlStore, open_control
from opensqt.storage.journal import SqlJournal, open_journal
from opensqt.system import log, process
from opensqt.system.clock import SystemClock

RESTART_FIRST_MS: Final = 500
WORKFLOWS_STOP_S: Final = 5.0
RESTART_MAX_MS: Final = 8_000
STEADY_MS: Final = 60_000
"""An engine that ran this long had no failure in a row before."""
MEMORY_EVERY_MS: Final = 10_000
_MEBIBYTE: Final = 1 << 20


class UnitGoneError(Exception):
    """The registry has no row for this unit, or its removal has completed."""


class StuckStoreError(Exception):
    """The store of workflows hangs: this process must end, and another one begins clean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Incarnation:
    engine: SymbolEngine
    epoch: int


class SymbolProcess:
    """One unit's process. ``start`` once; ``snapshot`` at any time, from any thread."""

    def __init__(
        self,
        unit: UnitId,
        runtime: Runtime,
        *,
        born_epoch: int = 0,
        ended: Callable[[str], None],
    ) -> None:
        """Keep the configuration only. ``ended`` is told why when the process must end for good.

        ``born_epoch`` is the unit's epoch when its process was first created.
        """
        self._unit = unit
        self._born_epoch = born_epoch
        self._runtime = runtime
        self._ended = ended
        self._clock = SystemClock()
        self._log = log.get("opensqt.symbol", unit=unit.text)
        self._registry: SqlControlStore | None = None
        self._follower = UnitFollower(self._clock)
        self._incarnation: _Incarnation | None = None
        self._problem = ""
        self._memory_mb: int | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def state(self) -> str:
        """Return the phase of the unit in one word."""
        return str(self.snapshot()["state"])

    async def start(self) -> None:
        """Open the control store and begin; raise ``RegistryError`` when it cannot be opened.

        Everything later is retried in the background.
        """
        self._registry = await asyncio.to_thread(
            open_control,
            self._runtime.location,
            writer=f"symbol {self._unit.text}",
            random_bytes=fresh_bytes(),
        )
        self._tasks = [
            asyncio.create_task(self._keep_running(self._registry), name="symbol.run"),
            asyncio.create_task(self._watch_memory(), name="symbol.memory"),
        ]
        process.spare_collector()

    async def stop(self) -> None:
        """Stop deciding at once; orders at the venue stay as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell(self, revision: int) -> None:
        """Read the registry row again unless that revision is known already."""
        if self._registry is None or self._follower.knows(revision):
            return
        row = await self._registry.unit(self._unit)
        if row is not None:
            self._follower.follow(row)

    def hold(self, directive: Directive) -> None:
        """Follow ``directive`` instead of the row until this process ends."""
        self._follower.hold(directive)

    def snapshot(self) -> dict[str, object]:
        """Return the status of the unit as ``SpawnPort.unit_snapshot`` describes it."""
        incarnation = self._incarnation
        status = UnitStatus(
            pid=os.getpid(),
            epoch=0 if incarnation is None else incarnation.epoch,
            born_epoch=self._born_epoch,
            row=self._follower.row,
            held=self._follower.held,
            problem=self._problem,
            memory_mb=self._memory_mb,
        )
        engine = None if incarnation is None else incarnation.engine
        return unit_status(status, engine, now_ms=self._clock.now_ms())

    def explanation(self) -> dict[str, object]:
        """Return why each level has no order as ``SpawnPort.unit_explanation`` describes it."""
        engine = None if self._incarnation is None else self._incarnation.engine
        return explained_unit(engine, problem=self._problem, now_ms=self._clock.now_ms())

    async def adopt(self, wish: Mapping[str, str | None], *, dry_run: bool) -> dict[str, object]:
        """Adopt, with a row in the audit trail, as ``SpawnPort.adopt_unit`` describes it."""
        incarnation = self._incarnation
        if incarnation is None or not incarnation.engine.is_loaded or self._registry is None:
            return {"problem": self._problem or "the unit is starting"}
        asked = wish_of(wish)
        try:
            found = await incarnation.engine.adopting.ask(asked, dry_run=dry_run)
        except AdoptionError as error:
            return {"problem": str(error)}
        answer = plain_adoption(found, dry_run=dry_run)
        if answer.get("adopted"):
            details = json.dumps({**answer, "reason": asked.reason}, sort_keys=True)
            row = AuditRow(
                at_ms=self._clock.now_ms(),
                who=asked.operator,
                what="unit.adopted",
                subject=self._unit.text,
                details=details,
            )
            try:
                await self._registry.record_audit(row)
            except RegistryError as error:
                # The journal holds operator and reason; the trail is only easier to read.
                self._log.error("audit.failed", reason=str(error), details=details)
        return answer

    # -- inside

    async def _keep_running(self, registry: SqlControlStore) -> None:
        pause_ms = RESTART_FIRST_MS
        while True:
            began_ms = self._clock.monotonic_ms()
            try:
                await self._run_once(registry)
            except (StaleProcessError, UnitGoneError, StuckStoreError) as error:
                self._log.warning("symbol.ended", reason=str(error))
                self._ended(str(error))
                return
            except Exception as error:  # noqa: BLE001 - the outermost loop of the process
                self._problem = f"{type(error).__name__}: {error}"
                if self._clock.monotonic_ms() - began_ms >= STEADY_MS:
                    pause_ms = RESTART_FIRST_MS
                self._log.exception("symbol.failed", retry_ms=pause_ms)
            finally:
                self._incarnation = None
                self._follower.end()
            await self._clock.sleep_ms(pause_ms)
            pause_ms = min(pause_ms * 2, RESTART_MAX_MS)

    async def _claimed_journal(self, registry: SqlControlStore, epoch: int) -> SqlJournal:
        """Return the unit's journal, claimed.

        Raise ``JournalError`` when it is not the one, ``StaleProcessError`` when a newer process
        was faster.
        """
        journal = await asyncio.to_thread(
            open_journal,
            self._runtime.location,
            self._unit,
            claimed_epoch=await registry.claimed_epoch(self._unit),
        )
        try:
            await journal.claim(epoch)
            await registry.note_claim(self._unit, epoch)
            restored_ms = await registry.restored_ms()
            rows = await registry.units() if restored_ms else ()
            lost_ms = lost_since_ms(self._unit, rows, restored_ms=restored_ms)
            now_ms = self._clock.now_ms()
            await begin_beyond(journal, restored_ms, lost_ms=lost_ms, epoch=epoch, now_ms=now_ms)
        except BaseException as error:
            journal.close()
            if isinstance(error, StaleEpochError):
                raise StaleProcessError(str(error)) from error
            raise
        return journal

    async def _run_once(self, registry: SqlControlStore) -> None:
        row = await registry.unit(self._unit)
        if row is None or row.is_removed:
            raise UnitGoneError(f"{self._unit.text} is not registered")
        epoch = await registry.next_symbol_epoch(self._unit)
        journal = await self._claimed_journal(registry, epoch)
        workflows = workflows_of(self._runtime, host=self._unit.path)
        engine = SymbolEngine(
            Identity(
                unit=self._unit,
                deployment=await registry.deployment(),
                epoch=epoch,
                build=build_text(),
                host=socket.gethostname(),
                pid=os.getpid(),
            ),
            codec.decode(row.config_text, UnitConfig),
            config_version=row.config_version,
            journal=journal,
            link=GrpcLink(
                UnixLocator(self._runtime.open_run_dir().path, link_name(self._unit.account))
            ),
            workflows=workflows,
            clock=self._clock,
            log=self._log.bind(epoch=epoch),
        )
        self._incarnation = _Incarnation(engine=engine, epoch=epoch)
        self._follower.begin(engine, row)
        try:
            await engine.run()
        finally:
            try:
                await asyncio.wait_for(workflows.stop(), WORKFLOWS_STOP_S)
            except TimeoutError as error:
                # What closes late would close the next incarnation's store: it needs a process.
                raise StuckStoreError("the store of workflows does not close") from error
            finally:
                journal.close()

    async def _watch_memory(self) -> None:
        while True:
            size = process.private_bytes(os.getpid())
            self._memory_mb = None if size is None else size // _MEBIBYTE
            await self._clock.sleep_ms(MEMORY_EVERY_MS)
