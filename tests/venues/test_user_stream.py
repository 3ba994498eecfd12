import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from opensqt.core.orders import OrderStatus
from opensqt.ports.exchange import (
    OrderUpdate,
    StreamPhase,
    StreamState,
    TradeUpdate,
    VenueEvent,
    VenueUnavailableError,
)
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.socket_keeper import SocketConfig
from opensqt.venues.user_stream import KEEP_ALIVE_MS, UserReader
from tests.fakes.waiting import until
from tests.venues.payloads import order_frame, resting_frame
from tests.venues.socket_world import (
    FastClock,
    Reading,
    RecordingLog,
    SocketServer,
    reading,
    socket_server,
)

GAP, LIVE, DOWN = StreamPhase.GAP, StreamPhase.LIVE, StreamPhase.DOWN


@dataclass
class Keys:
    created: int = 0
    kept: int = 0
    answers: list[bool | Exception] = field(default_factory=list)

    async def create(self) -> str:
        self.created += 1
        return f"key{self.created}"

    async def keep_alive(self) -> bool:
        self.kept += 1
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class World:
    server: SocketServer
    reader: UserReader
    keys: Keys
    clock: FastClock
    log: RecordingLog
    stream: Reading
    known: list[str] = field(default_factory=list)

    def facts(self) -> list[VenueEvent]:
        return [event for event in self.stream.seen if not isinstance(event, StreamState)]

    async def send(self, *frames: dict[str, Any]) -> None:
        await self.server.peers[-1].send(*(json.dumps(frame) for frame in frames))


@asynccontextmanager
async def connected(*, silence_ms: int = 60_000) -> AsyncIterator[World]:
    clock, log, keys, queue = FastClock(), RecordingLog(), Keys(), EventQueue(conflate_ms=2)
    known: list[str] = []
    async with socket_server() as server:
        reader = UserReader(
            f"{server.address}/private/ws",
            keys=keys,
            events=queue,
            seen=lambda update: known.append(update.order.client_order_id),
            clock=clock,
            log=log,
        )
        config = SocketConfig(name="test", silence_ms=silence_ms, expects_data=False, ping_ms=2_000)
        async with reading(reader, queue, clock=clock, log=log, config=config) as stream:
            reader.on_expiry(stream.keeper.restart)
            await stream.live()
            yield World(
                server=server,
                reader=reader,
                keys=keys,
                clock=clock,
                log=log,
                stream=stream,
                known=known,
            )


def fills(count: int, *, first: int = 1) -> list[dict[str, Any]]:
    return [
        order_frame(
            t=first + number,
            l="0.001",
            z=str(Decimal("0.001") * (number + 1)),
            X="FILLED" if number == count - 1 else "PARTIALLY_FILLED",
        )
        for number in range(count)
    ]


async def test_a_burst_that_meets_a_stalled_loop_is_delivered_whole_and_in_order() -> None:
    async with connected() as world:
        await world.send(*fills(6))
        # Nothing of it has been read yet, and for a while nothing will be.
        time.sleep(0.2)  # noqa: ASYNC251 - the stall is the point
        await until(lambda: len(world.facts()) >= 12)

    trades = [event.trade for event in world.facts() if isinstance(event, TradeUpdate)]
    orders = [event.order for event in world.facts() if isinstance(event, OrderUpdate)]
    assert [trade.trade_id for trade in trades] == ["1", "2", "3", "4", "5", "6"]
    assert [str(order.cumulative_quantity) for order in orders] == [
        "0.001",
        "0.002",
        "0.003",
        "0.004",
        "0.005",
        "0.006",
    ]
    assert [order.status for order in orders] == [OrderStatus.WORKING] * 5 + [OrderStatus.FILLED]
    # Each trade comes just before the state it led to.
    assert [type(event) for event in world.facts()] == [TradeUpdate, OrderUpdate] * 6
    assert world.known == ["q1abc"] * 6


async def test_nothing_is_lost_while_nobody_reads_the_events() -> None:
    queue = EventQueue(conflate_ms=2)
    clock, log = FastClock(), RecordingLog()
    reader = UserReader(
        "ws://nowhere", keys=Keys(), events=queue, seen=lambda _: None, clock=clock, log=log
    )
    for frame in fills(500):
        reader.read(json.dumps(frame).encode())

    batch = await anext(aiter(queue.batches()))

    assert len([event for event in batch if isinstance(event, TradeUpdate)]) == 500


@pytest.mark.parametrize("ending", ["abort", "close"])
async def test_every_connection_begins_with_a_gap(ending: str) -> None:
    async with connected() as world:
        assert world.stream.phases() == [GAP, LIVE]
        peer = world.server.peers[0]
        if ending == "abort":
            peer.abort()
        else:
            await peer.socket.close()
        await world.stream.live(2)
        await world.send(*fills(1))
        await until(lambda: len(world.facts()) == 2)

    assert world.stream.phases() == [GAP, LIVE, DOWN, GAP, LIVE]


async def test_frames_of_a_connection_come_between_its_gap_and_its_end() -> None:
    async with connected() as world:
        await world.send(resting_frame(), resting_frame(i=2))
        await world.server.peers[0].socket.close()
        await world.stream.live(2)

    kinds = [
        event.phase if isinstance(event, StreamState) else "fact" for event in world.stream.seen
    ]
    assert kinds == [GAP, LIVE, "fact", "fact", DOWN, GAP, LIVE]


async def test_an_expired_key_leads_to_a_new_key_and_a_gap() -> None:
    async with connected() as world:
        await world.send({"e": "listenKeyExpired", "E": 1, "listenKey": "key1"})
        await world.stream.live(2)

    urls = [peer.url for peer in world.server.peers]
    assert urls == ["/private/ws?listenKey=key1", "/private/ws?listenKey=key2"]
    assert world.stream.phases() == [GAP, LIVE, DOWN, GAP, LIVE]


async def test_a_key_the_venue_forgot_leads_to_a_new_connection() -> None:
    async with connected() as world:
        world.keys.answers = [False]
        world.reader._clock = FastClock(speed=20_000)
        keeping = asyncio.create_task(world.reader.keep_alive_forever())
        await world.stream.live(2)
        keeping.cancel()

    assert world.keys.created == 2


async def test_a_keep_alive_that_failed_is_tried_again_soon() -> None:
    clock, log, keys = FastClock(speed=1_000_000), RecordingLog(), Keys()
    keys.answers = [VenueUnavailableError("down"), VenueUnavailableError("down")]
    reader = UserReader(
        "ws://nowhere",
        keys=keys,
        events=EventQueue(conflate_ms=2),
        seen=lambda _: None,
        clock=clock,
        log=log,
    )
    keeping = asyncio.create_task(reader.keep_alive_forever())
    await until(lambda: len(clock.slept) >= 4)
    keeping.cancel()

    assert clock.slept[:4] == [KEEP_ALIVE_MS, 60_000, 60_000, KEEP_ALIVE_MS]


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", '"text"', json.dumps(order_frame(X="SOMETHING")), '{"e":"ORDER_TRADE_UPDATE"}'],
)
async def test_a_report_that_cannot_be_read_is_a_gap_not_a_silence(frame: str) -> None:
    async with connected() as world:
        await world.server.peers[0].send(frame)
        await world.send(*fills(1))
        await until(lambda: len(world.facts()) == 2)

    assert world.stream.phases() == [GAP, LIVE, GAP]
    assert "stream.report_not_understood" in world.log.events()


@pytest.mark.parametrize(
    "frame",
    [
        {"e": "ACCOUNT_UPDATE", "a": {}},
        {"e": "TRADE_LITE", "s": "BTCUSDT", "t": 1, "l": "0.001"},
        {"e": "ACCOUNT_CONFIG_UPDATE"},
        {"result": None, "id": 1},
    ],
)
async def test_other_events_move_nothing(frame: dict[str, Any]) -> None:
    async with connected() as world:
        await world.send(frame, *fills(1))
        await until(lambda: len(world.facts()) == 2)

    assert world.stream.phases() == [GAP, LIVE]


async def test_a_wrapped_frame_is_read_as_well() -> None:
    async with connected() as world:
        await world.send({"stream": "key1", "data": order_frame()})
        await until(lambda: len(world.facts()) == 2)


async def test_a_quiet_stream_lives_as_long_as_pings_are_answered() -> None:
    async with connected(silence_ms=6_000) as world:
        await asyncio.sleep(3)  # fifteen seconds of its clock

    assert world.stream.phases() == [GAP, LIVE]


async def test_a_peer_that_answers_no_ping_is_left() -> None:
    async with connected(silence_ms=6_000) as world:
        world.server.answers_pings = False
        world.server.peers[0].abort()
        await world.stream.live(2)
        world.server.answers_pings = True
        await world.stream.live(3)

    reasons = [
        str(fields["reason"]) for _, event, fields in world.log.lines if event == "socket.closed"
    ]
    assert any(reason.startswith("silent for") for reason in reasons)


async def test_dialing_goes_on_until_the_venue_is_back() -> None:
    async with connected() as world:
        world.server.refuses = 3
        world.server.peers[0].abort()
        await world.stream.live(2)

    # The attempts in between never were a connection: no DOWN for them.
    assert world.stream.phases() == [GAP, LIVE, DOWN, GAP, LIVE]
    assert world.keys.created == 5
    assert back_offs(world.clock) == [200, 400, 800, 1_600]


async def test_a_connection_that_worked_is_dialed_again_at_once() -> None:
    async with connected() as world:
        for number in range(3):
            await world.send(resting_frame(i=number))
            await until(lambda: len(world.facts()) == number + 1)  # noqa: B023 - awaited in the loop
            world.server.peers[-1].abort()
            await world.stream.live(number + 2)

    assert back_offs(world.clock) == [100, 100, 100]


def back_offs(clock: FastClock) -> list[int]:
    watchdog_ms = 250
    return [slept for slept in clock.slept if slept != watchdog_ms]


async def test_the_venues_pings_are_answered() -> None:
    async with connected() as world:
        world.server.answers_pings = False  # or the server would hide the answer from us
        world.server.peers[0].abort()
        await world.stream.live(2)
        await world.server.peers[-1].socket.ping(b"anyone there")
        await until(lambda: world.server.peers[-1].pongs)

    assert world.server.peers[-1].pongs == [b"anyone there"]
