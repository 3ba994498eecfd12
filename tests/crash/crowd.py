"""The processes around one journal: some say what happens, one reads, one was replaced long ago."""

import asyncio
import json
import random
import socket
from pathlib import Path

from opensqt.core.facts import Evidence, OrderReported, ProcessStarted
from opensqt.core.ids import ClientOrderId, UnixMs
from opensqt.core.orders import OrderStatus
from opensqt.core.symbol import SymbolState, replay
from opensqt.ports.journal import StaleEpochError
from opensqt.storage.journal import open_journal
from tests.engine.stage import TAG, UNIT

DIRECTIVES = ("run", "run", "run", "cancel", "drain", "flatten")
_WAIT_S_MAX = 0.004


def tell(channel: socket.socket, seed: int, count: int) -> None:
    """Say ``count`` things that happen, one JSON array per line, at random moments."""
    asyncio.run(_tell(channel, random.Random(seed), count))


async def _tell(channel: socket.socket, rng: random.Random, count: int) -> None:
    _, writer = await asyncio.open_connection(sock=channel)
    for _ in range(count):
        kind = rng.choices(("price", "again", "trade", "direct", "rest"), (600, 250, 126, 4, 20))[0]
        value: object = rng.randint(-6, 6)
        if kind == "direct":
            value = rng.choice(DIRECTIVES)
        if kind == "again":
            value = rng.random()
        writer.write(json.dumps([kind, value]).encode() + b"\n")
        await writer.drain()
        await asyncio.sleep(rng.random() * _WAIT_S_MAX)
    writer.close()


def read_on(channel: socket.socket, data: str) -> None:
    """Read the journal again and again: what it says must always be one story; say how often."""
    reads = asyncio.run(_read_on(channel, data))
    channel.sendall(f"{reads}\n".encode())


async def _read_on(channel: socket.socket, data: str) -> int:
    channel.setblocking(False)
    journal = open_journal(Path(data), UNIT)
    reads = 0
    state = SymbolState(unit=UNIT, deployment=TAG)
    while not _is_told(channel):
        state = replay(state, await journal.history(after=state.sequence))
        found = await journal.load()
        newest = replay(found.snapshot or SymbolState(unit=UNIT, deployment=TAG), found.facts)
        between = await journal.history(after=state.sequence, count_max=None)
        state = replay(state, between[: newest.sequence - state.sequence])
        assert state == newest, "snapshot and facts tell different stories"
        reads += 1
        await asyncio.sleep(0.05)
    journal.close()
    return reads


def insist(channel: socket.socket, data: str) -> None:
    """Try to commit under an epoch that is over; say how often, and how often it worked."""
    tried, worked = asyncio.run(_insist(channel, data))
    channel.sendall(f"{tried} {worked}\n".encode())


async def _insist(channel: socket.socket, data: str) -> tuple[int, int]:
    channel.setblocking(False)
    journal = open_journal(Path(data), UNIT)
    tried = worked = 0
    while not _is_told(channel):
        sequence = len(await journal.history())
        facts = (
            ProcessStarted(epoch=1, build="old", at_ms=UnixMs(1)),
            OrderReported(
                client_order_id=ClientOrderId("q1abcold"),
                status=OrderStatus.ABSENT,
                evidence=Evidence.LOCAL,
                at_ms=UnixMs(1),
            ),
        )
        tried += 1
        try:
            await journal.commit(facts, epoch=1, expected_sequence=sequence)
            worked += 1
        except StaleEpochError:
            pass  # what must happen
        await asyncio.sleep(0.02)
    journal.close()
    return tried, worked


def _is_told(channel: socket.socket) -> bool:
    """Tell whether the test has asked to end."""
    try:
        channel.recv(1)
    except BlockingIOError:
        return False
    channel.setblocking(True)
    return True
