"""A grid trades over real sockets: what it opens, closes, follows, refuses and gives back.

After each step the harness has already shown that engine, journal and venue agree.
"""

import asyncio
import random
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.core.facts import CancelIntended, Directive, OrderReported
from opensqt.core.grid.config import IntervalUnit
from opensqt.core.orders import OrderStatus
from tests.e2e.child import SETTLE_S
from tests.e2e.setting import grid, scenario

pytestmark = pytest.mark.e2e


def levels(first: int, last: int) -> tuple[str, ...]:
    """Return the prices of a window of the example's grid, both ends included."""
    return tuple(str(price) for price in range(first, last - 1, -2))


async def test_the_worked_example_over_real_sockets(tmp_path: Path) -> None:
    async with scenario(tmp_path, wanted=grid(buy_window_size=10, sell_window_size=10)) as flow:
        await flow.expect(buys=levels(2998, 2980), sells=(), position="0", state="quoting")

        await flow.price("2997.50")
        await flow.expect(buys=levels(2996, 2978), sells=("3000",), position="0.01")

        await flow.price("2995.90")
        await flow.expect(buys=levels(2994, 2976), sells=("3000", "2998"), position="0.02")

        # One level up: its inventory is sold, the level is wanted again, nothing is taken back.
        await flow.price("2998.10")
        await flow.expect(buys=levels(2996, 2976), sells=("3000",), position="0.01")

        await flow.price("3000.00")
        end = await flow.expect(buys=levels(2998, 2978), sells=(), position="0", fills=4)
        assert end.state.position.realized_pnl == Decimal("0.04")

        # The window follows; what is more than one level below it is taken back.
        await flow.price("3007.00")
        await flow.expect(buys=levels(3006, 2986), sells=(), position="0", fills=4)


async def test_every_round_trip_earns_the_interval(tmp_path: Path) -> None:
    trips = 6
    async with scenario(tmp_path) as flow:
        for _ in range(trips):
            await flow.price("2997.50")
            await flow.expect(sells=("3000",), position="0.01")
            await flow.price("3000.10")
            await flow.expect(sells=(), position="0")
        end = await flow.settle()

    book = end.state.position
    assert book.fills == 2 * trips
    assert book.realized_pnl == trips * 2 * Decimal("0.01")
    # Maker fee of 0.02 % on both sides.
    assert book.fees == {"USDT": trips * Decimal("0.01") * (2998 + 3000) * Decimal("0.0002")}
    assert all(fill.maker for fill in end.ledger.fills)
    assert {order.post_only for order in end.ledger.orders} == {True}
    assert len({order.client_order_id for order in end.ledger.orders}) == len(end.ledger.orders)


async def test_partial_fills_move_the_position_at_once(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.trade("2998.00", "0.004")
        await flow.expect(buys=("2998", "2996", "2994", "2992"), sells=(), position="0.004")

        await flow.trade("2998.00", "0.005")
        await flow.expect(sells=(), position="0.009", fills=2)

        # Only the whole level is offered, above the best bid.
        await flow.trade("2998.00", "5")
        await flow.expect(sells=("3000",), position="0.01", fills=3)

        await flow.quote("2999.98", "3000.00")
        await flow.trade("3000.00", "0.003")
        await flow.expect(sells=("3000",), position="0.007", fills=4)

        await flow.trade("3000.00", "0.007")
        end = await flow.expect(sells=(), position="0", fills=5)
        assert end.state.position.realized_pnl == Decimal("0.02")


async def test_what_a_pause_leaves_half_bought_is_sold(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.trade("2998.00", "0.004")
        await flow.direct(Directive.CANCEL)
        await flow.expect(buys=(), sells=(), position="0.004", state="paused")

        await flow.direct(Directive.RUN)
        view = await flow.expect(sells=("3000",), position="0.004", state="quoting")
        offered = [order for order in view.ledger.open_orders if order.side == "sell"]
        assert [order.quantity for order in offered] == [Decimal("0.004")]

        await flow.price("3001.00")
        await flow.expect(sells=(), position="0", fills=2)
        await flow.price("2997.50")
        await flow.expect(position="0.02")


async def test_a_refused_post_only_order_is_wanted_again_and_never_takes(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        # The buy at 3000 is on its way while the market falls below it.
        await flow.fault("delay", "POST /fapi/v1/order", delay_ms=250)
        await flow.jump("3001.00", settle=False)
        await flow.faults_used()
        await flow.jump("2999.00")
        view = await flow.expect(position="0", fills=0)
        refused = [one for one in view.ledger.requests if one.outcome.startswith("rejected:")]
        assert [one.outcome for one in refused] == ["rejected:-5022"]
        rejected = [one for one in view.of(OrderReported) if one.status is OrderStatus.REJECTED]
        assert [one.reason for one in rejected] == ["ErrPostOnlyWouldCross"]

        await flow.price("3001.00")
        view = await flow.expect(buys=("3000", "2998", "2996", "2994"), fills=0)
        assert all(order.post_only for order in view.ledger.orders)


async def test_the_window_follows_the_price_both_ways(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.price("3011.00")
        await flow.expect(buys=("3010", "3008", "3006"), sells=(), fills=0)

        # Within one level of hysteresis nothing is taken back.
        await flow.price("3013.00")
        view = await flow.expect(buys=("3012", "3010", "3008", "3006"))
        canceled = len(view.of(CancelIntended))
        assert canceled == 3

        # Down through four levels, and through the one that opens on the way.
        await flow.price("3003.00")
        await flow.expect(
            buys=("3002", "3000", "2998"),
            sells=("3014", "3012", "3010", "3008", "3006"),
            position="0.045",
            fills=5,
        )

        await flow.price("3017.00")
        await flow.expect(buys=("3016", "3014", "3012", "3010"), sells=(), position="0")


async def test_a_percent_interval_is_fixed_at_the_anchor(tmp_path: Path) -> None:
    wanted = grid(price_interval="0.1", price_interval_unit=IntervalUnit.PERCENT)
    async with scenario(tmp_path, wanted=wanted) as flow:
        view = await flow.expect(buys=("2997", "2994", "2991"), sells=())
        assert (view.state.anchor, view.state.interval) == (Decimal(3000), Decimal(3))

        await flow.price("2996.00")
        await flow.price("3045.00")
        await flow.expect(buys=("3042", "3039", "3036"), sells=(), position="0", fills=2)

        # A percent of the new price would be more; the lattice stays.
        await flow.restart("symbol")
        await flow.price("3048.50")
        view = await flow.expect(buys=("3048", "3045", "3042", "3039"))
        assert view.state.interval == Decimal(3)


async def test_pause_takes_orders_back_and_resume_wants_them_again(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.price("2997.50")
        await flow.direct(Directive.CANCEL)
        await flow.expect(buys=(), sells=(), position="0.01", state="paused")
        count = len((await flow.ledger()).orders)

        await flow.price("2990.00")
        await flow.price("3004.00")
        await flow.expect(buys=(), sells=(), position="0.01", state="paused", fills=1)
        assert len((await flow.ledger()).orders) == count

        await flow.direct(Directive.RUN)
        # Level 2998 is full. Nothing was wanted for the price of a second ago.
        view = await flow.expect(buys=("3002", "3000"), state="quoting", position="0.01")
        assert len(view.ledger.orders) == count + 3
        # The closing price has been passed: it is offered where it rests, above the best bid.
        assert [o.price for o in view.ledger.open_orders if o.side == "sell"] == [Decimal(3004)]


async def test_drain_closes_what_is_held_and_opens_nothing(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.price("2995.50")
        await flow.expect(sells=("3000", "2998"), position="0.02")

        await flow.direct(Directive.DRAIN)
        await flow.expect(buys=(), sells=("3000", "2998"), position="0.02", state="draining")

        await flow.price("2998.50")
        await flow.expect(buys=(), sells=("3000",), position="0.01", state="draining")

        await flow.price("3000.50")
        await flow.expect(buys=(), sells=(), position="0", state="paused")
        orders = len((await flow.ledger()).orders)

        await flow.price("2990.00")
        await flow.expect(buys=(), sells=(), position="0", state="paused")
        assert len((await flow.ledger()).orders) == orders


async def test_flatten_sells_everything_at_the_market(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.price("2995.50")
        await flow.trade("2994.00", "0.004")
        await flow.expect(position="0.024")

        await flow.direct(Directive.FLATTEN)
        view = await flow.expect(buys=(), sells=(), position="0", state="paused")

        taken = [fill for fill in view.ledger.fills if not fill.maker]
        assert sum(fill.quantity for fill in taken) == Decimal("0.024")
        names = {fill.client_order_id for fill in taken}
        sent = [order for order in view.ledger.orders if order.client_order_id in names]
        assert all(order.reduce_only and not order.post_only for order in sent)


async def test_orders_of_other_people_are_never_touched(tmp_path: Path) -> None:
    async with scenario(tmp_path) as flow:
        await flow.place_by_hand("manual1", side="buy", price="2900", quantity="0.01")
        await flow.price("3007.00")
        await flow.restart("symbol")
        await flow.direct(Directive.FLATTEN)

        await flow.expect(buys=("2900",), sells=(), position="0", state="paused")


async def test_a_position_of_unknown_origin_is_refused(tmp_path: Path) -> None:
    async with scenario(tmp_path, begin=False) as flow:
        await flow.place_by_hand("manual1", side="buy", price="3000.01", quantity="0.01")

        await flow.start()

        await flow.expect(
            position="0.01", buys=(), sells=(), state="quarantined", quarantine="not in the journal"
        )


async def test_a_wild_market_leaves_no_story_behind(tmp_path: Path) -> None:
    """Prices jump faster than orders travel; what comes out of it is the same for all three."""
    rng = random.Random(7)
    async with scenario(tmp_path) as flow:
        for _ in range(50):
            price = 2990 + 2 * rng.randint(0, 8) + rng.choice((-0.5, 0, 0.5))
            await flow.jump(f"{price:.2f}", settle=False)
            await asyncio.sleep(rng.uniform(0, 0.12))
        await flow.jump("3000.00", settle=False)
        view = await flow.expect(state="quoting", within_s=2 * SETTLE_S)
        assert len(view.ledger.fills) > 10

        await flow.restart("symbol")
        await flow.price("3010.00")
        await flow.expect(sells=(), position="0", state="quoting")
