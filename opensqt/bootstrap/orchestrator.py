"""Composition root of the orchestrator's process: registry, reconcile loop, ControlService."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from opensqt.bootstrap.catalog import DeploymentCatalog
from opensqt.bootstrap.down_mark import DownMark
from opensqt.bootstrap.runtime import (
    CONTROL_ENDPOINT,
    Runtime,
    fresh_bytes,
    incarnation_of,
    remember,
)
from opensqt.bootstrap.standalone import Standalone, children_of
from opensqt.bootstrap.workflows import workflows_of
from opensqt.config.deployment import Deployment
from opensqt.engine.orchestrator import Orchestrator, OrchestratorPorts, OrchestratorSettings
from opensqt.engine.status_report import Surroundings
from opensqt.ports.control import ControlCode, ControlError, ControlPort
from opensqt.ports.spawn import SpawnPort
from opensqt.rpc.control_server import control_service
from opensqt.rpc.endpoint import Endpoint
from opensqt.rpc.server import RpcServer
from opensqt.storage.control import SqlControlStore, open_control
from opensqt.storage.upgrade import upgrade
from opensqt.system import log, process
from opensqt.system.clock import SystemClock
from opensqt.system.rundir import RunDir, RunDirError

_MEBIBYTE: Final = 1 << 20
_WRITER: Final = "orchestrator"


class OrchestratorProcess:
    """One deployment's orchestrator. ``start`` once, again when it raised."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        runtime: Runtime,
        spawn: SpawnPort,
        is_standalone: bool,
        dashboard: str = "",
        born_incarnation: int = 0,
    ) -> None:
        """Keep the configuration only.

        ``is_standalone``: nobody else keeps paper venue and connectors running.
        ``born_incarnation`` counts the incarnations before this process was first created.
        """
        self._deployment = deployment
        self._runtime = runtime
        self._spawn = spawn
        self._is_standalone = is_standalone
        self._dashboard = dashboard
        self._born_incarnation = born_incarnation
        self._clock = SystemClock()
        self._log = log.get("opensqt.orchestrator")
        self._run: RunDir | None = None
        self._orchestrator: Orchestrator | None = None
        self._server: RpcServer | None = None
        self._standalone: Standalone | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def control(self) -> ControlPort:
        """Return the control methods; raise ``ControlError`` while starting."""
        if self._orchestrator is None:
            raise ControlError(ControlCode.NOT_READY, "the orchestrator is starting")
        return self._orchestrator

    async def start(self) -> None:
        """Migrate, reconcile, serve; raise what keeps it from doing so.

        Raise ``EndpointTakenError`` while another orchestrator of this deployment lives.
        """
        self._run = self._runtime.open_run_dir()
        endpoint = Endpoint(self._run.path, CONTROL_ENDPOINT)
        try:
            registry = await asyncio.to_thread(self._open_stores)
            remember(self._runtime)
            orchestrator = self._compose(registry)
            self._keep_children()
            await orchestrator.start()
            server = RpcServer([control_service(orchestrator, log=self._log)])
            server.listen(endpoint)
            await server.start()
        except BaseException:
            endpoint.release()
            raise
        self._orchestrator, self._server = orchestrator, server
        self._run.set_endpoint(CONTROL_ENDPOINT, endpoint.address)
        self._log.info("orchestrator.serving", address=endpoint.address)

    async def launch(self) -> None:
        """Run again after a shutdown: the operator's ``up``. Idempotent."""
        if self._orchestrator is None:
            raise ControlError(ControlCode.NOT_READY, "the orchestrator is starting")
        self._keep_children()
        await self._orchestrator.launch(DeploymentCatalog(self._deployment))

    async def _end_children(self) -> None:
        if self._keeper is None or self._standalone is None:
            return
        self._keeper.cancel()
        self._keeper = None
        await self._standalone.stop()

    def _open_stores(self) -> SqlControlStore:
        """Bring all stores to this build's schema before any other process opens them."""
        location = self._runtime.location
        upgrade(location, writer=_WRITER, random_bytes=fresh_bytes(), refused=self._refused)
        return open_control(location, writer=_WRITER, random_bytes=fresh_bytes())

    def _refused(self, problem: str) -> None:
        """Say which journal is left as it is: its unit will be quarantined, the others trade."""
        self._log.error("journal.refused", reason=problem)

    def _compose(self, registry: SqlControlStore) -> Orchestrator:
        ports = OrchestratorPorts(
            registry=registry,
            spawn=self._spawn,
            clock=self._clock,
            log=self._log,
            down=DownMark(Path(self._runtime.data_dir)),
            surroundings=self._surroundings,
            ended=self._end_children,
            workflows=workflows_of(self._runtime, host=_WRITER),
        )
        return Orchestrator(
            ports=ports,
            catalog=DeploymentCatalog(self._deployment),
            settings=OrchestratorSettings(wave_max=os.cpu_count() or 1),
        )

    def _keep_children(self) -> None:
        if not self._is_standalone or self._keeper is not None:
            return
        assert self._run is not None
        self._standalone = Standalone(
            children_of(self._deployment, self._run),
            run=self._run,
            logs=Path(self._runtime.data_dir) / "logs",
            clock=self._clock,
            log=self._log,
        )
        self._keeper = asyncio.create_task(self._standalone.keep(), name="standalone.keep")

    def _surroundings(self) -> Surroundings:
        assert self._run is not None
        endpoints = {"ray_dashboard": self._dashboard} if self._dashboard else {}
        others: tuple[int, ...] = ()
        with suppress(OSError, RunDirError):
            endpoints |= self._run.endpoints()
            pids = [one.pid for one in self._run.live_processes().values()]
            others = tuple(size for size in map(_memory_mb, pids) if size is not None)
        restarts = incarnation_of(self._run.path, CONTROL_ENDPOINT) - self._born_incarnation - 1
        return Surroundings(
            pid=os.getpid(),
            memory_mb=_memory_mb(os.getpid()),
            restarts=max(0, restarts),
            endpoints=endpoints,
            children=self._standalone.processes if self._standalone is not None else (),
            others_mb=others,
        )


def _memory_mb(pid: int) -> int | None:
    size = process.private_bytes(pid)
    return None if size is None else size // _MEBIBYTE
