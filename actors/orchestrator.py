"""The orchestrator in a Ray actor: a doorway to ``opensqt.bootstrap.orchestrator``.

The control methods take and return plain strings and mappings, so that a script needs nothing but
``ray.get_actor("orchestrator", namespace="opensqt")``. A refused request is an answer:
``{"ok": False, "code": ..., "message": ...}``.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import ray

from actors.names import WATCH
from actors.starting import Starter

if TYPE_CHECKING:
    from opensqt.bootstrap.orchestrator import OrchestratorProcess
    from opensqt.config.deployment import Deployment
    from opensqt.ports.control import ControlPort

REMOVE_WAIT_MS: Final = 60_000
SHUTDOWN_WAIT_MS: Final = 30_000


class Orchestrator:
    """Registry and reconcile loop. Decides nothing itself."""

    def __init__(self, deployment: "Deployment", options: dict[str, Any]) -> None:
        """Keep the configuration and begin to start; cannot raise.

        ``options``: ``runtime``, ``is_standalone``, ``dashboard``, ``born_incarnation`` and the
        ``fingerprint`` by which the launcher recognises what it has launched.
        """
        self._deployment = deployment
        self._options = options
        self._process: OrchestratorProcess | None = None
        self._starter = Starter(self._start)

    def __repr__(self) -> str:
        """Return mode and state, for logs and the dashboard (which asks once, at the start)."""
        state = "starting" if self._process is None else "serving"
        return f"Orchestrator({self._deployment.mode} {state})"

    @ray.method(concurrency_group=WATCH)
    async def describe(self) -> dict[str, Any]:
        """Return what this actor was launched with and whether it serves; never waits."""
        return {
            "pid": os.getpid(),
            "fingerprint": self._options["fingerprint"],
            "data_dir": self._options["runtime"]["data_dir"],
            "is_ready": self._process is not None,
            "problem": self._starter.problem,
        }

    async def launch(self) -> dict[str, Any]:
        """Run again after a shutdown; nothing happens while running."""
        if self._process is None:
            return {"ok": False, "code": "not_ready", "message": self._starter.problem}
        await self._process.launch()
        return {"ok": True}

    async def add_symbol(
        self, symbol: str, config: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Register a symbol and start it; ``config`` None = the settings of the file."""
        return await self._ask(lambda control: control.add_symbol(symbol, config))

    async def remove_symbol(
        self, symbol: str, mode: str = "drain", wait_ms: int = REMOVE_WAIT_MS
    ) -> dict[str, Any]:
        """Stop a symbol (drain, cancel or flatten) and forget it; waits for the end."""
        return await self._ask(lambda control: control.remove_symbol(symbol, mode, wait_ms=wait_ms))

    async def pause(self, symbol: str, mode: str = "cancel") -> dict[str, Any]:
        """Stop quoting, keep the symbol."""
        return await self._ask(lambda control: control.pause(symbol, mode))

    async def resume(self, symbol: str) -> dict[str, Any]:
        """Quote again."""
        return await self._ask(lambda control: control.resume(symbol))

    async def status(self, *symbols: str) -> dict[str, Any]:
        """Return what ``opensqt status --json`` prints."""
        return await self._ask(lambda control: control.status(symbols), plain=True)

    async def list_symbols(self) -> dict[str, Any]:
        """Return all registered symbols."""
        return await self._ask(lambda control: control.list_symbols(), plain=True)

    async def explain(self, symbol: str) -> dict[str, Any]:
        """Return why each level of a symbol has no order."""
        return await self._ask(lambda control: control.explain(symbol), plain=True)

    async def adopt(
        self,
        symbol: str,
        operator: str,
        reason: str,
        expected: Mapping[str, str] | None = None,
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Book a difference to the venue; ``expected`` may hold ``quantity`` and ``price``."""
        wish = {"operator": operator, "reason": reason, **(expected or {})}
        return await self._ask(lambda control: control.adopt(symbol, dry_run=dry_run, **wish))

    async def shutdown(
        self, orders: str = "cancel", wait_ms: int = SHUTDOWN_WAIT_MS
    ) -> dict[str, Any]:
        """Stop all trading; what shall run after the next launch stays as it is."""
        return await self._ask(lambda control: control.shutdown(orders=orders, wait_ms=wait_ms))

    async def _start(self) -> None:
        from actors.spawn import RaySpawn
        from opensqt.bootstrap.orchestrator import OrchestratorProcess
        from opensqt.bootstrap.runtime import Runtime
        from opensqt.system import log

        options = self._options
        runtime = Runtime(**options["runtime"])
        log.configure(level=runtime.log_level, as_json=True)
        process = OrchestratorProcess(
            deployment=self._deployment,
            runtime=runtime,
            spawn=RaySpawn(options["runtime"]),
            is_standalone=options["is_standalone"],
            dashboard=options["dashboard"],
            born_incarnation=options["born_incarnation"],
        )
        await process.start()
        self._process = process

    async def _ask(
        self, request: "Callable[[ControlPort], Awaitable[dict[str, Any]]]", *, plain: bool = False
    ) -> dict[str, Any]:
        """Return the answer to a request with ``ok``; a status is handed out as it is."""
        from opensqt.ports.control import ControlError

        if self._process is None:
            return {"ok": False, "code": "not_ready", "message": self._starter.problem}
        try:
            answer = await request(self._process.control)
        except ControlError as error:
            return {"ok": False, "code": str(error.code), "message": error.message}
        return answer if plain else {"ok": True, **answer}
