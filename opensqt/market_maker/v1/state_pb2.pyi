from google.type import decimal_pb2 as _decimal_pb2
from opensqt.market_maker.v1 import resources_pb2 as _resources_pb2
from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InventorySlot(_message.Message):
    __slots__ = ("price", "position_status", "position_qty", "order_id", "client_oid", "order_side", "order_status", "order_price", "order_filled_qty", "slot_status", "post_only_fail_count", "venue_order_id", "generation", "lattice_index", "attempt")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    POSITION_STATUS_FIELD_NUMBER: _ClassVar[int]
    POSITION_QTY_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_OID_FIELD_NUMBER: _ClassVar[int]
    ORDER_SIDE_FIELD_NUMBER: _ClassVar[int]
    ORDER_STATUS_FIELD_NUMBER: _ClassVar[int]
    ORDER_PRICE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FILLED_QTY_FIELD_NUMBER: _ClassVar[int]
    SLOT_STATUS_FIELD_NUMBER: _ClassVar[int]
    POST_ONLY_FAIL_COUNT_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    LATTICE_INDEX_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    price: _decimal_pb2.Decimal
    position_status: _types_pb2.PositionStatus
    position_qty: _decimal_pb2.Decimal
    order_id: int
    client_oid: str
    order_side: _types_pb2.OrderSide
    order_status: _types_pb2.OrderStatus
    order_price: _decimal_pb2.Decimal
    order_filled_qty: _decimal_pb2.Decimal
    slot_status: _types_pb2.SlotStatus
    post_only_fail_count: int
    venue_order_id: str
    generation: int
    lattice_index: int
    attempt: int
    def __init__(self, price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., position_status: _Optional[_Union[_types_pb2.PositionStatus, str]] = ..., position_qty: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., order_id: _Optional[int] = ..., client_oid: _Optional[str] = ..., order_side: _Optional[_Union[_types_pb2.OrderSide, str]] = ..., order_status: _Optional[_Union[_types_pb2.OrderStatus, str]] = ..., order_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., order_filled_qty: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., slot_status: _Optional[_Union[_types_pb2.SlotStatus, str]] = ..., post_only_fail_count: _Optional[int] = ..., venue_order_id: _Optional[str] = ..., generation: _Optional[int] = ..., lattice_index: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ("slots", "last_price", "last_update_time", "symbol", "version", "checksum", "anchor_price", "interval", "generation", "account", "config_hash")
    class SlotsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: InventorySlot
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[InventorySlot, _Mapping]] = ...) -> None: ...
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LAST_PRICE_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_PRICE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_HASH_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.MessageMap[str, InventorySlot]
    last_price: _decimal_pb2.Decimal
    last_update_time: int
    symbol: str
    version: int
    checksum: str
    anchor_price: _decimal_pb2.Decimal
    interval: _decimal_pb2.Decimal
    generation: int
    account: str
    config_hash: str
    def __init__(self, slots: _Optional[_Mapping[str, InventorySlot]] = ..., last_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., last_update_time: _Optional[int] = ..., symbol: _Optional[str] = ..., version: _Optional[int] = ..., checksum: _Optional[str] = ..., anchor_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., interval: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., generation: _Optional[int] = ..., account: _Optional[str] = ..., config_hash: _Optional[str] = ...) -> None: ...

class PositionManagerSnapshot(_message.Message):
    __slots__ = ("symbol", "slots", "anchor_price", "total_slots", "active_slots", "margin_locked", "last_update_time", "interval", "generation", "account")
    class SlotsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: InventorySlot
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[InventorySlot, _Mapping]] = ...) -> None: ...
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_PRICE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SLOTS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_SLOTS_FIELD_NUMBER: _ClassVar[int]
    MARGIN_LOCKED_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    slots: _containers.MessageMap[str, InventorySlot]
    anchor_price: _decimal_pb2.Decimal
    total_slots: int
    active_slots: int
    margin_locked: bool
    last_update_time: int
    interval: _decimal_pb2.Decimal
    generation: int
    account: str
    def __init__(self, symbol: _Optional[str] = ..., slots: _Optional[_Mapping[str, InventorySlot]] = ..., anchor_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., total_slots: _Optional[int] = ..., active_slots: _Optional[int] = ..., margin_locked: _Optional[bool] = ..., last_update_time: _Optional[int] = ..., interval: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., generation: _Optional[int] = ..., account: _Optional[str] = ...) -> None: ...

class OrderAction(_message.Message):
    __slots__ = ("type", "symbol", "order_id", "price", "request", "venue_order_id", "client_order_id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    type: _types_pb2.OrderActionType
    symbol: str
    order_id: int
    price: _decimal_pb2.Decimal
    request: _resources_pb2.PlaceOrderRequest
    venue_order_id: str
    client_order_id: str
    def __init__(self, type: _Optional[_Union[_types_pb2.OrderActionType, str]] = ..., symbol: _Optional[str] = ..., order_id: _Optional[int] = ..., price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., request: _Optional[_Union[_resources_pb2.PlaceOrderRequest, _Mapping]] = ..., venue_order_id: _Optional[str] = ..., client_order_id: _Optional[str] = ...) -> None: ...
