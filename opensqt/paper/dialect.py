"""Binance USD-M's JSON: what orders, fills, positions and rules look like on the wire."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO, to_text
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.market.filters import PRICE_MAX
from opensqt.market.types import BookOrder, EventKind, Fill, OrderEvent, Position
from opensqt.paper.candles import Candle

Json = dict[str, Any]

_STATUS: Final = {
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
}
_EXECUTION: Final = {
    EventKind.ACCEPTED: "NEW",
    EventKind.TRADED: "TRADE",
    EventKind.CANCELED: "CANCELED",
    EventKind.EXPIRED: "EXPIRED",
}
TIME_IN_FORCE: Final = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTX,
    "IOC": TimeInForce.IOC,
}
SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_EIGHT_PLACES: Final = Decimal("0.00000001")


def rounded(value: Decimal) -> str:
    """Return a derived amount as text with at most eight decimals."""
    return to_text(value.quantize(_EIGHT_PLACES, ROUND_HALF_EVEN))


def venue_symbol(symbol: str) -> str:
    """Return ``BTCUSDT`` for ``BTCUSDT:perp``."""
    return symbol.partition(":")[0]


def order_status(order: BookOrder) -> str:
    """Return the venue's word for an order's state."""
    if order.status is OrderStatus.WORKING:
        return "PARTIALLY_FILLED" if order.filled_quantity else "NEW"
    return _STATUS[order.status]


def order_json(order: BookOrder) -> Json:
    """Return an order as REST answers show it."""
    kind = "MARKET" if order.price is None else "LIMIT"
    return {
        "orderId": int(order.venue_order_id),
        "symbol": venue_symbol(order.symbol),
        "status": order_status(order),
        "clientOrderId": order.client_order_id,
        "price": "0" if order.price is None else to_text(order.price),
        "avgPrice": rounded(order.average_price),
        "origQty": to_text(order.quantity),
        "executedQty": to_text(order.filled_quantity),
        "cumQty": to_text(order.filled_quantity),
        "cumQuote": to_text(order.filled_notional),
        "timeInForce": order.time_in_force.value.upper(),
        "type": kind,
        "origType": kind,
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side.value.upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def trade_json(fill: Fill) -> Json:
    """Return an execution of the account."""
    return {
        "symbol": venue_symbol(fill.symbol),
        "id": int(fill.trade_id),
        "orderId": int(fill.venue_order_id),
        "side": fill.side.value.upper(),
        "price": to_text(fill.price),
        "qty": to_text(fill.quantity),
        "realizedPnl": rounded(fill.realized_pnl),
        "quoteQty": to_text(fill.price * fill.quantity),
        "commission": to_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "positionSide": "BOTH",
        "buyer": fill.side is Side.BUY,
        "maker": fill.is_maker,
    }


def order_update(event: OrderEvent, now_ms: int) -> Json:
    """Return ``ORDER_TRADE_UPDATE`` of the user stream."""
    order, fill = event.order, event.fill
    kind = "MARKET" if order.price is None else "LIMIT"
    detail: Json = {
        "s": venue_symbol(order.symbol),
        "c": order.client_order_id,
        "S": order.side.value.upper(),
        "o": kind,
        "f": order.time_in_force.value.upper(),
        "q": to_text(order.quantity),
        "p": "0" if order.price is None else to_text(order.price),
        "ap": rounded(order.average_price),
        "sp": "0",
        "x": _EXECUTION[event.kind],
        "X": order_status(order),
        "i": int(order.venue_order_id),
        "l": "0" if fill is None else to_text(fill.quantity),
        "z": to_text(order.filled_quantity),
        "L": "0" if fill is None else to_text(fill.price),
        "T": event.at_ms,
        "t": 0 if fill is None else int(fill.trade_id),
        "b": "0",
        "a": "0",
        "m": False if fill is None else fill.is_maker,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": "BOTH",
        "cp": False,
        "rp": "0" if fill is None else rounded(fill.realized_pnl),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "NONE",
        "pm": "NONE",
        "gtd": 0,
    }
    if fill is not None:
        detail["N"] = fill.fee_asset
        detail["n"] = to_text(fill.fee)
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": event.at_ms, "o": detail}


def account_update(
    *, asset: str, wallet: Decimal, position: Position, unrealized: Decimal, now_ms: int
) -> Json:
    """Return ``ACCOUNT_UPDATE`` of the user stream after a trade."""
    amount = to_text(wallet)
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "a": {
            "m": "ORDER",
            "B": [{"a": asset, "wb": amount, "cw": amount, "bc": "0"}],
            "P": [
                {
                    "s": venue_symbol(position.symbol),
                    "pa": to_text(position.quantity),
                    "ep": rounded(position.average_price),
                    "bep": rounded(position.average_price),
                    "cr": rounded(position.realized_pnl),
                    "up": rounded(unrealized),
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                    "ma": asset,
                }
            ],
        },
    }


def instrument_json(instrument: Instrument) -> Json:
    """Return a symbol's rules as in ``exchangeInfo``."""
    tick, lot = to_text(instrument.tick_size), to_text(instrument.lot_size)
    lots = {
        "minQty": to_text(instrument.quantity_min),
        "maxQty": to_text(instrument.quantity_max),
        "stepSize": lot,
    }
    return {
        "symbol": instrument.venue_symbol,
        "pair": instrument.venue_symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        "marginAsset": instrument.quote_asset,
        "pricePrecision": decimals(instrument.tick_size),
        "quantityPrecision": decimals(instrument.lot_size),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": to_text(instrument.price_band),
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": to_text(PRICE_MAX),
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", **lots},
            {"filterType": "MARKET_LOT_SIZE", **lots},
            {"filterType": "MAX_NUM_ORDERS", "limit": instrument.orders_open_max},
            {"filterType": "MIN_NOTIONAL", "notional": to_text(instrument.notional_min)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": to_text(1 + instrument.price_band),
                "multiplierDown": to_text(1 - instrument.price_band),
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": list(TIME_IN_FORCE),
    }


def candle_row(candle: Candle, step_ms: int) -> list[object]:
    """Return a candle as ``klines`` rows are."""
    return [
        candle.open_ms,
        to_text(candle.open),
        to_text(candle.high),
        to_text(candle.low),
        to_text(candle.close),
        to_text(candle.volume),
        candle.open_ms + step_ms - 1,
        to_text(candle.quote_volume),
        candle.trades,
        to_text(candle.taker_buy_volume),
        to_text(candle.taker_buy_quote_volume),
        "0",
    ]


def kline_update(
    symbol: str, interval: str, candle: Candle, *, step_ms: int, is_closed: bool, now_ms: int
) -> Json:
    """Return a ``kline`` stream message."""
    return {
        "e": "kline",
        "E": now_ms,
        "s": symbol,
        "k": {
            "t": candle.open_ms,
            "T": candle.open_ms + step_ms - 1,
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": to_text(candle.open),
            "c": to_text(candle.close),
            "h": to_text(candle.high),
            "l": to_text(candle.low),
            "v": to_text(candle.volume),
            "n": candle.trades,
            "x": is_closed,
            "q": to_text(candle.quote_volume),
            "V": to_text(candle.taker_buy_volume),
            "Q": to_text(candle.taker_buy_quote_volume),
            "B": "0",
        },
    }


def day_json(symbol: str, candle: Candle, now_ms: int) -> Json:
    """Return the 24 hour statistics of a symbol."""
    change = candle.close - candle.open
    average = candle.quote_volume / candle.volume if candle.volume else candle.close
    return {
        "symbol": symbol,
        "priceChange": to_text(change),
        "priceChangePercent": rounded(change * 100 / candle.open) if candle.open else "0",
        "weightedAvgPrice": rounded(average),
        "lastPrice": to_text(candle.close),
        "lastQty": "0",
        "openPrice": to_text(candle.open),
        "highPrice": to_text(candle.high),
        "lowPrice": to_text(candle.low),
        "volume": to_text(candle.volume),
        "quoteVolume": to_text(candle.quote_volume),
        "openTime": now_ms - 86_400_000,
        "closeTime": now_ms,
        "firstId": candle.first_id,
        "lastId": candle.last_id,
        "count": candle.trades,
    }


def decimals(step: Decimal) -> int:
    """Return how many decimals multiples of a step have.

    >>> decimals(Decimal("0.10")), decimals(Decimal(1))
    (1, 0)
    """
    return len(to_text(step).partition(".")[2]) if step != ZERO else 0
