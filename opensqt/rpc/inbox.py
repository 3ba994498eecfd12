"""What has arrived on a stream and waits to be handled.

A task of its own reads the stream: the library ends the whole call when a read is cancelled, so a
receiver that gives up waiting must not be the one who reads.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

MessageT = TypeVar("MessageT")

WAITING_MAX: Final = 1_000
"""Messages; beyond it the stream is not read and the sender's side has to wait or conflate."""


class Inbox(Generic[MessageT]):
    """One reader, one receiver, one event loop."""

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        """Start empty and open."""
        self._waiting: deque[MessageT] = deque()
        self._waiting_max = waiting_max
        self._error: Exception | None = None
        self._arrived = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, messages: Iterable[MessageT]) -> None:
        """Add messages, then wait while too many wait; returns at once after the end."""
        self._waiting.extend(messages)
        self._arrived.set()
        if len(self._waiting) >= self._waiting_max and self._error is None:
            self._has_room.clear()
            await self._has_room.wait()

    def end(self, error: Exception) -> None:
        """Have ``error`` raised once everything that arrived was taken; the first one stays."""
        if self._error is None:
            self._error = error
        self._arrived.set()
        self._has_room.set()

    async def take(self) -> Sequence[MessageT]:
        """Return all that waits, at least one message; raise what it was ended with."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            self._arrived.clear()
            await self._arrived.wait()
        taken = tuple(self._waiting)
        self._waiting.clear()
        self._has_room.set()
        return taken
