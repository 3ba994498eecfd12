"""Grids worked by hand, as tables: prices and fills in, new orders out.

The window rule: the top is the highest level strictly below the price less a tenth of an interval,
ten levels from there down may open, and an order is taken back one level beyond that.
"""

from decimal import Decimal

import pytest

from opensqt.core.facts import Fact
from opensqt.core.grid.config import GridConfig
from opensqt.core.grid.planner import plan
from opensqt.core.intents import CancelOrder, PlaceOrder
from opensqt.core.money import ZERO, to_text
from opensqt.core.orders import OrderStatus, Side
from opensqt.core.position import PositionBook, apply_fill
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import review
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import SymbolState, apply, replay
from tests.core.builders import GRID, WIDE, D, filled, grid_state, intended, price, reported


class Grid:
    """A unit at a venue that accepts everything at once and fills what it is told to."""

    def __init__(self, config: GridConfig = GRID) -> None:
        self.config = config
        self.state: SymbolState = grid_state()
        self.trades = 0

    def fill(self, side: Side, at: object) -> None:
        """Fill the one live order of ``side`` at the price ``at``."""
        [order] = [
            one
            for one in self.state.live_orders
            if one.side is side and one.price == Decimal(str(at))
        ]
        self.trades += 1
        self.state = apply(self.state, filled(order, order.quantity, trade_id=f"t{self.trades}"))

    def see(self, last: object) -> tuple[list[str], list[str]]:
        """Return the orders placed and taken back at a price, such as ``buy 0.01 @ 2998``."""
        self.state = apply(self.state, price(last))
        placed, taken = [], []
        facts: list[Fact] = []
        for intent in plan(self.state, self.config, now_ms=0).intents:
            facts.append(intended(intent))
            if isinstance(intent, PlaceOrder):
                placed.append(f"{intent.side} {to_text(intent.quantity)} @ {to_text(intent.price)}")
                facts.append(reported(intent.client_order_id, OrderStatus.WORKING))
            elif isinstance(intent, CancelOrder):
                order = self.state.orders[intent.client_order_id]
                taken.append(to_text(order.price))
                facts.append(reported(intent.client_order_id, OrderStatus.CANCELED))
        self.state = replay(self.state, facts)
        assert plan(self.state, self.config, now_ms=0).intents == ()
        return placed, taken


def buys(*prices: int) -> list[str]:
    """Return 30 quote units each, floored to the lot: above 3000 that is one lot less."""
    return [f"buy {'0.009' if one > 3000 else '0.01'} @ {one}" for one in prices]


def test_a_plain_cycle() -> None:
    grid = Grid()

    assert grid.see(3000) == (buys(2998, 2996, 2994, 2992, 2990, 2988, 2986, 2984, 2982, 2980), [])
    grid.fill(Side.BUY, 2998)
    assert grid.see("2997.5") == (["sell 0.01 @ 3000", *buys(2978)], [])
    grid.fill(Side.BUY, 2996)
    assert grid.see("2995.9") == (["sell 0.01 @ 2998", *buys(2976)], [])
    grid.fill(Side.SELL, 2998)
    assert grid.see("2998.1") == (buys(2996), [])
    grid.fill(Side.SELL, 3000)
    assert grid.see(3000) == (buys(2998), ["2976"])
    assert grid.state.position.realized_pnl == Decimal("0.04")
    assert grid.see(3007) == (buys(3006, 3004, 3002, 3000), ["2984", "2982", "2980", "2978"])
    assert len(grid.state.live_orders) == 11


@pytest.mark.parametrize(
    ("last", "top"),
    [
        ("3000.00", 2998),  # the anchor itself is not strictly below
        ("3000.20", 2998),  # 3000 is exactly the price less the buffer
        ("3000.21", 3000),
        ("3001.99", 3000),
        ("3002.21", 3002),
        ("2998.20", 2996),
        ("1.00", None),
    ],
)
def test_the_top_lies_strictly_below_the_price_less_the_buffer(last: str, top: int | None) -> None:
    placed, _ = Grid().see(last)

    assert placed[:1] == ([] if top is None else buys(top))


@pytest.mark.parametrize(
    ("anchor", "level", "quantity"),
    [(2998, 2998, "0.010"), (61_234, 61_234, None), (1000, 1000, "0.030"), (7, 7, "4.285")],
)
def test_quantity_is_the_amount_at_the_level_floored_to_the_lot(
    anchor: int, level: int, quantity: str | None
) -> None:
    state = apply(grid_state(anchor, interval=1), price(level + 1))
    config = GridConfig(price_interval=D(1), order_quantity=D(30), buy_window_size=1)

    found = plan(state, config, now_ms=0)

    if quantity is None:
        assert found.intents == ()
        assert found.idle == "too_small"
        assert [one.reason for one in found.skipped] == ["quantity"]
    else:
        [order] = found.intents
        assert isinstance(order, PlaceOrder)
        assert (order.price, order.quantity) == (Decimal(level), Decimal(quantity))


def round_trip(interval: Decimal, fee_rate: Decimal) -> Decimal:
    """Return what one unit bought at 3000 and sold an interval above earns after fees."""
    bought, sold = Decimal(3000), 3000 + interval
    book = apply_fill(
        PositionBook(), signed_quantity=D(1), price=bought, contract_size=D(1)
    ).with_fee("USDT", bought * fee_rate)
    book = apply_fill(book, signed_quantity=D(-1), price=sold, contract_size=D(1)).with_fee(
        "USDT", sold * fee_rate
    )
    return book.realized_pnl - book.fees["USDT"]


@pytest.mark.parametrize(
    ("interval", "earned"), [("2", "0.7996"), ("1.2002", "0"), ("1", "-0.2002")]
)
def test_a_round_trip_must_earn_its_fees(interval: str, earned: str) -> None:
    found = round_trip(Decimal(interval), Decimal("0.0002"))

    assert found.quantize(Decimal("0.0001")) == Decimal(earned)


@pytest.mark.parametrize(("capital", "levels"), [(3000, 25), (1000, 8), (100, 0)])
def test_capital_bounds_how_many_levels_may_fill(capital: int, levels: int) -> None:
    state = apply(grid_state(), price(3000))
    config = GridConfig(price_interval=D(2), order_quantity=D(30), buy_window_size=100)
    limits = Limits.from_capital(Decimal(capital), venue_orders_open_max=200)

    approved = review(
        plan(state, config, now_ms=0).intents, view_of(state), limits, now_ms=0
    ).approved

    assert len(approved) == levels
    total = sum((one.quantity for one in approved if isinstance(one, PlaceOrder)), start=ZERO)
    assert total * 2998 <= limits.exposure_notional_max
    assert limits.exposure_notional_max < WIDE.exposure_notional_max


def test_a_price_that_hovers_at_a_level_flaps_nothing() -> None:
    config = GridConfig(price_interval=D(1), order_quantity=D(3000), buy_window_size=2)
    grid = Grid(config)
    grid.state = apply(grid_state(100, interval=1), price(100))
    grid.see("100.3")

    moves = [grid.see(last) for last in ("100.05", "100.3", "99.9", "100.3", "99.2", "100.0")]

    placed = [order for orders, _ in moves for order in orders]
    taken = [order for _, orders in moves for order in orders]
    assert len(placed) <= 2
    assert taken == []
