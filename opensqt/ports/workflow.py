"""Durable execution: run a named handler under an id, at least once."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

WorkflowHandler: TypeAlias = Callable[[str], Awaitable[str]]
"""Takes and returns JSON text. May run again after a crash: it must look before it acts."""


class WorkflowStoreError(Exception):
    """The workflow store cannot be used; the run has not begun."""


class WorkflowFailedError(Exception):
    """A run has ended with an error, and its id has no other answer any more."""


class WorkflowPort(Protocol):
    """At-least-once execution. Correctness never depends on it; the journal does that."""

    def register(self, name: str, handler: WorkflowHandler) -> None:
        """Bind a handler to a stored name; before ``start``."""

    async def start(self) -> None:
        """Begin; unfinished runs of an earlier process may be run again from here on.

        Raise ``WorkflowStoreError``; starting again later is allowed then.
        """

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        """Run the handler under the id and return its result; a finished id is not run again.

        A handler that raised has finished as well: its error is raised, and may be raised again
        as ``WorkflowFailedError``. Raise ``WorkflowStoreError`` when the run could not begin.
        """

    async def stop(self) -> None:
        """Stop without waiting for unfinished runs."""
