"""The gate's account of a unit when declarations and fills cross on the link."""

from decimal import Decimal

import pytest

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.engine.exposure import UnitExposure
from opensqt.ports.exchange import PlaceRequest, TradeUpdate, VenueOrder
from opensqt.ports.link import Declare, Reserved
from tests.fakes.reports import a_trade, an_order

NAME, SYMBOL = ClientOrderId("q1abc"), Symbol("BTCUSDT:perp")
BUY = PlaceRequest(
    symbol=SYMBOL,
    client_order_id=NAME,
    side=Side.BUY,
    price=Decimal(100),
    quantity=Decimal(2),
    time_in_force=TimeInForce.GTX,
    reduce_only=False,
    deadline_ms=UnixMs(1_000),
    symbol_epoch=1,
)
BEFORE = Declare(
    position=Decimal(0),
    reserved=(Reserved(client_order_id=NAME, signed_quantity=Decimal(2), price=Decimal(100)),),
)


def trade(number: int, quantity: str) -> TradeUpdate:
    return TradeUpdate(
        trade=a_trade(
            trade_id=TradeId(str(number)),
            client_order_id=NAME,
            price=Decimal(100),
            quantity=Decimal(quantity),
        )
    )


def worst_of(exposure: UnitExposure) -> Decimal:
    """Return the longest position the gate believes possible."""
    view = exposure.view(ClientOrderId("other"), side=Side.BUY, instrument=None, price=None)
    return view.position + view.reserved_quantity(Side.BUY)


def test_a_fill_that_crosses_a_declaration_stays_within_what_is_believed() -> None:
    exposure = UnitExposure()
    exposure.reserve(BUY)
    for fill in (trade(1, "0.5"), trade(2, "1.5")):
        exposure.on_trade(fill.trade)
    assert worst_of(exposure) == Decimal(2)

    exposure.declare(BEFORE)

    assert worst_of(exposure) == Decimal(2)


def test_a_fill_the_declaration_knows_never_lowers_what_is_believed() -> None:
    exposure = UnitExposure()
    exposure.reserve(BUY)
    exposure.on_trade(trade(1, "0.5").trade)

    exposure.declare(
        Declare(
            position=Decimal("0.5"),
            reserved=(
                Reserved(client_order_id=NAME, signed_quantity=Decimal("1.5"), price=Decimal(100)),
            ),
        )
    )
    exposure.on_trade(trade(1, "0.5").trade)

    assert worst_of(exposure) == Decimal(2)
    shorter = exposure.view(ClientOrderId("other"), side=Side.SELL, instrument=None, price=None)
    assert shorter.position == Decimal("0.5")


def ended(executed: str) -> VenueOrder:
    return an_order(
        client_order_id=NAME,
        price=Decimal(100),
        quantity=Decimal(2),
        cumulative_quantity=Decimal(executed),
        status=OrderStatus.CANCELED,
    )


@pytest.mark.parametrize("executed", ["0", "0.5"])
def test_an_order_that_ended_is_not_alive_again_by_an_older_declaration(executed: str) -> None:
    exposure = UnitExposure()
    exposure.reserve(BUY)
    assert exposure.has_live
    exposure.on_order(ended(executed))

    exposure.declare(BEFORE)

    assert not exposure.has_live
    assert worst_of(exposure) == Decimal(executed)


def test_an_order_that_filled_is_not_alive_again_by_an_older_declaration() -> None:
    exposure = UnitExposure()
    exposure.reserve(BUY)
    exposure.on_trade(trade(1, "2").trade)

    exposure.declare(BEFORE)

    assert not exposure.has_live
    assert worst_of(exposure) == Decimal(2)
