"""The messages of a symbol link, to and from ``link.proto``."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    InstanceName,
    Symbol,
    UnitId,
    UnixMs,
    VenueOrderId,
)
from opensqt.core.orders import Purpose
from opensqt.market_maker.v1 import link_pb2
from opensqt.ports.exchange import CancelRequest, OrderUpdate, PlaceRequest, TradeUpdate
from opensqt.ports.link import (
    Ack,
    Answer,
    Band,
    Cancel,
    Declare,
    Downward,
    Gap,
    Heartbeat,
    Hello,
    LinkFact,
    LinkPrice,
    Place,
    Query,
    QueryKind,
    Reply,
    Reserved,
    Upward,
    Welcome,
)
from opensqt.wire.errors import WireError
from opensqt.wire.facts import (
    PURPOSE,
    SIDE,
    TIME_IN_FORCE,
    decode_balance,
    decode_instrument,
    decode_listing,
    decode_order,
    decode_outcome,
    decode_position,
    decode_price,
    decode_trade,
    encode_balance,
    encode_instrument,
    encode_listing,
    encode_order,
    encode_outcome,
    encode_position,
    encode_price,
    encode_trade,
)
from opensqt.wire.scalars import (
    EnumMap,
    decimal_from_text,
    decimal_to_text,
    optional_from_text,
    optional_to_text,
    text_required,
)

UpPb: TypeAlias = link_pb2.UpwardMessage
DownPb: TypeAlias = link_pb2.DownwardMessage

REFERENCE: Final = EnumMap(
    {
        "last": link_pb2.PRICE_REFERENCE_LAST,
        "mid": link_pb2.PRICE_REFERENCE_MID,
        "mark": link_pb2.PRICE_REFERENCE_MARK,
        "bid": link_pb2.PRICE_REFERENCE_BID,
        "ask": link_pb2.PRICE_REFERENCE_ASK,
    }
)
QUERY_KIND: Final = EnumMap(
    {
        QueryKind.ORDER: link_pb2.QUERY_KIND_ORDER,
        QueryKind.OPEN_ORDERS: link_pb2.QUERY_KIND_OPEN_ORDERS,
        QueryKind.TRADES: link_pb2.QUERY_KIND_TRADES,
        QueryKind.POSITION: link_pb2.QUERY_KIND_POSITION,
        QueryKind.INSTRUMENT: link_pb2.QUERY_KIND_INSTRUMENT,
        QueryKind.BALANCES: link_pb2.QUERY_KIND_BALANCES,
        QueryKind.TIME: link_pb2.QUERY_KIND_TIME,
        QueryKind.DISOWN: link_pb2.QUERY_KIND_DISOWN,
    }
)


def encode_upward(message: Upward) -> UpPb:
    """Return the wire form of one message of a symbol."""
    match message:
        case Hello():
            return UpPb(hello=_encode_hello(message))
        case Band():
            return UpPb(band=_encode_band(message))
        case Ack():
            return UpPb(ack=link_pb2.Ack(seq=message.seq))
        case Declare():
            return UpPb(
                declare=link_pb2.Declare(
                    position=decimal_to_text(message.position, "declare.position"),
                    reserved=_encode_reserved(message.reserved),
                )
            )
        case Place():
            return UpPb(place=_encode_place(message))
        case Cancel():
            return UpPb(cancel=_encode_cancel(message))
        case Query():
            return UpPb(query=_encode_query(message))


def decode_upward(message: UpPb) -> Upward:
    """Return one message of a symbol; raise ``WireError`` for anything else."""
    match message.WhichOneof("message"):
        case "hello":
            return _decode_hello(message.hello)
        case "band":
            return _decode_band(message.band)
        case "ack":
            return Ack(seq=message.ack.seq)
        case "declare":
            return Declare(
                position=decimal_from_text(message.declare.position, "declare.position"),
                reserved=_decode_reserved(message.declare.reserved),
            )
        case "place":
            return _decode_place(message.place)
        case "cancel":
            return _decode_cancel(message.cancel)
        case "query":
            return _decode_query(message.query)
        case unset:
            raise WireError("message", expected="one upward message", got=unset)


def encode_downward(message: Downward) -> DownPb:
    """Return the wire form of one message to a symbol."""
    match message:
        case Welcome():
            return DownPb(
                welcome=link_pb2.Welcome(
                    session=message.session,
                    resumed=message.resumed,
                    account_epoch=message.account_epoch,
                    clock_ms=message.now_ms,
                )
            )
        case Gap():
            return DownPb(gap=link_pb2.Gap(reason=message.reason))
        case LinkPrice():
            return DownPb(
                price=link_pb2.LinkPrice(price=encode_price(message.price), age_ms=message.age_ms)
            )
        case LinkFact():
            return DownPb(fact=_encode_fact(message))
        case Heartbeat():
            return DownPb(heartbeat=_encode_heartbeat(message))
        case Reply():
            return DownPb(
                reply=link_pb2.Reply(
                    request_id=message.request_id, outcome=encode_outcome(message.outcome)
                )
            )
        case Answer():
            return DownPb(answer=_encode_answer(message))


def decode_downward(message: DownPb) -> Downward:
    """Return one message to a symbol; raise ``WireError`` for anything else.

    ``closed`` is not among them: it ends the transport and never reaches an engine.
    """
    match message.WhichOneof("message"):
        case "welcome":
            return Welcome(
                session=text_required(message.welcome.session, "welcome.session"),
                resumed=message.welcome.resumed,
                account_epoch=message.welcome.account_epoch,
                now_ms=UnixMs(message.welcome.clock_ms),
            )
        case "gap":
            return Gap(reason=message.gap.reason)
        case "price":
            return LinkPrice(price=decode_price(message.price.price), age_ms=message.price.age_ms)
        case "fact":
            return _decode_fact(message.fact)
        case "heartbeat":
            return _decode_heartbeat(message.heartbeat)
        case "reply":
            return Reply(
                request_id=message.reply.request_id,
                outcome=decode_outcome(message.reply.outcome, "reply.outcome"),
            )
        case "answer":
            return _decode_answer(message.answer)
        case other:
            raise WireError("message", expected="one downward message", got=other)


def _encode_hello(hello: Hello) -> link_pb2.Hello:
    return link_pb2.Hello(
        account=hello.unit.account,
        symbol=hello.unit.symbol,
        instance=hello.unit.instance,
        host=hello.host,
        pid=hello.pid,
        symbol_epoch=hello.epoch,
        build=hello.build,
        session=hello.session,
        acked_seq=hello.acked_seq,
        sent_at_ms=hello.now_ms,
        position=decimal_to_text(hello.position, "hello.position"),
        reserved=_encode_reserved(hello.reserved),
        capital=decimal_to_text(hello.capital, "hello.capital"),
        horizon_ms=hello.horizon_ms,
    )


def _decode_hello(message: link_pb2.Hello) -> Hello:
    return Hello(
        unit=UnitId(
            account=AccountName(text_required(message.account, "hello.account")),
            symbol=Symbol(text_required(message.symbol, "hello.symbol")),
            instance=InstanceName(text_required(message.instance, "hello.instance")),
        ),
        host=message.host,
        pid=message.pid,
        epoch=message.symbol_epoch,
        build=message.build,
        session=message.session,
        acked_seq=message.acked_seq,
        now_ms=UnixMs(message.sent_at_ms),
        position=decimal_from_text(message.position, "hello.position"),
        reserved=_decode_reserved(message.reserved),
        capital=decimal_from_text(message.capital, "hello.capital"),
        horizon_ms=message.horizon_ms,
    )


def _encode_reserved(reserved: Iterable[Reserved]) -> list[link_pb2.ReservedExposure]:
    return [
        link_pb2.ReservedExposure(
            client_order_id=one.client_order_id,
            signed_quantity=decimal_to_text(one.signed_quantity, "reserved.signed_quantity"),
            price=decimal_to_text(one.price, "reserved.price"),
        )
        for one in reserved
    ]


def _decode_reserved(messages: Iterable[link_pb2.ReservedExposure]) -> tuple[Reserved, ...]:
    return tuple(
        Reserved(
            client_order_id=_client_order_id(one.client_order_id, "reserved"),
            signed_quantity=decimal_from_text(one.signed_quantity, "reserved.signed_quantity"),
            price=decimal_from_text(one.price, "reserved.price"),
        )
        for one in messages
    )


def _encode_band(band: Band) -> link_pb2.Band:
    return link_pb2.Band(
        reference=REFERENCE.to_wire(band.reference, "band.reference"),
        low=optional_to_text(band.low, "band.low"),
        high=optional_to_text(band.high, "band.high"),
        valid_until_ms=band.valid_until_ms,
        after_seq=band.after_seq,
    )


def _decode_band(message: link_pb2.Band) -> Band:
    return Band(
        reference=REFERENCE.to_core(message.reference, "band.reference"),
        low=optional_from_text(message.low, "band.low"),
        high=optional_from_text(message.high, "band.high"),
        valid_until_ms=UnixMs(message.valid_until_ms),
        after_seq=message.after_seq,
    )


def _encode_place(place: Place) -> link_pb2.Place:
    request = place.request
    return link_pb2.Place(
        request_id=place.request_id,
        symbol=request.symbol,
        client_order_id=request.client_order_id,
        side=SIDE.to_wire(request.side, "place.side"),
        price=decimal_to_text(request.price, "place.price"),
        quantity=decimal_to_text(request.quantity, "place.quantity"),
        time_in_force=TIME_IN_FORCE.to_wire(request.time_in_force, "place.time_in_force"),
        reduce_only=request.reduce_only,
        deadline_ms=request.deadline_ms,
        symbol_epoch=request.symbol_epoch,
        account_epoch=request.account_epoch,
        purpose=PURPOSE.to_wire(_purpose(place.purpose), "place.purpose"),
    )


def _decode_place(message: link_pb2.Place) -> Place:
    return Place(
        request_id=message.request_id,
        request=PlaceRequest(
            symbol=Symbol(text_required(message.symbol, "place.symbol")),
            client_order_id=_client_order_id(message.client_order_id, "place"),
            side=SIDE.to_core(message.side, "place.side"),
            price=decimal_from_text(message.price, "place.price"),
            quantity=decimal_from_text(message.quantity, "place.quantity"),
            time_in_force=TIME_IN_FORCE.to_core(message.time_in_force, "place.time_in_force"),
            reduce_only=message.reduce_only,
            deadline_ms=UnixMs(message.deadline_ms),
            symbol_epoch=message.symbol_epoch,
            account_epoch=message.account_epoch,
        ),
        purpose=PURPOSE.to_core(message.purpose, "place.purpose"),
    )


def _purpose(text: str) -> Purpose:
    try:
        return Purpose(text)
    except ValueError:
        raise WireError("place.purpose", expected="open, close or flatten", got=text) from None


def _encode_cancel(cancel: Cancel) -> link_pb2.Cancel:
    return link_pb2.Cancel(
        request_id=cancel.request_id,
        symbol=cancel.request.symbol,
        client_order_id=cancel.request.client_order_id,
        venue_order_id=cancel.request.venue_order_id or "",
        symbol_epoch=cancel.request.symbol_epoch,
        account_epoch=cancel.request.account_epoch,
    )


def _decode_cancel(message: link_pb2.Cancel) -> Cancel:
    return Cancel(
        request_id=message.request_id,
        request=CancelRequest(
            symbol=Symbol(text_required(message.symbol, "cancel.symbol")),
            client_order_id=_client_order_id(message.client_order_id, "cancel"),
            venue_order_id=_optional_venue_order_id(message.venue_order_id),
            symbol_epoch=message.symbol_epoch,
            account_epoch=message.account_epoch,
        ),
    )


def _encode_query(query: Query) -> link_pb2.Query:
    return link_pb2.Query(
        request_id=query.request_id,
        kind=QUERY_KIND.to_wire(query.kind, "query.kind"),
        symbol=query.symbol,
        client_order_id=query.client_order_id or "",
        venue_order_id=query.venue_order_id or "",
        since_ms=query.since_ms,
        deadline_ms=query.deadline_ms,
    )


def _decode_query(message: link_pb2.Query) -> Query:
    client_order_id = message.client_order_id
    return Query(
        request_id=message.request_id,
        kind=QUERY_KIND.to_core(message.kind, "query.kind"),
        symbol=Symbol(text_required(message.symbol, "query.symbol")),
        client_order_id=ClientOrderId(client_order_id) if client_order_id else None,
        venue_order_id=_optional_venue_order_id(message.venue_order_id),
        since_ms=UnixMs(message.since_ms),
        deadline_ms=UnixMs(message.deadline_ms),
    )


def _encode_fact(fact: LinkFact) -> link_pb2.LinkFact:
    match fact.update:
        case OrderUpdate(order=order):
            return link_pb2.LinkFact(seq=fact.seq, order=encode_order(order))
        case TradeUpdate(trade=trade):
            return link_pb2.LinkFact(seq=fact.seq, trade=encode_trade(trade))


def _decode_fact(message: link_pb2.LinkFact) -> LinkFact:
    match message.WhichOneof("update"):
        case "order":
            return LinkFact(
                seq=message.seq, update=OrderUpdate(order=decode_order(message.order, "fact.order"))
            )
        case "trade":
            return LinkFact(
                seq=message.seq, update=TradeUpdate(trade=decode_trade(message.trade, "fact.trade"))
            )
        case unset:
            raise WireError("fact.update", expected="an order or a trade", got=unset)


def _encode_heartbeat(beat: Heartbeat) -> link_pb2.Heartbeat:
    return link_pb2.Heartbeat(
        price=None if beat.price is None else encode_price(beat.price),
        public_live=beat.public_live,
        private_live=beat.private_live,
        frame_age_ms=beat.frame_age_ms,
        last_seq=beat.last_seq,
        gate_open=beat.gate_open,
        gate_reason=beat.gate_reason,
    )


def _decode_heartbeat(message: link_pb2.Heartbeat) -> Heartbeat:
    has_price = message.HasField("price")
    return Heartbeat(
        price=decode_price(message.price, "heartbeat.price") if has_price else None,
        public_live=message.public_live,
        private_live=message.private_live,
        frame_age_ms=message.frame_age_ms,
        last_seq=message.last_seq,
        gate_open=message.gate_open,
        gate_reason=message.gate_reason,
    )


def _encode_answer(answer: Answer) -> link_pb2.Answer:
    return link_pb2.Answer(
        request_id=answer.request_id,
        error=answer.error,
        order=None if answer.order is None else encode_order(answer.order),
        listing=None if answer.listing is None else encode_listing(answer.listing),
        position=None if answer.position is None else encode_position(answer.position),
        instrument=None if answer.instrument is None else encode_instrument(answer.instrument),
        balances=map(encode_balance, answer.balances),
        time_ms=answer.time_ms,
        unsent_ms=answer.unsent_ms,
    )


def _decode_answer(message: link_pb2.Answer) -> Answer:
    has = message.HasField
    return Answer(
        request_id=message.request_id,
        error=message.error,
        order=decode_order(message.order, "answer.order") if has("order") else None,
        listing=decode_listing(message.listing, "answer.listing") if has("listing") else None,
        position=decode_position(message.position, "answer.position") if has("position") else None,
        instrument=(
            decode_instrument(message.instrument, "answer.instrument")
            if has("instrument")
            else None
        ),
        balances=tuple(decode_balance(one, "answer.balances") for one in message.balances),
        time_ms=UnixMs(message.time_ms),
        unsent_ms=message.unsent_ms,
    )


def _client_order_id(text: str, at: str) -> ClientOrderId:
    return ClientOrderId(text_required(text, f"{at}.client_order_id"))


def _optional_venue_order_id(text: str) -> VenueOrderId | None:
    return VenueOrderId(text) if text else None
