"""The venue's order filters: total functions from an order and a market to a refusal or None."""

from decimal import Decimal
from typing import Final

from opensqt.core.instrument import Instrument
from opensqt.core.money import ONE, ZERO, is_multiple
from opensqt.core.orders import Side
from opensqt.market.types import OrderRequest, Refusal

PRICE_MAX: Final = Decimal(9_999_999)
"""Largest price of any order, quote units; keeps every product within exact arithmetic."""


def filter_order(
    instrument: Instrument, request: OrderRequest, *, mark_price: Decimal | None, open_orders: int
) -> Refusal | None:
    """Return the first rule the order breaks, or None.

    ``open_orders`` counts the account's resting orders on the symbol. Without a mark price the
    price band is not checked, as on a venue before its first trade.
    """
    refusal = _filter_quantity(instrument, request.quantity)
    if refusal is None and request.price is not None:
        refusal = _filter_price(instrument, request.side, request.price, mark_price)
    price = request.price or mark_price
    if refusal is None and price is not None:
        refusal = _filter_notional(instrument, request, price)
    if refusal is None and open_orders >= instrument.orders_open_max:
        refusal = Refusal.ORDERS_OPEN_MAX
    return refusal


def _filter_quantity(instrument: Instrument, quantity: Decimal) -> Refusal | None:
    if not quantity.is_finite() or quantity < instrument.quantity_min:
        return Refusal.QUANTITY_MIN
    if quantity > instrument.quantity_max:
        return Refusal.QUANTITY_MAX
    if not is_multiple(quantity, instrument.lot_size):
        return Refusal.LOT
    return None


def _filter_price(
    instrument: Instrument, side: Side, price: Decimal, mark_price: Decimal | None
) -> Refusal | None:
    if not price.is_finite() or price <= ZERO or not is_multiple(price, instrument.tick_size):
        return Refusal.TICK
    if price > PRICE_MAX:
        return Refusal.PRICE_TOO_HIGH
    if mark_price is None:
        return None
    # Venues bound only the side that would cost: a buy far above, a sell far below the market.
    if side is Side.BUY and price > mark_price * (ONE + instrument.price_band):
        return Refusal.PRICE_TOO_HIGH
    if side is Side.SELL and price < mark_price * (ONE - instrument.price_band):
        return Refusal.PRICE_TOO_LOW
    return None


def _filter_notional(
    instrument: Instrument, request: OrderRequest, price: Decimal
) -> Refusal | None:
    if request.reduce_only and instrument.reduce_only_exempt:
        return None
    if instrument.notional(price, request.quantity) < instrument.notional_min:
        return Refusal.NOTIONAL_MIN
    return None
