"""What waits to be written to a stream: in order, conflated where only the last one counts.

Writers take all that waits, so a message is written at once when the stream is idle and travels
with its neighbours while a write is pending. A patient message waits a moment for one that is not:
each write costs as much as a commit.
"""

import asyncio
from typing import Final, Generic, TypeVar

MessageT = TypeVar("MessageT")

WAITING_MAX: Final = 50_000
"""Messages; a peer that lets more than this wait is gone, whatever its socket says."""

PATIENCE_S: Final = 0.002
"""How long a patient message waits for company: longer than a decision takes."""


class OutboxFullError(Exception):
    """The peer has not read for too long."""


class Outbox(Generic[MessageT]):
    """Many senders, one writer, one event loop; putting never waits."""

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        """Start empty and open."""
        # A dict keeps the order of insertion, and a conflated message leaves its old place.
        self._waiting: dict[object, MessageT] = {}
        self._serial = 0
        self._conflated = 0
        self._waiting_max = waiting_max
        self._ended = False
        self._ready = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def facts(self) -> int:
        """Return how many messages wait that cannot be conflated."""
        return len(self._waiting) - self._conflated

    def put(self, message: MessageT, *, is_patient: bool = False) -> None:
        """Add a message that must arrive; raise ``OutboxFullError`` beyond the bound."""
        if len(self._waiting) >= self._waiting_max:
            message_text = f"{self._waiting_max} messages wait to be written"
            raise OutboxFullError(message_text)
        self._serial += 1
        self._waiting[self._serial] = message
        self._wake(is_patient=is_patient)

    def put_latest(self, key: str, message: MessageT, *, is_patient: bool = False) -> None:
        """Add a message that makes an earlier one of the same ``key`` worthless."""
        if self._waiting.pop(key, None) is None:
            self._conflated += 1
        self._waiting[key] = message
        self._wake(is_patient=is_patient)

    def end(self) -> None:
        """Let the writer finish what waits, and stop."""
        self._ended = True
        self._ready.set()

    def _wake(self, *, is_patient: bool) -> None:
        if not is_patient:
            self._ready.set()
        elif self._alarm is None and not self._ready.is_set():
            self._alarm = asyncio.get_running_loop().call_later(PATIENCE_S, self._ready.set)

    async def take(self) -> list[MessageT]:
        """Return all that waits, at least one message; empty means the end."""
        while not self._ended and not (self._waiting and self._ready.is_set()):
            if not self._waiting:
                self._ready.clear()
            await self._ready.wait()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._ready.clear()
        taken = list(self._waiting.values())
        self._waiting.clear()
        self._conflated = 0
        return taken
