from opensqt.market_maker.v1 import facts_pb2 as _facts_pb2
from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PriceReference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRICE_REFERENCE_UNSPECIFIED: _ClassVar[PriceReference]
    PRICE_REFERENCE_LAST: _ClassVar[PriceReference]
    PRICE_REFERENCE_MID: _ClassVar[PriceReference]
    PRICE_REFERENCE_MARK: _ClassVar[PriceReference]
    PRICE_REFERENCE_BID: _ClassVar[PriceReference]
    PRICE_REFERENCE_ASK: _ClassVar[PriceReference]

class QueryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUERY_KIND_UNSPECIFIED: _ClassVar[QueryKind]
    QUERY_KIND_ORDER: _ClassVar[QueryKind]
    QUERY_KIND_OPEN_ORDERS: _ClassVar[QueryKind]
    QUERY_KIND_TRADES: _ClassVar[QueryKind]
    QUERY_KIND_POSITION: _ClassVar[QueryKind]
    QUERY_KIND_INSTRUMENT: _ClassVar[QueryKind]
    QUERY_KIND_BALANCES: _ClassVar[QueryKind]
    QUERY_KIND_TIME: _ClassVar[QueryKind]
    QUERY_KIND_DISOWN: _ClassVar[QueryKind]
PRICE_REFERENCE_UNSPECIFIED: PriceReference
PRICE_REFERENCE_LAST: PriceReference
PRICE_REFERENCE_MID: PriceReference
PRICE_REFERENCE_MARK: PriceReference
PRICE_REFERENCE_BID: PriceReference
PRICE_REFERENCE_ASK: PriceReference
QUERY_KIND_UNSPECIFIED: QueryKind
QUERY_KIND_ORDER: QueryKind
QUERY_KIND_OPEN_ORDERS: QueryKind
QUERY_KIND_TRADES: QueryKind
QUERY_KIND_POSITION: QueryKind
QUERY_KIND_INSTRUMENT: QueryKind
QUERY_KIND_BALANCES: QueryKind
QUERY_KIND_TIME: QueryKind
QUERY_KIND_DISOWN: QueryKind

class AttachRequest(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[UpwardMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[UpwardMessage, _Mapping]]] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[DownwardMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[DownwardMessage, _Mapping]]] = ...) -> None: ...

class UpwardMessage(_message.Message):
    __slots__ = ("hello", "band", "ack", "place", "cancel", "query", "declare")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    DECLARE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    band: Band
    ack: Ack
    place: Place
    cancel: Cancel
    query: Query
    declare: Declare
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., band: _Optional[_Union[Band, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., place: _Optional[_Union[Place, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., query: _Optional[_Union[Query, _Mapping]] = ..., declare: _Optional[_Union[Declare, _Mapping]] = ...) -> None: ...

class DownwardMessage(_message.Message):
    __slots__ = ("welcome", "gap", "price", "fact", "heartbeat", "reply", "answer", "closed")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    FACT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    gap: Gap
    price: LinkPrice
    fact: LinkFact
    heartbeat: Heartbeat
    reply: Reply
    answer: Answer
    closed: Closed
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., price: _Optional[_Union[LinkPrice, _Mapping]] = ..., fact: _Optional[_Union[LinkFact, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., reply: _Optional[_Union[Reply, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., closed: _Optional[_Union[Closed, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("account", "symbol", "instance", "host", "pid", "symbol_epoch", "build", "session", "acked_seq", "sent_at_ms", "position", "reserved", "capital", "horizon_ms")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_SEQ_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_MS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    CAPITAL_FIELD_NUMBER: _ClassVar[int]
    HORIZON_MS_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    instance: str
    host: str
    pid: int
    symbol_epoch: int
    build: str
    session: str
    acked_seq: int
    sent_at_ms: int
    position: str
    reserved: _containers.RepeatedCompositeFieldContainer[ReservedExposure]
    capital: str
    horizon_ms: int
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., instance: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., symbol_epoch: _Optional[int] = ..., build: _Optional[str] = ..., session: _Optional[str] = ..., acked_seq: _Optional[int] = ..., sent_at_ms: _Optional[int] = ..., position: _Optional[str] = ..., reserved: _Optional[_Iterable[_Union[ReservedExposure, _Mapping]]] = ..., capital: _Optional[str] = ..., horizon_ms: _Optional[int] = ...) -> None: ...

class ReservedExposure(_message.Message):
    __slots__ = ("client_order_id", "signed_quantity", "price")
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    client_order_id: str
    signed_quantity: str
    price: str
    def __init__(self, client_order_id: _Optional[str] = ..., signed_quantity: _Optional[str] = ..., price: _Optional[str] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session", "resumed", "account_epoch", "clock_ms")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CLOCK_MS_FIELD_NUMBER: _ClassVar[int]
    session: str
    resumed: bool
    account_epoch: int
    clock_ms: int
    def __init__(self, session: _Optional[str] = ..., resumed: _Optional[bool] = ..., account_epoch: _Optional[int] = ..., clock_ms: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Closed(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LinkPrice(_message.Message):
    __slots__ = ("price", "age_ms")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    price: _facts_pb2.PriceTick
    age_ms: int
    def __init__(self, price: _Optional[_Union[_facts_pb2.PriceTick, _Mapping]] = ..., age_ms: _Optional[int] = ...) -> None: ...

class LinkFact(_message.Message):
    __slots__ = ("seq", "order", "trade")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TRADE_FIELD_NUMBER: _ClassVar[int]
    seq: int
    order: _facts_pb2.OrderReport
    trade: _facts_pb2.TradeReport
    def __init__(self, seq: _Optional[int] = ..., order: _Optional[_Union[_facts_pb2.OrderReport, _Mapping]] = ..., trade: _Optional[_Union[_facts_pb2.TradeReport, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("price", "public_live", "private_live", "frame_age_ms", "last_seq", "gate_open", "gate_reason")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_LIVE_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_LIVE_FIELD_NUMBER: _ClassVar[int]
    FRAME_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    GATE_OPEN_FIELD_NUMBER: _ClassVar[int]
    GATE_REASON_FIELD_NUMBER: _ClassVar[int]
    price: _facts_pb2.PriceTick
    public_live: bool
    private_live: bool
    frame_age_ms: int
    last_seq: int
    gate_open: bool
    gate_reason: str
    def __init__(self, price: _Optional[_Union[_facts_pb2.PriceTick, _Mapping]] = ..., public_live: _Optional[bool] = ..., private_live: _Optional[bool] = ..., frame_age_ms: _Optional[int] = ..., last_seq: _Optional[int] = ..., gate_open: _Optional[bool] = ..., gate_reason: _Optional[str] = ...) -> None: ...

class Band(_message.Message):
    __slots__ = ("reference", "low", "high", "valid_until_ms", "after_seq")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    reference: PriceReference
    low: str
    high: str
    valid_until_ms: int
    after_seq: int
    def __init__(self, reference: _Optional[_Union[PriceReference, str]] = ..., low: _Optional[str] = ..., high: _Optional[str] = ..., valid_until_ms: _Optional[int] = ..., after_seq: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class Declare(_message.Message):
    __slots__ = ("position", "reserved")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    position: str
    reserved: _containers.RepeatedCompositeFieldContainer[ReservedExposure]
    def __init__(self, position: _Optional[str] = ..., reserved: _Optional[_Iterable[_Union[ReservedExposure, _Mapping]]] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("request_id", "symbol", "client_order_id", "side", "price", "quantity", "time_in_force", "reduce_only", "deadline_ms", "symbol_epoch", "account_epoch", "purpose")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    symbol: str
    client_order_id: str
    side: _types_pb2.OrderSide
    price: str
    quantity: str
    time_in_force: _types_pb2.TimeInForce
    reduce_only: bool
    deadline_ms: int
    symbol_epoch: int
    account_epoch: int
    purpose: _facts_pb2.OrderPurpose
    def __init__(self, request_id: _Optional[int] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.OrderSide, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., time_in_force: _Optional[_Union[_types_pb2.TimeInForce, str]] = ..., reduce_only: _Optional[bool] = ..., deadline_ms: _Optional[int] = ..., symbol_epoch: _Optional[int] = ..., account_epoch: _Optional[int] = ..., purpose: _Optional[_Union[_facts_pb2.OrderPurpose, str]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("request_id", "symbol", "client_order_id", "venue_order_id", "symbol_epoch", "account_epoch")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    symbol: str
    client_order_id: str
    venue_order_id: str
    symbol_epoch: int
    account_epoch: int
    def __init__(self, request_id: _Optional[int] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., symbol_epoch: _Optional[int] = ..., account_epoch: _Optional[int] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("request_id", "outcome")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    outcome: _facts_pb2.OrderOutcome
    def __init__(self, request_id: _Optional[int] = ..., outcome: _Optional[_Union[_facts_pb2.OrderOutcome, _Mapping]] = ...) -> None: ...

class Query(_message.Message):
    __slots__ = ("request_id", "kind", "symbol", "client_order_id", "venue_order_id", "since_ms", "deadline_ms")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    kind: QueryKind
    symbol: str
    client_order_id: str
    venue_order_id: str
    since_ms: int
    deadline_ms: int
    def __init__(self, request_id: _Optional[int] = ..., kind: _Optional[_Union[QueryKind, str]] = ..., symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., since_ms: _Optional[int] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("request_id", "error", "order", "listing", "position", "instrument", "balances", "time_ms", "unsent_ms")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    LISTING_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    UNSENT_MS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    error: str
    order: _facts_pb2.OrderReport
    listing: _facts_pb2.Listing
    position: _facts_pb2.PositionReport
    instrument: _facts_pb2.InstrumentReport
    balances: _containers.RepeatedCompositeFieldContainer[_facts_pb2.BalanceReport]
    time_ms: int
    unsent_ms: int
    def __init__(self, request_id: _Optional[int] = ..., error: _Optional[str] = ..., order: _Optional[_Union[_facts_pb2.OrderReport, _Mapping]] = ..., listing: _Optional[_Union[_facts_pb2.Listing, _Mapping]] = ..., position: _Optional[_Union[_facts_pb2.PositionReport, _Mapping]] = ..., instrument: _Optional[_Union[_facts_pb2.InstrumentReport, _Mapping]] = ..., balances: _Optional[_Iterable[_Union[_facts_pb2.BalanceReport, _Mapping]]] = ..., time_ms: _Optional[int] = ..., unsent_ms: _Optional[int] = ...) -> None: ...
