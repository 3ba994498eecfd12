"""What moves the market: synthetic symbols start when touched, recordings get fresh stamps."""

import asyncio
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from opensqt.core.ids import Symbol
from opensqt.paper.config import PaperConfig
from opensqt.paper.server import PaperError, running
from tests.market.recorded import recording
from tests.paper.client import Client, serving

TRADE = (
    '{ns} {{"stream":"{low}@trade","data":{{"e":"trade","E":1,"T":1,"s":"{name}","t":{id},'
    '"p":"{price}","q":"{size}","X":"{kind}","m":{maker}}}}}'
)
QUOTE = (
    '{ns} {{"stream":"{low}@bookTicker","data":{{"e":"bookTicker","u":1,"s":"{name}","b":"{bid}",'
    '"B":"5","a":"{ask}","A":"5","T":1,"E":1}}}}'
)


def trade(ms: int, price: str, *, number: int = 7, size: str = "1", kind: str = "MARKET") -> str:
    return TRADE.format(
        ns=ms * 1_000_000,
        low="btcusdt",
        name="BTCUSDT",
        id=number,
        price=price,
        size=size,
        kind=kind,
        maker="true",
    )


def quote(ms: int, bid: str, ask: str, name: str = "BTCUSDT") -> str:
    return QUOTE.format(ns=ms * 1_000_000, low=name.lower(), name=name, bid=bid, ask=ask)


def recorded(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), "utf-8")
    return path


def replaying(config: PaperConfig, *paths: Path, **changes: object) -> PaperConfig:
    return replace(config, is_scripted=False, replay=paths, **changes)  # type: ignore[arg-type]


async def state_of(client: Client, name: str) -> dict[str, object]:
    state = (await client.control("GET", "/state")).body
    return next(item for item in state["symbols"] if item["symbol"] == name)


async def test_a_synthetic_symbol_starts_when_it_is_touched(config: PaperConfig) -> None:
    async with serving(replace(config, is_scripted=False)) as client:
        assert (await state_of(client, "ETHUSDT"))["bid"] is None
        ticker = await client.get("/fapi/v1/ticker/bookTicker", symbol="ETHUSDT")
        assert ticker["bidPrice"] == "2680"
        async with client.socket("/ws/solusdt@bookTicker") as socket:
            assert (await socket.receive())["s"] == "SOLUSDT"
        assert (await state_of(client, "XRPUSDT"))["bid"] is None


async def test_an_order_is_filled_by_the_synthetic_market(config: PaperConfig) -> None:
    async with (
        serving(replace(config, is_scripted=False)) as client,
        client.user_stream() as stream,
    ):
        ticker = await client.get("/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
        for side, distance in (("BUY", -5), ("SELL", 5)):
            price = f"{float(ticker['bidPrice']) + distance:.1f}"
            await client.placed(side, price, "0.001")
        update = await stream.until(lambda m: m.get("o", {}).get("x") == "TRADE", 30)
    assert update["o"]["m"] is True


async def test_a_synthetic_market_can_run_faster_than_time(config: PaperConfig) -> None:
    fast = replace(config, is_scripted=False, speed=50.0)
    async with serving(fast) as client, client.socket("/ws/btcusdt@trade") as socket:
        began = time.time_ns() // 1_000_000
        async with asyncio.timeout(15):
            seen = [await socket.receive() for _ in range(2_000)]  # half a minute of market

    assert all(began - 1_000 <= message["T"] <= message["E"] for message in seen)
    assert seen[-1]["t"] - seen[0]["t"] == 1_999


async def test_a_restarted_synthetic_market_goes_on(config: PaperConfig) -> None:
    moving = replace(config, is_scripted=False)
    async with serving(moving) as client, client.socket("/ws/btcusdt@trade") as socket:
        seen = [await socket.receive() for _ in range(20)]
        stopped = await state_of(client, "BTCUSDT")
    async with serving(moving) as client:
        await client.get("/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
        resumed = await state_of(client, "BTCUSDT")
        async with client.socket("/ws/btcusdt@trade") as socket:
            first = await socket.receive()

    assert abs(float(str(stopped["bid"])) - float(str(resumed["bid"]))) < 50
    assert first["t"] > seen[-1]["t"]


async def test_a_recording_plays_at_its_speed_with_fresh_stamps(
    config: PaperConfig, tmp_path: Path
) -> None:
    lines = [quote(0, "60000.0", "60000.1")]
    lines += [trade(ms, "60000.0", number=ms) for ms in range(2_000, 4_001, 500)]
    path = recorded(tmp_path / "frames", *lines)
    async with (
        serving(replaying(config, path, speed=4.0)) as client,
        client.socket("/ws/btcusdt@trade") as socket,
    ):
        seen = [(await socket.receive(), time.monotonic()) for _ in range(5)]

    assert [message["t"] for message, _ in seen] == [2000, 2001, 2002, 2003, 2004]
    assert 0.35 < seen[-1][1] - seen[0][1] < 1.5
    now_ms = time.time_ns() // 1_000_000
    assert all(now_ms - 10_000 < message["T"] <= now_ms for message, _ in seen)


async def test_after_the_end_the_last_quote_is_kept_alive(
    config: PaperConfig, tmp_path: Path
) -> None:
    path = recorded(tmp_path / "frames", quote(0, "60000.0", "60000.1"), trade(10, "60000.0"))
    async with serving(replaying(config, path)) as client:
        async with client.socket("/ws/btcusdt@bookTicker") as socket:
            seen = [await socket.receive() for _ in range(3)]
        assert (await client.control("GET", "/state")).body["replay"]["rounds"] == 1

    assert {message["b"] for message in seen} == {"60000.0"}
    assert seen[2]["T"] - seen[1]["T"] >= 900
    assert seen[1]["u"] < seen[2]["u"]


async def test_a_loop_starts_again_and_ids_go_on_rising(
    config: PaperConfig, tmp_path: Path
) -> None:
    path = recorded(
        tmp_path / "frames", quote(0, "60000.0", "60000.1"), trade(1, "60000.0"), trade(50, "1.0")
    )
    async with serving(replaying(config, path, loop=True)) as client:
        async with client.socket("/ws/btcusdt@trade") as socket:
            seen = [await socket.receive() for _ in range(6)]
        assert (await client.control("GET", "/state")).body["replay"]["rounds"] >= 2

    ids = [message["t"] for message in seen]
    assert ids == list(range(ids[0], ids[0] + 6))
    assert {message["p"] for message in seen} == {"60000.0", "1.0"}


async def test_replayed_trades_fill_orders_but_forced_prints_do_not(
    config: PaperConfig, tmp_path: Path
) -> None:
    path = recorded(
        tmp_path / "frames",
        quote(0, "60000.0", "60000.1"),
        trade(1_500, "59000.0", kind="INSURANCE_FUND"),
        trade(1_600, "59000.0", size="0.3"),
        quote(2_000, "60000.0", "60000.1"),
    )
    async with serving(replaying(config, path)) as client, client.user_stream() as stream:
        await client.placed("BUY", "59500.0", "0.500")
        update = await stream.until(lambda m: m.get("o", {}).get("x") == "TRADE")
    assert (update["o"]["l"], update["o"]["L"]) == ("0.3", "59500")


async def test_several_files_play_side_by_side_and_others_stay_synthetic(
    config: PaperConfig, tmp_path: Path
) -> None:
    btc = recorded(tmp_path / "btc", quote(0, "60000.0", "60000.1"))
    eth = recorded(tmp_path / "eth", quote(5, "2600.00", "2600.01", "ETHUSDT"))
    async with serving(replaying(config, btc, eth)) as client:
        await asyncio.sleep(0.2)
        prices = {i["symbol"]: i for i in (await client.control("GET", "/state")).body["symbols"]}
        other = await client.get("/fapi/v1/ticker/bookTicker", symbol="SOLUSDT")

    assert (prices["BTCUSDT"]["bid"], prices["ETHUSDT"]["bid"]) == ("60000", "2600")
    assert other["bidPrice"] == "160"


async def test_a_recording_of_an_unknown_symbol_is_refused_at_start(
    config: PaperConfig, tmp_path: Path
) -> None:
    path = recorded(tmp_path / "frames", quote(0, "1.0", "1.1", "NOPEUSDT"))

    with pytest.raises(PaperError, match="NOPEUSDT"):
        async with running(replaying(config, path)):
            pass


async def test_real_recordings_fill_a_grid_of_orders(config: PaperConfig) -> None:
    paths = (recording("usdm_btcusdt"), recording("usdm_ethusdt"))
    async with serving(replaying(config, *paths, speed=8.0)) as client:
        ticker = await client.get("/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
        for step in range(-5, 6):
            price = f"{float(ticker['bidPrice']) + 2 * step:.1f}"
            await client.placed("BUY" if step <= 0 else "SELL", price, "0.001")
        await asyncio.sleep(4)
        fills = (await client.ledger())["fills"]
        (row,) = (await client.ledger())["positions"]

    held = sum(float(f["quantity"]) * (1 if f["side"] == "buy" else -1) for f in fills)
    assert fills
    assert float(row["quantity"]) == pytest.approx(held)


def test_synthetic_seeds_differ_by_symbol_and_run() -> None:
    # What the feed seeds with: the stored trade id makes a restarted market continue.
    draws = {
        random.Random(f"{seed}/{symbol}/{number}").random()
        for seed in (1, 2)
        for symbol in (Symbol("BTCUSDT:perp"), Symbol("ETHUSDT:perp"))
        for number in (1, 500)
    }
    assert len(draws) == 8


async def test_a_looped_recording_without_prices_leaves_the_venue_answering(
    config: PaperConfig, tmp_path: Path
) -> None:
    path = recorded(tmp_path / "r", '17 {"stream":"btcusdt@depth@0ms","data":{}}')
    async with asyncio.timeout(20), serving(replaying(config, path, loop=True)) as client:
        assert (await client.control("GET", "/state")).body["replay"]["loop"] is True
