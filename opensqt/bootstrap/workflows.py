"""Which store of workflows a process gets, opened only when it is wanted.

Importing DBOS costs as much as everything else of a process, so it happens in a thread, while the
process reads its journal and compares it with the venue.
"""

import asyncio
from typing import TYPE_CHECKING

from opensqt.bootstrap.runtime import Runtime
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.workflow import WorkflowHandler, WorkflowPort, WorkflowStoreError
from opensqt.system import log

if TYPE_CHECKING:
    from opensqt.durable.workflows import DbosWorkflows


def workflows_of(runtime: Runtime, *, host: str) -> WorkflowPort:
    """Return the workflows of a process; ``host`` is its role, stable over restarts."""
    if runtime.engine == "simple":
        return DirectWorkflows()
    return DurableWorkflows(host, location=str(runtime.location), abi=runtime.workflow_abi)


class DurableWorkflows:
    """``WorkflowPort`` that begins to exist with ``start``."""

    def __init__(self, host: str, *, location: str, abi: str = "") -> None:
        """Keep the configuration; nothing is imported or opened yet."""
        self._host = host
        self._location = location
        self._abi = abi
        self._handlers: dict[str, WorkflowHandler] = {}
        self._opened: DbosWorkflows | None = None

    def register(self, name: str, handler: WorkflowHandler) -> None:
        """Bind a handler to a stored name; before ``start``."""
        self._handlers[name] = handler

    async def start(self) -> None:
        """Import, open and begin."""
        if self._opened is None:
            opened = await asyncio.to_thread(self._make)
            for name, handler in self._handlers.items():
                opened.register(name, handler)
            self._opened = opened
        await self._opened.start()

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        """Run the handler under the id and return its result."""
        if self._opened is None:
            raise WorkflowStoreError(f"the workflow store of {self._host} is not open")
        return await self._opened.run(name, workflow_id, inputs)

    async def stop(self) -> None:
        """Stop without waiting for unfinished runs."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.stop()

    def _make(self) -> "DbosWorkflows":
        from opensqt.durable.workflows import DbosWorkflows, WorkflowStore

        store = WorkflowStore(host=self._host, location=self._location, abi=self._abi)
        return DbosWorkflows(store, log=log.get("opensqt.workflows", host=self._host))
