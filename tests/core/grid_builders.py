"""Grid units brought into a situation by the planner itself, and what a plan wants of them."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from opensqt.core.facts import Fact, InventorySeeded
from opensqt.core.grid.config import GridConfig, QuantityUnit
from opensqt.core.grid.planner import (
    Plan,
    plan,
)
from opensqt.core.intents import CancelOrder, Intent, MoveInventory, PlaceOrder
from opensqt.core.orders import Order, OrderStatus, Side
from opensqt.core.symbol import SymbolState, apply, replay
from tests.core.builders import (
    ETH,
    GRID,
    D,
    filled,
    grid_state,
    intended,
    ms,
    price,
    reported,
)

S = OrderStatus
SMALL = replace(GRID, buy_window_size=2, sell_window_size=2)
# Lots of one unit, ten to a level, nothing below four: partial fills leave too little to offer.
COARSE = replace(
    ETH,
    tick_size=D(1),
    lot_size=D(1),
    quantity_min=D(4),
    quantity_max=D(15),
    notional_min=D(1),
)
COARSE_GRID = replace(
    SMALL,
    price_interval=D(10),
    order_quantity=D(10),
    order_quantity_unit=QuantityUnit.BASE,
)


def coarse() -> SymbolState:
    return grid_state(1000, interval=10, instrument=COARSE)


def places(found: Plan) -> list[PlaceOrder]:
    return [one for one in found.intents if isinstance(one, PlaceOrder)]


def moves(found: Plan) -> list[tuple[int, int, Decimal]]:
    return [
        (one.source, one.target, one.quantity)
        for one in found.intents
        if isinstance(one, MoveInventory)
    ]


def cancels(found: Plan) -> list[CancelOrder]:
    return [one for one in found.intents if isinstance(one, CancelOrder)]


def levels(found: Plan, side: Side) -> list[int]:
    return [one.slot for one in places(found) if one.side is side]


def record(state: SymbolState, intents: Iterable[Intent], *, now_ms: int = 0) -> SymbolState:
    return replay(state, [intended(one, now_ms=now_ms) for one in intents])


def working(state: SymbolState, config: GridConfig, last: object) -> SymbolState:
    """Return the state once everything wanted at a price rests at the venue."""
    state = apply(state, price(last))
    found = plan(state, config, now_ms=0)
    state = record(state, found.intents)
    return replay(
        state, [reported(order.client_order_id, S.WORKING) for order in state.live_orders]
    )


def order_at(state: SymbolState, slot: int) -> Order:
    [order] = [one for one in state.live_orders if one.slot == slot]
    return order


def ended(state: SymbolState, slot: int, status: OrderStatus, *, done: object = 0) -> SymbolState:
    """Return the state once the order of a level has ended, ``done`` of it executed."""
    order = order_at(state, slot)
    facts: list[Fact] = []
    if Decimal(str(done)):
        facts.append(filled(order, done, trade_id=f"{order.client_order_id}-t"))
    facts.append(reported(order.client_order_id, status, done))
    return replay(state, facts)


def seeded(state: SymbolState, **quantities: object) -> SymbolState:
    """Return the state with inventory on levels: ``s3=10`` puts 10 on level 3, ``m3`` on -3."""
    return replay(
        state,
        [
            InventorySeeded(
                slot=int(name[1:]) * (-1 if name[0] == "m" else 1),
                quantity=D(str(quantity)),
                at_ms=ms(0),
            )
            for name, quantity in quantities.items()
        ],
    )


def running() -> SymbolState:
    """Return a unit with an opening order on -2, an offer on 1 and free inventory on -1."""
    state = working(seeded(grid_state(), s1="0.01"), replace(SMALL, buy_window_size=2), 3000)
    return ended(state, -1, S.FILLED, done="0.010")
