"""Waiting for what happens elsewhere: in another task, or in another process."""

import asyncio
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60.0
"""Enough for a busy machine; a test that passes never waits for it."""
_PAUSE_S: Final = 0.005


async def until(holds: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Return once it holds; raise ``TimeoutError`` when it takes too long."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(_PAUSE_S)


def wait_until(holds: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Do the same outside an event loop."""
    asyncio.run(until(holds, within_s=within_s))
