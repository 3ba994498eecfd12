"""Private routes: orders, fills, account, positions, user stream keys, dead man's switch."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, cast

import orjson

from opensqt.core.ids import ClientOrderId, Symbol, VenueOrderId
from opensqt.core.money import ZERO, is_multiple, to_text
from opensqt.core.orders import TimeInForce
from opensqt.market.types import EventKind, OrderRequest, Position
from opensqt.paper import dialect
from opensqt.paper.api import Call, Routes, Security, logged
from opensqt.paper.dialect import Json, rounded
from opensqt.paper.errors import ApiError
from opensqt.paper.store import Query

ROUTES = Routes()

_CLIENT_ORDER_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_BATCH_MAX: Final = 5
_BATCH_CANCEL_MAX: Final = 10
_LEVERAGE_MAX: Final = 125
_HEDGE_MODE_OFF: Final = "BOTH"


@ROUTES.add("POST /fapi/v1/order", security=Security.SIGNED, weight=0, changes_orders=True)
def create_order(call: Call) -> Json:
    accepted = call.venue.place(_order_request(call), call.origin)
    if call.params.get("newOrderRespType", "ACK") == "RESULT":
        return dialect.order_json(accepted.order)
    first = next(event for event in accepted.events if event.kind is EventKind.ACCEPTED)
    return dialect.order_json(first.order)


@ROUTES.add("GET /fapi/v1/order", security=Security.SIGNED)
def get_order(call: Call) -> Json:
    found = call.venue.find_order(
        call.account.name,
        call.symbol(),
        client_order_id=_client_order_id(call),
        venue_order_id=_venue_order_id(call),
    )
    return dialect.order_json(found)


@ROUTES.add("DELETE /fapi/v1/order", security=Security.SIGNED, changes_orders=True)
def cancel_order(call: Call) -> Json:
    client_order_id, venue_order_id = _client_order_id(call), _venue_order_id(call)
    if client_order_id is None and venue_order_id is None:
        raise ApiError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent.")
    order = call.venue.cancel(
        call.symbol(),
        call.origin,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
    )
    return dialect.order_json(order)


@ROUTES.add("POST /fapi/v1/batchOrders", security=Security.SIGNED, weight=5, changes_orders=True)
def create_batch(call: Call) -> list[Json]:
    wanted = _json_list(call, "batchOrders", _BATCH_MAX)
    return [_each(_with(call, item), create_order) for item in wanted]


@ROUTES.add("DELETE /fapi/v1/batchOrders", security=Security.SIGNED, changes_orders=True)
def cancel_batch(call: Call) -> list[Json]:
    symbol = call.text("symbol")
    if call.params.get("origClientOrderIdList"):
        name, key = "origClientOrderIdList", "origClientOrderId"
    else:
        name, key = "orderIdList", "orderId"
    wanted = _json_list(call, name, _BATCH_CANCEL_MAX)
    calls = (_with(call, {"symbol": symbol, key: item}) for item in wanted)
    return [_each(item, cancel_order) for item in calls]


@ROUTES.add("DELETE /fapi/v1/allOpenOrders", security=Security.SIGNED, changes_orders=True)
def cancel_all(call: Call) -> Json:
    call.venue.cancel_all(call.symbol(), call.origin)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


@ROUTES.add("GET /fapi/v1/openOrder", security=Security.SIGNED)
def get_open_order(call: Call) -> Json:
    order = call.venue.model.order(
        call.account.name,
        call.symbol(),
        client_order_id=_client_order_id(call),
        venue_order_id=_venue_order_id(call),
    )
    if order is None or not order.is_open:
        raise ApiError(-2013)
    return dialect.order_json(order)


@ROUTES.add("GET /fapi/v1/openOrders", security=Security.SIGNED)
def open_orders(call: Call) -> list[Json]:
    symbol = call.symbol() if call.params.get("symbol") else None
    return [
        dialect.order_json(order)
        for order in call.venue.model.open_orders(call.account.name, symbol)
    ]


@ROUTES.add("GET /fapi/v1/allOrders", security=Security.SIGNED, weight=5)
def all_orders(call: Call) -> list[Json]:
    query = _query(call, id_name="orderId", limit_max=1000)
    return [
        dialect.order_json(order)
        for order in call.venue.store.orders(query)
        if order.created_ms <= call.integer("endTime", call.origin.now_ms)
    ]


@ROUTES.add("GET /fapi/v1/userTrades", security=Security.SIGNED, weight=5)
def user_trades(call: Call) -> list[Json]:
    query = _query(call, id_name="fromId", limit_max=1000)
    order_id = call.integer("orderId", 0)
    return [
        dialect.trade_json(fill)
        for fill in call.venue.store.fills(query)
        if fill.at_ms <= call.integer("endTime", call.origin.now_ms)
        and (not order_id or int(fill.venue_order_id) == order_id)
    ]


@ROUTES.add("GET /fapi/v1/income", security=Security.SIGNED, weight=30)
def income(call: Call) -> list[Json]:
    kind = call.params.get("incomeType", "")
    symbol = call.symbol() if call.params.get("symbol") else None
    query = Query(
        account=call.account.name,
        symbol=symbol,
        since_ms=call.integer("startTime", 0),
        limit=max(1, min(1000, call.integer("limit", 100))),
    )
    rows = []
    for fill in call.venue.store.fills(query):
        for name, amount in (("REALIZED_PNL", fill.realized_pnl), ("COMMISSION", -fill.fee)):
            if amount and kind in ("", name):
                rows.append(
                    {
                        "symbol": dialect.venue_symbol(fill.symbol),
                        "incomeType": name,
                        "income": rounded(amount),
                        "asset": fill.fee_asset,
                        "info": "",
                        "time": fill.at_ms,
                        "tranId": int(fill.trade_id),
                        "tradeId": fill.trade_id,
                    }
                )
    return rows


# ------------------------------------------------------------------------------------------ account


@ROUTES.add("GET /fapi/v2/account", "GET /fapi/v3/account", security=Security.SIGNED, weight=5)
def account(call: Call) -> Json:
    assets = [_asset(call, asset) for asset in _wallet(call)]
    model, name = call.venue.model, call.account.name
    total = sum((amount for amount in _wallet(call).values()), ZERO)
    profit = sum((model.unrealized_pnl(name, p.symbol) for p in model.positions(name)), ZERO)
    locked = sum((model.locked(name, asset) for asset in _wallet(call)), ZERO)
    free = sum((model.available(name, asset) for asset in _wallet(call)), ZERO)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "totalInitialMargin": rounded(locked),
        "totalMaintMargin": "0",
        "totalWalletBalance": to_text(total),
        "totalUnrealizedProfit": rounded(profit),
        "totalMarginBalance": rounded(total + profit),
        "totalPositionInitialMargin": rounded(locked),
        "totalOpenOrderInitialMargin": "0",
        "totalCrossWalletBalance": to_text(total),
        "totalCrossUnPnl": rounded(profit),
        "availableBalance": rounded(max(free, ZERO)),
        "maxWithdrawAmount": rounded(max(free, ZERO)),
        "assets": assets,
        "positions": [_position_risk(call, item) for item in _positions(call)],
    }


@ROUTES.add("GET /fapi/v2/balance", "GET /fapi/v3/balance", security=Security.SIGNED, weight=5)
def balance(call: Call) -> list[Json]:
    return [
        {
            "accountAlias": call.account.name,
            "balance": asset["walletBalance"],
            "crossUnPnl": asset["unrealizedProfit"],
            **{
                key: asset[key]
                for key in (
                    "asset",
                    "crossWalletBalance",
                    "availableBalance",
                    "maxWithdrawAmount",
                    "marginAvailable",
                    "updateTime",
                )
            },
        }
        for asset in (_asset(call, name) for name in _wallet(call))
    ]


@ROUTES.add(
    "GET /fapi/v2/positionRisk", "GET /fapi/v3/positionRisk", security=Security.SIGNED, weight=5
)
def position_risk(call: Call) -> list[Json]:
    if call.params.get("symbol"):
        positions = [call.venue.model.position(call.account.name, call.symbol())]
    else:
        positions = _positions(call)
    return [_position_risk(call, position) for position in positions]


@ROUTES.add("GET /fapi/v1/positionSide/dual", security=Security.SIGNED, weight=30)
def position_side(_: Call) -> Json:
    return {"dualSidePosition": False}


@ROUTES.add("POST /fapi/v1/positionSide/dual", security=Security.SIGNED)
def set_position_side(call: Call) -> Json:
    if call.flag("dualSidePosition"):
        raise ApiError(-4061, "Hedge mode is not available here.")
    raise ApiError(-4059)


@ROUTES.add("POST /fapi/v1/leverage", security=Security.SIGNED)
def set_leverage(call: Call) -> Json:
    symbol, leverage = call.symbol(), call.integer("leverage")
    if not 1 <= leverage <= _LEVERAGE_MAX:
        raise ApiError(-4028)
    call.venue.set_leverage(call.account.name, symbol, leverage)
    name = dialect.venue_symbol(symbol)
    return {"symbol": name, "leverage": leverage, "maxNotionalValue": "1000000000"}


@ROUTES.add("POST /fapi/v1/marginType", security=Security.SIGNED)
def set_margin_type(call: Call) -> Json:
    call.symbol()
    if call.text("marginType") != "CROSSED":
        raise ApiError(-1102, "Only CROSSED margin is available here.")
    raise ApiError(-4046)


@ROUTES.add("GET /fapi/v1/leverageBracket", security=Security.SIGNED)
def leverage_bracket(call: Call) -> object:
    symbols = [call.symbol()] if call.params.get("symbol") else list(call.venue.model.books)
    return [
        {
            "symbol": dialect.venue_symbol(symbol),
            "brackets": [
                {
                    "bracket": 1,
                    "initialLeverage": _LEVERAGE_MAX,
                    "notionalCap": 1_000_000_000,
                    "notionalFloor": 0,
                    "maintMarginRatio": 0.004,
                    "cum": 0,
                }
            ],
        }
        for symbol in symbols
    ]


@ROUTES.add("GET /fapi/v1/commissionRate", security=Security.SIGNED, weight=20)
def commission_rate(call: Call) -> Json:
    return {
        "symbol": dialect.venue_symbol(call.symbol()),
        "makerCommissionRate": to_text(call.account.maker_fee),
        "takerCommissionRate": to_text(call.account.taker_fee),
    }


# -------------------------------------------------------------------------------------- user stream


@ROUTES.add("POST /fapi/v1/listenKey", security=Security.KEY)
def create_listen_key(call: Call) -> Json:
    return {"listenKey": call.venue.listen_key(call.account.name)}


@ROUTES.add("PUT /fapi/v1/listenKey", security=Security.KEY)
def keep_listen_key(call: Call) -> Json:
    return {"listenKey": call.venue.keep_listen_key(call.account.name)}


@ROUTES.add("DELETE /fapi/v1/listenKey", security=Security.KEY)
def close_listen_key(call: Call) -> Json:
    call.venue.close_listen_key(call.account.name)
    return {}


@ROUTES.add(
    "POST /fapi/v1/countdownCancelAll",
    security=Security.SIGNED,
    weight=10,
    changes_orders=True,
)
def countdown_cancel_all(call: Call) -> Json:
    symbol, countdown_ms = call.symbol(), call.integer("countdownTime")
    if countdown_ms < 0:
        raise ApiError(-1102)
    call.venue.set_countdown(symbol, call.origin, countdown_ms)
    return {"symbol": dialect.venue_symbol(symbol), "countdownTime": str(countdown_ms)}


# ------------------------------------------------------------------------------------------ private


def _order_request(call: Call) -> OrderRequest:
    symbol = call.symbol()
    side = dialect.SIDES.get(call.text("side"))
    if side is None:
        raise ApiError(-1117)
    kind = call.text("type")
    if kind not in ("LIMIT", "MARKET"):
        raise ApiError(-1116)
    if call.params.get("positionSide", _HEDGE_MODE_OFF) != _HEDGE_MODE_OFF:
        raise ApiError(-4061)
    time_in_force, price = TimeInForce.IOC, None
    if kind == "LIMIT":
        wanted = dialect.TIME_IN_FORCE.get(call.text("timeInForce"))
        if wanted is None:
            raise ApiError(-1115)
        time_in_force, price = wanted, call.decimal("price")
    quantity = call.decimal("quantity")
    instrument = call.venue.model.instrument(symbol)
    for value, step in ((price, instrument.tick_size), (quantity, instrument.lot_size)):
        if value is not None and not is_multiple(value, _finest(step)):
            raise ApiError(-1111)
    return OrderRequest(
        account=call.account.name,
        symbol=symbol,
        client_order_id=_new_client_order_id(call),
        side=side,
        price=price,
        quantity=quantity,
        time_in_force=time_in_force,
        reduce_only=call.flag("reduceOnly"),
    )


def _new_client_order_id(call: Call) -> ClientOrderId:
    given = call.params.get("newClientOrderId", "")
    if not given:
        # The venue names what the client did not; order ids are unique, so this is.
        given = f"web_{call.venue.model.order_id_next}"
    if not _CLIENT_ORDER_ID.fullmatch(given):
        raise ApiError(-4015)
    return ClientOrderId(given)


def _finest(step: Decimal) -> Decimal:
    # A precision is a power of ten; a step such as 0.5 still has one decimal.
    return Decimal(1).scaleb(-dialect.decimals(step))


def _client_order_id(call: Call) -> ClientOrderId | None:
    text = call.params.get("origClientOrderId", "")
    return ClientOrderId(text) if text else None


def _venue_order_id(call: Call) -> VenueOrderId | None:
    number = call.integer("orderId", 0)
    return VenueOrderId(str(number)) if number else None


def _query(call: Call, *, id_name: str, limit_max: int) -> Query:
    return Query(
        account=call.account.name,
        symbol=call.symbol(),
        since_ms=call.integer("startTime", 0),
        from_id=call.integer(id_name, 0) if id_name != "orderId" or "orderId" in call.params else 0,
        limit=max(1, min(limit_max, call.integer("limit", 500))),
    )


def _json_list(call: Call, name: str, most: int) -> list[Any]:
    try:
        items = orjson.loads(call.text(name))
    except orjson.JSONDecodeError as error:
        raise ApiError(-1102) from error
    if not isinstance(items, list) or not 0 < len(items) <= most:
        raise ApiError(-1102, f"Parameter '{name}' must list 1 to {most} items.")
    return items


def _with(call: Call, item: object) -> Call:
    values = cast("dict[str, object]", item) if isinstance(item, dict) else {}
    params = {key: _as_text(value) for key, value in values.items()}
    return replace(call, params=params)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _each(call: Call, handler: Callable[[Call], Any]) -> Json:
    try:
        return cast("Json", logged(call, handler))
    except ApiError as error:
        return {"code": error.code, "msg": error.text}


def _wallet(call: Call) -> dict[str, Decimal]:
    return call.venue.model.accounts[call.account.name].wallet


def _positions(call: Call) -> list[Position]:
    # Symbols ever touched, as the current API versions do.
    return list(call.venue.model.positions(call.account.name))


def _asset(call: Call, asset: str) -> Json:
    model, name = call.venue.model, call.account.name
    wallet = _wallet(call)[asset]
    profit = sum((model.unrealized_pnl(name, p.symbol) for p in model.positions(name)), ZERO)
    locked = model.locked(name, asset)
    free = rounded(max(model.available(name, asset), ZERO))
    return {
        "asset": asset,
        "walletBalance": to_text(wallet),
        "unrealizedProfit": rounded(profit),
        "marginBalance": rounded(wallet + profit),
        "maintMargin": "0",
        "initialMargin": rounded(locked),
        "positionInitialMargin": rounded(locked),
        "openOrderInitialMargin": "0",
        "crossWalletBalance": to_text(wallet),
        "crossUnPnl": rounded(profit),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "marginAvailable": True,
        # Clients skip an asset whose time is 0.
        "updateTime": call.origin.now_ms,
    }


def _position_risk(call: Call, position: Position) -> Json:
    model, name = call.venue.model, call.account.name
    symbol: Symbol = position.symbol
    mark = model.mark_price(symbol) or ZERO
    instrument = model.instrument(symbol)
    leverage = model.accounts[name].leverage(symbol)
    notional = position.quantity * mark * instrument.contract_size
    margin = rounded(abs(notional) / leverage)
    profit = rounded(model.unrealized_pnl(name, symbol))
    return {
        "symbol": dialect.venue_symbol(symbol),
        "positionSide": "BOTH",
        "positionAmt": to_text(position.quantity),
        "entryPrice": rounded(position.average_price),
        "breakEvenPrice": rounded(position.average_price),
        "markPrice": to_text(mark),
        "unRealizedProfit": profit,
        "unrealizedProfit": profit,
        "liquidationPrice": "0",
        "leverage": str(leverage),
        "maxNotionalValue": "1000000000",
        "marginType": "cross",
        "isolatedMargin": "0",
        "isAutoAddMargin": "false",
        "isolatedWallet": "0",
        "notional": rounded(notional),
        "marginAsset": instrument.quote_asset,
        "initialMargin": margin,
        "maintMargin": "0",
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": call.origin.now_ms,
    }
