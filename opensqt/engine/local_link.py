"""A link inside one process: the same messages as over gRPC, through two queues."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from opensqt.ports.link import (
    Downward,
    ExchangeTransport,
    LinkClosedError,
    LinkFact,
    LinkPrice,
    LinkRefusedError,
    Upward,
)

MessageT = TypeVar("MessageT")


class _Pipe(Generic[MessageT]):
    """One direction of a connection."""

    def __init__(self) -> None:
        self.messages: deque[MessageT] = deque()
        self.error: LinkClosedError | None = None
        self._ready = asyncio.Event()

    def put(self, message: MessageT) -> None:
        if self.error is not None:
            raise self.error
        self.messages.append(message)
        self._ready.set()

    def end(self, error: LinkClosedError) -> None:
        if self.error is None:
            self.error = error
        self._ready.set()

    async def take(self) -> Sequence[MessageT]:
        while not self.messages:
            if self.error is not None:
                raise self.error
            self._ready.clear()
            await self._ready.wait()
        taken = tuple(self.messages)
        self.messages.clear()
        return taken


class LocalManagerEnd:
    """``ManagerTransport`` over pipes."""

    def __init__(self, up: _Pipe[Upward], down: _Pipe[Downward]) -> None:
        """Send into ``up``, receive from ``down``."""
        self._up = up
        self._down = down

    def send(self, message: Upward) -> None:
        """Queue a message; raise ``LinkClosedError`` when the connection is gone."""
        self._up.put(message)

    async def receive(self) -> Sequence[Downward]:
        """Return all messages that wait."""
        return await self._down.take()

    async def close(self) -> None:
        """End both directions."""
        error = LinkClosedError("closed by the manager")
        self._up.end(error)
        self._down.end(error)


class LocalExchangeEnd:
    """``ExchangeTransport`` over pipes."""

    def __init__(self, up: _Pipe[Upward], down: _Pipe[Downward]) -> None:
        """Receive from ``up``, send into ``down``."""
        self._up = up
        self._down = down

    def send(self, message: Downward) -> None:
        """Queue a message; a price that still waits is replaced by a newer one."""
        waiting = self._down.messages
        if isinstance(message, LinkPrice) and waiting and isinstance(waiting[-1], LinkPrice):
            waiting.pop()
        self._down.put(message)

    @property
    def pending_facts(self) -> int:
        """Return how many facts wait to be received."""
        return sum(isinstance(message, LinkFact) for message in self._down.messages)

    async def receive(self) -> Sequence[Upward]:
        """Return all messages that wait."""
        return await self._up.take()

    async def close(self, *, code: str = "", message: str = "") -> None:
        """End both directions; with a code the manager learns that it was refused for good."""
        error = LinkRefusedError(code, message) if code else LinkClosedError(message)
        self._down.end(error)
        self._up.end(error)


class LocalLink:
    """``LinkPort`` to an exchange hub in the same event loop."""

    def __init__(self, attach: Callable[[ExchangeTransport], Awaitable[None]]) -> None:
        """Call ``attach`` with the exchange's end of each new connection."""
        self._attach = attach
        self._served: set[asyncio.Task[None]] = set()

    async def connect(self) -> LocalManagerEnd:
        """Open a connection."""
        up: _Pipe[Upward] = _Pipe()
        down: _Pipe[Downward] = _Pipe()

        async def serve() -> None:
            await self._attach(LocalExchangeEnd(up, down))

        task = asyncio.get_running_loop().create_task(serve())
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        return LocalManagerEnd(up, down)
