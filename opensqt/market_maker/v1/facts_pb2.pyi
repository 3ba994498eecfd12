from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutcomeClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_CLASS_UNSPECIFIED: _ClassVar[OutcomeClass]
    OUTCOME_CLASS_ACCEPTED: _ClassVar[OutcomeClass]
    OUTCOME_CLASS_REJECTED: _ClassVar[OutcomeClass]
    OUTCOME_CLASS_NOT_SENT: _ClassVar[OutcomeClass]
    OUTCOME_CLASS_DUPLICATE: _ClassVar[OutcomeClass]
    OUTCOME_CLASS_UNKNOWN: _ClassVar[OutcomeClass]

class OrderPurpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_PURPOSE_UNSPECIFIED: _ClassVar[OrderPurpose]
    ORDER_PURPOSE_OPEN: _ClassVar[OrderPurpose]
    ORDER_PURPOSE_CLOSE: _ClassVar[OrderPurpose]
    ORDER_PURPOSE_FLATTEN: _ClassVar[OrderPurpose]

class StreamKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_KIND_UNSPECIFIED: _ClassVar[StreamKind]
    STREAM_KIND_PUBLIC: _ClassVar[StreamKind]
    STREAM_KIND_PRIVATE: _ClassVar[StreamKind]

class StreamPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_PHASE_UNSPECIFIED: _ClassVar[StreamPhase]
    STREAM_PHASE_LIVE: _ClassVar[StreamPhase]
    STREAM_PHASE_GAP: _ClassVar[StreamPhase]
    STREAM_PHASE_DOWN: _ClassVar[StreamPhase]
OUTCOME_CLASS_UNSPECIFIED: OutcomeClass
OUTCOME_CLASS_ACCEPTED: OutcomeClass
OUTCOME_CLASS_REJECTED: OutcomeClass
OUTCOME_CLASS_NOT_SENT: OutcomeClass
OUTCOME_CLASS_DUPLICATE: OutcomeClass
OUTCOME_CLASS_UNKNOWN: OutcomeClass
ORDER_PURPOSE_UNSPECIFIED: OrderPurpose
ORDER_PURPOSE_OPEN: OrderPurpose
ORDER_PURPOSE_CLOSE: OrderPurpose
ORDER_PURPOSE_FLATTEN: OrderPurpose
STREAM_KIND_UNSPECIFIED: StreamKind
STREAM_KIND_PUBLIC: StreamKind
STREAM_KIND_PRIVATE: StreamKind
STREAM_PHASE_UNSPECIFIED: StreamPhase
STREAM_PHASE_LIVE: StreamPhase
STREAM_PHASE_GAP: StreamPhase
STREAM_PHASE_DOWN: StreamPhase

class PriceTick(_message.Message):
    __slots__ = ("symbol", "bid", "ask", "last", "mark", "venue_time_ms", "read_time_ms", "sequence")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    VENUE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    bid: str
    ask: str
    last: str
    mark: str
    venue_time_ms: int
    read_time_ms: int
    sequence: int
    def __init__(self, symbol: _Optional[str] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ..., last: _Optional[str] = ..., mark: _Optional[str] = ..., venue_time_ms: _Optional[int] = ..., read_time_ms: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class OrderReport(_message.Message):
    __slots__ = ("symbol", "client_order_id", "venue_order_id", "side", "price", "quantity", "cumulative_quantity", "status", "reduce_only", "updated_ms", "reason")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    client_order_id: str
    venue_order_id: str
    side: _types_pb2.OrderSide
    price: str
    quantity: str
    cumulative_quantity: str
    status: _types_pb2.OrderStatus
    reduce_only: bool
    updated_ms: int
    reason: str
    def __init__(self, symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.OrderSide, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., cumulative_quantity: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.OrderStatus, str]] = ..., reduce_only: _Optional[bool] = ..., updated_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class TradeReport(_message.Message):
    __slots__ = ("symbol", "trade_id", "venue_order_id", "client_order_id", "side", "price", "quantity", "fee", "fee_asset", "is_maker", "at_ms")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    TRADE_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    FEE_ASSET_FIELD_NUMBER: _ClassVar[int]
    IS_MAKER_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    trade_id: str
    venue_order_id: str
    client_order_id: str
    side: _types_pb2.OrderSide
    price: str
    quantity: str
    fee: str
    fee_asset: str
    is_maker: bool
    at_ms: int
    def __init__(self, symbol: _Optional[str] = ..., trade_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ..., client_order_id: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.OrderSide, str]] = ..., price: _Optional[str] = ..., quantity: _Optional[str] = ..., fee: _Optional[str] = ..., fee_asset: _Optional[str] = ..., is_maker: _Optional[bool] = ..., at_ms: _Optional[int] = ...) -> None: ...

class StreamState(_message.Message):
    __slots__ = ("kind", "phase", "reason", "at_ms")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    kind: StreamKind
    phase: StreamPhase
    reason: str
    at_ms: int
    def __init__(self, kind: _Optional[_Union[StreamKind, str]] = ..., phase: _Optional[_Union[StreamPhase, str]] = ..., reason: _Optional[str] = ..., at_ms: _Optional[int] = ...) -> None: ...

class FrameAge(_message.Message):
    __slots__ = ("public_age_ms", "private_age_ms", "at_ms", "stale")
    PUBLIC_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    public_age_ms: int
    private_age_ms: int
    at_ms: int
    stale: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, public_age_ms: _Optional[int] = ..., private_age_ms: _Optional[int] = ..., at_ms: _Optional[int] = ..., stale: _Optional[_Iterable[str]] = ...) -> None: ...

class VenueEvent(_message.Message):
    __slots__ = ("price", "order", "trade", "stream", "frame_age")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TRADE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FRAME_AGE_FIELD_NUMBER: _ClassVar[int]
    price: PriceTick
    order: OrderReport
    trade: TradeReport
    stream: StreamState
    frame_age: FrameAge
    def __init__(self, price: _Optional[_Union[PriceTick, _Mapping]] = ..., order: _Optional[_Union[OrderReport, _Mapping]] = ..., trade: _Optional[_Union[TradeReport, _Mapping]] = ..., stream: _Optional[_Union[StreamState, _Mapping]] = ..., frame_age: _Optional[_Union[FrameAge, _Mapping]] = ...) -> None: ...

class Listing(_message.Message):
    __slots__ = ("orders", "trades", "is_complete")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    TRADES_FIELD_NUMBER: _ClassVar[int]
    IS_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[OrderReport]
    trades: _containers.RepeatedCompositeFieldContainer[TradeReport]
    is_complete: bool
    def __init__(self, orders: _Optional[_Iterable[_Union[OrderReport, _Mapping]]] = ..., trades: _Optional[_Iterable[_Union[TradeReport, _Mapping]]] = ..., is_complete: _Optional[bool] = ...) -> None: ...

class PositionReport(_message.Message):
    __slots__ = ("symbol", "quantity", "average_price", "mark_price")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRICE_FIELD_NUMBER: _ClassVar[int]
    MARK_PRICE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity: str
    average_price: str
    mark_price: str
    def __init__(self, symbol: _Optional[str] = ..., quantity: _Optional[str] = ..., average_price: _Optional[str] = ..., mark_price: _Optional[str] = ...) -> None: ...

class BalanceReport(_message.Message):
    __slots__ = ("asset", "free", "locked")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    asset: str
    free: str
    locked: str
    def __init__(self, asset: _Optional[str] = ..., free: _Optional[str] = ..., locked: _Optional[str] = ...) -> None: ...

class InstrumentReport(_message.Message):
    __slots__ = ("symbol", "venue_symbol", "base_asset", "quote_asset", "tick_size", "lot_size", "quantity_min", "quantity_max", "notional_min", "contract_size", "orders_open_max", "reduce_only_exempt", "price_band")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    VENUE_SYMBOL_FIELD_NUMBER: _ClassVar[int]
    BASE_ASSET_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_FIELD_NUMBER: _ClassVar[int]
    TICK_SIZE_FIELD_NUMBER: _ClassVar[int]
    LOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_MIN_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_MAX_FIELD_NUMBER: _ClassVar[int]
    NOTIONAL_MIN_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_SIZE_FIELD_NUMBER: _ClassVar[int]
    ORDERS_OPEN_MAX_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_EXEMPT_FIELD_NUMBER: _ClassVar[int]
    PRICE_BAND_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    venue_symbol: str
    base_asset: str
    quote_asset: str
    tick_size: str
    lot_size: str
    quantity_min: str
    quantity_max: str
    notional_min: str
    contract_size: str
    orders_open_max: int
    reduce_only_exempt: bool
    price_band: str
    def __init__(self, symbol: _Optional[str] = ..., venue_symbol: _Optional[str] = ..., base_asset: _Optional[str] = ..., quote_asset: _Optional[str] = ..., tick_size: _Optional[str] = ..., lot_size: _Optional[str] = ..., quantity_min: _Optional[str] = ..., quantity_max: _Optional[str] = ..., notional_min: _Optional[str] = ..., contract_size: _Optional[str] = ..., orders_open_max: _Optional[int] = ..., reduce_only_exempt: _Optional[bool] = ..., price_band: _Optional[str] = ...) -> None: ...

class OrderOutcome(_message.Message):
    __slots__ = ("outcome_class", "reason", "message", "order", "retry_after_ms")
    OUTCOME_CLASS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    outcome_class: OutcomeClass
    reason: str
    message: str
    order: OrderReport
    retry_after_ms: int
    def __init__(self, outcome_class: _Optional[_Union[OutcomeClass, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., order: _Optional[_Union[OrderReport, _Mapping]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...
