"""The end of log files, and what is added to them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

_PAUSE_S = 0.3


def last_lines(file: Path, count: int) -> list[str]:
    """Return the last lines of a file."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        return [line.rstrip("\n") for line in deque(stream, maxlen=count)]


def follow_files(files: Iterable[Path], show: Callable[[Path, str], None]) -> None:
    """Show every line added to the files until interrupted; a file replaced is read anew."""
    asyncio.run(_follow({file: file.stat().st_size for file in files}, show))


async def _follow(offsets: dict[Path, int], show: Callable[[Path, str], None]) -> None:
    while True:
        for file, offset in offsets.items():
            if file.exists():
                offsets[file] = _added(file, offset, show)
        await asyncio.sleep(_PAUSE_S)


def _added(file: Path, offset: int, show: Callable[[Path, str], None]) -> int:
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(offset if size >= offset else 0)
        while (line := stream.readline()).endswith(b"\n"):
            show(file, line.decode("utf-8", "replace").rstrip("\n"))
        return stream.tell() - len(line)
