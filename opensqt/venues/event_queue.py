"""The one event stream of an account: facts in order and none lost, prices newest only.

Facts and stream states wake the consumer at once. Prices are pulled from their source when a batch
is made, and wake the consumer at most once per ``conflate_ms``: a price that is replaced before
anybody looks costs nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from opensqt.ports.exchange import FrameAge, PriceUpdate, VenueEvent

Prices = tuple[PriceUpdate, ...]


class EventQueue:
    """Many writers, one consumer.

    Unbounded for facts: the consumer hands them on without waiting, and bounds what waits for each
    receiver.
    """

    def __init__(self, *, conflate_ms: int) -> None:
        self._facts: deque[VenueEvent] = deque()
        self._sources: list[Callable[[], Prices]] = []
        self._age: FrameAge | None = None
        self._wake = asyncio.Event()
        self._conflate_s = conflate_ms / 1_000
        self._served_s = 0.0
        self._is_scheduled = False
        self._failure: BaseException | None = None

    @property
    def pending(self) -> int:
        """Return how many facts nobody has taken yet."""
        return len(self._facts)

    def add_source(self, take: Callable[[], Prices]) -> None:
        """Pull prices from ``take`` whenever a batch is made."""
        self._sources.append(take)

    def put(self, event: VenueEvent) -> None:
        """Add a fact or a stream state."""
        self._facts.append(event)
        self._wake.set()

    def put_age(self, age: FrameAge) -> None:
        """Set the newest frame age; an older one nobody took is replaced."""
        self._age = age
        self._wake.set()

    def prices_changed(self) -> None:
        """Tell that a source has new prices; cheap, called for each frame."""
        if self._is_scheduled:
            return
        self._is_scheduled = True
        loop = asyncio.get_running_loop()
        wait_s = self._served_s + self._conflate_s - loop.time()
        if wait_s <= 0:
            self._wake.set()
        else:
            loop.call_later(wait_s, self._wake.set)

    def fail(self, error: BaseException) -> None:
        """End the stream with an error after what is queued."""
        self._failure = error
        self._wake.set()

    async def batches(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        """Yield what has come since the last batch, facts first; raise what ``fail`` was given."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = self._take()
            if batch:
                yield batch
            elif self._failure is not None:
                raise self._failure

    def _take(self) -> tuple[VenueEvent, ...]:
        self._is_scheduled = False
        self._served_s = asyncio.get_running_loop().time()
        batch: list[VenueEvent] = list(self._facts)
        self._facts.clear()
        for take in self._sources:
            batch += take()
        if self._age is not None:
            batch.append(self._age)
            self._age = None
        if batch and self._failure is not None:
            self._wake.set()
        return tuple(batch)
