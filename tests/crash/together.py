"""Several scenarios at once: each mostly waits for processes and time-outs of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path


async def together(
    folder: Path, names: Iterable[str], play: Callable[[Path, str], Awaitable[None]]
) -> None:
    """Play a scenario for each name in a folder of its own; the names of failures are noted."""

    async def one(name: str) -> None:
        place = folder / name
        place.mkdir()
        try:
            await play(place, name)
        except BaseException as error:
            error.add_note(f"scenario: {name}")
            raise

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name), name=name)
