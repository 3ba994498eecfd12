"""A hostile store of workflows: what durable execution is allowed to do, it does.

A run may be refused, its answer may be lost, its handler may run again - at the same time, later,
or in the next process - and what a dead process left unfinished may never be run again at all.
Correctness must not depend on any of it: the journal decides.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from opensqt.ports.clock import ClockPort
from opensqt.ports.workflow import WorkflowHandler, WorkflowStoreError
from opensqt.simulation.faults import Faults

AGAIN_MS_MAX: Final = 3_000


@dataclass(slots=True)
class WorkflowShelf:
    """What survives a crash: the unfinished runs and the results of one unit."""

    pending: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Workflow id -> name and inputs."""
    results: dict[str, str] = field(default_factory=dict)


class HostileWorkflows:
    """Implements ``WorkflowPort`` for one process."""

    def __init__(
        self,
        shelf: WorkflowShelf,
        *,
        faults: Callable[[], Faults],
        rng: random.Random,
        clock: ClockPort,
    ) -> None:
        """Keep runs on ``shelf``; ``faults`` are those of this moment."""
        self._shelf = shelf
        self._faults = faults
        self._rng = rng
        self._clock = clock
        self._handlers: dict[str, WorkflowHandler] = {}
        self._repeats: set[asyncio.Task[None]] = set()

    def register(self, name: str, handler: WorkflowHandler) -> None:
        """Bind a handler to a stored name."""
        self._handlers[name] = handler

    async def start(self) -> None:
        """Run what an earlier process left, or forget it."""
        for workflow_id in tuple(self._shelf.pending):
            if self._happens(self._faults().workflow_lost):
                del self._shelf.pending[workflow_id]
            else:
                self._repeat(workflow_id)

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        """Run the handler under the id unless it has finished."""
        if workflow_id in self._shelf.results:
            return self._shelf.results[workflow_id]
        self._shelf.pending[workflow_id] = (name, inputs)
        faults = self._faults()
        if self._happens(faults.workflow_again):
            self._repeat(workflow_id)
        if self._happens(faults.workflow_failure):
            message = "the store refused the run, or took it"
            raise WorkflowStoreError(message)
        result = await self._handlers[name](inputs)
        if self._happens(faults.workflow_failure):
            message = "the result could not be stored"
            raise WorkflowStoreError(message)
        self._shelf.results[workflow_id] = result
        self._shelf.pending.pop(workflow_id, None)
        return result

    async def stop(self) -> None:
        """Leave what is unfinished on the shelf."""
        self.kill()

    def kill(self) -> None:
        """End with the process."""
        for task in tuple(self._repeats):
            task.cancel()

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    def _repeat(self, workflow_id: str) -> None:
        """Run a handler beside whatever else runs: at once, or when nobody expects it."""
        name, inputs = self._shelf.pending[workflow_id]
        wait_ms = self._rng.choice((0, self._rng.randint(1, AGAIN_MS_MAX)))

        async def again() -> None:
            await self._clock.sleep_ms(wait_ms)
            try:
                self._shelf.results[workflow_id] = await self._handlers[name](inputs)
            except Exception:  # noqa: BLE001 - what a store's own run raises, nobody hears
                return
            self._shelf.pending.pop(workflow_id, None)

        task = asyncio.get_running_loop().create_task(again())
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)
