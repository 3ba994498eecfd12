"""Requests of ``ExchangeService`` and the resources of the published surface.

Requests exist in both directions. Resources (``Order``, ``Trade``, ``PriceChange``, ...) are what
older clients read; prices and orders between our own processes travel as ``facts.proto`` has them.
"""

from decimal import Decimal
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from google.type import decimal_pb2

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO
from opensqt.core.orders import TimeInForce
from opensqt.market_maker.v1 import events_pb2, resources_pb2, types_pb2
from opensqt.market_maker.v1.exchange_pb2 import CancelOrderRequest
from opensqt.ports.exchange import (
    CancelRequest,
    PlaceRequest,
    PriceUpdate,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from opensqt.wire.errors import WireError
from opensqt.wire.facts import SIDE, TIME_IN_FORCE, decode_code, decode_status, encode_status
from opensqt.wire.scalars import decimal_from_text, decimal_to_text, text_required

_MS: Final = 1_000
_NANOS_PER_MS: Final = 1_000_000
_INT64_MAX: Final = 2**63 - 1


def encode_decimal(value: Decimal, field: str) -> decimal_pb2.Decimal:
    """Return ``google.type.Decimal`` with the canonical text."""
    return decimal_pb2.Decimal(value=decimal_to_text(value, field))


def decode_decimal(message: decimal_pb2.Decimal, field: str) -> Decimal:
    """Return the exact value; an absent message is refused like an empty text."""
    return decimal_from_text(message.value, field)


def encode_place(request: PlaceRequest, *, account: str = "") -> resources_pb2.PlaceOrderRequest:
    """Return the message of an order to place; always a limit order."""
    return resources_pb2.PlaceOrderRequest(
        symbol=request.symbol,
        side=SIDE.to_wire(request.side, "order.side"),
        type=types_pb2.ORDER_TYPE_LIMIT,
        time_in_force=TIME_IN_FORCE.to_wire(request.time_in_force, "order.time_in_force"),
        quantity=encode_decimal(request.quantity, "order.quantity"),
        price=encode_decimal(request.price, "order.price"),
        reduce_only=request.reduce_only,
        post_only=request.time_in_force is TimeInForce.GTX,
        client_order_id=request.client_order_id,
        account=account,
        deadline_ms=request.deadline_ms,
        account_epoch=request.account_epoch,
        symbol_epoch=request.symbol_epoch,
    )


def decode_place(message: resources_pb2.PlaceOrderRequest) -> PlaceRequest:
    """Return the order to place; refuse what cannot be kept: market, margin, post-only IOC."""
    if message.type != types_pb2.ORDER_TYPE_LIMIT:
        raise WireError("order.type", expected="a limit order", got=message.type)
    if message.use_margin:
        raise WireError("order.use_margin", expected="false: not served yet", got=True)
    time_in_force = TIME_IN_FORCE.to_core(message.time_in_force, "order.time_in_force")
    if message.post_only:
        if time_in_force is TimeInForce.IOC:
            raise WireError("order.post_only", expected="false with IOC", got=True)
        time_in_force = TimeInForce.GTX
    return PlaceRequest(
        symbol=Symbol(text_required(message.symbol, "order.symbol")),
        client_order_id=_client_order_id(message.client_order_id, "order"),
        side=SIDE.to_core(message.side, "order.side"),
        price=decode_decimal(message.price, "order.price"),
        quantity=decode_decimal(message.quantity, "order.quantity"),
        time_in_force=time_in_force,
        reduce_only=message.reduce_only,
        deadline_ms=UnixMs(message.deadline_ms),
        symbol_epoch=message.symbol_epoch,
        account_epoch=message.account_epoch,
    )


def encode_cancel(request: CancelRequest, *, account: str = "") -> CancelOrderRequest:
    """Return the message of an order to take back."""
    return CancelOrderRequest(
        symbol=request.symbol,
        order_id=_numeric(request.venue_order_id),
        venue_order_id=request.venue_order_id or "",
        client_order_id=request.client_order_id,
        account=account,
        account_epoch=request.account_epoch,
        symbol_epoch=request.symbol_epoch,
    )


def decode_cancel(message: CancelOrderRequest) -> CancelRequest:
    """Return the order to take back; our id is required."""
    return CancelRequest(
        symbol=Symbol(text_required(message.symbol, "cancel.symbol")),
        client_order_id=_client_order_id(message.client_order_id, "cancel"),
        venue_order_id=VenueOrderId(message.venue_order_id) if message.venue_order_id else None,
        symbol_epoch=message.symbol_epoch,
        account_epoch=message.account_epoch,
    )


def encode_order_resource(order: VenueOrder, *, account: str = "") -> resources_pb2.Order:
    """Return an order as the published surface has it; average price and trades are not told."""
    return resources_pb2.Order(
        order_id=_numeric(order.venue_order_id),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=SIDE.to_wire(order.side, "order.side"),
        type=types_pb2.ORDER_TYPE_LIMIT,
        price=encode_decimal(order.price, "order.price"),
        quantity=encode_decimal(order.quantity, "order.quantity"),
        executed_qty=encode_decimal(order.cumulative_quantity, "order.executed_qty"),
        status=encode_status(order, "order.status"),
        update_time=order.updated_ms,
        venue_order_id=order.venue_order_id,
        account=account,
        reduce_only=order.reduce_only,
        reason=order.reason,
    )


def decode_order_resource(message: resources_pb2.Order) -> VenueOrder:
    """Return the order; the venue's text id wins over the numeric one."""
    return VenueOrder(
        symbol=Symbol(text_required(message.symbol, "order.symbol")),
        client_order_id=ClientOrderId(message.client_order_id),
        venue_order_id=_venue_order_id(message.venue_order_id, message.order_id, "order"),
        side=SIDE.to_core(message.side, "order.side"),
        price=decode_decimal(message.price, "order.price"),
        quantity=decode_decimal(message.quantity, "order.quantity"),
        cumulative_quantity=decode_decimal(message.executed_qty, "order.executed_qty"),
        status=decode_status(message.status, "order.status"),
        reduce_only=message.reduce_only,
        updated_ms=UnixMs(message.update_time),
        reason=decode_code(message.reason, "order.reason"),
    )


def encode_order_update(
    order: VenueOrder, *, exchange: str, account: str = ""
) -> events_pb2.OrderUpdate:
    """Return an order change as the published stream has it."""
    return events_pb2.OrderUpdate(
        exchange=exchange,
        order_id=_numeric(order.venue_order_id),
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=SIDE.to_wire(order.side, "order.side"),
        type=types_pb2.ORDER_TYPE_LIMIT,
        status=encode_status(order, "order.status"),
        price=encode_decimal(order.price, "order.price"),
        quantity=encode_decimal(order.quantity, "order.quantity"),
        executed_qty=encode_decimal(order.cumulative_quantity, "order.executed_qty"),
        update_time=order.updated_ms,
        venue_order_id=order.venue_order_id,
        account=account,
        reduce_only=order.reduce_only,
        reason=order.reason,
    )


def decode_order_update(message: events_pb2.OrderUpdate) -> VenueOrder:
    """Return the order of an order change."""
    return VenueOrder(
        symbol=Symbol(text_required(message.symbol, "order.symbol")),
        client_order_id=ClientOrderId(message.client_order_id),
        venue_order_id=_venue_order_id(message.venue_order_id, message.order_id, "order"),
        side=SIDE.to_core(message.side, "order.side"),
        price=decode_decimal(message.price, "order.price"),
        quantity=decode_decimal(message.quantity, "order.quantity"),
        cumulative_quantity=decode_decimal(message.executed_qty, "order.executed_qty"),
        status=decode_status(message.status, "order.status"),
        reduce_only=message.reduce_only,
        updated_ms=UnixMs(message.update_time),
        reason=decode_code(message.reason, "order.reason"),
    )


def encode_trade_resource(trade: VenueTrade, *, account: str = "") -> resources_pb2.Trade:
    """Return a fill as the published surface has it."""
    return resources_pb2.Trade(
        trade_id=trade.trade_id,
        order_id=_numeric(trade.venue_order_id),
        symbol=trade.symbol,
        side=SIDE.to_wire(trade.side, "trade.side"),
        price=encode_decimal(trade.price, "trade.price"),
        quantity=encode_decimal(trade.quantity, "trade.quantity"),
        fee=encode_decimal(trade.fee, "trade.fee"),
        fee_asset=trade.fee_asset,
        timestamp=_timestamp(trade.at_ms),
        venue_order_id=trade.venue_order_id,
        client_order_id=trade.client_order_id,
        account=account,
        is_maker=trade.is_maker,
    )


def decode_trade_resource(message: resources_pb2.Trade) -> VenueTrade:
    """Return the fill; one that does not say maker or taker counts as taker."""
    return VenueTrade(
        symbol=Symbol(text_required(message.symbol, "trade.symbol")),
        trade_id=TradeId(text_required(message.trade_id, "trade.trade_id")),
        venue_order_id=_venue_order_id(message.venue_order_id, message.order_id, "trade"),
        client_order_id=ClientOrderId(message.client_order_id),
        side=SIDE.to_core(message.side, "trade.side"),
        price=decode_decimal(message.price, "trade.price"),
        quantity=decode_decimal(message.quantity, "trade.quantity"),
        fee=decode_decimal(message.fee, "trade.fee"),
        fee_asset=message.fee_asset,
        is_maker=message.is_maker,
        at_ms=_unix_ms(message.timestamp),
    )


def encode_price_change(
    price: PriceUpdate, *, exchange: str, sequence: int, now_ms: UnixMs
) -> events_pb2.PriceChange:
    """Return a price as the published stream has it; ``price`` is the last trade."""
    return events_pb2.PriceChange(
        exchange=exchange,
        symbol=price.symbol,
        price=encode_decimal(price.last, "price.last"),
        timestamp=_timestamp(price.venue_ms),
        bid=encode_decimal(price.bid, "price.bid"),
        ask=encode_decimal(price.ask, "price.ask"),
        last=encode_decimal(price.last, "price.last"),
        sequence=sequence,
        venue_time_ms=price.venue_ms,
        received_age_ms=now_ms - price.read_ms,
        mark=None if price.mark is None else encode_decimal(price.mark, "price.mark"),
    )


def decode_price_change(message: events_pb2.PriceChange, *, now_ms: UnixMs) -> PriceUpdate:
    """Return the prices, read ``received_age_ms`` before ``now_ms``."""
    return PriceUpdate(
        symbol=Symbol(text_required(message.symbol, "price.symbol")),
        bid=decode_decimal(message.bid, "price.bid"),
        ask=decode_decimal(message.ask, "price.ask"),
        last=decode_decimal(message.last, "price.last"),
        mark=decode_decimal(message.mark, "price.mark") if message.HasField("mark") else None,
        venue_ms=UnixMs(message.venue_time_ms),
        read_ms=UnixMs(now_ms - message.received_age_ms),
    )


def encode_position_resource(
    position: VenuePosition, *, account: str = ""
) -> resources_pb2.Position:
    """Return a position as the published surface has it."""
    mark = position.mark_price
    return resources_pb2.Position(
        symbol=position.symbol,
        size=encode_decimal(position.quantity, "position.size"),
        entry_price=encode_decimal(position.average_price, "position.entry_price"),
        mark_price=None if mark is None else encode_decimal(mark, "position.mark_price"),
        account=account,
    )


def decode_position_resource(message: resources_pb2.Position) -> VenuePosition:
    """Return the position."""
    has_mark = message.HasField("mark_price")
    return VenuePosition(
        symbol=Symbol(text_required(message.symbol, "position.symbol")),
        quantity=decode_decimal(message.size, "position.size"),
        average_price=decode_decimal(message.entry_price, "position.entry_price"),
        mark_price=decode_decimal(message.mark_price, "position.mark_price") if has_mark else None,
    )


def encode_symbol_info(rules: Instrument) -> resources_pb2.SymbolInfo:
    """Return the rules of a symbol as the published surface has them."""
    return resources_pb2.SymbolInfo(
        symbol=rules.symbol,
        price_precision=_decimals(rules.tick_size),
        quantity_precision=_decimals(rules.lot_size),
        base_asset=rules.base_asset,
        quote_asset=rules.quote_asset,
        min_quantity=encode_decimal(rules.quantity_min, "instrument.min_quantity"),
        min_notional=encode_decimal(rules.notional_min, "instrument.min_notional"),
        tick_size=encode_decimal(rules.tick_size, "instrument.tick_size"),
        step_size=encode_decimal(rules.lot_size, "instrument.step_size"),
        max_quantity=encode_decimal(rules.quantity_max, "instrument.max_quantity"),
        contract_size=encode_decimal(rules.contract_size, "instrument.contract_size"),
        price_band=encode_decimal(rules.price_band, "instrument.price_band"),
        max_open_orders=rules.orders_open_max,
        reduce_only_exempt=rules.reduce_only_exempt,
        venue_symbol=rules.venue_symbol,
    )


def decode_symbol_info(message: resources_pb2.SymbolInfo) -> Instrument:
    """Return the rules of a symbol."""
    return Instrument(
        symbol=Symbol(text_required(message.symbol, "instrument.symbol")),
        venue_symbol=text_required(message.venue_symbol, "instrument.venue_symbol"),
        base_asset=text_required(message.base_asset, "instrument.base_asset"),
        quote_asset=text_required(message.quote_asset, "instrument.quote_asset"),
        tick_size=decode_decimal(message.tick_size, "instrument.tick_size"),
        lot_size=decode_decimal(message.step_size, "instrument.step_size"),
        quantity_min=decode_decimal(message.min_quantity, "instrument.min_quantity"),
        quantity_max=decode_decimal(message.max_quantity, "instrument.max_quantity"),
        notional_min=decode_decimal(message.min_notional, "instrument.min_notional"),
        contract_size=decode_decimal(message.contract_size, "instrument.contract_size"),
        orders_open_max=message.max_open_orders,
        reduce_only_exempt=message.reduce_only_exempt,
        price_band=decode_decimal(message.price_band, "instrument.price_band"),
    )


def _client_order_id(text: str, at: str) -> ClientOrderId:
    return ClientOrderId(text_required(text, f"{at}.client_order_id"))


def _venue_order_id(text: str, number: int, at: str) -> VenueOrderId:
    return VenueOrderId(
        text_required(text or (str(number) if number else ""), f"{at}.venue_order_id")
    )


def _numeric(venue_order_id: str | None) -> int:
    # Old clients read a number; a venue with text ids gives them 0.
    if venue_order_id is None or not (venue_order_id.isascii() and venue_order_id.isdigit()):
        return 0
    number = int(venue_order_id) if len(venue_order_id) <= len(str(_INT64_MAX)) else 0
    return number if number <= _INT64_MAX else 0


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) and step > ZERO else 0


def _timestamp(at_ms: int) -> Timestamp:
    seconds, ms = divmod(at_ms, _MS)
    return Timestamp(seconds=seconds, nanos=ms * _NANOS_PER_MS)


def _unix_ms(stamp: Timestamp) -> UnixMs:
    return UnixMs(stamp.seconds * _MS + stamp.nanos // _NANOS_PER_MS)
