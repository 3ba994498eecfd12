"""One trading unit in one Ray actor: a doorway to ``opensqt.bootstrap.symbol``."""

import os
from typing import TYPE_CHECKING, Any

import ray

from actors.leaving import leave_for_good
from actors.names import WATCH
from actors.starting import Starter

if TYPE_CHECKING:
    from opensqt.bootstrap.symbol import SymbolProcess


class SymbolManager:
    """One symbol's strategy, position book and engine. Decides nothing itself."""

    def __init__(self, path: str, runtime: dict[str, str], born_epoch: int) -> None:
        """Keep the configuration and begin to start; cannot raise."""
        self._path = path
        self._runtime = runtime
        self._born_epoch = born_epoch
        self._process: SymbolProcess | None = None
        self._starter = Starter(self._start)

    def __repr__(self) -> str:
        """Return symbol and state, for logs and the dashboard (which asks once, at the start)."""
        state = "starting" if self._process is None else self._process.state
        return f"SymbolManager({self._path} {state})"

    @ray.method(concurrency_group=WATCH)
    async def explanation(self) -> dict[str, Any] | None:
        """Return why each level of the unit has no order; never waits."""
        return None if self._process is None else self._process.explanation()

    async def adopt(self, wish: dict[str, str | None], *, dry_run: bool) -> dict[str, Any]:
        """Book a difference to the venue and end a quarantine, or show what would be done."""
        if self._process is None:
            return {"problem": self._starter.problem or "the unit is starting"}
        return await self._process.adopt(wish, dry_run=dry_run)

    @ray.method(concurrency_group=WATCH)
    async def snapshot(self) -> dict[str, Any]:
        """Return the frozen state in plain words; never waits."""
        if self._process is None:
            return {
                "state": "starting",
                "idle_reason": self._starter.problem,
                "revision": 0,
                "epoch": 0,
                "restarts": 0,
                "pid": os.getpid(),
                "held": "",
                "open_orders": 0,
            }
        return self._process.snapshot()

    async def tell(self, revision: int) -> None:
        """Read the registry row again, at least up to ``revision``."""
        if self._process is not None:
            await self._process.tell(revision)

    async def hold(self, directive: str) -> None:
        """Follow ``directive`` instead of the row until this process ends."""
        from opensqt.core.facts import Directive

        if self._process is not None:
            self._process.hold(Directive(directive))

    async def stop(self) -> None:
        """Stop deciding at once."""
        if self._process is not None:
            await self._process.stop()

    async def _start(self) -> None:
        from opensqt.bootstrap.runtime import Runtime
        from opensqt.bootstrap.symbol import SymbolProcess
        from opensqt.core.targets import unit_of_path
        from opensqt.system import log

        runtime = Runtime(**self._runtime)
        log.configure(level=runtime.log_level, as_json=True)
        unit = unit_of_path(self._path)
        assert unit is not None, f"{self._path} names no unit"
        process = SymbolProcess(unit, runtime, born_epoch=self._born_epoch, ended=leave_for_good)
        await process.start()
        self._process = process
