import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import Symbol, UnixMs
from opensqt.ports.exchange import (
    FrameAge,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    VenueEvent,
)
from opensqt.venues.event_queue import EventQueue
from tests.fakes.waiting import PATIENCE_S

BTC = Symbol("BTCUSDT:perp")


def state(number: int) -> StreamState:
    return StreamState(
        kind=StreamKind.PRIVATE, phase=StreamPhase.LIVE, reason=str(number), at_ms=UnixMs(number)
    )


def price(number: int) -> PriceUpdate:
    return PriceUpdate(
        symbol=BTC,
        bid=Decimal(number),
        ask=Decimal(number + 1),
        last=Decimal(number),
        venue_ms=UnixMs(number),
        read_ms=UnixMs(number),
    )


def age(number: int) -> FrameAge:
    return FrameAge(public_ms=number, private_ms=number, at_ms=UnixMs(number))


class Prices:
    """A source that hands out what was set last."""

    def __init__(self, queue: EventQueue) -> None:
        self.newest: tuple[PriceUpdate, ...] = ()
        self.queue = queue
        queue.add_source(self.take)

    def set(self, number: int) -> None:
        self.newest = (price(number),)
        self.queue.prices_changed()

    def take(self) -> tuple[PriceUpdate, ...]:
        taken, self.newest = self.newest, ()
        return taken


async def test_facts_come_first_then_prices_then_the_age() -> None:
    queue = EventQueue(conflate_ms=2)
    prices = Prices(queue)
    queue.put_age(age(1))
    prices.set(7)
    queue.put(state(1))
    queue.put_age(age(2))
    queue.put(state(2))

    stream = aiter(queue.batches())
    batch = await anext(stream)
    queue.put(state(3))
    later = await anext(stream)

    assert batch == (state(1), state(2), price(7), age(2))
    assert later == (state(3),)


@pytest.mark.property
@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=8))
def test_every_fact_is_delivered_once_and_in_order(groups: list[list[int]]) -> None:
    async def scenario() -> list[VenueEvent]:
        queue = EventQueue(conflate_ms=1)
        seen: list[VenueEvent] = []

        async def read() -> None:
            async for batch in queue.batches():
                seen.extend(batch)

        reader = asyncio.create_task(read())
        for group in groups:
            for number in group:
                queue.put(state(number))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        assert queue.pending == 0
        return seen

    assert asyncio.run(scenario()) == [state(number) for group in groups for number in group]


async def test_a_price_after_a_pause_is_handed_out_at_once_and_a_flood_is_paced() -> None:
    queue = EventQueue(conflate_ms=50)
    prices = Prices(queue)
    batches: list[tuple[VenueEvent, ...]] = []
    served_s: list[float] = []

    async def read() -> None:
        async for batch in queue.batches():
            batches.append(batch)
            served_s.append(queue._served_s)

    reader = asyncio.create_task(read())
    for number in range(1, 13):
        prices.set(number)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(PATIENCE_S):
        while batches[-1] != (price(12),):
            await asyncio.sleep(0.01)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)

    assert batches[0] == (price(1),)
    assert len(batches) < 12
    assert all(after - before >= 0.0499 for before, after in pairwise(served_s))


async def test_a_fact_does_not_wait_for_the_pace_of_prices() -> None:
    queue = EventQueue(conflate_ms=10_000)
    prices = Prices(queue)
    stream = aiter(queue.batches())
    prices.set(1)
    await anext(stream)
    prices.set(2)
    queue.put(state(1))

    async with asyncio.timeout(1):
        batch = await anext(stream)

    assert batch == (state(1), price(2))


async def test_a_failure_ends_the_stream_after_what_is_queued() -> None:
    queue = EventQueue(conflate_ms=2)
    queue.put(state(1))
    queue.fail(RuntimeError("broken"))
    stream = aiter(queue.batches())

    assert await anext(stream) == (state(1),)
    with pytest.raises(RuntimeError, match="broken"):
        await anext(stream)
