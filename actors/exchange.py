"""One venue account in one Ray actor: a doorway to ``opensqt.bootstrap.exchange``."""

import os
from typing import TYPE_CHECKING, Any

import ray

from actors.leaving import restart
from actors.names import WATCH
from actors.starting import Starter

if TYPE_CHECKING:
    from opensqt.bootstrap.exchange import ExchangeProcess


class Exchange:
    """One account's streams, routing and order gate. Decides nothing itself."""

    def __init__(self, account: str, runtime: dict[str, str], born_epoch: int) -> None:
        """Keep the configuration and begin to start; cannot raise."""
        self._account = account
        self._runtime = runtime
        self._born_epoch = born_epoch
        self._process: ExchangeProcess | None = None
        self._starter = Starter(self._start)

    def __repr__(self) -> str:
        """Return account and state, for logs and the dashboard (which asks once, at the start)."""
        state = "starting" if self._process is None else self._process.state
        return f"Exchange({self._account} {state})"

    @ray.method(concurrency_group=WATCH)
    async def snapshot(self) -> dict[str, Any]:
        """Return the status of the process; never waits."""
        if self._process is None:
            problem = self._starter.problem
            return {"pid": os.getpid(), "restarts": 0, "state": "starting", "gate_reason": problem}
        return self._process.snapshot()

    async def cancel_orders(self, path: str) -> list[str]:
        """Cancel all orders of a unit; return the ids of those still open."""
        from opensqt.core.targets import unit_of_path

        unit = unit_of_path(path)
        if self._process is None or unit is None:
            message = self._starter.problem or "the exchange process is starting"
            raise RuntimeError(message)
        return list(await self._process.cancel_orders(unit))

    async def stop(self) -> None:
        """Shut the gate and stop serving."""
        if self._process is not None:
            await self._process.stop()

    async def _start(self) -> None:
        from opensqt.bootstrap.exchange import ExchangeProcess
        from opensqt.bootstrap.runtime import Runtime
        from opensqt.core.ids import AccountName
        from opensqt.system import log

        runtime = Runtime(**self._runtime)
        log.configure(level=runtime.log_level, as_json=True)
        process = ExchangeProcess(
            AccountName(self._account),
            runtime,
            born_epoch=self._born_epoch,
            ended=restart,
        )
        await process.start()
        self._process = process
