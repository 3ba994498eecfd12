"""The gate's account of a unit when declarations and fills cross on the link."""

from decimal import Decimal

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.orders import Side, TimeInForce
from opensqt.engine.exposure import UnitExposure
from opensqt.ports.exchange import PlaceRequest, TradeUpdate, VenueTrade
from opensqt.ports.link import Declare, Reserved

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
        trade=VenueTrade(
            symbol=SYMBOL,
            trade_id=TradeId(str(number)),
            venue_order_id=VenueOrderId("1"),
            client_order_id=NAME,
            side=Side.BUY,
            price=Decimal(100),
            quantity=Decimal(quantity),
            fee=Decimal(0),
            fee_asset="USDT",
            is_maker=True,
            at_ms=UnixMs(0),
        )
    )


def position_of(exposure: UnitExposure) -> Decimal:
    return exposure.view(ClientOrderId("other"), instrument=None, price=None).position


def test_a_fill_that_crosses_a_declaration_is_not_forgotten() -> None:
    exposure = UnitExposure()
    exposure.reserve(BUY)
    fills = [trade(1, "0.5"), trade(2, "1.5")]
    for fill in fills:
        exposure.on_trade(fill.trade)

    exposure.declare(BEFORE, unseen=fills)

    assert position_of(exposure) == Decimal(2)


def test_a_fill_the_declaration_knows_counts_once() -> None:
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

    assert position_of(exposure) == Decimal("0.5")
