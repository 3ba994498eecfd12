import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opensqt.core.ids import UnixMs
from opensqt.ports.exchange import OutcomeClass, VenueCode, VenueUnavailableError
from opensqt.venues.ban_note import BanFile
from opensqt.venues.request_limiter import LimiterConfig, ReadPriority, RequestLimiter

MINUTE_MS = 60_000
START_MS = 1_700_000_040_000  # a full minute


@dataclass
class Clock:
    """Stands still; sleepers wake when the test moves it."""

    at_ms: int = START_MS
    set_ms: int = 0
    """By how much the wall clock was set."""
    sleepers: list[tuple[int, "asyncio.Future[None]"]] = field(default_factory=list)

    def now_ms(self) -> UnixMs:
        return UnixMs(self.at_ms + self.set_ms)

    def monotonic_ms(self) -> int:
        return self.at_ms

    async def sleep_ms(self, duration_ms: int) -> None:
        waiting: asyncio.Future[None] = asyncio.Future()
        self.sleepers.append((self.at_ms + duration_ms, waiting))
        await waiting

    async def move(self, duration_ms: int) -> None:
        self.at_ms += duration_ms
        for due_ms, waiting in self.sleepers:
            if due_ms <= self.at_ms and not waiting.done():
                waiting.set_result(None)
        await settle()


@dataclass
class World:
    clock: Clock = field(default_factory=Clock)
    config: LimiterConfig = field(
        default_factory=lambda: LimiterConfig(
            weight_per_minute=100,
            orders_per_ten_seconds=5,
            orders_per_minute=8,
            reads_in_flight_max=2,
            writes_in_flight_max=3,
        )
    )
    note: BanFile | None = None
    limiter: RequestLimiter = field(init=False)
    served: list[str] = field(default_factory=list)
    release: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limiter = RequestLimiter(self.config, clock=self.clock, note=self.note)

    async def start_read(
        self, name: str, *, weight: int = 1, priority: ReadPriority = ReadPriority.STATE
    ) -> "asyncio.Task[None]":
        self.release[name] = asyncio.Event()

        async def read() -> None:
            async with self.limiter.read(weight=weight, priority=priority):
                self.served.append(name)
                await self.release[name].wait()

        task = asyncio.create_task(read())
        await settle()
        return task

    async def finish(self, name: str) -> None:
        self.release[name].set()
        await settle()

    def order(self) -> VenueCode | None:
        return self._write(is_order=True)

    def cancel(self) -> VenueCode | None:
        return self._write(is_order=False)

    def _write(self, *, is_order: bool) -> VenueCode | None:
        refusal = self.limiter.refuse_write(weight=1 - is_order, is_order=is_order)
        if refusal is None:
            with self.limiter.write(weight=1 - is_order, is_order=is_order):
                return None
        assert refusal.outcome is OutcomeClass.NOT_SENT
        return refusal.code


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def test_reads_wait_their_turn_and_the_urgent_go_first() -> None:
    world = World()
    tasks = [await world.start_read(name) for name in ("a", "b")]
    tasks.append(await world.start_read("rules", priority=ReadPriority.RULES))
    tasks.append(await world.start_read("trades", priority=ReadPriority.TRADES))
    tasks.append(await world.start_read("look1", priority=ReadPriority.LOOK_UP))
    tasks.append(await world.start_read("look2", priority=ReadPriority.LOOK_UP))
    assert world.served == ["a", "b"]

    for name in ("a", "b", "look1", "look2", "trades", "rules"):
        await world.finish(name)
    await asyncio.gather(*tasks)

    assert world.served == ["a", "b", "look1", "look2", "trades", "rules"]


async def test_reads_leave_weight_for_cancels_and_go_on_with_the_next_minute() -> None:
    world = World()
    first = await world.start_read("first", weight=80)
    second = await world.start_read("second", weight=1)

    assert world.served == ["first"]
    assert world.limiter.refuse_write(weight=1, is_order=False) is None
    await world.clock.move(MINUTE_MS)
    assert world.served == ["first", "second"]
    await world.finish("first")
    await world.finish("second")
    await asyncio.gather(first, second)


async def test_a_write_beyond_the_weight_is_refused() -> None:
    world = World()
    world.limiter.observe(status=200, headers={"X-MBX-USED-WEIGHT-1M": "100"})

    refusal = world.limiter.refuse_write(weight=1, is_order=False)

    assert refusal is not None
    assert (refusal.outcome, refusal.code) == (OutcomeClass.NOT_SENT, VenueCode.RATE_LIMITED)
    await world.clock.move(MINUTE_MS)
    assert world.limiter.refuse_write(weight=1, is_order=False) is None


async def test_orders_are_counted_over_ten_seconds_and_a_minute() -> None:
    world = World()
    limited = VenueCode.RATE_LIMITED

    first = [world.order() for _ in range(6)]
    await world.clock.move(10_000)
    second = [world.order() for _ in range(4)]
    await world.clock.move(50_000)
    third = [world.order()]

    assert first == [None] * 5 + [limited]
    assert second == [None] * 3 + [limited]
    assert third == [None]


async def test_the_venues_counters_overrule_ours_only_upwards() -> None:
    world = World()
    with world.limiter.write(weight=50, is_order=False):
        pass
    world.limiter.observe(status=200, headers={"X-MBX-USED-WEIGHT-1M": "10"})
    assert world.limiter.weight_used == 50
    world.limiter.observe(status=200, headers={"X-MBX-USED-WEIGHT-1M": "70"})
    assert world.limiter.weight_used == 70
    world.limiter.observe(status=200, headers={"X-MBX-USED-WEIGHT-1M": "many"})
    assert world.limiter.weight_used == 70


async def test_too_many_writes_at_once_are_busy() -> None:
    world = World()
    with (
        world.limiter.write(weight=0, is_order=False),
        world.limiter.write(weight=0, is_order=False),
        world.limiter.write(weight=0, is_order=False),
    ):
        refusal = world.limiter.refuse_write(weight=0, is_order=False)

    assert refusal is not None
    assert (refusal.outcome, refusal.code) == (OutcomeClass.NOT_SENT, VenueCode.BUSY)
    assert world.limiter.refuse_write(weight=0, is_order=False) is None


@pytest.mark.parametrize(
    ("status", "headers", "pause_ms"),
    [
        (429, {"Retry-After": "7"}, 7_000),
        (418, {"Retry-After": "300"}, 300_000),
        (418, {}, 120_000),
        (429, {}, 60_000),
        (429, {"Retry-After": "soon"}, 60_000),
        (403, {"Retry-After": "7"}, 0),
        (200, {"Retry-After": "7"}, 0),
    ],
)
async def test_a_pause_the_venue_asks_for_stops_orders(
    status: int, headers: dict[str, str], pause_ms: int
) -> None:
    world = World()
    world.limiter.observe(status=status, headers=headers)

    assert world.limiter.paused_ms == pause_ms
    assert (world.order() is None) is (pause_ms == 0)
    await world.clock.move(pause_ms)
    assert world.limiter.paused_ms == 0
    assert world.order() is None


async def test_a_pause_leaves_a_few_cancels_and_a_ban_leaves_none() -> None:
    world = World()
    world.limiter.observe(status=429, headers={"Retry-After": "30"})

    first = [world.cancel() for _ in range(12)]
    await world.clock.move(10_000)
    second = world.cancel()
    world.limiter.observe(status=418, headers={"Retry-After": "30"})
    banned = world.cancel()
    await world.clock.move(29_999)
    nearly = world.cancel()
    await world.clock.move(1)

    assert first == [None] * 10 + [VenueCode.RATE_LIMITED] * 2
    assert second is None
    assert banned is nearly is VenueCode.RATE_LIMITED
    assert world.cancel() is None


async def test_no_cancel_leaves_in_a_pause_when_the_weight_is_used_up() -> None:
    world = World()
    headers = {"Retry-After": "30", "X-MBX-USED-WEIGHT-1M": "100"}
    world.limiter.observe(status=429, headers=headers)

    assert world.cancel() is VenueCode.RATE_LIMITED


async def test_orders_leave_weight_for_cancels() -> None:
    world = World()
    world.limiter.observe(status=200, headers={"X-MBX-USED-WEIGHT-1M": "91"})

    assert world.order() is VenueCode.RATE_LIMITED
    assert world.cancel() is None


@pytest.mark.parametrize("set_ms", [-3_600_000, 3_600_000])
@pytest.mark.parametrize("status", [429, 418])
async def test_a_clock_that_is_set_makes_no_pause_longer_or_shorter(
    status: int, set_ms: int
) -> None:
    world = World()
    world.limiter.observe(status=status, headers={"Retry-After": "30"})

    world.clock.set_ms = set_ms

    assert world.limiter.paused_ms == 30_000
    assert world.order() is VenueCode.RATE_LIMITED
    await world.clock.move(30_000)
    assert world.order() is None


async def test_a_refusal_says_how_long_to_wait() -> None:
    world = World()
    world.limiter.observe(status=429, headers={"Retry-After": "30"})
    await world.clock.move(1_000)

    refusal = world.limiter.refuse_write(weight=0, is_order=True)

    assert refusal is not None
    assert refusal.retry_after_ms == 29_000


async def test_a_ban_outlives_a_restart_and_a_pause_does_not(tmp_path: Path) -> None:
    path = tmp_path / "venues" / "ban-paper"
    world = World(note=BanFile(path))
    world.limiter.observe(status=429, headers={"Retry-After": "900"})
    assert World(clock=world.clock, note=BanFile(path)).limiter.paused_ms == 0

    world.limiter.observe(status=418, headers={"Retry-After": "300"})
    world.limiter.observe(status=418, headers={"Retry-After": "10"})
    world.clock.at_ms += 60_000
    again = World(clock=world.clock, note=BanFile(path))

    assert again.limiter.paused_ms == 240_000
    assert again.cancel() is VenueCode.RATE_LIMITED
    world.clock.at_ms += 240_000
    assert World(clock=world.clock, note=BanFile(path)).cancel() is None


@pytest.mark.parametrize(
    ("text", "paused_ms"), [("", 0), ("soon", 0), ("9" * 20, 3 * 24 * 3_600_000), ("1", 0)]
)
async def test_a_note_that_cannot_be_right_does_no_harm(
    tmp_path: Path, text: str, paused_ms: int
) -> None:
    path = tmp_path / "ban-paper"
    path.write_text(text, "ascii")

    assert World(note=BanFile(path)).limiter.paused_ms == paused_ms


async def test_a_note_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "venues").write_text("a file where the folder should be", "ascii")
    world = World(note=BanFile(tmp_path / "venues" / "ban-paper"))

    world.limiter.observe(status=418, headers={})

    assert world.limiter.paused_ms == 120_000


async def test_a_short_pause_is_waited_for_and_a_long_one_is_not() -> None:
    world = World()
    world.limiter.observe(status=429, headers={"Retry-After": "5"})
    waiting = await world.start_read("short")
    assert world.served == []
    await world.clock.move(5_000)
    assert world.served == ["short"]
    await world.finish("short")
    await waiting

    world.limiter.observe(status=418, headers={"Retry-After": "60"})
    with pytest.raises(VenueUnavailableError, match="rate limited"):
        async with asyncio.timeout(world.config.read_wait_ms / 1_000 / 2):
            await (await world.start_read("long"))


async def test_a_read_that_does_not_get_its_turn_in_time_gives_up() -> None:
    config = LimiterConfig(
        weight_per_minute=100,
        orders_per_ten_seconds=5,
        orders_per_minute=8,
        reads_in_flight_max=1,
        read_wait_ms=30,
    )
    world = World(config=config)
    first = await world.start_read("first")
    second = await world.start_read("second")

    with pytest.raises(VenueUnavailableError):
        await second
    await world.finish("first")
    await first
    third = await world.start_read("third")
    await world.finish("third")
    await third

    assert world.served == ["first", "third"]


async def test_a_reader_that_goes_away_frees_its_place() -> None:
    world = World()
    first, second = await world.start_read("first"), await world.start_read("second")
    third = await world.start_read("third")
    third.cancel()
    # The turn of the fourth comes in the very moment in which it is cancelled.
    fourth = await world.start_read("fourth")
    world.release["first"].set()
    while world.limiter._queue:
        await asyncio.sleep(0)
    fourth.cancel()
    await settle()
    fifth = await world.start_read("fifth")
    sixth = await world.start_read("sixth")
    await world.finish("second")

    assert "fifth" in world.served
    assert "sixth" in world.served
    for task in (second, fifth, sixth):
        task.cancel()
    await asyncio.gather(first, second, third, fourth, fifth, sixth, return_exceptions=True)


async def test_closing_lets_nobody_wait() -> None:
    world = World()
    reading = [await world.start_read(name) for name in ("first", "second")]
    waiting = await world.start_read("third")

    world.limiter.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    for event in world.release.values():
        event.set()
    await asyncio.gather(*reading)
