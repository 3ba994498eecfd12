"""Binance USD-M futures, one-way position mode: its JSON and our messages.

Binance counts base units (contract size 1) and sends every money field as text. Several facts are
not said but implied, and this is where they become explicit: a post-only order that would have
taken comes back as EXPIRED with nothing executed; the remainder of an IOC order as EXPIRED too.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from opensqt.core.ids import (
    ClientOrderId,
    IdError,
    Symbol,
    TradeId,
    UnixMs,
    VenueOrderId,
    forced_id,
    split_symbol,
)
from opensqt.core.instrument import Instrument
from opensqt.core.money import ONE, ZERO, to_text
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    OrderUpdate,
    PlaceRequest,
    TradeUpdate,
    UnknownSymbolError,
    VenueCode,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from opensqt.venues.codec.fields import (
    PayloadError,
    Raw,
    decimal_of,
    flag_of,
    integer_of,
    mapping_of,
    rows_of,
    text_of,
    time_of,
)

Params = dict[str, str | int]

RECV_WINDOW_MS_MAX: Final = 60_000
_MARKET: Final = "perp"
# What the venue calls the orders it makes itself.
_FORCED: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIME_IN_FORCE: Final = {TimeInForce.GTC: "GTC", TimeInForce.GTX: "GTX", TimeInForce.IOC: "IOC"}
_STATUSES: Final = {
    "NEW": OrderStatus.WORKING,
    "PARTIALLY_FILLED": OrderStatus.WORKING,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    # Removed so that it would not trade with another order of the same account.
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}


class HedgeModeError(PayloadError):
    """The account is in hedge mode, where one symbol has two positions."""


def venue_symbol(symbol: Symbol) -> str:
    """Return ``BTCUSDT`` for ``BTCUSDT:perp``; raise ``UnknownSymbolError`` for other markets."""
    try:
        base, market = split_symbol(symbol)
    except IdError as error:
        raise UnknownSymbolError(str(error)) from error
    if market != _MARKET:
        raise UnknownSymbolError(f"{symbol} is not a perpetual future")
    return base


def symbol_of(name: str) -> Symbol:
    """Return ``BTCUSDT:perp`` for ``BTCUSDT``."""
    return Symbol(f"{name}:{_MARKET}")


# -------------------------------------------------------------------------------------- requests


def place_params(request: PlaceRequest, *, recv_window_ms: int) -> Params:
    """Return the parameters of a limit order; the venue refuses it after ``recv_window_ms``."""
    params: Params = {
        "symbol": venue_symbol(request.symbol),
        "side": request.side.name,
        "type": "LIMIT",
        "timeInForce": _TIME_IN_FORCE[request.time_in_force],
        "quantity": to_text(request.quantity),
        "price": to_text(request.price),
        "newClientOrderId": request.client_order_id,
        # An IOC order's reply then tells its end, not its beginning.
        "newOrderRespType": "RESULT",
        "recvWindow": recv_window_ms,
    }
    if request.reduce_only:
        params["reduceOnly"] = "true"
    return params


def cancel_params(request: CancelRequest) -> Params:
    """Return the parameters of a cancel by our id."""
    return {
        "symbol": venue_symbol(request.symbol),
        "origClientOrderId": request.client_order_id,
    }


def find_params(
    symbol: Symbol,
    *,
    client_order_id: ClientOrderId | None,
    venue_order_id: VenueOrderId | None,
) -> Params:
    """Return the parameters of a look-up; the venue's id is preferred, as ids of ours may recur."""
    params: Params = {"symbol": venue_symbol(symbol)}
    if venue_order_id:
        params["orderId"] = venue_order_id
    elif client_order_id:
        params["origClientOrderId"] = client_order_id
    else:
        raise ValueError("expected a client or a venue order id")
    return params


# --------------------------------------------------------------------------------------- answers


def order_of(payload: object) -> VenueOrder:
    """Return an order from a placement, cancel, look-up or list."""
    raw = mapping_of(payload)
    cumulative = decimal_of(raw, "executedQty")
    status = _status(text_of(raw, "status"))
    return VenueOrder(
        symbol=symbol_of(text_of(raw, "symbol")),
        client_order_id=_client_id(text_of(raw, "clientOrderId")),
        venue_order_id=VenueOrderId(str(integer_of(raw, "orderId"))),
        side=_side(text_of(raw, "side")),
        price=decimal_of(raw, "price"),
        quantity=decimal_of(raw, "origQty"),
        cumulative_quantity=cumulative,
        status=status,
        reduce_only=flag_of(raw, "reduceOnly"),
        updated_ms=time_of(raw, "updateTime"),
        reason=_reason(raw, "status", "timeInForce", cumulative),
    )


def orders_of(payload: object) -> tuple[VenueOrder, ...]:
    """Return the orders of a list."""
    return tuple(order_of(raw) for raw in rows_of(payload))


def trades_of(
    payload: object, *, client_ids: Mapping[VenueOrderId, ClientOrderId]
) -> tuple[VenueTrade, ...]:
    """Return the trades of a history page; it does not say our ids, ``client_ids`` may."""
    return tuple(_trade_of(raw, client_ids) for raw in rows_of(payload))


def _trade_of(raw: Raw, client_ids: Mapping[VenueOrderId, ClientOrderId]) -> VenueTrade:
    order_id = VenueOrderId(str(integer_of(raw, "orderId")))
    return VenueTrade(
        symbol=symbol_of(text_of(raw, "symbol")),
        trade_id=TradeId(str(integer_of(raw, "id"))),
        venue_order_id=order_id,
        client_order_id=client_ids.get(order_id, ClientOrderId("")),
        side=_side(text_of(raw, "side")),
        price=decimal_of(raw, "price"),
        quantity=decimal_of(raw, "qty"),
        fee=decimal_of(raw, "commission"),
        fee_asset=text_of(raw, "commissionAsset"),
        is_maker=flag_of(raw, "maker"),
        at_ms=time_of(raw, "time"),
    )


def position_of(payload: object, symbol: Symbol) -> VenuePosition:
    """Return the position of a symbol; the venue leaves out symbols without one.

    Raise ``HedgeModeError`` where the account has a long and a short side.
    """
    name = venue_symbol(symbol)
    rows = [raw for raw in rows_of(payload) if text_of(raw, "symbol") == name]
    for raw in rows:
        if text_of(raw, "positionSide") != "BOTH":
            raise HedgeModeError(f"{name} has a position side of its own: hedge mode")
        return VenuePosition(
            symbol=symbol,
            quantity=decimal_of(raw, "positionAmt"),
            average_price=decimal_of(raw, "entryPrice"),
            mark_price=decimal_of(raw, "markPrice"),
        )
    return VenuePosition(symbol=symbol, quantity=ZERO, average_price=ZERO)


def balances_of(payload: object) -> tuple[Balance, ...]:
    """Return the assets of an account; locked is what margin of orders and positions takes."""
    found = []
    for raw in rows_of(mapping_of(payload).get("assets")):
        free = decimal_of(raw, "availableBalance")
        held = decimal_of(raw, "walletBalance")
        found.append(Balance(asset=text_of(raw, "asset"), free=free, locked=max(held - free, ZERO)))
    return tuple(found)


def is_hedge_mode(payload: object) -> bool:
    """Tell from the position-mode answer whether the account is in hedge mode."""
    return flag_of(mapping_of(payload), "dualSidePosition")


def server_time_of(payload: object) -> UnixMs:
    """Return the venue's clock."""
    return time_of(mapping_of(payload), "serverTime")


def listen_key_of(payload: object) -> str:
    """Return the key of the private stream."""
    return text_of(mapping_of(payload), "listenKey")


def last_price_of(payload: object) -> tuple[Decimal, UnixMs]:
    """Return (price, time) of the latest trade from the price ticker."""
    raw = mapping_of(payload)
    return decimal_of(raw, "price"), time_of(raw, "time")


def ticker_quote_of(payload: object) -> tuple[Decimal, Decimal]:
    """Return (bid, ask) from the book ticker."""
    raw = mapping_of(payload)
    return decimal_of(raw, "bidPrice"), decimal_of(raw, "askPrice")


def instruments_of(payload: object) -> dict[Symbol, Instrument]:
    """Return the rules of every perpetual future that is trading."""
    found = {}
    for raw in rows_of(mapping_of(payload).get("symbols")):
        if raw.get("contractType") == "PERPETUAL" and raw.get("status") == "TRADING":
            instrument = _instrument_of(raw)
            found[instrument.symbol] = instrument
    return found


def _instrument_of(raw: Raw) -> Instrument:
    filters = {text_of(row, "filterType"): row for row in rows_of(raw.get("filters"))}
    price = _filter(filters, "PRICE_FILTER")
    lot = _filter(filters, "LOT_SIZE")
    band = _filter(filters, "PERCENT_PRICE")
    name = text_of(raw, "symbol")
    return Instrument(
        symbol=symbol_of(name),
        venue_symbol=name,
        base_asset=text_of(raw, "baseAsset"),
        quote_asset=text_of(raw, "quoteAsset"),
        tick_size=decimal_of(price, "tickSize"),
        lot_size=decimal_of(lot, "stepSize"),
        quantity_min=decimal_of(lot, "minQty"),
        quantity_max=decimal_of(lot, "maxQty"),
        notional_min=decimal_of(_filter(filters, "MIN_NOTIONAL"), "notional"),
        contract_size=ONE,
        orders_open_max=integer_of(_filter(filters, "MAX_NUM_ORDERS"), "limit"),
        reduce_only_exempt=True,
        price_band=min(
            decimal_of(band, "multiplierUp") - ONE, ONE - decimal_of(band, "multiplierDown")
        ),
    )


def _filter(filters: Mapping[str, Raw], name: str) -> Raw:
    if name not in filters:
        raise PayloadError(f"expected a {name} filter")
    return filters[name]


# -------------------------------------------------------------------------------- private stream


def order_events_of(raw: Raw) -> tuple[TradeUpdate | OrderUpdate, ...]:
    """Return what one ORDER_TRADE_UPDATE says: the execution, if it is one, then the order."""
    body = mapping_of(raw.get("o"))
    cumulative = decimal_of(body, "z")
    order = VenueOrder(
        symbol=symbol_of(text_of(body, "s")),
        client_order_id=_client_id(text_of(body, "c")),
        venue_order_id=VenueOrderId(str(integer_of(body, "i"))),
        side=_side(text_of(body, "S")),
        price=decimal_of(body, "p"),
        quantity=decimal_of(body, "q"),
        cumulative_quantity=cumulative,
        status=_status(text_of(body, "X")),
        reduce_only=flag_of(body, "R"),
        updated_ms=time_of(body, "T"),
        reason=_reason(body, "X", "f", cumulative),
    )
    if decimal_of(body, "l") == ZERO:
        return (OrderUpdate(order=order),)
    trade = VenueTrade(
        symbol=order.symbol,
        trade_id=TradeId(str(integer_of(body, "t"))),
        venue_order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        price=decimal_of(body, "L"),
        quantity=decimal_of(body, "l"),
        # No commission field means no commission.
        fee=decimal_of(body, "n") if "n" in body else ZERO,
        fee_asset=text_of(body, "N") if body.get("N") is not None else "",
        is_maker=flag_of(body, "m"),
        at_ms=order.updated_ms,
    )
    return (TradeUpdate(trade=trade), OrderUpdate(order=order))


# --------------------------------------------------------------------------------- public stream


def quote_of(raw: Raw) -> tuple[Decimal, Decimal, UnixMs]:
    """Return (bid, ask, time) of a bookTicker frame."""
    return decimal_of(raw, "b"), decimal_of(raw, "a"), time_of(raw, "T")


def trade_price_of(raw: Raw) -> tuple[Decimal, UnixMs]:
    """Return (price, time) of a trade frame."""
    return decimal_of(raw, "p"), time_of(raw, "T")


def mark_price_of(raw: Raw) -> tuple[Decimal, UnixMs]:
    """Return (mark price, time) of a markPriceUpdate frame."""
    return decimal_of(raw, "p"), time_of(raw, "E")


# ----------------------------------------------------------------------------------------- shared


def refusal_of(payload: object) -> tuple[str, str]:
    """Return (raw code, message) of a refusal, empty where the body has none."""
    if not isinstance(payload, Mapping):
        return "", ""
    code, message = payload.get("code"), payload.get("msg")
    return ("" if code is None else str(code)), ("" if message is None else str(message))


def _client_id(text: str) -> ClientOrderId:
    return forced_id(text) if text.startswith(_FORCED) else ClientOrderId(text)


def _side(text: str) -> Side:
    if text not in _SIDES:
        raise PayloadError(f"expected BUY or SELL, got {text!r}")
    return _SIDES[text]


def _status(text: str) -> OrderStatus:
    if text not in _STATUSES:
        raise PayloadError(f"expected an order status, got {text!r}")
    return _STATUSES[text]


def _reason(raw: Raw, status: str, time_in_force: str, cumulative: Decimal) -> VenueCode:
    # A post-only order only expires unfilled when it would have taken; expiry by self-trade
    # prevention has a status of its own.
    is_refused = (
        raw.get(status) == "EXPIRED" and raw.get(time_in_force) == "GTX" and cumulative == ZERO
    )
    return VenueCode.POST_ONLY_WOULD_CROSS if is_refused else VenueCode.NONE
