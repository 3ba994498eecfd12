"""The direct runner: durable execution for the ``simple`` engine.

It runs a handler once and remembers the results of this process. Nothing is run again after a
crash; that is enough, because a decision's orders are in the journal before anything is sent and
whatever was in flight is looked up.
"""

from collections import OrderedDict
from typing import Final

from opensqt.ports.workflow import WorkflowHandler

_RESULTS_KEPT: Final = 1_000


class DirectWorkflows:
    """``WorkflowPort`` without a store."""

    def __init__(self) -> None:
        """Start without handlers."""
        self._handlers: dict[str, WorkflowHandler] = {}
        self._results: OrderedDict[str, str] = OrderedDict()

    def register(self, name: str, handler: WorkflowHandler) -> None:
        """Bind a handler to a stored name."""
        self._handlers[name] = handler

    async def start(self) -> None:
        """Do nothing: there is no earlier process to continue."""

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        """Run the handler unless this id has finished before; return its result."""
        if workflow_id in self._results:
            return self._results[workflow_id]
        result = await self._handlers[name](inputs)
        self._results[workflow_id] = result
        if len(self._results) > _RESULTS_KEPT:
            self._results.popitem(last=False)
        return result

    async def stop(self) -> None:
        """Do nothing: runs belong to their callers."""
