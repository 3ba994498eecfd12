"""Processor time of the public stream client: 20 symbols, 20,000 messages a second."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop

from opensqt.core.ids import Symbol
from opensqt.ports.exchange import PriceUpdate
from opensqt.system import log
from opensqt.system.clock import SystemClock
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.native_stream import Feed, PriceBoard, PublicReader
from opensqt.venues.socket_keeper import SocketConfig, SocketKeeper
from tests.bench.plan import Plan
from tests.bench.row import Row

RATE = 20_000
SECONDS = 4.0
SYMBOLS = frozenset(Symbol(f"COIN{number:02}USDT:perp") for number in range(20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    messages: int
    cpu_s: float
    wall_s: float
    prices: int
    batches: int
    worst_ms: float
    """Longest time from reading a frame to handing its price out."""


def run(_: Plan) -> list[Row]:
    """Return the figures for a steady flow, sent by a process of its own."""
    sender = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("frame_sender.py")), str(RATE)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert sender.stdout is not None
        port = int(json.loads(sender.stdout.readline())["port"])
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            measured = runner.run(receive(port))
    finally:
        sender.terminate()
        sender.wait(timeout=10)
    rate = measured.messages / measured.wall_s
    cores = measured.cpu_s / measured.wall_s
    return [
        Row(
            name="stream.messages_per_s",
            value=rate,
            unit="1/s",
            budget=0.9 * RATE,
            higher_is_better=True,
        ),
        Row(name="stream.core_at_rate", value=cores, unit="core", budget=0.6),
        Row(name="stream.cpu_per_message", value=1e6 * cores / rate, unit="us", budget=30),
        Row(name="stream.prices_per_s", value=measured.prices / measured.wall_s, unit="1/s"),
        Row(name="stream.batches_per_s", value=measured.batches / measured.wall_s, unit="1/s"),
        Row(name="stream.read_to_out_max", value=measured.worst_ms, unit="ms"),
    ]


async def receive(port: int) -> Measured:
    """Read for some seconds as the connector does, with a consumer that takes every batch."""
    clock, logger = SystemClock(), log.get("opensqt.bench")
    events = EventQueue(conflate_ms=2)
    board = PriceBoard(clock=clock, log=logger, changed=events.prices_changed)
    events.add_source(board.take)
    board.watch(SYMBOLS)
    reader = PublicReader(
        f"ws://127.0.0.1:{port}/public/stream",
        (Feed.QUOTE, Feed.TRADE),
        board=board,
        events=events,
        clock=clock,
        log=logger,
    )
    async with aiohttp.ClientSession() as session:
        keeper = SocketKeeper(
            SocketConfig(name="bench", silence_ms=5_000, expects_data=True),
            reader,
            session=session,
            clock=clock,
            log=logger,
        )
        task = asyncio.create_task(keeper.run())
        try:
            return await measure(events, board)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def measure(events: EventQueue, board: PriceBoard) -> Measured:
    """Let the flow settle for half a second, then count."""
    prices = batches = first = 0
    worst_ms, settled, cpu_s = 0.0, 0.0, 0.0
    began = time.monotonic()
    async for batch in events.batches():
        now = time.monotonic()
        if not settled:
            if now - began > 0.5 and board.frames:
                settled, cpu_s, first = now, time.process_time(), board.frames
            continue
        wall_ms = time.time() * 1_000
        for event in batch:
            if isinstance(event, PriceUpdate):
                prices += 1
                worst_ms = max(worst_ms, wall_ms - event.read_ms)
        batches += 1
        if now - settled >= SECONDS:
            break
    return Measured(
        messages=board.frames - first,
        cpu_s=time.process_time() - cpu_s,
        wall_s=time.monotonic() - settled,
        prices=prices,
        batches=batches,
        worst_ms=worst_ms,
    )
