"""Public routes: time, rules, prices, trades, candles, funding."""

from collections.abc import Callable

from opensqt.core.ids import Symbol
from opensqt.core.money import to_text
from opensqt.core.orders import Side
from opensqt.paper import dialect
from opensqt.paper.api import Call, Routes
from opensqt.paper.board import FUNDING_INTERVAL_MS, FUNDING_RATE, next_funding_ms
from opensqt.paper.candles import INTERVALS_MS
from opensqt.paper.dialect import Json
from opensqt.paper.errors import ApiError

ROUTES = Routes()


@ROUTES.add("GET /fapi/v1/ping")
def ping(_: Call) -> Json:
    return {}


@ROUTES.add("GET /fapi/v1/time")
def time(call: Call) -> Json:
    return {"serverTime": call.origin.now_ms}


@ROUTES.add("GET /fapi/v1/exchangeInfo")
def exchange_info(call: Call) -> Json:
    limit = call.venue.config.weight_limit
    books = call.venue.model.books.values()
    return {
        "timezone": "UTC",
        "serverTime": call.origin.now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": limit,
            }
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [dialect.instrument_json(book.instrument) for book in books],
    }


@ROUTES.add("GET /fapi/v1/depth", weight=5)
def depth(call: Call) -> Json:
    board = call.venue.board
    limit = call.integer("limit", 500)
    return board.depth_json(board[call.symbol()], limit, call.origin.now_ms)


@ROUTES.add("GET /fapi/v1/ticker/bookTicker", weight=2)
def book_ticker(call: Call) -> object:
    return _per_symbol(call, _book_ticker)


def _book_ticker(call: Call, symbol: Symbol) -> Json | None:
    quote = call.venue.model.quote(symbol)
    if quote is None:
        return None
    return {
        "symbol": dialect.venue_symbol(symbol),
        "bidPrice": to_text(quote.bid),
        "bidQty": to_text(quote.bid_quantity),
        "askPrice": to_text(quote.ask),
        "askQty": to_text(quote.ask_quantity),
        "time": call.origin.now_ms,
        "lastUpdateId": call.venue.board[symbol].update_id,
    }


@ROUTES.add("GET /fapi/v1/ticker/price", "GET /fapi/v2/ticker/price")
def ticker_price(call: Call) -> object:
    return _per_symbol(call, _ticker_price)


def _ticker_price(call: Call, symbol: Symbol) -> Json | None:
    price = call.venue.model.last_price(symbol) or call.venue.model.mark_price(symbol)
    if price is None:
        return None
    return {
        "symbol": dialect.venue_symbol(symbol),
        "price": to_text(price),
        "time": call.origin.now_ms,
    }


@ROUTES.add("GET /fapi/v1/ticker/24hr")
def ticker_day(call: Call) -> object:
    return _per_symbol(call, _ticker_day)


def _ticker_day(call: Call, symbol: Symbol) -> Json | None:
    candle = call.venue.board[symbol].candles.day(call.origin.now_ms)
    if candle is None:
        return None
    return dialect.day_json(dialect.venue_symbol(symbol), candle, call.origin.now_ms)


@ROUTES.add("GET /fapi/v1/trades", weight=5)
def trades(call: Call) -> list[Json]:
    shown = call.venue.board[call.symbol()].trades
    limit = max(1, call.integer("limit", 500))
    return [
        {
            "id": trade.trade_id,
            "price": to_text(trade.price),
            "qty": to_text(trade.quantity),
            "quoteQty": to_text(trade.price * trade.quantity),
            "time": trade.at_ms,
            "isBuyerMaker": trade.aggressor is Side.SELL,
        }
        for trade in list(shown)[-limit:]
    ]


@ROUTES.add("GET /fapi/v1/klines", weight=5)
def klines(call: Call) -> list[list[object]]:
    interval = call.text("interval")
    if interval not in INTERVALS_MS:
        raise ApiError(-1120)
    candles = call.venue.board[call.symbol()].candles.series(
        interval,
        start_ms=call.integer("startTime", 0),
        end_ms=call.integer("endTime", call.origin.now_ms),
        limit=max(1, min(1500, call.integer("limit", 500))),
    )
    return [dialect.candle_row(candle, INTERVALS_MS[interval]) for candle in candles]


@ROUTES.add("GET /fapi/v1/premiumIndex")
def premium_index(call: Call) -> object:
    return _per_symbol(call, _premium_index)


def _premium_index(call: Call, symbol: Symbol) -> Json | None:
    mark = call.venue.model.mark_price(symbol)
    if mark is None:
        return None
    text = to_text(mark)
    return {
        "symbol": dialect.venue_symbol(symbol),
        "markPrice": text,
        "indexPrice": text,
        "estimatedSettlePrice": text,
        "lastFundingRate": to_text(FUNDING_RATE),
        "interestRate": to_text(FUNDING_RATE),
        "nextFundingTime": next_funding_ms(call.origin.now_ms),
        "time": call.origin.now_ms,
    }


@ROUTES.add("GET /fapi/v1/fundingInfo")
def funding_info(call: Call) -> list[Json]:
    return [
        {
            "symbol": book.instrument.venue_symbol,
            "adjustedFundingRateCap": "0.02",
            "adjustedFundingRateFloor": "-0.02",
            "fundingIntervalHours": FUNDING_INTERVAL_MS // 3_600_000,
            "disclaimer": False,
        }
        for book in call.venue.model.books.values()
    ]


@ROUTES.add("GET /fapi/v1/fundingRate")
def funding_rate(call: Call) -> list[Json]:
    symbol = call.symbol()
    mark = call.venue.model.mark_price(symbol)
    last = next_funding_ms(call.origin.now_ms) - FUNDING_INTERVAL_MS
    return [
        {
            "symbol": dialect.venue_symbol(symbol),
            "fundingTime": last,
            "fundingRate": to_text(FUNDING_RATE),
            "markPrice": "" if mark is None else to_text(mark),
        }
    ]


def _per_symbol(call: Call, show: "PerSymbol") -> object:
    if call.params.get("symbol"):
        shown = show(call, call.symbol())
        if shown is None:
            raise ApiError(-4140)
        return shown
    each = (show(call, symbol) for symbol in call.venue.model.books)
    return [item for item in each if item is not None]


PerSymbol = Callable[[Call, Symbol], Json | None]
