"""Keeping within a venue's request weight: reads wait their turn, writes never wait.

When the venue asks for a pause (429), nothing leaves but a few cancels, as long as there is weight
left for them; an address it has banned (418) sends nothing at all until the ban ends. Pauses are
counted on the monotonic clock. The end of a ban is written down as well, in wall time: who starts
again meanwhile would only make it longer.

An order that waited in a queue would leave after the gate's last check, so a write that cannot go
now is refused, and refused before a byte leaves: not sent. The venue's own counters come back with
each answer and overrule our estimate, because other programs may use the same address.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Final, Protocol

from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import Outcome, OutcomeClass, VenueCode, VenueUnavailableError

_MINUTE_MS: Final = 60_000
_TEN_SECONDS_MS: Final = 10_000
_TOO_MANY: Final = 429
_BANNED: Final = 418
_BAN_MS: Final = 120_000
_BAN_MS_MAX: Final = 3 * 24 * 3_600_000
"""The longest ban there is; what a clock that was set makes of a note cannot be longer."""


class ReadPriority(IntEnum):
    """Who goes first when reads have to wait."""

    LOOK_UP = 0
    """What became of an order, keys of streams: everything else waits for these."""
    STATE = 1
    TRADES = 2
    RULES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterConfig:
    """Limits of a venue and our share of them."""

    weight_per_minute: int
    orders_per_ten_seconds: int
    orders_per_minute: int
    read_share: float = 0.8
    """Reads use at most this fraction of the weight: cancels always find some left."""
    order_share: float = 0.9
    """The same for orders."""
    paused_cancels_max: int = 10
    """Cancels in ten seconds that may leave although the venue asked for a pause."""
    reads_in_flight_max: int = 8
    writes_in_flight_max: int = 64
    read_wait_ms: int = 10_000


@dataclass(slots=True)
class _Window:
    """A counter that starts again with every period of the clock, as the venue's do."""

    period_ms: int
    limit: int
    header: str
    used: int = 0
    period: int = -1

    def count(self, now_ms: int, amount: int) -> None:
        self._roll(now_ms)
        self.used += amount

    def observe(self, now_ms: int, used: int) -> None:
        self._roll(now_ms)
        self.used = max(self.used, used)

    def has_room(self, now_ms: int, amount: int, *, share: float = 1.0) -> bool:
        self._roll(now_ms)
        return self.used + amount <= self.limit * share

    def next_ms(self, now_ms: int) -> int:
        return self.period_ms - now_ms % self.period_ms

    def _roll(self, now_ms: int) -> None:
        period = now_ms // self.period_ms
        if period != self.period:
            self.period, self.used = period, 0


@dataclass(order=True, slots=True)
class _Ticket:
    priority: int
    sequence: int
    weight: int = field(compare=False)
    ready: "asyncio.Future[None]" = field(compare=False)


class BanNote(Protocol):
    """Where the end of a ban is kept over a restart."""

    def read(self) -> int:
        """Return the wall time at which the last ban ends or ended, 0 if none is known."""

    def write(self, until_ms: int) -> None:
        """Replace it."""


class RequestLimiter:
    """The request budget of one venue account and address."""

    def __init__(
        self, config: LimiterConfig, *, clock: ClockPort, note: BanNote | None = None
    ) -> None:
        """Start banned when ``note`` says so."""
        self._config = config
        self._note = note
        self._clock = clock
        self._weight = _Window(_MINUTE_MS, config.weight_per_minute, "X-MBX-USED-WEIGHT-1M")
        self._orders = (
            _Window(_TEN_SECONDS_MS, config.orders_per_ten_seconds, "X-MBX-ORDER-COUNT-10S"),
            _Window(_MINUTE_MS, config.orders_per_minute, "X-MBX-ORDER-COUNT-1M"),
        )
        self._paused_cancels = _Window(_TEN_SECONDS_MS, config.paused_cancels_max, "")
        self._paused_until_ms = 0
        """Monotonic, as the next."""
        self._banned_until_ms = 0
        if note is not None:
            left_ms = min(note.read() - clock.now_ms(), _BAN_MS_MAX)
            self._banned_until_ms = clock.monotonic_ms() + max(left_ms, 0)
        self._reading = 0
        self._writing = 0
        self._queue: list[_Ticket] = []
        self._sequence = count()
        self._timer: asyncio.Task[None] | None = None

    @property
    def weight_used(self) -> int:
        """Return the request weight of the current minute."""
        self._weight.count(self._now(), 0)
        return self._weight.used

    @property
    def paused_ms(self) -> int:
        """Return how long the venue wants to be left alone, 0 if it does not."""
        until_ms = max(self._paused_until_ms, self._banned_until_ms)
        return max(until_ms - self._clock.monotonic_ms(), 0)

    @property
    def is_banned(self) -> bool:
        """Tell whether any request would only make a ban longer."""
        return self._clock.monotonic_ms() < self._banned_until_ms

    def refuse_write(self, *, weight: int, is_order: bool) -> Outcome | None:
        """Return why a write cannot be sent now, or None if it can."""
        now, pause_ms = self._now(), self.paused_ms
        if pause_ms and (is_order or self.is_banned or not self._may_cancel()):
            message = f"venue pause of {pause_ms} ms left"
            return _refusal(VenueCode.RATE_LIMITED, message, retry_after_ms=pause_ms)
        share = self._config.order_share if is_order else 1.0
        if not self._weight.has_room(now, weight, share=share):
            message = "request weight of this minute is used up"
            wait_ms = self._weight.next_ms(now)
            return _refusal(VenueCode.RATE_LIMITED, message, retry_after_ms=wait_ms)
        if is_order and not all(window.has_room(now, 1) for window in self._orders):
            return _refusal(VenueCode.RATE_LIMITED, "order count of this period is used up")
        if self._writing >= self._config.writes_in_flight_max:
            return _refusal(VenueCode.BUSY, f"{self._writing} writes in flight")
        return None

    def _may_cancel(self) -> bool:
        return self._paused_cancels.has_room(self._clock.monotonic_ms(), 1)

    @contextmanager
    def write(self, *, weight: int, is_order: bool) -> Iterator[None]:
        """Count a write for as long as it is in flight."""
        now = self._now()
        self._weight.count(now, weight)
        if is_order:
            for window in self._orders:
                window.count(now, 1)
        elif self.paused_ms:
            self._paused_cancels.count(self._clock.monotonic_ms(), 1)
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1

    @asynccontextmanager
    async def read(self, *, weight: int, priority: ReadPriority) -> AsyncIterator[None]:
        """Wait for a turn; raise ``VenueUnavailableError`` when it does not come in time."""
        await self._take_turn(weight, priority)
        try:
            yield
        finally:
            self._reading -= 1
            self._serve()

    def observe(self, *, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer: the venue's counters, and whether it wants a pause."""
        now = self._now()
        for window in (self._weight, *self._orders):
            text = headers.get(window.header, "")
            if text.isascii() and text.isdigit():
                window.observe(now, int(text))
        if status not in (_TOO_MANY, _BANNED):
            return
        text = headers.get("Retry-After", "")
        if text.isascii() and text.isdigit():
            pause_ms = int(text) * 1_000
        else:
            pause_ms = _BAN_MS if status == _BANNED else self._weight.next_ms(now)
        until_ms = self._clock.monotonic_ms() + pause_ms
        if status == _TOO_MANY:
            self._paused_until_ms = max(self._paused_until_ms, until_ms)
        elif until_ms > self._banned_until_ms:
            self._banned_until_ms = until_ms
            if self._note is not None:
                self._note.write(now + pause_ms)

    def close(self) -> None:
        """Forget who waits."""
        if self._timer is not None:
            self._timer.cancel()
        for ticket in self._queue:
            ticket.ready.cancel()
        self._queue.clear()

    async def _take_turn(self, weight: int, priority: ReadPriority) -> None:
        if self.paused_ms > self._config.read_wait_ms:
            raise VenueUnavailableError(f"rate limited for another {self.paused_ms} ms")
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, _Ticket(priority, next(self._sequence), weight, ready))
        self._serve()
        try:
            async with asyncio.timeout(self._config.read_wait_ms / 1_000):
                await ready
        except TimeoutError:
            self._give_back(ready)
            raise VenueUnavailableError("rate limited: no turn for this read in time") from None
        except asyncio.CancelledError:
            self._give_back(ready)
            raise

    def _give_back(self, ready: "asyncio.Future[None]") -> None:
        # The turn may have come in the same moment in which the waiting ended.
        if ready.done() and not ready.cancelled():
            self._reading -= 1
            self._serve()
        else:
            ready.cancel()

    def _serve(self) -> None:
        now = self._now()
        while self._queue:
            ticket = self._queue[0]
            if ticket.ready.done():
                heapq.heappop(self._queue)
                continue
            if self._reading >= self._config.reads_in_flight_max:
                return
            share = self._config.read_share
            if self.paused_ms or not self._weight.has_room(now, ticket.weight, share=share):
                self._serve_later(self.paused_ms or self._weight.next_ms(now))
                return
            heapq.heappop(self._queue)
            self._weight.count(now, ticket.weight)
            self._reading += 1
            ticket.ready.set_result(None)

    def _serve_later(self, wait_ms: int) -> None:
        if self._timer is None or self._timer.done():
            self._timer = asyncio.get_running_loop().create_task(self._wait_and_serve(wait_ms))

    async def _wait_and_serve(self, wait_ms: int) -> None:
        await self._clock.sleep_ms(wait_ms)
        self._timer = None
        self._serve()

    def _now(self) -> int:
        return self._clock.now_ms()


def _refusal(code: VenueCode, message: str, *, retry_after_ms: int = 0) -> Outcome:
    return Outcome(
        outcome=OutcomeClass.NOT_SENT, code=code, message=message, retry_after_ms=retry_after_ms
    )
