"""Each process dies, or freezes and wakes up too late, at each boundary of an order's life.

The symbol process has five: before the intent is committed, after it and before the send, after the
venue has accepted and before the reply, after the reply and before the outcome is committed, and
after that. The exchange process and the connector have two each, around what they hand on. The
venue's ledger judges, together with the journal: see ``tests/e2e/agreement.py``.
"""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from opensqt.core.facts import OrderIntended
from tests.crash.together import together
from tests.e2e.child import LOOK_S, SETTLE_S, Child
from tests.e2e.harness import Scenario
from tests.e2e.ledger import Ledger
from tests.e2e.processes import CONNECTOR, ENDED, EXCHANGE, SYMBOL, Crash
from tests.e2e.setting import scenario
from tests.fakes.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

APART = ((CONNECTOR,), (EXCHANGE,), (SYMBOL,))
PATIENCE_S = 4 * SETTLE_S
PLACE = "POST /fapi/v1/order"
# How long a reply that is waited for stays away: longer than any step of a test takes.
_NEVER_MS = 20_000
_BEHIND_MS = 500
_REPLY = "OrderReported.reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A moment in an order's life, as a crash point or as something the venue's ledger shows."""

    name: str
    moment: str = ""
    what: str = ""

    def crash(self, *, stops: bool) -> Crash:
        return Crash(moment=self.moment, what=self.what, stops=stops)


ACCEPTED = Boundary(name="accepted-before-reply")
OF_SYMBOL = (
    Boundary(name="before-intent-commit", moment="before", what="OrderIntended"),
    Boundary(name="after-intent-commit", moment="after", what="OrderIntended"),
    ACCEPTED,
    Boundary(name="before-outcome-commit", moment="before", what=_REPLY),
    Boundary(name="after-outcome-commit", moment="after", what=_REPLY),
)
OF_OTHERS = (
    (EXCHANGE, Boundary(name="before-forward", moment="before", what="forward")),
    (EXCHANGE, Boundary(name="after-forward", moment="after", what="forward")),
    (CONNECTOR, Boundary(name="before-venue", moment="before", what="place")),
    (CONNECTOR, Boundary(name="after-venue", moment="after", what="place")),
)
BY_NAME = {one.name: one for one in OF_SYMBOL}
BY_PART = {f"{part}-{one.name}": (part, one) for part, one in OF_OTHERS}
each_engine = pytest.mark.parametrize("engine", ["simple", "dbos"])


async def reach(flow: Scenario, part: str, boundary: Boundary, *, stops: bool) -> Child:
    """Let a level be bought, so that its sale is decided; return the process, dead or frozen."""
    child = flow.children[part]
    if boundary is not ACCEPTED:
        if boundary.what == _REPLY:
            # Otherwise the stream tells first, and the reply is no news.
            await flow.fault("reorder", "/private", count=None, delay_ms=_BEHIND_MS)
        await child.ask("arm", crash=_fields(boundary.crash(stops=stops)))
        await flow.jump("2997.50", settle=False)
        await until(lambda: child.is_paused if stops else not child.process.is_alive())
        await flow.clear_faults()
        return child
    before = len((await flow.ledger()).orders)
    await flow.fault("delay_reply", PLACE, delay_ms=_NEVER_MS)
    await flow.jump("2997.50", settle=False)
    while len((await flow.ledger()).orders) == before:
        await asyncio.sleep(LOOK_S)
    if stops:
        await freeze(flow, child)
    else:
        await child.end()
    await flow.clear_faults()
    return child


async def freeze(flow: Scenario, child: Child) -> None:
    """Stop a process at a moment when it holds no lock: its successor could not write either."""
    child.pause()
    while any(map(is_locked, flow.folder.glob("*/*/*.db"))):
        child.wake()
        await asyncio.sleep(LOOK_S)
        child.pause()


def is_locked(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def _fields(crash: Crash) -> dict[str, object]:
    return {name: getattr(crash, name) for name in Crash.__dataclass_fields__}


def asked(ledger: Ledger) -> int:
    return len(ledger.requests)


async def trade_on(flow: Scenario) -> None:
    """Show that the unit goes on: the level is sold, and bought again."""
    await flow.expect(position="0.01", sells=("3000",), state="quoting")
    await flow.price("3000.10")
    await flow.expect(position="0", sells=(), fills=2, state="quoting")


@each_engine
async def test_the_symbol_process_dies(tmp_path: Path, engine: str) -> None:
    async def play(folder: Path, name: str) -> None:
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S, engine=engine) as flow:
            await (await reach(flow, SYMBOL, BY_NAME[name], stops=False)).end()

            await flow.start(SYMBOL)

            await trade_on(flow)

    await together(tmp_path, BY_NAME, play)


@each_engine
async def test_the_symbol_process_freezes_and_wakes_after_the_take_over(
    tmp_path: Path, engine: str
) -> None:
    async def play(folder: Path, name: str) -> None:
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S, engine=engine) as flow:
            frozen = await reach(flow, SYMBOL, BY_NAME[name], stops=True)
            await flow.start(SYMBOL)
            await flow.expect(position="0.01", sells=("3000",), state="quoting")
            before = asked(await flow.ledger())

            frozen.wake()

            assert await frozen.end(kill=False) == ENDED
            assert asked(await flow.ledger()) == before
            await trade_on(flow)

    await together(tmp_path, BY_NAME, play)


async def test_the_symbol_process_freezes_and_goes_on(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
            frozen = await reach(flow, SYMBOL, BY_NAME[name], stops=True)
            await asyncio.sleep(2 * flow.config.order_ttl_ms / 1_000)

            frozen.wake()

            await trade_on(flow)
            await nothing_left_after_its_deadline(flow)

    await together(tmp_path, BY_NAME, play)


async def test_a_process_on_the_way_dies(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        part, boundary = BY_PART[name]
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
            await (await reach(flow, part, boundary, stops=False)).end()

            await flow.start(part)

            await trade_on(flow)

    await together(tmp_path, BY_PART, play)


async def test_a_process_on_the_way_freezes_and_sends_nothing_late(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        part, boundary = BY_PART[name]
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
            frozen = await reach(flow, part, boundary, stops=True)
            await asyncio.sleep(2 * flow.config.order_ttl_ms / 1_000)

            frozen.wake()

            await trade_on(flow)
            await nothing_left_after_its_deadline(flow)

    await together(tmp_path, BY_PART, play)


async def test_connections_are_cut_with_an_order_on_its_way(tmp_path: Path) -> None:
    ways = {
        f"{part}-{one.name}": (part, one)
        for part, one in ((SYMBOL, OF_SYMBOL[1]), (SYMBOL, OF_SYMBOL[3]), *OF_OTHERS)
    }

    async def play(folder: Path, name: str) -> None:
        part, boundary = ways[name]
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
            crash = Crash(moment=boundary.moment, what=boundary.what, cuts=True)
            if boundary.what == _REPLY:
                await flow.fault("reorder", "/private", count=None, delay_ms=_BEHIND_MS)
            await flow.children[part].ask("arm", crash=_fields(crash))

            await flow.jump("2997.50", settle=False)

            await trade_on(flow)
            assert await flow.children[part].ask("reached") == 1
            assert all(child.process.is_alive() for child in flow.children.values())

    await together(tmp_path, ways, play)


async def nothing_left_after_its_deadline(flow: Scenario) -> None:
    """Show that no order was accepted later than its intent allows."""
    view = await flow.settle()
    intents = {one.client_order_id: one for one in view.of(OrderIntended)}
    late = [
        order.client_order_id
        for order in view.ledger.orders
        if order.created_ms > intents[order.client_order_id].deadline_ms
    ]
    assert intents
    assert late == []


def connector_of(run_root: str) -> str:
    return f"unix:{next(Path(run_root).rglob('connector-*.sock'))}"


async def test_another_host_takes_over_from_a_frozen_exchange_process(tmp_path: Path) -> None:
    async with scenario(tmp_path, layout=APART, patience_s=2 * PATIENCE_S) as flow:
        left_behind = flow.children[SYMBOL]
        frozen = await reach(flow, EXCHANGE, OF_OTHERS[0][1], stops=True)
        connector = connector_of(flow.run_root)
        flow.run_root = f"{flow.run_root}/other"
        # Nobody can prove the frozen process dead, so its lease is taken once it has run out.
        await flow.start(EXCHANGE, connector_address=connector)
        await flow.start(SYMBOL)
        await flow.expect(position="0.01", sells=("3000",), state="quoting")
        before = asked(await flow.ledger())

        frozen.wake()

        assert await frozen.end(kill=False) == ENDED
        assert await left_behind.end(kill=False) == ENDED
        assert asked(await flow.ledger()) == before
        await trade_on(flow)
