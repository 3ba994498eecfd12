"""Real processes die by SIGKILL at every kind of step; nothing is lost, nothing happens twice."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.core.facts import Directive, OrderIntended, OrderReported, ProcessStarted
from opensqt.core.orders import OrderStatus
from opensqt.storage.location import journal_paths
from tests.crash.together import together
from tests.e2e.child import SETTLE_S
from tests.e2e.expectation import View
from tests.e2e.harness import Scenario
from tests.e2e.processes import ALL, CONNECTOR, ENDED, EXCHANGE, SYMBOL, Crash
from tests.e2e.setting import grid, scenario

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

ORDERS = "/fapi/v1/order"
# Longer than sockets wait before they dial again.
_RECONNECTED_S = 0.4
APART = ((CONNECTOR,), (EXCHANGE,), (SYMBOL,))


async def tour(flow: Scenario) -> None:
    """Do one of everything, beginning and ending flat at the anchor."""
    await flow.price("2997.50")
    await flow.expect(sells=("3000",), position="0.01")
    await flow.trade("2996.00", "0.004")
    await flow.expect(position="0.014")
    await flow.price("3003.00")
    await flow.expect(sells=(), position="0.004")
    await flow.direct(Directive.CANCEL)
    await flow.expect(buys=(), sells=(), position="0.004", state="paused")
    await flow.direct(Directive.RUN)
    await flow.expect(state="quoting")
    await flow.price("2995.50")
    await flow.direct(Directive.FLATTEN)
    await flow.expect(buys=(), sells=(), position="0", state="paused")
    await flow.jump("3000.00")
    await flow.direct(Directive.RUN)
    await flow.expect(buys=("2998", "2996", "2994"), sells=(), position="0", state="quoting")


@asynccontextmanager
async def patient(folder: Path) -> AsyncIterator[Scenario]:
    """Start a scenario whose steps may include a restart and a proof of absence."""
    async with scenario(folder, patience_s=4 * SETTLE_S) as flow:
        yield flow


def both_sides_of(what: str) -> tuple[Crash, Crash]:
    """Return a crash before the first such step and, in the next process, one after it."""
    return Crash(moment="before", what=what), Crash(moment="after", what=what)


async def test_crashes_at_any_step_change_nothing_in_the_end(tmp_path: Path) -> None:
    async def play(folder: Path, what: str) -> None:
        async with patient(folder) as flow:
            await flow.arm(SYMBOL, *both_sides_of(what))

            await tour(flow)

            assert flow.deaths == 2

    steps = ("TradeFilled", "CancelIntended", "cancel", "DirectiveGiven")
    await together(tmp_path, steps, play)


async def test_crashes_while_starting_for_the_first_time(tmp_path: Path) -> None:
    async def play(folder: Path, what: str) -> None:
        crashes = both_sides_of(what)
        async with scenario(folder, crashes=crashes, patience_s=4 * SETTLE_S) as flow:
            view = await flow.expect(buys=("2998", "2996", "2994"), state="quoting")

            assert flow.deaths == 2
            assert view.state.anchor == Decimal(3000)

    await together(tmp_path, ("ProcessStarted", "InstrumentLoaded", "GridAnchored"), play)


async def test_a_crash_between_any_two_steps_changes_nothing(tmp_path: Path) -> None:
    async with patient(tmp_path) as flow:
        flow.kills_after_each_step = True

        await tour(flow)

        starts = [fact for fact in (await flow.settle()).facts if isinstance(fact, ProcessStarted)]
        assert len(starts) > 10
        assert [fact.epoch for fact in starts] == sorted({fact.epoch for fact in starts})


async def test_a_dropped_request_is_proven_absent_and_tried_anew(tmp_path: Path) -> None:
    async with patient(tmp_path) as flow:
        await flow.fault("drop_request", f"POST {ORDERS}")
        await flow.price("3007.00")
        view = await flow.expect(buys=("3006", "3004", "3002"))

    assert [one.outcome for one in view.ledger.requests].count("dropped_request") == 1
    absent = [one for one in view.of(OrderReported) if one.status is OrderStatus.ABSENT]
    assert len(absent) == 1
    intents = [one for one in view.of(OrderIntended) if one.slot == _slot_of(view, absent[0])]
    assert len(intents) == 2
    assert len({one.client_order_id for one in intents}) == 2


def _slot_of(view: View, report: OrderReported) -> int:
    intents: list[OrderIntended] = view.of(OrderIntended)
    return next(one.slot for one in intents if one.client_order_id == report.client_order_id)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_dropped_reply_is_looked_up_and_never_sent_again(
    tmp_path: Path, method: str
) -> None:
    async with patient(tmp_path) as flow:
        await flow.fault("drop_reply", f"{method} {ORDERS}", count=3)
        await flow.price("3007.00")
        view = await flow.expect(buys=("3006", "3004", "3002"))
        await flow.price("3005.50")
        await flow.price("3008.10")
        await flow.expect(position="0")

    assert [one.outcome for one in view.ledger.requests].count("dropped_reply") == 3


async def test_an_error_of_unknown_meaning_is_not_a_refusal(tmp_path: Path) -> None:
    async with patient(tmp_path) as flow:
        await flow.fault("error", f"POST {ORDERS}", status=503, code=-1001)
        await flow.price("3007.00")
        view = await flow.expect(buys=("3006", "3004", "3002"))

    reports = view.of(OrderReported)
    assert OrderStatus.UNKNOWN in {one.status for one in reports}
    assert OrderStatus.REJECTED not in {one.status for one in reports}


async def test_a_request_that_arrives_too_late_is_no_order(tmp_path: Path) -> None:
    async with patient(tmp_path) as flow:
        await flow.fault("delay", f"POST {ORDERS}", delay_ms=1_500)
        await flow.jump("3007.00", settle=False)
        view = await flow.expect(buys=("3006", "3004", "3002"))

    assert "rejected:-1021" in {one.outcome for one in view.ledger.requests}


async def test_fills_while_everything_is_down_are_found(tmp_path: Path) -> None:
    async with patient(tmp_path) as flow:
        await flow.kill(SYMBOL)
        await flow.jump("2995.00", settle=False)
        await flow.trade("2994.00", "0.003", settle=False)
        await flow.jump("2996.50", settle=False)

        await flow.start(*ALL)

        view = await flow.expect(position="0.023", fills=3, state="quoting")
        assert max(o.price for o in view.ledger.open_orders if o.side == "sell") == 3000
        await flow.price("3001.00")
        await flow.expect(sells=())


async def test_fills_during_a_reconnect_are_found(tmp_path: Path) -> None:
    async with patient(tmp_path) as flow:
        for path in ("", "/private", "/private"):
            await flow.fault("disconnect", path)
            await flow.jump("2995.00", settle=False)
            await asyncio.sleep(_RECONNECTED_S)
            await flow.jump("2995.10", settle=False)
            await flow.expect(position="0.02", state="quoting")
            await flow.jump("3000.10", settle=False)
            await flow.expect(position="0", sells=())

        await flow.expire_listen_key()
        await flow.jump("2997.50", settle=False)
        await flow.expect(position="0.01", state="quoting")


async def test_each_process_may_die_alone(tmp_path: Path) -> None:
    async def play(folder: Path, part: str) -> None:
        async with scenario(folder, layout=APART, patience_s=4 * SETTLE_S) as flow:
            for low, high in (("2997.50", "3000.10"), ("2995.50", "3000.10")):
                await flow.kill(part)
                await flow.jump(low, settle=False)
                await flow.start(part)
                await flow.settle()
                await flow.kill(part)
                await flow.jump(high, settle=False)
                await flow.start(part)
                await flow.settle()
            await flow.price("3006.00")
            await flow.expect(sells=(), position="0", state="quoting")

    await together(tmp_path, (CONNECTOR, EXCHANGE, SYMBOL), play)


async def test_a_second_process_takes_over_and_the_first_never_writes_again(
    tmp_path: Path,
) -> None:
    async with scenario(tmp_path, layout=APART) as flow:
        first = flow.children[SYMBOL]

        await flow.start(SYMBOL)

        assert await first.end(kill=False) == ENDED
        await flow.price("2997.50")
        await flow.price("3003.00")
        await flow.expect(position="0", sells=(), state="quoting")
    _assert_epochs_rise(tmp_path, last=2)


async def test_a_paused_process_wakes_up_and_ends_without_a_word(tmp_path: Path) -> None:
    async with scenario(tmp_path, layout=APART) as flow:
        first = flow.children[SYMBOL]
        first.pause()
        # What it would have done, had it been awake.
        await flow.jump("2997.50", settle=False)
        await flow.start(SYMBOL)
        await flow.expect(position="0.01", sells=("3000",))
        before = len((await flow.ledger()).requests)

        first.wake()

        assert await first.end(kill=False) == ENDED
        assert len((await flow.ledger()).requests) == before
        await flow.price("3003.00")
        await flow.expect(position="0", sells=())
    _assert_epochs_rise(tmp_path, last=2)


def _assert_epochs_rise(data: Path, *, last: int) -> None:
    """Show that no fact was committed under an epoch that was over."""
    (journal,) = journal_paths(data)
    with sqlite3.connect(journal) as database:
        epochs = [row[0] for row in database.execute("SELECT epoch FROM facts ORDER BY sequence")]
    database.close()
    assert epochs == sorted(epochs)
    assert epochs[-1] == last


async def test_many_restarts_reuse_no_id(tmp_path: Path) -> None:
    async with scenario(tmp_path, wanted=grid(buy_window_size=2), patience_s=2 * SETTLE_S) as flow:
        for _ in range(5):
            await flow.restart(SYMBOL, settle=False)
            await flow.price("2997.50")
            await flow.restart(SYMBOL, settle=False)
            await flow.price("3000.10")
        view = await flow.expect(position="0", fills=10)

    names = [order.client_order_id for order in view.ledger.orders]
    assert len(set(names)) == len(names)
