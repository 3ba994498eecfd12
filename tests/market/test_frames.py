"""Recorded frames: what a line means, and that a file is read as it was written."""

import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.orders import Side
from opensqt.market.frames import (
    FrameError,
    QuoteFrame,
    RawFrame,
    TradeFrame,
    check_recording,
    merge_frames,
    parse_frame,
    read_frames,
)
from tests.market.recorded import recording

TRADE = (
    '1723161255088176367 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,'
    '"T":1723161256321,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET",'
    '"m":false}}'
)
QUOTE = (
    '1723161255088169167 {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker",'
    '"u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510",'
    '"T":1723161256313,"E":1723161256313}}'
)
SPOT_QUOTE = (
    '1723161255088169167 {"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT",'
    '"e":"bookTicker","b":"1.0","B":"2","a":"1.1","A":"3"}}'
)
DEPTH = '17 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate"}}'
SNAPSHOT = '18 {"lastUpdateId":5123107852948,"bids":[],"asks":[]}'


def test_a_trade_is_read_exactly() -> None:
    frame = parse_frame(TRADE)

    assert frame == TradeFrame(
        received_ns=1723161255088176367,
        venue_symbol="BTCUSDT",
        trade_id=5266583935,
        price=Decimal("61800.30"),
        quantity=Decimal("0.006"),
        aggressor=Side.BUY,
        is_market=True,
        venue_ms=1723161256321,  # type: ignore[arg-type]
    )


def test_the_maker_flag_and_forced_prints_are_understood() -> None:
    frame = parse_frame(TRADE.replace('"m":false', '"m":true').replace("MARKET", "INSURANCE_FUND"))

    assert isinstance(frame, TradeFrame)
    assert (frame.aggressor, frame.is_market) == (Side.SELL, False)


def test_a_quote_is_read_exactly() -> None:
    frame = parse_frame(QUOTE)

    assert isinstance(frame, QuoteFrame)
    assert (frame.quote.bid, frame.quote.ask) == (Decimal("61800.20"), Decimal("61800.30"))
    assert (frame.quote.bid_quantity, frame.quote.ask_quantity) == (
        Decimal("2.507"),
        Decimal("2.510"),
    )
    assert (frame.update_id, frame.venue_ms) == (5123107839020, 1723161256313)


def test_a_quote_without_a_time_gets_its_receive_time() -> None:
    frame = parse_frame(SPOT_QUOTE)

    assert isinstance(frame, QuoteFrame)
    assert frame.venue_ms == 1723161255088


@pytest.mark.parametrize(("line", "stream"), [(DEPTH, "btcusdt@depth@0ms"), (SNAPSHOT, "")])
def test_other_frames_stay_raw(line: str, stream: str) -> None:
    frame = parse_frame(line)

    assert isinstance(frame, RawFrame)
    assert frame.stream == stream
    assert f"{frame.received_ns} {frame.text}" == line


@pytest.mark.property
@given(st.text() | st.sampled_from([TRADE[:-9], QUOTE[:-9], QUOTE[20:]]))
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(FrameError):
        parse_frame(line)


@pytest.mark.parametrize(
    "bad",
    [
        TRADE.replace('"61800.30"', '"NaN"'),
        TRADE.replace('"61800.30"', "61800.3"),
        TRADE.replace('"q":"0.006",', ""),
        QUOTE.replace('"B"', '"X"'),
    ],
)
def test_incomplete_frames_are_refused(bad: str) -> None:
    with pytest.raises(FrameError):
        parse_frame(bad)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_file_is_read_in_order_plain_or_compressed(tmp_path: Path, is_compressed: bool) -> None:
    path = tmp_path / "frames"
    text = f"{QUOTE}\n{DEPTH}\n{TRADE}\n{SNAPSHOT}\n"
    path.write_bytes(gzip.compress(text.encode()) if is_compressed else text.encode())

    assert [type(frame) for frame in read_frames(path)] == [
        QuoteFrame,
        RawFrame,
        TradeFrame,
        RawFrame,
    ]
    assert [type(frame) for frame in read_frames(path, depth=False)] == [QuoteFrame, TradeFrame]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_text(f"{TRADE}\nnonsense\n", "utf-8")

    with pytest.raises(FrameError, match=r"frames:2: .*nonsense"):
        list(read_frames(path))


def test_files_are_merged_by_receive_time(tmp_path: Path) -> None:
    for name, stamps in (("a", (1, 4, 5)), ("b", (2, 3, 6))):
        lines = [TRADE.replace("1723161255088176367", str(stamp)) for stamp in stamps]
        (tmp_path / name).write_text("\n".join(lines), "utf-8")

    merged = merge_frames([tmp_path / "a", tmp_path / "b"])

    assert [frame.received_ns for frame in merged] == [1, 2, 3, 4, 5, 6]


def test_the_recorded_file_holds_what_its_description_says() -> None:
    kinds = Counter(type(frame) for frame in read_frames(recording("usdm_btcusdt")))

    assert kinds == {QuoteFrame: 66_089, TradeFrame: 21_313, RawFrame: 6_551 + 1}


@pytest.mark.parametrize("content", [TRADE.encode(), f"{DEPTH}\n{QUOTE}\n".encode()])
def test_a_recording_begins_with_prices(tmp_path: Path, content: bytes) -> None:
    for name, data in (("plain", content), ("packed", gzip.compress(content))):
        (tmp_path / name).write_bytes(data)
        check_recording(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"root:x:0:0:root:/root:/bin/bash\n",
        DEPTH.encode(),
        bytes(range(128, 256)),
        gzip.compress(TRADE.encode() * 50)[:30],
        gzip.compress(b""),
        TRADE.encode()[:-9],
    ],
)
def test_what_holds_no_prices_is_no_recording(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(FrameError, match=str(path)):
        check_recording(path)
