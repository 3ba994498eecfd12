"""What a venue says, to and from ``facts.proto``: prices, orders, trades, outcomes, listings.

Every function is total over valid values and raises ``WireError`` for anything else; ``at`` names
the message in that error. Decoding what was encoded gives an equal value.
"""

from typing import Final

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce
from opensqt.market_maker.v1 import facts_pb2, types_pb2
from opensqt.ports.exchange import (
    Balance,
    FrameAge,
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from opensqt.wire.errors import WireError
from opensqt.wire.scalars import (
    EnumMap,
    decimal_from_text,
    decimal_to_text,
    optional_from_text,
    optional_to_text,
    text_required,
)

SIDE: Final = EnumMap(
    {Side.BUY: types_pb2.ORDER_SIDE_BUY, Side.SELL: types_pb2.ORDER_SIDE_SELL},
)
TIME_IN_FORCE: Final = EnumMap(
    {
        TimeInForce.GTC: types_pb2.TIME_IN_FORCE_GTC,
        TimeInForce.GTX: types_pb2.TIME_IN_FORCE_GTX,
        TimeInForce.IOC: types_pb2.TIME_IN_FORCE_IOC,
    }
)
PURPOSE: Final = EnumMap(
    {
        Purpose.OPEN: facts_pb2.ORDER_PURPOSE_OPEN,
        Purpose.CLOSE: facts_pb2.ORDER_PURPOSE_CLOSE,
        Purpose.FLATTEN: facts_pb2.ORDER_PURPOSE_FLATTEN,
    }
)
OUTCOME_CLASS: Final = EnumMap(
    {
        OutcomeClass.ACCEPTED: facts_pb2.OUTCOME_CLASS_ACCEPTED,
        OutcomeClass.REJECTED: facts_pb2.OUTCOME_CLASS_REJECTED,
        OutcomeClass.NOT_SENT: facts_pb2.OUTCOME_CLASS_NOT_SENT,
        OutcomeClass.DUPLICATE: facts_pb2.OUTCOME_CLASS_DUPLICATE,
        OutcomeClass.UNKNOWN: facts_pb2.OUTCOME_CLASS_UNKNOWN,
    }
)
STREAM_KIND: Final = EnumMap(
    {
        StreamKind.PUBLIC: facts_pb2.STREAM_KIND_PUBLIC,
        StreamKind.PRIVATE: facts_pb2.STREAM_KIND_PRIVATE,
    }
)
STREAM_PHASE: Final = EnumMap(
    {
        StreamPhase.LIVE: facts_pb2.STREAM_PHASE_LIVE,
        StreamPhase.GAP: facts_pb2.STREAM_PHASE_GAP,
        StreamPhase.DOWN: facts_pb2.STREAM_PHASE_DOWN,
    }
)
# The old surface splits WORKING by whether something was executed, so it is handled apart.
_TERMINAL: Final = EnumMap(
    {
        OrderStatus.FILLED: types_pb2.ORDER_STATUS_FILLED,
        OrderStatus.CANCELED: types_pb2.ORDER_STATUS_CANCELED,
        OrderStatus.REJECTED: types_pb2.ORDER_STATUS_REJECTED,
        OrderStatus.EXPIRED: types_pb2.ORDER_STATUS_EXPIRED,
    }
)
_WORKING: Final = (types_pb2.ORDER_STATUS_NEW, types_pb2.ORDER_STATUS_PARTIALLY_FILLED)


def encode_status(order: VenueOrder, field: str) -> types_pb2.OrderStatus:
    """Return the old surface's status of an order."""
    if order.status is OrderStatus.WORKING:
        return _WORKING[order.cumulative_quantity > ZERO]
    return _TERMINAL.to_wire(order.status, field)


def decode_status(status: types_pb2.OrderStatus, field: str) -> OrderStatus:
    """Return our status; partially filled is WORKING."""
    return OrderStatus.WORKING if status in _WORKING else _TERMINAL.to_core(status, field)


def decode_code(text: str, field: str) -> VenueCode:
    """Return the stable code; raise ``WireError`` for one this build does not know."""
    try:
        return VenueCode(text)
    except ValueError:
        raise WireError(field, expected="a stable reason code", got=text) from None


def encode_price(price: PriceUpdate, *, sequence: int = 0) -> facts_pb2.PriceTick:
    """Return the message; ``sequence`` counts the prices of the symbol within a stream."""
    return facts_pb2.PriceTick(
        symbol=price.symbol,
        bid=decimal_to_text(price.bid, "price.bid"),
        ask=decimal_to_text(price.ask, "price.ask"),
        last=decimal_to_text(price.last, "price.last"),
        mark=optional_to_text(price.mark, "price.mark"),
        venue_time_ms=price.venue_ms,
        read_time_ms=price.read_ms,
        sequence=sequence,
    )


def decode_price(message: facts_pb2.PriceTick, at: str = "price") -> PriceUpdate:
    """Return the prices; the sequence is for watchers of the raw stream."""
    return PriceUpdate(
        symbol=Symbol(text_required(message.symbol, f"{at}.symbol")),
        bid=decimal_from_text(message.bid, f"{at}.bid"),
        ask=decimal_from_text(message.ask, f"{at}.ask"),
        last=decimal_from_text(message.last, f"{at}.last"),
        mark=optional_from_text(message.mark, f"{at}.mark"),
        venue_ms=UnixMs(message.venue_time_ms),
        read_ms=UnixMs(message.read_time_ms),
    )


def encode_order(order: VenueOrder) -> facts_pb2.OrderReport:
    """Return the message of an order."""
    return facts_pb2.OrderReport(
        symbol=order.symbol,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        side=SIDE.to_wire(order.side, "order.side"),
        price=decimal_to_text(order.price, "order.price"),
        quantity=decimal_to_text(order.quantity, "order.quantity"),
        cumulative_quantity=decimal_to_text(order.cumulative_quantity, "order.cumulative_quantity"),
        status=encode_status(order, "order.status"),
        reduce_only=order.reduce_only,
        updated_ms=order.updated_ms,
        reason=order.reason,
    )


def decode_order(message: facts_pb2.OrderReport, at: str = "order") -> VenueOrder:
    """Return the order."""
    return VenueOrder(
        symbol=Symbol(text_required(message.symbol, f"{at}.symbol")),
        client_order_id=ClientOrderId(message.client_order_id),
        venue_order_id=VenueOrderId(text_required(message.venue_order_id, f"{at}.venue_order_id")),
        side=SIDE.to_core(message.side, f"{at}.side"),
        price=decimal_from_text(message.price, f"{at}.price"),
        quantity=decimal_from_text(message.quantity, f"{at}.quantity"),
        cumulative_quantity=decimal_from_text(
            message.cumulative_quantity, f"{at}.cumulative_quantity"
        ),
        status=decode_status(message.status, f"{at}.status"),
        reduce_only=message.reduce_only,
        updated_ms=UnixMs(message.updated_ms),
        reason=decode_code(message.reason, f"{at}.reason"),
    )


def encode_trade(trade: VenueTrade) -> facts_pb2.TradeReport:
    """Return the message of a trade."""
    return facts_pb2.TradeReport(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        venue_order_id=trade.venue_order_id,
        client_order_id=trade.client_order_id,
        side=SIDE.to_wire(trade.side, "trade.side"),
        price=decimal_to_text(trade.price, "trade.price"),
        quantity=decimal_to_text(trade.quantity, "trade.quantity"),
        fee=decimal_to_text(trade.fee, "trade.fee"),
        fee_asset=trade.fee_asset,
        is_maker=trade.is_maker,
        at_ms=trade.at_ms,
    )


def decode_trade(message: facts_pb2.TradeReport, at: str = "trade") -> VenueTrade:
    """Return the trade."""
    return VenueTrade(
        symbol=Symbol(text_required(message.symbol, f"{at}.symbol")),
        trade_id=TradeId(text_required(message.trade_id, f"{at}.trade_id")),
        venue_order_id=VenueOrderId(text_required(message.venue_order_id, f"{at}.venue_order_id")),
        client_order_id=ClientOrderId(message.client_order_id),
        side=SIDE.to_core(message.side, f"{at}.side"),
        price=decimal_from_text(message.price, f"{at}.price"),
        quantity=decimal_from_text(message.quantity, f"{at}.quantity"),
        fee=decimal_from_text(message.fee, f"{at}.fee"),
        fee_asset=message.fee_asset,
        is_maker=message.is_maker,
        at_ms=UnixMs(message.at_ms),
    )


def encode_outcome(outcome: Outcome) -> facts_pb2.OrderOutcome:
    """Return the message of an outcome."""
    return facts_pb2.OrderOutcome(
        outcome_class=OUTCOME_CLASS.to_wire(outcome.outcome, "outcome.class"),
        reason=outcome.code,
        message=outcome.message,
        order=None if outcome.order is None else encode_order(outcome.order),
        retry_after_ms=outcome.retry_after_ms,
    )


def decode_outcome(message: facts_pb2.OrderOutcome, at: str = "outcome") -> Outcome:
    """Return the outcome."""
    return Outcome(
        outcome=OUTCOME_CLASS.to_core(message.outcome_class, f"{at}.class"),
        code=decode_code(message.reason, f"{at}.reason"),
        message=message.message,
        order=decode_order(message.order, f"{at}.order") if message.HasField("order") else None,
        retry_after_ms=message.retry_after_ms,
    )


def encode_listing(listing: Listing) -> facts_pb2.Listing:
    """Return the message of a listing."""
    return facts_pb2.Listing(
        orders=map(encode_order, listing.orders),
        trades=map(encode_trade, listing.trades),
        is_complete=listing.is_complete,
    )


def decode_listing(message: facts_pb2.Listing, at: str = "listing") -> Listing:
    """Return the listing; what does not say that it is complete is not."""
    return Listing(
        orders=tuple(decode_order(one, f"{at}.orders") for one in message.orders),
        trades=tuple(decode_trade(one, f"{at}.trades") for one in message.trades),
        is_complete=message.is_complete,
    )


def encode_position(position: VenuePosition) -> facts_pb2.PositionReport:
    """Return the message of a position."""
    return facts_pb2.PositionReport(
        symbol=position.symbol,
        quantity=decimal_to_text(position.quantity, "position.quantity"),
        average_price=decimal_to_text(position.average_price, "position.average_price"),
        mark_price=optional_to_text(position.mark_price, "position.mark_price"),
    )


def decode_position(message: facts_pb2.PositionReport, at: str = "position") -> VenuePosition:
    """Return the position."""
    return VenuePosition(
        symbol=Symbol(text_required(message.symbol, f"{at}.symbol")),
        quantity=decimal_from_text(message.quantity, f"{at}.quantity"),
        average_price=decimal_from_text(message.average_price, f"{at}.average_price"),
        mark_price=optional_from_text(message.mark_price, f"{at}.mark_price"),
    )


def encode_balance(balance: Balance) -> facts_pb2.BalanceReport:
    """Return the message of a balance."""
    return facts_pb2.BalanceReport(
        asset=balance.asset,
        free=decimal_to_text(balance.free, "balance.free"),
        locked=decimal_to_text(balance.locked, "balance.locked"),
    )


def decode_balance(message: facts_pb2.BalanceReport, at: str = "balance") -> Balance:
    """Return the balance."""
    return Balance(
        asset=text_required(message.asset, f"{at}.asset"),
        free=decimal_from_text(message.free, f"{at}.free"),
        locked=decimal_from_text(message.locked, f"{at}.locked"),
    )


def encode_instrument(rules: Instrument) -> facts_pb2.InstrumentReport:
    """Return the message of a symbol's rules."""
    return facts_pb2.InstrumentReport(
        symbol=rules.symbol,
        venue_symbol=rules.venue_symbol,
        base_asset=rules.base_asset,
        quote_asset=rules.quote_asset,
        tick_size=decimal_to_text(rules.tick_size, "instrument.tick_size"),
        lot_size=decimal_to_text(rules.lot_size, "instrument.lot_size"),
        quantity_min=decimal_to_text(rules.quantity_min, "instrument.quantity_min"),
        quantity_max=decimal_to_text(rules.quantity_max, "instrument.quantity_max"),
        notional_min=decimal_to_text(rules.notional_min, "instrument.notional_min"),
        contract_size=decimal_to_text(rules.contract_size, "instrument.contract_size"),
        orders_open_max=rules.orders_open_max,
        reduce_only_exempt=rules.reduce_only_exempt,
        price_band=decimal_to_text(rules.price_band, "instrument.price_band"),
    )


def decode_instrument(message: facts_pb2.InstrumentReport, at: str = "instrument") -> Instrument:
    """Return the rules of a symbol."""
    return Instrument(
        symbol=Symbol(text_required(message.symbol, f"{at}.symbol")),
        venue_symbol=text_required(message.venue_symbol, f"{at}.venue_symbol"),
        base_asset=text_required(message.base_asset, f"{at}.base_asset"),
        quote_asset=text_required(message.quote_asset, f"{at}.quote_asset"),
        tick_size=decimal_from_text(message.tick_size, f"{at}.tick_size"),
        lot_size=decimal_from_text(message.lot_size, f"{at}.lot_size"),
        quantity_min=decimal_from_text(message.quantity_min, f"{at}.quantity_min"),
        quantity_max=decimal_from_text(message.quantity_max, f"{at}.quantity_max"),
        notional_min=decimal_from_text(message.notional_min, f"{at}.notional_min"),
        contract_size=decimal_from_text(message.contract_size, f"{at}.contract_size"),
        orders_open_max=message.orders_open_max,
        reduce_only_exempt=message.reduce_only_exempt,
        price_band=decimal_from_text(message.price_band, f"{at}.price_band"),
    )


def encode_event(event: VenueEvent, *, sequence: int = 0) -> facts_pb2.VenueEvent:
    """Return the message of an event; ``sequence`` is for prices."""
    match event:
        case PriceUpdate():
            return facts_pb2.VenueEvent(price=encode_price(event, sequence=sequence))
        case OrderUpdate():
            return facts_pb2.VenueEvent(order=encode_order(event.order))
        case TradeUpdate():
            return facts_pb2.VenueEvent(trade=encode_trade(event.trade))
        case StreamState():
            return facts_pb2.VenueEvent(
                stream=facts_pb2.StreamState(
                    kind=STREAM_KIND.to_wire(event.kind, "stream.kind"),
                    phase=STREAM_PHASE.to_wire(event.phase, "stream.phase"),
                    reason=event.reason,
                    at_ms=event.at_ms,
                )
            )
        case FrameAge():
            return facts_pb2.VenueEvent(
                frame_age=facts_pb2.FrameAge(
                    public_age_ms=event.public_ms,
                    private_age_ms=event.private_ms,
                    at_ms=event.at_ms,
                    stale=event.stale,
                )
            )


def decode_event(message: facts_pb2.VenueEvent) -> VenueEvent:
    """Return the event."""
    match message.WhichOneof("event"):
        case "price":
            return decode_price(message.price)
        case "order":
            return OrderUpdate(order=decode_order(message.order))
        case "trade":
            return TradeUpdate(trade=decode_trade(message.trade))
        case "stream":
            return StreamState(
                kind=STREAM_KIND.to_core(message.stream.kind, "stream.kind"),
                phase=STREAM_PHASE.to_core(message.stream.phase, "stream.phase"),
                reason=message.stream.reason,
                at_ms=UnixMs(message.stream.at_ms),
            )
        case "frame_age":
            return FrameAge(
                public_ms=message.frame_age.public_age_ms,
                private_ms=message.frame_age.private_age_ms,
                at_ms=UnixMs(message.frame_age.at_ms),
                stale=tuple(map(Symbol, message.frame_age.stale)),
            )
        case unset:
            raise WireError("event", expected="one event", got=unset)
