"""Starting an actor's work: never in ``__init__``, never given up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0


class Starter:
    """Repeats ``start`` with back-off until it succeeds; an actor that raised would be gone.

    Ray runs the constructor of an async actor inside its loop, so the task may begin there.
    """

    def __init__(self, start: Callable[[], Awaitable[None]]) -> None:
        """Begin in the background."""
        self.problem = ""
        """Why the last attempt failed, or empty."""
        self.is_done = False
        self._start = start
        self._task = asyncio.get_running_loop().create_task(self._repeat(), name="actor.start")

    async def _repeat(self) -> None:
        pause = BACKOFF_FIRST_S
        while not self.is_done:
            try:
                await self._start()
                self.is_done = True
                self.problem = ""
            except Exception as error:  # noqa: BLE001 - the outermost loop of the actor's start
                from opensqt.system import log

                self.problem = f"{type(error).__name__}: {error}"
                log.get("actors").warning("actor.start_failed", reason=self.problem)
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACKOFF_MAX_S)
