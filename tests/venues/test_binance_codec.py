from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId, forced_id
from opensqt.core.instrument import Instrument
from opensqt.core.money import to_text
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
from opensqt.venues.codec import binance
from opensqt.venues.codec.fields import PayloadError, decimal_of
from opensqt.venues.transport import decode_exact
from tests.venues.payloads import (
    account_reply,
    exchange_info,
    order_frame,
    order_reply,
    position_row,
    resting_frame,
    trade_row,
)

SYMBOL = Symbol("BTCUSDT:perp")
# Every number a venue can send: up to thirty digits each side.
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=18).filter(
    lambda value: abs(value) < Decimal("1e29")
)


def place(**changes: Any) -> PlaceRequest:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "client_order_id": ClientOrderId("q1abc"),
        "side": Side.BUY,
        "price": Decimal("60000.10"),
        "quantity": Decimal("0.010"),
        "time_in_force": TimeInForce.GTX,
        "reduce_only": False,
        "deadline_ms": UnixMs(1),
        "symbol_epoch": 1,
    }
    return PlaceRequest(**values | changes)


def test_a_limit_order_is_spelled_as_the_venue_wants_it() -> None:
    assert binance.place_params(place(), recv_window_ms=2_500) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTX",
        "quantity": "0.01",
        "price": "60000.1",
        "newClientOrderId": "q1abc",
        "newOrderRespType": "RESULT",
        "recvWindow": 2_500,
    }


@pytest.mark.parametrize(
    ("changes", "params"),
    [
        ({"side": Side.SELL, "reduce_only": True}, {"side": "SELL", "reduceOnly": "true"}),
        ({"time_in_force": TimeInForce.GTC}, {"timeInForce": "GTC"}),
        ({"time_in_force": TimeInForce.IOC}, {"timeInForce": "IOC"}),
        ({"quantity": Decimal("1E+3"), "price": Decimal("1E-7")}, {"quantity": "1000"}),
        ({"price": Decimal("1E-7")}, {"price": "0.0000001"}),
    ],
)
def test_what_differs_between_orders_is_said(changes: dict[str, Any], params: Any) -> None:
    assert params.items() <= binance.place_params(place(**changes), recv_window_ms=1).items()


def test_cancels_and_look_ups_name_the_order() -> None:
    cancel = CancelRequest(symbol=SYMBOL, client_order_id=ClientOrderId("q1abc"), symbol_epoch=1)
    ours, theirs = ClientOrderId("q1abc"), VenueOrderId("77")

    assert binance.cancel_params(cancel) == {"symbol": "BTCUSDT", "origClientOrderId": "q1abc"}
    assert binance.find_params(SYMBOL, client_order_id=ours, venue_order_id=None) == {
        "symbol": "BTCUSDT",
        "origClientOrderId": "q1abc",
    }
    assert binance.find_params(SYMBOL, client_order_id=ours, venue_order_id=theirs) == {
        "symbol": "BTCUSDT",
        "orderId": "77",
    }
    with pytest.raises(ValueError, match="expected a client or a venue order id"):
        binance.find_params(SYMBOL, client_order_id=None, venue_order_id=None)


@pytest.mark.parametrize("symbol", ["BTCUSDT:spot", "BTCUSDT", "btcusdt:perp", "", "BTC-X:perp"])
def test_a_symbol_of_another_market_is_unknown(symbol: str) -> None:
    with pytest.raises(UnknownSymbolError):
        binance.venue_symbol(Symbol(symbol))


def test_an_order_reply_is_read_exactly() -> None:
    assert binance.order_of(order_reply(executedQty="0.004", status="PARTIALLY_FILLED")) == (
        VenueOrder(
            symbol=SYMBOL,
            client_order_id=ClientOrderId("q1abc"),
            venue_order_id=VenueOrderId("22542179"),
            side=Side.BUY,
            price=Decimal("60000.10"),
            quantity=Decimal("0.010"),
            cumulative_quantity=Decimal("0.004"),
            status=OrderStatus.WORKING,
            reduce_only=False,
            updated_ms=UnixMs(1723161256313),
            reason=VenueCode.NONE,
        )
    )


CROSSED = VenueCode.POST_ONLY_WOULD_CROSS


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        ({"status": "NEW"}, OrderStatus.WORKING, VenueCode.NONE),
        ({"status": "PARTIALLY_FILLED"}, OrderStatus.WORKING, VenueCode.NONE),
        ({"status": "FILLED"}, OrderStatus.FILLED, VenueCode.NONE),
        ({"status": "CANCELED"}, OrderStatus.CANCELED, VenueCode.NONE),
        ({"status": "REJECTED"}, OrderStatus.REJECTED, VenueCode.NONE),
        ({"status": "EXPIRED_IN_MATCH"}, OrderStatus.EXPIRED, VenueCode.NONE),
        ({"status": "EXPIRED"}, OrderStatus.EXPIRED, CROSSED),
        ({"status": "EXPIRED", "timeInForce": "IOC"}, OrderStatus.EXPIRED, VenueCode.NONE),
        ({"status": "EXPIRED", "executedQty": "0.001"}, OrderStatus.EXPIRED, VenueCode.NONE),
    ],
)
def test_every_status_of_the_venue_has_ours(
    raw: dict[str, str], status: OrderStatus, reason: VenueCode
) -> None:
    order = binance.order_of(order_reply(**raw))

    assert (order.status, order.reason) == (status, reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "PENDING"},
        {"side": "BOTH"},
        {"price": 60000.1},
        {"price": "NaN"},
        {"price": None},
        {"orderId": "22542179"},
        {"orderId": True},
        {"reduceOnly": "false"},
        {"executedQty": ""},
        {"updateTime": "yesterday"},
    ],
)
def test_a_field_that_is_not_as_documented_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(PayloadError):
        binance.order_of(order_reply(**changes))


@pytest.mark.parametrize(
    ("decode", "payload"),
    [
        (binance.order_of, None),
        (binance.order_of, []),
        (binance.orders_of, {}),
        (binance.orders_of, [1]),
        (binance.balances_of, {"assets": None}),
        (binance.instruments_of, {}),
        (binance.is_hedge_mode, {"dualSidePosition": "false"}),
        (binance.server_time_of, None),
        (binance.listen_key_of, {"listenKey": None}),
        (binance.last_price_of, "60000"),
        (binance.order_events_of, {"e": "ORDER_TRADE_UPDATE"}),
    ],
)
def test_an_answer_of_another_shape_is_refused(
    decode: Callable[[Any], object], payload: object
) -> None:
    with pytest.raises(PayloadError):
        decode(payload)


def test_a_trade_row_knows_our_id_only_from_us() -> None:
    known = {VenueOrderId("22542179"): ClientOrderId("q1abc")}
    rows = [trade_row(), trade_row(id=698760, orderId=1, side="SELL", commission="-0.5")]

    first, second = binance.trades_of(rows, client_ids=known)

    assert first == VenueTrade(
        symbol=SYMBOL,
        trade_id=TradeId("698759"),
        venue_order_id=VenueOrderId("22542179"),
        client_order_id=ClientOrderId("q1abc"),
        side=Side.BUY,
        price=Decimal("59990.01"),
        quantity=Decimal("0.010"),
        fee=Decimal("0.11998002"),
        fee_asset="USDT",
        is_maker=True,
        at_ms=UnixMs(1723161256400),
    )
    assert (second.client_order_id, second.side, second.fee) == ("", Side.SELL, Decimal("-0.5"))


def test_a_fill_is_one_trade_and_one_order_state_from_one_frame() -> None:
    trade, order = binance.order_events_of(order_frame())

    assert isinstance(trade, TradeUpdate)
    assert trade.trade == VenueTrade(
        symbol=SYMBOL,
        trade_id=TradeId("698760"),
        venue_order_id=VenueOrderId("22542179"),
        client_order_id=ClientOrderId("q1abc"),
        side=Side.SELL,
        price=Decimal("60000.20"),
        quantity=Decimal("0.003"),
        fee=Decimal("0.03600012"),
        fee_asset="USDT",
        is_maker=True,
        at_ms=UnixMs(1723161256400),
    )
    assert isinstance(order, OrderUpdate)
    assert order.order == VenueOrder(
        symbol=SYMBOL,
        client_order_id=ClientOrderId("q1abc"),
        venue_order_id=VenueOrderId("22542179"),
        side=Side.SELL,
        price=Decimal("60000.10"),
        quantity=Decimal("0.010"),
        cumulative_quantity=Decimal("0.004"),
        status=OrderStatus.WORKING,
        reduce_only=False,
        updated_ms=UnixMs(1723161256400),
    )


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"x": "NEW", "X": "NEW"}, OrderStatus.WORKING, VenueCode.NONE),
        ({"x": "CANCELED", "X": "CANCELED"}, OrderStatus.CANCELED, VenueCode.NONE),
        ({"x": "CANCELED", "X": "CANCELED", "z": "0.004"}, OrderStatus.CANCELED, VenueCode.NONE),
        ({"x": "EXPIRED", "X": "EXPIRED"}, OrderStatus.EXPIRED, CROSSED),
        ({"x": "EXPIRED", "X": "EXPIRED", "f": "IOC"}, OrderStatus.EXPIRED, VenueCode.NONE),
        ({"x": "EXPIRED", "X": "EXPIRED_IN_MATCH"}, OrderStatus.EXPIRED, VenueCode.NONE),
        ({"x": "AMENDMENT", "X": "NEW"}, OrderStatus.WORKING, VenueCode.NONE),
    ],
)
def test_a_report_without_an_execution_is_no_trade(
    changes: dict[str, str], status: OrderStatus, reason: VenueCode
) -> None:
    (update,) = binance.order_events_of(resting_frame(**changes))

    assert isinstance(update, OrderUpdate)
    assert (update.order.status, update.order.reason) == (status, reason)


@pytest.mark.parametrize("name", ["autoclose-1", "adl_autoclose", "settlement_autoclose-1"])
def test_an_order_the_venue_made_is_a_trade_and_says_so(name: str) -> None:
    frame = order_frame(x="CALCULATED", X="FILLED", c=name, z="0.010")

    trade, order = binance.order_events_of(frame)

    assert isinstance(trade, TradeUpdate)
    assert isinstance(order, OrderUpdate)
    assert trade.trade.client_order_id == order.order.client_order_id == forced_id(name)
    assert binance.order_of(order_reply(clientOrderId=name)).client_order_id == forced_id(name)


def test_a_fill_without_commission_costs_nothing() -> None:
    frame = order_frame()
    del frame["o"]["n"], frame["o"]["N"]

    trade, _ = binance.order_events_of(frame)

    assert isinstance(trade, TradeUpdate)
    assert (trade.trade.fee, trade.trade.fee_asset) == (Decimal(0), "")


def test_the_rules_come_from_the_filters() -> None:
    assert binance.instruments_of(exchange_info()) == {
        SYMBOL: Instrument(
            symbol=SYMBOL,
            venue_symbol="BTCUSDT",
            base_asset="BTC",
            quote_asset="USDT",
            tick_size=Decimal("0.10"),
            lot_size=Decimal("0.001"),
            quantity_min=Decimal("0.001"),
            quantity_max=Decimal(1000),
            notional_min=Decimal(100),
            contract_size=Decimal(1),
            orders_open_max=200,
            reduce_only_exempt=True,
            price_band=Decimal("0.05"),
        )
    }


@pytest.mark.parametrize("changes", [{"status": "SETTLING"}, {"contractType": "CURRENT_QUARTER"}])
def test_what_is_not_a_trading_perpetual_is_left_out(changes: dict[str, str]) -> None:
    assert binance.instruments_of(exchange_info(**changes)) == {}


def test_a_symbol_without_a_filter_is_refused() -> None:
    filters = [row for row in exchange_info()["symbols"][0]["filters"] if "limit" not in row]

    with pytest.raises(PayloadError, match="MAX_NUM_ORDERS"):
        binance.instruments_of(exchange_info(filters=filters))


def test_a_position_is_signed_and_absent_when_flat() -> None:
    rows = [position_row(symbol="ETHUSDT", positionAmt="9"), position_row()]

    assert binance.position_of(rows, SYMBOL) == VenuePosition(
        symbol=SYMBOL,
        quantity=Decimal("-0.012"),
        average_price=Decimal("60001.23"),
        mark_price=Decimal(60010),
    )
    assert binance.position_of([], SYMBOL).quantity == 0


def test_a_position_of_hedge_mode_is_refused() -> None:
    with pytest.raises(binance.HedgeModeError):
        binance.position_of([position_row(positionSide="LONG")], SYMBOL)


def test_balances_lock_what_is_not_available() -> None:
    assert binance.balances_of(account_reply()) == (
        Balance(asset="USDT", free=Decimal("90.00000001"), locked=Decimal("13.12345677")),
        Balance(asset="BNB", free=Decimal("0.75"), locked=Decimal(0)),
    )


def test_a_refusal_is_a_code_and_words() -> None:
    assert binance.refusal_of({"code": -2019, "msg": "Margin"}) == ("-2019", "Margin")
    assert binance.refusal_of({}) == ("", "")
    assert binance.refusal_of("<html>") == ("", "")


@pytest.mark.property
@given(NUMBERS)
def test_no_digit_is_lost_between_the_venue_and_us(value: Decimal) -> None:
    text = format(value, "f")

    order = binance.order_of(order_reply(price=text, origQty=text, executedQty=text))
    trade, update = binance.order_events_of(order_frame(L=text, n=text, z=text, p=text))
    (row,) = binance.trades_of([trade_row(price=text, qty=text, commission=text)], client_ids={})

    assert isinstance(trade, TradeUpdate)
    assert isinstance(update, OrderUpdate)
    assert (order.price, order.quantity, order.cumulative_quantity) == (value, value, value)
    assert (update.order.price, update.order.cumulative_quantity) == (value, value)
    assert (trade.trade.price, trade.trade.fee) == (value, value)
    assert (row.price, row.quantity, row.fee) == (value, value, value)


@pytest.mark.property
@given(NUMBERS)
def test_no_digit_is_lost_on_the_way_out(value: Decimal) -> None:
    params = binance.place_params(place(price=value, quantity=value), recv_window_ms=1)

    assert (params["price"], params["quantity"]) == (to_text(value), to_text(value))
    assert Decimal(str(params["price"])) == value


@pytest.mark.property
@given(NUMBERS, st.sampled_from(["{}", "{}e-7", "{}E2", "{}e+05"]))
def test_a_bare_number_keeps_every_digit(value: Decimal, form: str) -> None:
    text = form.format(format(value, "f"))

    raw = decode_exact(f'{{"price": {text}}}')

    assert decimal_of(raw, "price") == Decimal(text)


@pytest.mark.parametrize("text", ["1e999", "1e-100", "Infinity", "nan", "0x1", "1_000", " 1", "+1"])
def test_a_text_that_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(PayloadError):
        decimal_of({"price": text}, "price")
