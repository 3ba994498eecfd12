"""The production orchestrator in a process that dies, and the operator who talks to it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, cast

from opensqt.core import codec
from opensqt.core.facts import Directive
from opensqt.core.ids import UnitId
from opensqt.core.targets import parse_target
from opensqt.engine.orchestrator import Orchestrator, OrchestratorPorts, OrchestratorSettings
from opensqt.engine.status_report import Surroundings
from opensqt.engine.unit_tender import TenderSettings
from opensqt.ports.catalog import UnitPlan
from opensqt.ports.control import ControlError
from opensqt.ports.registry import RegistryPort
from opensqt.ports.spawn import SpawnPort
from opensqt.simulation.cluster import Cluster
from opensqt.simulation.manager import CONFIG
from opensqt.simulation.scene import Scene
from opensqt.simulation.workflows import HostileWorkflows, WorkflowShelf

CALL_MS_MAX: Final = 20
BUSY_MS: Final = 600
_CONFIG_TEXT: Final = codec.encode(CONFIG)
_STOPS: Final = (Directive.DRAIN, Directive.CANCEL, Directive.FLATTEN)


class _Catalog:
    """Every unit of the world, all with the same configuration (``CatalogPort``)."""

    mode = "paper"
    timezone = "UTC"

    def __init__(self, units: tuple[UnitId, ...]) -> None:
        self._units = units

    @property
    def plans(self) -> tuple[UnitPlan, ...]:
        return tuple(UnitPlan(unit=unit, config_text=_CONFIG_TEXT) for unit in self._units)

    def plan(self, target: str, overrides: Mapping[str, object] | None) -> UnitPlan:
        _ = overrides
        wanted = parse_target(target)
        return next(plan for plan in self.plans if wanted.covers(plan.unit))


class _DownMark:
    """The mark of a deployment that is never taken down (``StandDownPort``)."""

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        """Never called: nobody shuts a world down."""

    def clear(self) -> None:
        """Nothing to clear."""


class _Connection:
    """A port as one process reaches it: each call takes time, and none ends after its death."""

    def __init__(self, port: object, scene: Scene) -> None:
        self._port = port
        self._scene = scene
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        def call(*positional: object, **named: object) -> Coroutine[object, object, object]:
            return self._call(getattr(self._port, name), positional, named)

        self.__dict__[name] = call
        return call

    async def _call(
        self,
        method: Callable[..., Awaitable[object]],
        positional: tuple[object, ...],
        named: dict[str, object],
    ) -> object:
        await self._pass()
        try:
            answer = await method(*positional, **named)
        except Exception:
            await self._pass()
            raise
        await self._pass()
        return answer

    async def _pass(self) -> None:
        await self._scene.clock.sleep_ms(self._scene.rng.randint(0, CALL_MS_MAX))
        if self.is_dead:
            # A dead process sees neither answers nor exceptions.
            await self._scene.loop.create_future()


class OrchestratorProcess:
    """One incarnation."""

    def __init__(
        self, scene: Scene, cluster: Cluster, units: tuple[UnitId, ...], shelf: WorkflowShelf
    ) -> None:
        """Compose; ``start`` begins to reconcile. ``shelf`` survives this process."""
        self._registry = _Connection(scene.store, scene)
        self._spawn = _Connection(cluster, scene)
        self.ended: asyncio.Future[None] = scene.loop.create_future()
        workflows = HostileWorkflows(
            shelf, faults=lambda: scene.faults, rng=scene.rng, clock=scene.clock
        )
        self.orchestrator = Orchestrator(
            ports=OrchestratorPorts(
                registry=cast(RegistryPort, self._registry),
                spawn=cast(SpawnPort, self._spawn),
                clock=scene.clock,
                log=scene.trace.log("orchestrator"),
                down=_DownMark(),
                surroundings=lambda: Surroundings(pid=1),
                ended=_nothing,
                workflows=workflows,
            ),
            catalog=_Catalog(units),
            settings=OrchestratorSettings(wave_max=2, tender=TenderSettings(busy_ms=BUSY_MS)),
        )

    async def kill(self) -> None:
        """SIGKILL: nothing it awaited continues."""
        self._registry.is_dead = self._spawn.is_dead = True
        self.ended.set_result(None)
        await self.orchestrator.stop()


class Operator:
    """Keeps an orchestrator running and asks it for things, reasonable or not."""

    def __init__(self, scene: Scene, cluster: Cluster, units: tuple[UnitId, ...]) -> None:
        """Start nothing yet."""
        self._scene = scene
        self._cluster = cluster
        self._units = units
        self._shelf = WorkflowShelf()
        self._process: OrchestratorProcess | None = None

    async def start(self) -> None:
        """Start an orchestrator; one that cannot start is started again."""
        process = OrchestratorProcess(self._scene, self._cluster, self._units, self._shelf)
        while self._scene.store.is_down:
            await self._scene.soon()
        self._process = process
        begun = asyncio.ensure_future(process.orchestrator.start())
        await asyncio.wait((begun, process.ended), return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            begun.result()
        else:
            # Killed while it started: whoever killed it starts the next one.
            begun.cancel()

    async def kill(self) -> None:
        """SIGKILL of the orchestrator; its supervisor starts another."""
        process, self._process = self._process, None
        if process is not None:
            self._scene.crashes += 1
            await process.kill()
            await self._scene.soon()
            await self.start()

    async def meddle(self, unit: UnitId) -> None:
        """Ask for something at random."""
        rng = self._scene.rng
        mode = rng.choice(_STOPS)
        match rng.choice(("remove", "remove", "add", "add", "pause", "resume")):
            case "remove":
                await self.remove(unit, mode)
            case "add":
                await self.add(unit)
            case "pause":
                await self.pause(unit, rng.choice((Directive.DRAIN, Directive.CANCEL)))
            case _:
                await self.resume(unit)

    async def remove(self, unit: UnitId, mode: Directive) -> None:
        """Remove a unit; safe to ask again."""
        await self._ask("remove_symbol", unit, mode)

    async def add(self, unit: UnitId) -> None:
        """Add a unit, or add it anew."""
        await self._ask("add_symbol", unit)

    async def pause(self, unit: UnitId, mode: Directive) -> None:
        """Stop quoting for a while."""
        await self._ask("pause", unit, mode)

    async def resume(self, unit: UnitId) -> None:
        """Quote again."""
        await self._ask("resume", unit)

    async def _ask(self, what: str, unit: UnitId, *arguments: str) -> None:
        process, trace = self._process, self._scene.trace
        if process is None:
            return
        said = " ".join((what, unit.text, *arguments))
        call = asyncio.ensure_future(getattr(process.orchestrator, what)(unit.text, *arguments))
        await asyncio.wait((call, process.ended), return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            call.cancel()
            trace.say("operator", f"{said}: no answer")
            return
        try:
            trace.say("operator", f"{said}: {call.result()}")
        except ControlError as error:
            trace.say("operator", f"{said}: refused, {error.message}")


async def _nothing() -> None:
    """Hear that a shutdown has ended, which never happens here."""
