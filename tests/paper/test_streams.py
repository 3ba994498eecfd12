"""Streams: subscriptions in every form clients use, and what each channel says."""

import asyncio
from decimal import Decimal

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import UnixMs
from opensqt.core.orders import Side
from opensqt.market.types import PublicTrade
from opensqt.paper.board import Board
from opensqt.paper.candles import INTERVALS_MS, Candles
from opensqt.paper.hub import BUFFER_BYTES_MAX, Connection, Hub, text_frame
from tests.market.builders import BTC, venue
from tests.paper.client import Client

TRADE = {"price": "60000.0", "quantity": "0.5", "aggressor": "sell"}


@pytest.mark.parametrize(
    ("path", "is_combined"),
    [
        ("/ws/btcusdt@trade", False),
        ("/public/ws/btcusdt@trade", False),
        ("/stream?streams=btcusdt@trade", True),
        ("/market/stream?streams=ethusdt@trade/btcusdt@trade", True),
    ],
)
async def test_topics_named_in_the_address(client: Client, path: str, is_combined: bool) -> None:
    async with client.socket(path) as socket:
        await client.market(**TRADE)
        message = await socket.receive()

    if is_combined:
        assert message["stream"] == "btcusdt@trade"
        message = message["data"]
    assert message["e"] == "trade"
    assert (message["s"], message["p"], message["q"], message["m"], message["X"]) == (
        "BTCUSDT",
        "60000.0",
        "0.5",
        True,
        "MARKET",
    )


async def test_subscribe_list_and_unsubscribe(client: Client) -> None:
    async with client.socket("/public/ws/0") as socket:
        await socket.subscribe("btcusdt@trade", "btcusdt@bookTicker")
        await socket.send(method="LIST_SUBSCRIPTIONS", id=2)
        assert await socket.receive() == {
            "result": ["btcusdt@bookTicker", "btcusdt@trade"],
            "id": 2,
        }
        await client.market(bid="59990.0", ask="59990.1", bid_quantity="3", ask_quantity="4")
        ticker = await socket.receive()
        assert (ticker["e"], ticker["b"], ticker["B"], ticker["a"], ticker["A"]) == (
            "bookTicker",
            "59990.0",
            "3",
            "59990.1",
            "4",
        )
        await socket.send(method="UNSUBSCRIBE", params=["btcusdt@bookTicker"], id=3)
        assert await socket.receive() == {"result": None, "id": 3}
        await client.market(bid="59980.0", ask="59980.1")
        await client.market(**TRADE)
        assert (await socket.receive())["e"] == "trade"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"method":"JUMP","id":1}',
        '{"method":"SUBSCRIBE","params":["no topic"],"id":1}',
    ],
)
async def test_commands_that_are_none_are_answered_with_an_error(client: Client, text: str) -> None:
    async with client.socket("/ws") as socket:
        await socket.raw.send_str(text)
        assert "error" in await socket.receive()
        await socket.subscribe("btcusdt@trade")


async def test_ids_rise_and_stamps_are_now(client: Client) -> None:
    async with client.socket("/ws/btcusdt@trade") as socket:
        for _ in range(3):
            await client.market(**TRADE)
        seen = [await socket.receive() for _ in range(3)]
    server_ms = (await client.get("/fapi/v1/time"))["serverTime"]

    assert seen[0]["t"] + 2 == seen[1]["t"] + 1 == seen[2]["t"]
    assert all(0 <= server_ms - message["E"] < 5_000 for message in seen)


async def test_every_second_mark_price_candle_and_day(client: Client) -> None:
    topics = ("btcusdt@markPrice@1s", "btcusdt@kline_1m", "btcusdt@miniTicker", "btcusdt@aggTrade")
    async with client.socket("/ws") as socket:
        await socket.subscribe(*topics)
        await client.market(**TRADE)
        trade = await socket.event("aggTrade")
        mark = await socket.event("markPriceUpdate")
        candle = await socket.event("kline")
        await client.market(**TRADE)
        day = await socket.event("24hrMiniTicker")

    assert trade["p"] == "60000.0"
    assert (mark["p"], mark["r"]) == ("60000.05", "0.0001")
    assert mark["T"] > mark["E"]
    assert (candle["k"]["o"], candle["k"]["v"], candle["k"]["x"]) == ("60000", "0.5", False)
    assert day["c"] == "60000"


async def test_the_depth_stream_continues_the_snapshot(client: Client) -> None:
    async with client.socket("/public/ws/btcusdt@depth@100ms") as socket:
        await client.market(bid="60000.0", ask="60000.1", bid_quantity="2", ask_quantity="3")
        await socket.receive()
        book = await client.get("/fapi/v1/depth", symbol="BTCUSDT", limit=1000)
        await client.market(bid="59999.8", ask="60000.0", bid_quantity="2", ask_quantity="3")
        update = await socket.receive()
        after = await client.get("/fapi/v1/depth", symbol="BTCUSDT", limit=1000)

    assert update["pu"] == book["lastUpdateId"]
    assert update["U"] == update["pu"] + 1 <= update["u"] == after["lastUpdateId"]
    for side, rows in (("bids", update["b"]), ("asks", update["a"])):
        levels = dict(map(tuple, book[side]))
        levels.update(map(tuple, rows))
        kept = {price: size for price, size in levels.items() if Decimal(size)}
        assert kept == dict(map(tuple, after[side]))
    assert after["bids"][0] == ["59999.8", "2"]
    assert after["asks"][:2] == [["60000.0", "3"], ["60000.1", "6"]]


async def test_the_partial_book_stream(client: Client) -> None:
    async with client.socket("/ws/btcusdt@depth5@100ms") as socket:
        message = await socket.receive()

    assert (len(message["b"]), len(message["a"])) == (5, 5)


async def test_a_listen_key_lives_on_until_it_expires(client: Client) -> None:
    first = (await client.raw("POST", "/fapi/v1/listenKey")).body["listenKey"]
    again = (await client.raw("POST", "/fapi/v1/listenKey")).body["listenKey"]
    kept = await client.raw("PUT", "/fapi/v1/listenKey")
    assert first == again == kept.body["listenKey"]

    async with client.socket(f"/ws/{first}") as socket:
        await client.control("POST", "/listen-key/expire", {"account": "paper"})
        message = await socket.event("listenKeyExpired")
        await client.placed("BUY", "59000.0", "0.001")
        with pytest.raises(TimeoutError):
            await socket.receive(0.2)
    assert message["listenKey"] == first
    assert (await client.raw("PUT", "/fapi/v1/listenKey")).code == -1125
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with client.socket(f"/private/ws?listenKey={first}"):
            pass
    async with client.user_stream() as stream:
        await client.placed("BUY", "59000.0", "0.001")
        assert (await stream.event("ORDER_TRADE_UPDATE"))["o"]["X"] == "NEW"
    assert (await client.raw("DELETE", "/fapi/v1/listenKey")).status == 200


async def test_a_combined_user_stream_names_its_key(client: Client) -> None:
    key = (await client.raw("POST", "/fapi/v1/listenKey")).body["listenKey"]
    async with client.socket(f"/private/stream?listenKey={key}") as socket:
        await client.placed("BUY", "59000.0", "0.001")
        message = await socket.receive()

    assert message["stream"] == key
    assert message["data"]["e"] == "ORDER_TRADE_UPDATE"


class FullTransport:
    """A transport whose peer does not read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


async def test_a_client_that_does_not_read_is_cut() -> None:
    transport = FullTransport()
    connection = Connection(transport, path="/ws", is_combined=False)  # type: ignore[arg-type]

    connection.send(b"x" * (BUFFER_BYTES_MAX // 2))
    await asyncio.sleep(0)
    assert connection.is_open
    connection.send(b"y" * BUFFER_BYTES_MAX)
    await asyncio.sleep(0)
    assert not connection.is_open
    connection.send(b"z")
    await asyncio.sleep(0)
    assert len(transport.written) == 2


async def test_the_frames_of_one_turn_leave_in_one_write() -> None:
    transport = FullTransport()
    connection = Connection(transport, path="/ws", is_combined=False)  # type: ignore[arg-type]

    for frame in (b"a", b"b", b"c"):
        connection.send(frame)
    await asyncio.sleep(0)

    assert transport.written == [b"abc"]


@pytest.mark.property
@given(st.integers(0, 70_000))
def test_frames_have_the_header_of_their_size(size: int) -> None:
    frame = text_frame(b"x" * size)

    assert frame[0] == 0x81
    head, length = {126: (4, frame[2:4]), 127: (10, frame[2:10])}.get(frame[1], (2, frame[1:2]))
    assert int.from_bytes(length, "big") == size == len(frame) - head


TRADES = st.lists(
    st.tuples(st.integers(0, 400_000), st.integers(1, 50), st.integers(1, 9)),
    min_size=1,
    max_size=40,
)


@pytest.mark.property
@given(TRADES, st.sampled_from(["1m", "3m", "5m"]))
def test_candles_add_up_the_trades(trades: list[tuple[int, int, int]], interval: str) -> None:
    candles, step = Candles(), INTERVALS_MS[interval]
    ordered = sorted(trades)
    for number, (at_ms, price, size) in enumerate(ordered):
        candles.add(
            PublicTrade(
                symbol="X",  # type: ignore[arg-type]
                trade_id=number,
                price=Decimal(price),
                quantity=Decimal(size),
                aggressor=Side.BUY,
                at_ms=UnixMs(at_ms),
            )
        )

    shown = candles.series(interval, start_ms=0, end_ms=10**9, limit=1_000)

    expected: dict[int, list[tuple[int, int, int]]] = {}
    for trade in ordered:
        expected.setdefault(trade[0] // step * step, []).append(trade)
    assert [c.open_ms for c in shown] == sorted(expected)
    for candle in shown:
        inside = expected[candle.open_ms]
        prices = [Decimal(price) for _, price, _ in inside]
        assert (candle.open, candle.close) == (prices[0], prices[-1])
        assert (candle.high, candle.low) == (max(prices), min(prices))
        assert candle.volume == Decimal(sum(size for *_, size in inside))
        assert candle.trades == len(inside)
        assert candle.last_id - candle.first_id == len(inside) - 1


async def test_a_candle_is_shown_as_closed_before_the_next_is_shown() -> None:
    hub, minute = Hub(), 60_000
    board = Board(venue(), hub, start_ms=0)
    transport = FullTransport()
    connection = Connection(transport, path="/ws", is_combined=False)  # type: ignore[arg-type]
    hub.subscribe(connection, ["btcusdt@kline_1m"])

    shown = []
    for now_ms, price in ((58_000, 1), (59_000, None), (61_000, 2), (62_000, 3), (125_000, None)):
        if price is not None:
            board.show(
                PublicTrade(
                    symbol=BTC,
                    trade_id=now_ms,
                    price=Decimal(price),
                    quantity=Decimal(1),
                    aggressor=Side.SELL,
                    at_ms=UnixMs(now_ms),
                ),
                now_ms,
            )
        transport.written.clear()
        board.show_second(now_ms)
        await asyncio.sleep(0)
        bare = b"".join(transport.written).split(b"\x81")[1:]
        candles = [orjson.loads(frame[frame.index(b"{") :])["k"] for frame in bare]
        shown.append([(c["t"] // minute, c["c"], c["x"]) for c in candles])

    assert shown == [
        [(0, "1", False)],
        [(0, "1", False)],
        [(0, "1", True), (1, "2", False)],
        [(1, "3", False)],
        [(1, "3", True)],
    ]
