"""Goal: a number or a choice that is not exactly one of ours never gets in."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.market_maker.v1 import (
    exchange_pb2,
    facts_pb2,
    link_pb2,
    resources_pb2,
    types_pb2,
)
from opensqt.ports.exchange import PlaceRequest, PriceUpdate, VenueOrder
from opensqt.ports.link import Place
from opensqt.wire.errors import WireError
from opensqt.wire.exchange import (
    decode_cancel,
    decode_order_resource,
    decode_place,
    encode_order_resource,
    encode_place,
    encode_symbol_info,
)
from opensqt.wire.facts import (
    decode_event,
    decode_order,
    decode_outcome,
    decode_price,
    encode_order,
    encode_price,
)
from opensqt.wire.link import decode_downward, decode_upward, encode_upward
from tests.fakes.reports import an_order

AT = UnixMs(1_790_000_000_000)
PRICE = PriceUpdate(
    symbol=Symbol("BTCUSDT:perp"),
    bid=Decimal("59999.9"),
    ask=Decimal(60000),
    last=Decimal(60000),
    venue_ms=AT,
    read_ms=AT,
)
ORDER = an_order()
REQUEST = PlaceRequest(
    symbol=Symbol("BTCUSDT:perp"),
    client_order_id=ClientOrderId("q1abc"),
    side=Side.SELL,
    price=Decimal(60000),
    quantity=Decimal("0.1"),
    time_in_force=TimeInForce.GTX,
    reduce_only=True,
    deadline_ms=AT,
    symbol_epoch=7,
)
BAD_NUMBERS = (
    "1,0",
    " 1",
    "1 ",
    "NaN",
    "inf",
    "-inf",
    "1e-400",
    "1e5",
    "0x1",
    "",
    "+1",
    ".5",
    "--1",
)


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_a_text_that_is_not_a_plain_decimal_is_refused_by_name(text: str) -> None:
    message = encode_price(PRICE)
    message.bid = text

    with pytest.raises(
        WireError, match=r"^price\.bid: expected a plain decimal text, got "
    ) as found:
        decode_price(message)

    assert found.value.field == "price.bid"


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_the_published_decimal_message_is_as_strict(text: str) -> None:
    message = encode_place(REQUEST)
    message.quantity.value = text

    with pytest.raises(WireError, match=r"^order\.quantity: "):
        decode_place(message)


def test_an_absent_decimal_message_is_not_zero() -> None:
    message = encode_place(REQUEST)
    message.ClearField("price")

    with pytest.raises(WireError, match=r"^order\.price: "):
        decode_place(message)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1e-400")])
def test_a_number_no_reader_accepts_is_not_sent(value: Decimal) -> None:
    broken = PriceUpdate(
        symbol=PRICE.symbol,
        bid=value,
        ask=PRICE.ask,
        last=PRICE.last,
        venue_ms=AT,
        read_ms=AT,
    )

    with pytest.raises(WireError, match=r"^price\.bid: "):
        encode_price(broken)


def unspecified_order_side() -> object:
    message = encode_order(ORDER)
    message.side = types_pb2.ORDER_SIDE_UNSPECIFIED
    return decode_order(message)


def unspecified_order_status() -> object:
    message = encode_order(ORDER)
    message.status = types_pb2.ORDER_STATUS_UNSPECIFIED
    return decode_order(message)


def unspecified_outcome_class() -> object:
    return decode_outcome(facts_pb2.OrderOutcome())


def unspecified_time_in_force() -> object:
    message = encode_place(REQUEST)
    message.time_in_force = types_pb2.TIME_IN_FORCE_UNSPECIFIED
    message.post_only = False
    return decode_place(message)


def unspecified_order_type() -> object:
    message = encode_place(REQUEST)
    message.type = types_pb2.ORDER_TYPE_UNSPECIFIED
    return decode_place(message)


def unspecified_purpose() -> object:
    message = encode_upward(Place(request_id=1, request=REQUEST, purpose="open"))
    message.place.purpose = facts_pb2.ORDER_PURPOSE_UNSPECIFIED
    return decode_upward(message)


def unspecified_stream_kind() -> object:
    state = facts_pb2.StreamState(phase=facts_pb2.STREAM_PHASE_LIVE)
    return decode_event(facts_pb2.VenueEvent(stream=state))


def unspecified_band_reference() -> object:
    return decode_upward(link_pb2.UpwardMessage(band=link_pb2.Band(after_seq=1)))


def unspecified_query_kind() -> object:
    query = link_pb2.Query(request_id=1, symbol="BTCUSDT:perp")
    return decode_upward(link_pb2.UpwardMessage(query=query))


@pytest.mark.parametrize(
    "decode",
    [
        unspecified_order_side,
        unspecified_order_status,
        unspecified_outcome_class,
        unspecified_time_in_force,
        unspecified_order_type,
        unspecified_purpose,
        unspecified_stream_kind,
        unspecified_band_reference,
        unspecified_query_kind,
    ],
)
def test_an_unspecified_choice_is_refused(decode: Callable[[], object]) -> None:
    with pytest.raises(WireError):
        decode()


def test_an_enum_value_of_a_later_build_is_refused() -> None:
    sent = encode_order(ORDER).SerializeToString() + b"\x20\x63"
    message = facts_pb2.OrderReport.FromString(sent)

    with pytest.raises(WireError, match=r"^order\.side: "):
        decode_order(message)


@pytest.mark.parametrize(
    "message",
    [
        link_pb2.DownwardMessage(),
        link_pb2.DownwardMessage(closed=link_pb2.Closed(code="ErrStaleEpoch")),
        link_pb2.DownwardMessage(fact=link_pb2.LinkFact(seq=1)),
        link_pb2.DownwardMessage(price=link_pb2.LinkPrice(age_ms=1)),
        link_pb2.DownwardMessage(welcome=link_pb2.Welcome()),
        link_pb2.DownwardMessage(reply=link_pb2.Reply(request_id=1)),
    ],
)
def test_an_empty_downward_message_is_refused(message: link_pb2.DownwardMessage) -> None:
    with pytest.raises(WireError):
        decode_downward(message)


@pytest.mark.parametrize(
    "message",
    [
        link_pb2.UpwardMessage(),
        link_pb2.UpwardMessage(place=link_pb2.Place(request_id=1)),
        link_pb2.UpwardMessage(hello=link_pb2.Hello(account="paper")),
        link_pb2.UpwardMessage(declare=link_pb2.Declare()),
    ],
)
def test_an_empty_upward_message_is_refused(message: link_pb2.UpwardMessage) -> None:
    with pytest.raises(WireError):
        decode_upward(message)


def test_an_empty_event_is_refused() -> None:
    with pytest.raises(WireError, match=r"^event: "):
        decode_event(facts_pb2.VenueEvent())


def test_an_unknown_purpose_is_not_sent() -> None:
    with pytest.raises(WireError, match=r"^place\.purpose: "):
        encode_upward(Place(request_id=1, request=REQUEST, purpose="hope"))


@pytest.mark.parametrize(
    "status",
    [OrderStatus.INTENT, OrderStatus.UNKNOWN, OrderStatus.NOT_SENT, OrderStatus.ABSENT],
)
def test_a_status_no_venue_reports_is_not_sent(status: OrderStatus) -> None:
    order = VenueOrder(
        symbol=ORDER.symbol,
        client_order_id=ORDER.client_order_id,
        venue_order_id=ORDER.venue_order_id,
        side=ORDER.side,
        price=ORDER.price,
        quantity=ORDER.quantity,
        cumulative_quantity=ORDER.cumulative_quantity,
        status=status,
        reduce_only=False,
        updated_ms=AT,
    )

    with pytest.raises(WireError, match=r"^order\.status: "):
        encode_order(order)


def test_working_is_split_by_whether_something_was_executed() -> None:
    untouched = VenueOrder(
        symbol=ORDER.symbol,
        client_order_id=ORDER.client_order_id,
        venue_order_id=ORDER.venue_order_id,
        side=ORDER.side,
        price=ORDER.price,
        quantity=ORDER.quantity,
        cumulative_quantity=Decimal(0),
        status=OrderStatus.WORKING,
        reduce_only=False,
        updated_ms=AT,
    )

    assert encode_order(ORDER).status == types_pb2.ORDER_STATUS_PARTIALLY_FILLED
    assert encode_order(untouched).status == types_pb2.ORDER_STATUS_NEW


def test_old_clients_read_a_number_where_the_venue_has_one() -> None:
    assert encode_order_resource(ORDER).order_id == 12345
    assert encode_order_resource(ORDER).venue_order_id == "12345"


def test_an_order_of_an_old_server_keeps_its_numeric_id() -> None:
    message = encode_order_resource(ORDER)
    message.ClearField("venue_order_id")

    assert decode_order_resource(message) == ORDER


def test_what_cannot_be_kept_is_refused() -> None:
    market = resources_pb2.PlaceOrderRequest(type=types_pb2.ORDER_TYPE_MARKET)
    margin = encode_place(REQUEST)
    margin.use_margin = True
    crossing = encode_place(REQUEST)
    crossing.time_in_force = types_pb2.TIME_IN_FORCE_IOC
    fill_or_kill = encode_place(REQUEST)
    fill_or_kill.time_in_force = types_pb2.TIME_IN_FORCE_FOK

    for message, field in (
        (market, "order.type"),
        (margin, "order.use_margin"),
        (crossing, "order.post_only"),
        (fill_or_kill, "order.time_in_force"),
    ):
        with pytest.raises(WireError) as found:
            decode_place(message)
        assert found.value.field == field


def test_a_post_only_flag_alone_means_post_only() -> None:
    message = encode_place(REQUEST)
    message.time_in_force = types_pb2.TIME_IN_FORCE_GTC

    assert decode_place(message).time_in_force is TimeInForce.GTX


def test_a_cancel_without_our_id_is_refused() -> None:
    message = exchange_pb2.CancelOrderRequest(symbol="BTCUSDT:perp", order_id=5)

    with pytest.raises(WireError, match=r"^cancel\.client_order_id: "):
        decode_cancel(message)


def test_precisions_follow_the_steps() -> None:
    from opensqt.core.instrument import Instrument

    rules = Instrument(
        symbol=Symbol("BTCUSDT:perp"),
        venue_symbol="BTCUSDT",
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=Decimal("0.10"),
        lot_size=Decimal(1),
        quantity_min=Decimal(1),
        quantity_max=Decimal(100),
        notional_min=Decimal(5),
        contract_size=Decimal(1),
        orders_open_max=200,
        reduce_only_exempt=True,
        price_band=Decimal("0.05"),
    )

    info = encode_symbol_info(rules)

    assert (info.price_precision, info.quantity_precision) == (1, 0)
