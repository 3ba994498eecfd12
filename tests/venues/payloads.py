"""What Binance USD-M sends, written from its documentation; only fields differ in the tests."""

from typing import Any

Json = dict[str, Any]


def order_reply(**changes: Any) -> Json:
    """Return the answer to a placement, cancel or look-up."""
    return {
        "orderId": 22542179,
        "symbol": "BTCUSDT",
        "status": "NEW",
        "clientOrderId": "q1abc",
        "price": "60000.10",
        "avgPrice": "0.00",
        "origQty": "0.010",
        "executedQty": "0.000",
        "cumQty": "0.000",
        "cumQuote": "0.00000",
        "timeInForce": "GTX",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "LIMIT",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "updateTime": 1723161256313,
    } | changes


def trade_row(**changes: Any) -> Json:
    """Return a row of the trade history."""
    return {
        "buyer": True,
        "commission": "0.11998002",
        "commissionAsset": "USDT",
        "id": 698759,
        "maker": True,
        "orderId": 22542179,
        "price": "59990.01",
        "qty": "0.010",
        "quoteQty": "599.90010",
        "realizedPnl": "0",
        "side": "BUY",
        "positionSide": "BOTH",
        "symbol": "BTCUSDT",
        "time": 1723161256400,
    } | changes


def order_frame(**changes: Any) -> Json:
    """Return an ORDER_TRADE_UPDATE of a partial fill; ``changes`` go into its body."""
    body = {
        "s": "BTCUSDT",
        "c": "q1abc",
        "S": "SELL",
        "o": "LIMIT",
        "f": "GTX",
        "q": "0.010",
        "p": "60000.10",
        "ap": "60000.1",
        "sp": "0",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 22542179,
        "l": "0.003",
        "z": "0.004",
        "L": "60000.20",
        "N": "USDT",
        "n": "0.03600012",
        "T": 1723161256400,
        "t": 698760,
        "b": "0",
        "a": "9.91",
        "m": True,
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": "LIMIT",
        "ps": "BOTH",
        "cp": False,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "NONE",
        "pm": "NONE",
        "gtd": 0,
    } | changes
    return {"e": "ORDER_TRADE_UPDATE", "T": 1723161256400, "E": 1723161256403, "o": body}


def resting_frame(**changes: Any) -> Json:
    """Return an ORDER_TRADE_UPDATE without an execution."""
    resting = {"x": "NEW", "X": "NEW", "l": "0", "z": "0", "L": "0", "t": 0, "m": False}
    frame = order_frame(**resting | {"S": "BUY"} | changes)
    for key in ("N", "n"):
        frame["o"].pop(key, None)
    return frame


def exchange_info(**changes: Any) -> Json:
    """Return the rules with one symbol; ``changes`` go into the symbol."""
    symbol = {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "556.80",
                "maxPrice": "4529764",
                "tickSize": "0.10",
            },
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "maxQty": "1000", "minQty": "0.001"},
            {
                "filterType": "MARKET_LOT_SIZE",
                "stepSize": "0.001",
                "maxQty": "120",
                "minQty": "0.001",
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    } | changes
    return {"timezone": "UTC", "serverTime": 1723161256400, "rateLimits": [], "symbols": [symbol]}


def position_row(**changes: Any) -> Json:
    """Return a row of positionRisk."""
    return {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "-0.012",
        "entryPrice": "60001.23",
        "breakEvenPrice": "60000.1",
        "markPrice": "60010.00000000",
        "unRealizedProfit": "-0.105",
        "liquidationPrice": "0",
        "notional": "-720.12",
        "updateTime": 1723161256400,
    } | changes


def account_reply() -> Json:
    """Return the answer of account."""
    return {
        "totalWalletBalance": "103.12345678",
        "assets": [
            {
                "asset": "USDT",
                "walletBalance": "103.12345678",
                "availableBalance": "90.00000001",
                "updateTime": 1723161256400,
            },
            {
                "asset": "BNB",
                "walletBalance": "0.5",
                # Unrealised profit may be spent too.
                "availableBalance": "0.75",
                "updateTime": 1723161256400,
            },
        ],
        "positions": [],
    }
