"""Units' processes in memory: they start, obey, crash or hang as a test says. Time runs faster."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, UnitId, UnixMs
from opensqt.core.registry import Desire, UnitPhase
from opensqt.core.targets import TargetError, complete
from opensqt.engine.orchestrator import (
    Orchestrator,
    OrchestratorPorts,
    OrchestratorSettings,
)
from opensqt.engine.status_report import Surroundings
from opensqt.engine.unit_tender import TenderSettings
from opensqt.ports.catalog import CatalogError, UnitPlan
from opensqt.ports.spawn import SpawnError
from opensqt.simulation.registry import MemoryRegistry

SPEED = 20


class FastClock:
    """A clock on which twenty seconds last one."""

    def now_ms(self) -> UnixMs:
        return UnixMs(1_700_000_000_000 + self.monotonic_ms())

    def monotonic_ms(self) -> int:
        return int(time.monotonic() * 1_000 * SPEED)

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1_000 / SPEED)


@dataclass
class Lines:
    """A log that keeps what was said."""

    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    info = warning = error = debug

    def steps(self, unit: UnitId) -> list[str]:
        return [
            str(fields["step"])
            for event, fields in self.events
            if event == "unit.step" and fields["unit"] == unit.text
        ]


@dataclass
class Process:
    """One unit's process."""

    epoch: int
    phase: UnitPhase = UnitPhase.STARTING
    revision: int = 0
    held: str = ""


@dataclass
class Fleet:
    """Implements ``SpawnPort``."""

    registry: MemoryRegistry
    processes: dict[UnitId, Process] = field(default_factory=dict)
    exchanges: set[AccountName] = field(default_factory=set)
    crashing: set[UnitId] = field(default_factory=set)
    """Units whose process ends (and is started again) before it settles."""
    hanging: set[UnitId] = field(default_factory=set)
    """Units whose process answers nothing and obeys nothing."""
    orders: dict[UnitId, int] = field(default_factory=dict)
    started: list[UnitId] = field(default_factory=list)
    stopped: list[UnitId] = field(default_factory=list)
    starting: int = 0
    starting_most: int = 0
    start_seconds: float = 0.0
    adopted: list[tuple[UnitId, dict[str, str | None], bool]] = field(default_factory=list)
    failures: int = 0
    """So many of the next starts fail after they happened."""

    async def ensure_exchange(self, account: AccountName, *, epoch: int) -> None:
        self.exchanges.add(account)

    async def exchange_snapshot(self, account: AccountName) -> Mapping[str, object] | None:
        return {"pid": 7, "memory_mb": 60, "restarts": 0} if account in self.exchanges else None

    async def stop_exchange(self, account: AccountName) -> None:
        self.exchanges.discard(account)

    async def ensure_unit(self, unit: UnitId, *, epoch: int) -> None:
        if unit not in self.processes:
            self.started.append(unit)
            self.starting += 1
            self.starting_most = max(self.starting_most, self.starting)
            await asyncio.sleep(self.start_seconds)
            self.starting -= 1
            self.processes[unit] = Process(epoch=await self.registry.next_symbol_epoch(unit))
        if self.failures:
            self.failures -= 1
            raise SpawnError("the answer was lost")

    async def stop_unit(self, unit: UnitId) -> None:
        if self.processes.pop(unit, None) is not None:
            self.stopped.append(unit)

    async def unit_snapshot(self, unit: UnitId) -> Mapping[str, object] | None:
        process = self.processes.get(unit)
        if unit in self.hanging:
            await asyncio.sleep(3_600)
        if process is None:
            return None
        if unit in self.crashing:
            process.epoch = await self.registry.next_symbol_epoch(unit)
            return None
        await self._advance(unit, process)
        return {
            "state": str(process.phase),
            "revision": process.revision,
            "epoch": process.epoch,
            "pid": 100 + process.epoch,
            "restarts": process.epoch - 1,
            "held": process.held,
            "open_orders": self.orders.get(unit, 0),
            "position": "0.5",
            "capital": "1000",
            "memory_mb": 80,
        }

    async def _advance(self, unit: UnitId, process: Process) -> None:
        row = await self.registry.unit(unit)
        assert row is not None
        process.revision = process.revision or row.revision
        if process.held:
            process.phase = UnitPhase.STOPPED
        else:
            process.phase = {
                Desire.RUNNING: UnitPhase.QUOTING,
                Desire.PAUSED: UnitPhase.PAUSED,
                Desire.REMOVED: UnitPhase.STOPPED,
            }[row.desire]
        self.orders[unit] = 4 if process.phase is UnitPhase.QUOTING else 0

    async def unit_explanation(self, unit: UnitId) -> Mapping[str, object] | None:
        if unit in self.hanging or unit not in self.processes:
            return None
        return {"reason": "", "detail": "", "price": "1", "top_level": 0, "levels": []}

    async def adopt_unit(
        self, unit: UnitId, wish: Mapping[str, str | None], *, dry_run: bool
    ) -> Mapping[str, object]:
        if unit in self.hanging:
            raise SpawnError("no answer within 10 s")
        if wish["reason"] in {"refused", "problem"}:
            return {str(wish["reason"]): "because of this"}
        self.adopted.append((unit, dict(wish), dry_run))
        quantities = {"book": "0", "venue": "1", "difference": "1", "price": "2"}
        return {"adopted": not dry_run, "steps": ["x"], "quarantine": "", **quantities}

    async def tell_unit(self, unit: UnitId, revision: int) -> None:
        if unit not in self.hanging:
            self.processes[unit].revision = revision

    async def hold_unit(self, unit: UnitId, directive: Directive) -> None:
        if unit in self.hanging:
            await asyncio.sleep(3_600)
        self.processes[unit].held = directive

    async def cancel_unit_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        assert unit not in self.processes, "a unit with a process cancels its own orders"
        self.orders[unit] = 0
        return ()

    async def running_units(self) -> frozenset[UnitId]:
        return frozenset(self.processes)


@dataclass
class Mark:
    """The mark that the deployment is down."""

    value: bool = False

    def is_set(self) -> bool:
        return self.value

    def set(self) -> None:
        self.value = True

    def clear(self) -> None:
        self.value = False


@dataclass(frozen=True)
class Catalog:
    """A configuration with one account."""

    plans: tuple[UnitPlan, ...] = ()
    mode: str = "paper"
    timezone: str = "UTC"

    def plan(self, target: str, overrides: Mapping[str, object] | None) -> UnitPlan:
        if overrides and "interval" not in overrides:
            raise CatalogError("expected interval")
        try:
            unit = complete(target, {"paper": ("perp",)})
        except TargetError as error:
            raise CatalogError(str(error)) from error
        return UnitPlan(unit=unit, config_text=str(sorted((overrides or {}).items())))


@dataclass
class Scene:
    """A deployment; ``orchestrator()`` may be called again to stand for a restart."""

    registry: MemoryRegistry = field(default_factory=lambda: MemoryRegistry(deployment="abc"))
    log: Lines = field(default_factory=Lines)
    mark: Mark = field(default_factory=Mark)
    clock: FastClock = field(default_factory=FastClock)
    endings: int = 0
    fleet: Fleet = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = Fleet(registry=self.registry)

    def orchestrator(self, *, catalog: Catalog | None = None, wave_max: int = 2) -> Orchestrator:
        ports = OrchestratorPorts(
            registry=self.registry,
            spawn=self.fleet,
            clock=self.clock,
            log=self.log,
            down=self.mark,
            surroundings=lambda: Surroundings(
                pid=1,
                memory_mb=50,
                others_mb=(40,),
                endpoints={"control": "unix:/run/control.sock"},
            ),
            ended=self._end,
        )
        return Orchestrator(
            ports=ports,
            catalog=catalog or Catalog(),
            settings=OrchestratorSettings(
                wave_max=wave_max,
                status_wait_ms=100,
                tender=TenderSettings(call_timeout_ms=200),
            ),
        )

    async def _end(self) -> None:
        self.endings += 1
