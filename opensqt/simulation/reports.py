"""What the venue model says, in the words of the port."""

from typing import Protocol

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.market.types import BookOrder, Fill
from opensqt.market.venue import VenueModel
from opensqt.ports.exchange import FrameAge, PriceUpdate, VenueOrder, VenueTrade


def venue_order(order: BookOrder) -> VenueOrder:
    """Return a model order as the port describes it."""
    return VenueOrder(
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        side=order.side,
        price=order.price if order.price is not None else order.average_price,
        quantity=order.quantity,
        cumulative_quantity=order.filled_quantity,
        status=order.status,
        reduce_only=order.reduce_only,
        updated_ms=order.updated_ms,
    )


def venue_trade(fill: Fill, *, named: bool = True) -> VenueTrade:
    """Return a model fill as the port describes it."""
    return VenueTrade(
        symbol=fill.symbol,
        trade_id=fill.trade_id,
        venue_order_id=fill.venue_order_id,
        client_order_id=fill.client_order_id if named else ClientOrderId(""),
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        is_maker=fill.is_maker,
        at_ms=fill.at_ms,
    )


class Market(Protocol):
    """Where prices are."""

    model: VenueModel


def price_update(venue: Market, symbol: Symbol, now_ms: UnixMs) -> PriceUpdate | None:
    """Return the newest prices of a symbol, None before the first quote."""
    quote = venue.model.quote(symbol)
    last = venue.model.last_price(symbol)
    if quote is None or last is None:
        return None
    return PriceUpdate(
        symbol=symbol,
        bid=quote.bid,
        ask=quote.ask,
        last=last,
        mark=venue.model.mark_price(symbol),
        venue_ms=now_ms,
        read_ms=now_ms,
    )


def frame_age(now_ms: UnixMs) -> FrameAge:
    """Return the report that every stream is fresh."""
    return FrameAge(public_ms=0, private_ms=0, at_ms=now_ms)
