import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import Symbol
from opensqt.ports.exchange import PriceUpdate, StreamPhase
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.native_stream import Feed, PriceBoard, PublicReader, stream_name
from opensqt.venues.socket_keeper import SocketConfig
from tests.fakes.waiting import until
from tests.venues.socket_world import (
    FastClock,
    Reading,
    RecordingLog,
    SocketServer,
    reading,
    socket_server,
)

BTC, ETH = Symbol("BTCUSDT:perp"), Symbol("ETHUSDT:perp")
LIVE, DOWN = StreamPhase.LIVE, StreamPhase.DOWN


def frame(stream: str, **data: Any) -> str:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":"))


def quote(bid: str, ask: str, *, at: int = 1, name: str = "btcusdt") -> str:
    data = {"e": "bookTicker", "u": 1, "s": name.upper(), "b": bid, "B": "1", "a": ask, "A": "1"}
    return frame(f"{name}@bookTicker", **data, T=at, E=at)


def trade(price: str, *, at: int = 1, kind: str | None = "MARKET", name: str = "btcusdt") -> str:
    data = {"e": "trade", "E": at, "T": at, "s": name.upper(), "t": 5, "p": price, "q": "1"}
    return frame(f"{name}@trade", **data, **({} if kind is None else {"X": kind}), m=False)


def mark(price: str, *, at: int = 1) -> str:
    data = {"e": "markPriceUpdate", "E": at, "s": "BTCUSDT", "p": price, "r": "0.0001"}
    return frame("btcusdt@markPrice@1s", **data)


@dataclass
class Bench:
    board: PriceBoard
    clock: FastClock
    log: RecordingLog
    changes: list[int]

    def read(self, *frames: str) -> None:
        for one in frames:
            self.board.read(one.encode())


def bench(*symbols: Symbol) -> Bench:
    clock, log, changes = FastClock(), RecordingLog(), [0]

    def changed() -> None:
        changes[0] += 1

    board = PriceBoard(clock=clock, log=log, changed=changed)
    board.watch(frozenset(symbols or (BTC,)))
    return Bench(board=board, clock=clock, log=log, changes=changes)


def test_a_price_needs_a_quote_and_a_trade() -> None:
    world = bench()

    world.read(quote("10", "11"))
    assert world.board.take() == ()
    world.read(trade("10.5"))
    (price,) = world.board.take()

    assert (price.bid, price.ask, price.last) == (Decimal(10), Decimal(11), Decimal("10.5"))
    assert price.mark is None


def test_a_seeded_last_price_serves_until_the_first_trade() -> None:
    world = bench()
    world.board.seed_last(BTC, Decimal(9))
    world.read(quote("10", "11"))
    (seeded,) = world.board.take()
    world.read(trade("10.5"))
    (traded,) = world.board.take()
    world.board.seed_last(BTC, Decimal(8))
    world.board.seed_last(ETH, Decimal(8))
    world.read(quote("11", "12"))
    (later,) = world.board.take()

    assert (seeded.last, traded.last, later.last) == (
        Decimal(9),
        Decimal("10.5"),
        Decimal("10.5"),
    )


def test_only_the_newest_frame_of_a_stream_counts() -> None:
    world = bench(BTC, ETH)
    world.read(trade("1"), trade("2", name="ethusdt"))
    for number in range(1, 1_001):
        world.read(quote(f"{number}.1", f"{number}.2", at=number))
    world.read(quote("5", "6", name="ethusdt"), mark("7.5", at=2_000))

    prices = {price.symbol: price for price in world.board.take()}

    assert set(prices) == {BTC, ETH}
    assert (prices[BTC].bid, prices[BTC].ask) == (Decimal("1000.1"), Decimal("1000.2"))
    assert (prices[BTC].mark, prices[BTC].venue_ms) == (Decimal("7.5"), 2_000)
    assert world.board.take() == ()


def test_the_consumer_is_woken_once_per_stream_not_once_per_frame() -> None:
    world = bench()

    world.read(*[quote("10", "11")] * 100, *[trade("10")] * 100)

    assert world.changes == [2]
    assert world.board.frames == 200


def test_a_price_is_stamped_when_its_frame_is_read() -> None:
    world = bench()
    began = world.clock.now_ms()
    world.read(quote("10", "11"), trade("10"))
    before = world.clock.now_ms()
    world.clock.began_ns -= 1_000_000_000
    (price,) = world.board.take()

    assert began <= price.read_ms <= before < world.clock.now_ms() - 4_000


@pytest.mark.parametrize("kind", ["NA", "INSURANCE_FUND", "ADL"])
def test_a_trade_off_the_book_is_no_price(kind: str) -> None:
    world = bench()
    world.read(quote("10", "11"), trade("10.5"))
    world.read(trade("99", kind=kind))
    world.read(trade("98", kind=kind))
    (price,) = world.board.take()

    assert price.last == Decimal("10.5")


def test_a_trade_without_a_kind_or_price_is_judged_by_its_price() -> None:
    world = bench()
    world.read(quote("10", "11"), trade("10.5", kind=None))
    (price,) = world.board.take()
    world.read(trade("0"))

    assert price.last == Decimal("10.5")
    assert world.board.take() == ()


@pytest.mark.parametrize(
    "broken",
    [
        quote("10.x", "11"),
        '{"stream":"btcusdt@bookTicker","data":{"b":10.5,"a":11,"T":1}}',
        '{"stream":"btcusdt@bookTicker","data":[]}',
        '{"stream":"btcusdt@bookTicker"}',
        '{"stream":"btcusdt@bookTicker","data":',
    ],
)
def test_a_frame_that_cannot_be_read_changes_nothing_and_is_reported(broken: str) -> None:
    world = bench()
    world.read(quote("10", "11"), trade("10.5"))
    world.board.take()

    world.read(broken)

    assert world.board.take() == ()
    assert world.log.events() == ["stream.frame_not_understood"]


@pytest.mark.parametrize(
    "other", ['{"result":null,"id":1}', quote("1", "2", name="xrpusdt"), "", "{", "}" * 40]
)
def test_a_frame_of_no_watched_stream_is_not_kept(other: str) -> None:
    world = bench()

    assert world.board.read(other.encode()) is False
    assert world.board.take() == ()


def test_a_symbol_that_is_not_watched_any_more_is_forgotten() -> None:
    world = bench(BTC, ETH)
    world.read(quote("10", "11"), trade("10.5"), quote("5", "6", name="ethusdt"))
    world.board.watch(frozenset({ETH}))
    world.read(trade("5.5", name="ethusdt"), trade("12"))

    prices = world.board.take()

    assert [(price.symbol, price.bid) for price in prices] == [(ETH, Decimal(5))]
    world.board.watch(frozenset({ETH, BTC}))
    world.read(trade("12"))
    assert world.board.take() == ()


@pytest.mark.property
@given(
    st.lists(
        st.tuples(st.sampled_from(["quote", "trade", "take"]), st.integers(1, 10**9)), max_size=60
    )
)
def test_what_is_taken_is_always_the_newest_of_each(steps: list[tuple[str, int]]) -> None:
    world = bench()
    bid, last, has_changed = None, None, False
    for kind, number in [*steps, ("take", 0)]:
        if kind == "quote":
            bid, has_changed = number, True
            world.read(quote(str(number), str(number + 1)))
        elif kind == "trade":
            last, has_changed = number, True
            world.read(trade(str(number)))
        else:
            prices = world.board.take()
            if has_changed and bid is not None and last is not None:
                (price,) = prices
                assert [price.bid, price.ask, price.last] == [
                    Decimal(bid),
                    Decimal(bid + 1),
                    Decimal(last),
                ]
            else:
                assert prices == ()
            has_changed = False


@dataclass
class World:
    server: SocketServer
    reader: PublicReader
    board: PriceBoard
    log: RecordingLog
    stream: Reading

    def requests(self, peer: int = -1) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.server.peers[peer].texts]

    def prices(self) -> list[PriceUpdate]:
        return [event for event in self.stream.seen if isinstance(event, PriceUpdate)]


@asynccontextmanager
async def connected(
    *symbols: Symbol,
    feeds: tuple[Feed, ...] = (Feed.QUOTE, Feed.TRADE),
    ping_ms: int = 1_000,
    is_told: bool = True,
) -> AsyncIterator[World]:
    clock, log, queue = FastClock(), RecordingLog(), EventQueue(conflate_ms=2)
    board = PriceBoard(clock=clock, log=log, changed=queue.prices_changed)
    queue.add_source(board.take)
    board.watch(frozenset(symbols or (BTC,)))
    async with socket_server() as server:
        reader = PublicReader(
            f"{server.address}/public/stream",
            feeds,
            board=board,
            events=queue,
            clock=clock,
            log=log,
        )
        config = SocketConfig(name="test", silence_ms=5_000, expects_data=True, ping_ms=ping_ms)
        async with reading(reader, queue, clock=clock, log=log, config=config) as stream:
            if is_told:
                await stream.live()
            yield World(server=server, reader=reader, board=board, log=log, stream=stream)


async def test_prices_come_from_the_socket() -> None:
    async with connected() as world:
        await world.server.peers[0].send('{"result":null,"id":1}', quote("10", "11"), trade("10"))
        await until(world.prices)

    assert world.prices()[-1].bid == 10
    assert "stream.refused" not in world.log.events()


async def test_what_is_wanted_is_subscribed_when_the_socket_opens() -> None:
    async with connected(BTC, ETH) as world:
        await until(lambda: world.server.peers[0].texts)

    assert world.requests() == [
        {
            "method": "SUBSCRIBE",
            "params": [
                "btcusdt@bookTicker",
                "btcusdt@trade",
                "ethusdt@bookTicker",
                "ethusdt@trade",
            ],
            "id": 1,
        }
    ]


async def test_a_change_of_symbols_keeps_the_socket() -> None:
    async with connected(BTC) as world:
        world.board.watch(frozenset({ETH}))
        await world.reader.watch_changed()
        await world.reader.watch_changed()
        await until(lambda: len(world.server.peers[0].texts) >= 3)

    assert [(one["method"], one["params"]) for one in world.requests()] == [
        ("SUBSCRIBE", ["btcusdt@bookTicker", "btcusdt@trade"]),
        ("UNSUBSCRIBE", ["btcusdt@bookTicker", "btcusdt@trade"]),
        ("SUBSCRIBE", ["ethusdt@bookTicker", "ethusdt@trade"]),
    ]
    assert len(world.server.peers) == 1
    assert world.stream.phases() == [LIVE]


async def test_what_the_venue_refuses_is_said_and_subscribed_again_by_itself() -> None:
    async with connected(BTC, ETH) as world:
        await until(lambda: world.server.peers[0].texts)
        refusal = '{"error":{"code":2,"msg":"unknown symbol"},"id":1}'
        await world.server.peers[0].send('{"result":null,"id":7}', refusal)
        await until(lambda: "stream.refused" in world.log.events())
        await world.reader.renew(ETH)
        await world.reader.renew(Symbol("XRPUSDT:perp"))
        await until(lambda: len(world.server.peers[0].texts) >= 3)

    refused = [fields for _, event, fields in world.log.lines if event == "stream.refused"]
    assert [one["count"] for one in refused] == [4]
    eth = ["ethusdt@bookTicker", "ethusdt@trade"]
    assert [(one["method"], one["params"]) for one in world.requests()[1:]] == [
        ("UNSUBSCRIBE", eth),
        ("SUBSCRIBE", eth),
    ]


async def test_many_symbols_are_subscribed_in_pieces() -> None:
    symbols = [Symbol(f"C{number:03}USDT:perp") for number in range(120)]
    async with connected(*symbols) as world:
        await until(lambda: len(world.server.peers[0].texts) >= 3)

    sizes = [len(request["params"]) for request in world.requests()]
    named = {name for request in world.requests() for name in request["params"]}
    assert sizes == [100, 100, 40]
    assert named == {stream_name(one, feed) for one in symbols for feed in (Feed.QUOTE, Feed.TRADE)}


async def test_a_cut_socket_is_dialed_again_and_subscribed_again() -> None:
    async with connected() as world:
        await until(lambda: world.server.peers[0].texts)
        world.server.peers[0].abort()
        await world.stream.live(2)
        await until(lambda: world.server.peers[-1].texts)

    assert world.stream.phases() == [LIVE, DOWN, LIVE]
    assert [one["params"] for one in world.requests()] == [["btcusdt@bookTicker", "btcusdt@trade"]]


async def test_prices_from_before_an_outage_are_not_used_after_it() -> None:
    async with connected() as world:
        await world.server.peers[0].send(quote("10", "11"), trade("10.5"))
        await until(world.prices)
        world.server.peers[0].abort()
        await world.stream.live(2)
        assert world.board.lacks_last(BTC)
        before = len(world.prices())
        await world.server.peers[1].send(quote("20", "21"))
        await asyncio.sleep(0.1)
        assert len(world.prices()) == before

        world.board.seed_last(BTC, Decimal("20.5"))
        await world.server.peers[1].send(quote("20", "21"))
        await until(lambda: len(world.prices()) > before)

    assert world.prices()[-1].last == Decimal("20.5")


async def test_a_silent_socket_is_left_for_a_new_one() -> None:
    async with connected() as world:
        await world.stream.live(2)

    reasons = [fields["reason"] for _, event, fields in world.log.lines if event == "socket.closed"]
    assert str(reasons[0]).startswith("silent for")


async def test_a_socket_that_answers_no_ping_is_left_long_before_its_usual_gap_is_over() -> None:
    async with connected() as world:
        world.server.answers_pings = False
        world.server.peers[0].abort()
        await world.stream.live(2)
        await world.server.peers[1].send(quote("10", "11"))
        await world.stream.live(3)

    reasons = [fields["reason"] for _, event, fields in world.log.lines if event == "socket.closed"]
    assert any(str(reason).startswith("dead for") for reason in reasons)


async def test_a_quiet_market_stays_fresh_while_its_socket_answers() -> None:
    async with connected(ping_ms=750) as world:
        await world.server.peers[0].send(quote("10", "11"))
        await until(lambda: world.board.newest_read_ms)
        first = world.board.newest_read_ms
        await until(lambda: world.board.newest_read_ms >= first + 2_000)

    assert len(world.server.peers) == 1


def test_mark_prices_do_not_make_old_quotes_fresh() -> None:
    clock = FastClock()
    board = PriceBoard(clock=clock, log=RecordingLog(), changed=lambda: None)
    board.watch(frozenset({BTC}))
    board.read(quote("10", "11").encode())
    board.read(trade("10").encode())
    read_ms = board.newest_read_ms
    (before,) = board.take()
    time.sleep(0.01)

    board.read(mark("10.5").encode())

    (update,) = board.take()
    assert update.mark == Decimal("10.5")
    assert board.newest_read_ms == read_ms
    assert update.read_ms == before.read_ms


async def test_a_socket_of_mark_prices_says_nothing_about_the_stream() -> None:
    async with connected(feeds=(Feed.MARK,), is_told=False) as world:
        await until(lambda: world.server.peers and world.server.peers[0].texts)
        world.server.peers[0].abort()
        await until(lambda: len(world.server.peers) == 2)

    assert world.stream.phases() == []


async def test_a_socket_with_frames_is_not_silent() -> None:
    async with connected() as world:
        # Eight seconds of its clock, with so many frames that five without one would be silence.
        for _ in range(80):
            await world.server.peers[0].send(*[quote("10", "11")] * 5)
            await asyncio.sleep(0.02)

    assert world.stream.phases() == [LIVE]


async def test_a_socket_without_a_subscription_may_be_silent() -> None:
    async with connected() as world:
        world.board.watch(frozenset())
        await world.reader.watch_changed()
        await asyncio.sleep(1.5)  # seven and a half seconds of its clock

    assert world.stream.phases() == [LIVE]


async def test_a_complaint_of_the_venue_is_logged() -> None:
    async with connected() as world:
        await world.server.peers[0].send('{"error":{"code":2,"msg":"Invalid request"},"id":1}')
        await until(lambda: "stream.refused" in world.log.events())
