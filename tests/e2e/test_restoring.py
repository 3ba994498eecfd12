"""A deployment put back to an older point while its orders live on at the venue."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensqt.core.facts import Directive, JournalRestored, OrderIntended, TradeFilled
from opensqt.core.ids import UnixMs
from opensqt.core.orders import OrderStatus
from opensqt.storage.backup import create_backup
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from opensqt.storage.restore import restore
from opensqt.system.clock import SystemClock
from tests.e2e.child import LOOK_S, SETTLE_S, ProcessGoneError
from tests.e2e.harness import Scenario
from tests.e2e.ledger import Ledger
from tests.e2e.processes import ALL, SYMBOL
from tests.e2e.setting import scenario

pytestmark = pytest.mark.e2e

WISH = {"operator": "ann", "reason": "restored", "quantity": None, "price": None}


def now_ms() -> UnixMs:
    return SystemClock().now_ms()


def save(flow: Scenario) -> Path:
    target = flow.folder / "b.tar"
    create_backup(flow.folder, target, build="test", now_ms=now_ms(), told=lambda _: None)
    return target


async def put_back(flow: Scenario, archive: Path) -> None:
    """Kill everything, put the stores back, let the test read the new ones."""
    for child in set(flow.children.values()):
        await child.end()
    flow.registry.close()
    flow.journal.close()
    await asyncio.to_thread(restore, flow.folder, flow.folder, archive, now_ms=now_ms())
    flow.registry = open_control(flow.folder, writer="test", random_bytes=bytes(8))
    flow.journal = open_journal(flow.folder, flow.unit)
    flow._facts, flow._replayed = [], None


async def until(flow: Scenario, holds: Callable[[dict[str, Any], Ledger], bool]) -> Ledger:
    """Wait until status and ledger are as told; the public price is repeated meanwhile."""
    async with asyncio.timeout(6 * SETTLE_S):
        while True:
            await flow.jump(str(flow._prices.last), settle=False)
            ledger = await flow.ledger()
            try:
                answer = await flow.children[SYMBOL].ask("snapshot")
            except ProcessGoneError:
                raise AssertionError(flow._log_tail()) from None
            status = answer.get("symbol") or {"state": "", "idle_reason": ""}
            await flow._read_journal()
            if holds(status, ledger):
                return ledger
            await asyncio.sleep(LOOK_S)


def intents(flow: Scenario) -> set[str]:
    return {fact.client_order_id for fact in flow._facts if isinstance(fact, OrderIntended)}


def booked(flow: Scenario) -> set[str]:
    return {fact.trade_id for fact in flow._facts if isinstance(fact, TradeFilled)}


def is_accounted_for(flow: Scenario, ledger: Ledger) -> bool:
    """Tell whether no unknown order is open and each fill at the venue is in the book."""
    names = {order.client_order_id for order in ledger.open_orders}
    return names <= intents(flow) and booked(flow) == {fill.trade_id for fill in ledger.fills}


async def test_lost_orders_are_taken_back_and_adopting_goes_on_without_a_repeated_id(
    tmp_path: Path,
) -> None:
    async with scenario(tmp_path, patience_s=2 * SETTLE_S) as flow:
        await flow.price("2997.50")
        await flow.expect(sells=("3000",), position="0.01")
        archive = save(flow)
        await flow.price("2993.50")
        before = await flow.expect(position="0.03", sells=("2996", "2998", "3000"))
        lost = {order.client_order_id for order in before.ledger.open_orders}

        await put_back(flow, archive)
        await flow.start(*ALL)
        ledger = await until(
            flow,
            lambda status, ledger: (
                status["state"] == "quarantined" and is_accounted_for(flow, ledger)
            ),
        )

        kept = {order.client_order_id for order in ledger.open_orders}
        assert lost - kept, "nothing was lost, so nothing is shown"
        status = (await flow.children[SYMBOL].ask("snapshot"))["symbol"]
        assert "restored from an older backup: adopt decides" in status["idle_reason"]
        assert status["position"] == "0.03"
        assert {one.client_order_id for one in ledger.orders} == {
            one.client_order_id for one in before.ledger.orders
        }, "something was placed before a human decided"

        await flow.direct(Directive.CANCEL, settle=False)
        done: dict[str, Any] = {}
        async with asyncio.timeout(4 * SETTLE_S):
            while not done.get("adopted"):
                await flow.jump(str(flow._prices.last), settle=False)
                done = await flow.children[SYMBOL].ask("adopt", wish=WISH, dry_run=False)
                await asyncio.sleep(LOOK_S)
        assert done["difference"] == "0"
        await flow.direct(Directive.RUN, settle=False)
        await until(
            flow,
            lambda status, ledger: (
                status["state"] == "quoting"
                and len(ledger.open_orders) == 6
                and is_accounted_for(flow, ledger)
            ),
        )
        for price in ("2996.50", "2999.00", "3003.00", "3010.00"):
            await flow.jump(price, settle=False)
            await until(flow, lambda status, ledger: is_accounted_for(flow, ledger))

        ledger = await until(flow, lambda status, ledger: ledger.position == 0)
        names = [order.client_order_id for order in ledger.orders]
        assert len(names) == len(set(names)), "an id was used twice"
        assert len([fact for fact in flow._facts if isinstance(fact, JournalRestored)]) == 2


async def test_a_backup_that_lost_nothing_goes_on_by_itself(tmp_path: Path) -> None:
    async with scenario(tmp_path, patience_s=2 * SETTLE_S) as flow:
        await flow.price("2997.50")
        await flow.expect(sells=("3000",), position="0.01")

        await put_back(flow, save(flow))
        await flow.start(*ALL)

        view = await flow.expect(position="0.01", sells=("3000",), state="quoting")
        await flow.price("3001.00")
        view = await flow.expect(position="0", state="quoting")
        ends = {order.status for order in view.state.orders.values() if order.is_settled}
        assert ends <= {OrderStatus.FILLED, OrderStatus.CANCELED}
