"""What a venue reports, with defaults for whatever a test does not speak of."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.orders import OrderStatus, Side
from opensqt.ports.exchange import VenueOrder, VenueTrade

BTC: Final = Symbol("BTCUSDT:perp")
AT: Final = UnixMs(1_790_000_000_000)

_TRADE: Final = VenueTrade(
    symbol=BTC,
    trade_id=TradeId("t1"),
    venue_order_id=VenueOrderId("12345"),
    client_order_id=ClientOrderId("q1abc"),
    side=Side.BUY,
    price=Decimal(60000),
    quantity=Decimal("0.05"),
    fee=Decimal(0),
    fee_asset="USDT",
    is_maker=True,
    at_ms=AT,
)
_ORDER: Final = VenueOrder(
    symbol=BTC,
    client_order_id=ClientOrderId("q1abc"),
    venue_order_id=VenueOrderId("12345"),
    side=Side.BUY,
    price=Decimal(60000),
    quantity=Decimal("0.1"),
    cumulative_quantity=Decimal("0.05"),
    status=OrderStatus.WORKING,
    reduce_only=False,
    updated_ms=AT,
)


def a_trade(**said: Any) -> VenueTrade:
    """Return a trade of an order of ours."""
    return replace(_TRADE, **said)


def an_order(**said: Any) -> VenueOrder:
    """Return an order of ours that has traded in part."""
    return replace(_ORDER, **said)
