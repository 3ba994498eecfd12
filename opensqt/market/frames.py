"""Recorded market data: one raw frame per line, as received.

A line is ``<local receive time, Unix ns> <combined-stream JSON>``. Files are plain text or gzip. A
line without ``stream`` is a REST depth snapshot. The reader streams: memory does not grow with the
file.
"""

import gzip
import heapq
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO, TypeAlias, cast

from opensqt.core.ids import UnixMs
from opensqt.core.money import MoneyError, parse_decimal
from opensqt.core.orders import Side
from opensqt.market.types import Quote

_GZIP_MAGIC: Final = b"\x1f\x8b"
# Stream names come first in a line, so the kind is known without parsing the JSON.
_KIND_WINDOW: Final = 80
_PROBE_FRAMES: Final = 5_000


class FrameError(ValueError):
    """A line is not a recorded frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFrame:
    """A public trade."""

    received_ns: int
    venue_symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    aggressor: Side
    is_market: bool
    """False for insurance-fund and ADL prints, which no resting order takes part in."""
    venue_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteFrame:
    """New best prices."""

    received_ns: int
    venue_symbol: str
    update_id: int
    quote: Quote
    venue_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFrame:
    """Any other frame, not interpreted; ``stream`` is empty for a REST snapshot."""

    received_ns: int
    stream: str
    text: str


Frame: TypeAlias = TradeFrame | QuoteFrame | RawFrame


def parse_frame(line: str) -> Frame:
    """Return the event of one line; raise ``FrameError`` for anything else."""
    stamp, _, text = line.rstrip("\n").partition(" ")
    if not stamp.isdigit() or not text.startswith("{"):
        message = f"expected '<ns> <json>', got {line[:60]!r}"
        raise FrameError(message)
    received_ns = int(stamp)
    head = text[:_KIND_WINDOW]
    if '@trade"' not in head and '@bookTicker"' not in head:
        return RawFrame(received_ns=received_ns, stream=_stream_name(head), text=text)
    try:
        data = cast("dict[str, Any]", json.loads(text))["data"]
        return _typed(received_ns, data)
    except (KeyError, TypeError, MoneyError, json.JSONDecodeError) as error:
        message = f"expected a complete frame, got {text[:120]!r}"
        raise FrameError(message) from error


def read_frames(path: Path, *, depth: bool = True) -> Iterator[Frame]:
    """Yield the frames of a file in order; ``depth=False`` skips what is not trade or quote."""
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not depth and "@trade" not in line[:64] and "@bookTicker" not in line[:64]:
                continue
            try:
                yield parse_frame(line)
            except FrameError as error:
                message = f"{path}:{number}: {error}"
                raise FrameError(message) from error


def check_recording(path: Path) -> None:
    """Raise ``FrameError`` unless the file begins like a recording with prices in it."""
    try:
        for number, frame in enumerate(read_frames(path)):
            if not isinstance(frame, RawFrame):
                return
            if number >= _PROBE_FRAMES:
                break
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        message = f"{path} cannot be read: {error}"
        raise FrameError(message) from error
    message = f"{path} holds no trades and no quotes"
    raise FrameError(message)


def merge_frames(paths: Iterable[Path], *, depth: bool = True) -> Iterator[Frame]:
    """Yield the frames of several files in the order they were received."""
    return heapq.merge(
        *(read_frames(path, depth=depth) for path in paths), key=lambda frame: frame.received_ns
    )


def _open(path: Path) -> TextIO:
    with path.open("rb") as probe:
        is_gzip = probe.read(2) == _GZIP_MAGIC
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _stream_name(head: str) -> str:
    _, found, rest = head.partition('"stream":"')
    return rest.partition('"')[0] if found else ""


def _typed(received_ns: int, data: dict[str, Any]) -> TradeFrame | QuoteFrame:
    if data["e"] == "trade":
        return TradeFrame(
            received_ns=received_ns,
            venue_symbol=str(data["s"]),
            trade_id=int(data["t"]),
            price=parse_decimal(data["p"]),
            quantity=parse_decimal(data["q"]),
            aggressor=Side.SELL if data["m"] else Side.BUY,
            is_market=data.get("X", "MARKET") == "MARKET",
            venue_ms=UnixMs(int(data["T"])),
        )
    quote = Quote(
        bid=parse_decimal(data["b"]),
        ask=parse_decimal(data["a"]),
        bid_quantity=parse_decimal(data["B"]),
        ask_quantity=parse_decimal(data["A"]),
    )
    return QuoteFrame(
        received_ns=received_ns,
        venue_symbol=str(data["s"]),
        update_id=int(data["u"]),
        quote=quote,
        # Spot book tickers carry no time of their own.
        venue_ms=UnixMs(int(data.get("T", received_ns // 1_000_000))),
    )
