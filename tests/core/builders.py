"""Short ways to say what a test is about: instruments, prices, intents and their facts."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from opensqt.core.facts import (
    CancelIntended,
    Directive,
    DirectiveGiven,
    Evidence,
    Fact,
    GridAnchored,
    InstrumentLoaded,
    InventoryMoved,
    OrderIntended,
    OrderReported,
    PriceTicked,
    TradeFilled,
)
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    Symbol,
    TradeId,
    UnitId,
    UnixMs,
    VenueOrderId,
)
from opensqt.core.instrument import Instrument
from opensqt.core.intents import CancelOrder, Intent, MoveInventory, PlaceOrder
from opensqt.core.money import ZERO
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.risk.limits import Limits
from opensqt.core.symbol import SymbolState, replay

UNIT: Final = UnitId(account=AccountName("paper"), symbol=Symbol("ETHUSDT:perp"))
D: Final = Decimal

ETH: Final = Instrument(
    symbol=UNIT.symbol,
    venue_symbol="ETHUSDT",
    base_asset="ETH",
    quote_asset="USDT",
    tick_size=D("0.01"),
    lot_size=D("0.001"),
    quantity_min=D("0.001"),
    quantity_max=D(10_000),
    notional_min=D(20),
    contract_size=D(1),
    orders_open_max=200,
    reduce_only_exempt=True,
    price_band=D("0.05"),
)

GRID: Final = GridConfig(price_interval=D(2), order_quantity=D(30))

WIDE: Final = Limits(
    order_notional_max=D(10**9),
    exposure_notional_max=D(10**9),
    orders_open_max=10**6,
    crossing_collar=D("0.005"),
    passive_band=D("0.5"),
    price_age_ms_max=3_000,
)
"""Limits nothing in a test reaches unless it narrows one."""


def ms(value: int) -> UnixMs:
    return UnixMs(value)


def price(last: object, *, bid: object = None, ask: object = None, at_ms: int = 0) -> PriceTicked:
    """Return a tick; bid and ask lie a cent around the last trade unless given."""
    middle = D(str(last))
    return PriceTicked(
        bid=D(str(bid)) if bid is not None else middle - D("0.01"),
        ask=D(str(ask)) if ask is not None else middle + D("0.01"),
        last=middle,
        at_ms=ms(at_ms),
        read_ms=ms(at_ms),
    )


def grid_state(
    anchor: object = 3000, *, interval: object = 2, instrument: Instrument = ETH
) -> SymbolState:
    """Return an anchored unit without orders and without a price."""
    return replay(
        SymbolState(unit=UNIT, deployment="000"),
        [
            InstrumentLoaded(instrument=instrument, at_ms=ms(0)),
            GridAnchored(anchor=D(str(anchor)), interval=D(str(interval)), at_ms=ms(0)),
        ],
    )


def intended(intent: Intent, *, now_ms: int = 0, epoch: int = 1) -> Fact:
    """Return the fact that records an intent."""
    at_ms = ms(now_ms)
    match intent:
        case PlaceOrder():
            return OrderIntended(
                client_order_id=intent.client_order_id,
                slot=intent.slot,
                side=intent.side,
                purpose=intent.purpose,
                generation=intent.generation,
                attempt=intent.attempt,
                price=intent.price,
                quantity=intent.quantity,
                time_in_force=intent.time_in_force,
                reduce_only=intent.reduce_only,
                epoch=epoch,
                deadline_ms=ms(now_ms + 3_000),
                at_ms=at_ms,
            )
        case CancelOrder():
            return CancelIntended(
                client_order_id=intent.client_order_id, reason=intent.reason, at_ms=at_ms
            )
        case MoveInventory():
            return InventoryMoved(
                source=intent.source, target=intent.target, quantity=intent.quantity, at_ms=at_ms
            )


def reported(
    client_order_id: ClientOrderId,
    status: OrderStatus,
    cumulative: object = 0,
    *,
    now_ms: int = 0,
    evidence: Evidence = Evidence.STREAM,
) -> OrderReported:
    return OrderReported(
        client_order_id=client_order_id,
        status=status,
        cumulative_quantity=D(str(cumulative)),
        evidence=evidence,
        at_ms=ms(now_ms),
    )


def filled(
    order: Order,
    quantity: object,
    *,
    trade_id: str,
    at: object = None,
    fee: object = 0,
    now_ms: int = 0,
) -> TradeFilled:
    """Return one execution of ``order``, at its limit price unless said otherwise."""
    return TradeFilled(
        trade_id=TradeId(trade_id),
        client_order_id=order.client_order_id,
        venue_order_id=VenueOrderId("v" + order.client_order_id[1:]),
        side=order.side,
        price=order.price if at is None else D(str(at)),
        quantity=D(str(quantity)),
        fee=D(str(fee)),
        fee_asset="USDT",
        is_maker=True,
        at_ms=ms(now_ms),
    )


def directed(directive: Directive) -> DirectiveGiven:
    return DirectiveGiven(directive=directive, by="test", reason="test", at_ms=ms(0))


def without_price(state: SymbolState) -> SymbolState:
    """Return the state as a replay leaves it."""
    return replace(state, price=None)


def inventory(state: SymbolState) -> Decimal:
    """Return the sum of the inventory of all levels."""
    return sum((slot.quantity for slot in state.slots.values()), start=ZERO)
