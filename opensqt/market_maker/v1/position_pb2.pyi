from google.type import decimal_pb2 as _decimal_pb2
from opensqt.market_maker.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PositionServiceGetPositionsRequest(_message.Message):
    __slots__ = ("symbols", "exchanges")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    exchanges: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., exchanges: _Optional[_Iterable[str]] = ...) -> None: ...

class PositionServiceGetPositionsResponse(_message.Message):
    __slots__ = ("positions",)
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[PositionData]
    def __init__(self, positions: _Optional[_Iterable[_Union[PositionData, _Mapping]]] = ...) -> None: ...

class PositionData(_message.Message):
    __slots__ = ("symbol", "exchange", "quantity", "entry_price", "current_price", "unrealized_pnl", "realized_pnl", "opened_at", "updated_at", "account")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ENTRY_PRICE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PRICE_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    exchange: str
    quantity: _decimal_pb2.Decimal
    entry_price: _decimal_pb2.Decimal
    current_price: _decimal_pb2.Decimal
    unrealized_pnl: _decimal_pb2.Decimal
    realized_pnl: _decimal_pb2.Decimal
    opened_at: int
    updated_at: int
    account: str
    def __init__(self, symbol: _Optional[str] = ..., exchange: _Optional[str] = ..., quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., entry_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., current_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., unrealized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., realized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., opened_at: _Optional[int] = ..., updated_at: _Optional[int] = ..., account: _Optional[str] = ...) -> None: ...

class PositionServiceGetPositionRequest(_message.Message):
    __slots__ = ("symbol", "exchange")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    exchange: str
    def __init__(self, symbol: _Optional[str] = ..., exchange: _Optional[str] = ...) -> None: ...

class PositionServiceGetPositionResponse(_message.Message):
    __slots__ = ("position", "open_orders")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    position: PositionData
    open_orders: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Order]
    def __init__(self, position: _Optional[_Union[PositionData, _Mapping]] = ..., open_orders: _Optional[_Iterable[_Union[_resources_pb2.Order, _Mapping]]] = ...) -> None: ...

class PositionServiceSubscribePositionsRequest(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class PositionUpdate(_message.Message):
    __slots__ = ("position", "update_type", "trigger_order")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TYPE_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_ORDER_FIELD_NUMBER: _ClassVar[int]
    position: PositionData
    update_type: str
    trigger_order: _resources_pb2.Order
    def __init__(self, position: _Optional[_Union[PositionData, _Mapping]] = ..., update_type: _Optional[str] = ..., trigger_order: _Optional[_Union[_resources_pb2.Order, _Mapping]] = ...) -> None: ...

class PositionServiceGetOpenOrdersRequest(_message.Message):
    __slots__ = ("symbols", "exchanges")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    exchanges: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., exchanges: _Optional[_Iterable[str]] = ...) -> None: ...

class PositionServiceGetOpenOrdersResponse(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Order]
    def __init__(self, orders: _Optional[_Iterable[_Union[_resources_pb2.Order, _Mapping]]] = ...) -> None: ...

class PositionServiceGetOrderHistoryRequest(_message.Message):
    __slots__ = ("symbols", "start_time", "end_time", "limit")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    start_time: int
    end_time: int
    limit: int
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., start_time: _Optional[int] = ..., end_time: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class PositionServiceGetOrderHistoryResponse(_message.Message):
    __slots__ = ("orders", "next_cursor")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Order]
    next_cursor: str
    def __init__(self, orders: _Optional[_Iterable[_Union[_resources_pb2.Order, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class PositionServiceGetOrderRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class PositionServiceGetOrderResponse(_message.Message):
    __slots__ = ("order", "fills")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    order: _resources_pb2.Order
    fills: _containers.RepeatedCompositeFieldContainer[Fill]
    def __init__(self, order: _Optional[_Union[_resources_pb2.Order, _Mapping]] = ..., fills: _Optional[_Iterable[_Union[Fill, _Mapping]]] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("fill_id", "order_id", "symbol", "side", "quantity", "price", "fee", "fee_currency", "filled_at")
    FILL_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    FEE_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    FILLED_AT_FIELD_NUMBER: _ClassVar[int]
    fill_id: str
    order_id: str
    symbol: str
    side: str
    quantity: _decimal_pb2.Decimal
    price: _decimal_pb2.Decimal
    fee: _decimal_pb2.Decimal
    fee_currency: str
    filled_at: int
    def __init__(self, fill_id: _Optional[str] = ..., order_id: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[str] = ..., quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., fee: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., fee_currency: _Optional[str] = ..., filled_at: _Optional[int] = ...) -> None: ...

class PositionServiceGetFillsRequest(_message.Message):
    __slots__ = ("symbols", "start_time", "end_time", "limit")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    start_time: int
    end_time: int
    limit: int
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., start_time: _Optional[int] = ..., end_time: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class PositionServiceGetFillsResponse(_message.Message):
    __slots__ = ("fills", "next_cursor")
    FILLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    fills: _containers.RepeatedCompositeFieldContainer[Fill]
    next_cursor: str
    def __init__(self, fills: _Optional[_Iterable[_Union[Fill, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class PositionServiceGetPositionHistoryRequest(_message.Message):
    __slots__ = ("symbol", "start_time", "end_time")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    start_time: int
    end_time: int
    def __init__(self, symbol: _Optional[str] = ..., start_time: _Optional[int] = ..., end_time: _Optional[int] = ...) -> None: ...

class PositionServiceGetPositionHistoryResponse(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[PositionSnapshotData]
    def __init__(self, snapshots: _Optional[_Iterable[_Union[PositionSnapshotData, _Mapping]]] = ...) -> None: ...

class PositionSnapshotData(_message.Message):
    __slots__ = ("symbol", "quantity", "entry_price", "market_price", "unrealized_pnl", "timestamp")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ENTRY_PRICE_FIELD_NUMBER: _ClassVar[int]
    MARKET_PRICE_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity: _decimal_pb2.Decimal
    entry_price: _decimal_pb2.Decimal
    market_price: _decimal_pb2.Decimal
    unrealized_pnl: _decimal_pb2.Decimal
    timestamp: int
    def __init__(self, symbol: _Optional[str] = ..., quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., entry_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., market_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., unrealized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., timestamp: _Optional[int] = ...) -> None: ...

class PositionServiceGetRealizedPnLRequest(_message.Message):
    __slots__ = ("symbols", "start_time", "end_time")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    start_time: int
    end_time: int
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., start_time: _Optional[int] = ..., end_time: _Optional[int] = ...) -> None: ...

class PositionServiceGetRealizedPnLResponse(_message.Message):
    __slots__ = ("total_pnl", "by_symbol")
    TOTAL_PNL_FIELD_NUMBER: _ClassVar[int]
    BY_SYMBOL_FIELD_NUMBER: _ClassVar[int]
    total_pnl: _decimal_pb2.Decimal
    by_symbol: _containers.RepeatedCompositeFieldContainer[SymbolPnL]
    def __init__(self, total_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., by_symbol: _Optional[_Iterable[_Union[SymbolPnL, _Mapping]]] = ...) -> None: ...

class SymbolPnL(_message.Message):
    __slots__ = ("symbol", "realized_pnl", "num_trades", "winning_trades", "losing_trades", "win_rate")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    NUM_TRADES_FIELD_NUMBER: _ClassVar[int]
    WINNING_TRADES_FIELD_NUMBER: _ClassVar[int]
    LOSING_TRADES_FIELD_NUMBER: _ClassVar[int]
    WIN_RATE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    realized_pnl: _decimal_pb2.Decimal
    num_trades: int
    winning_trades: int
    losing_trades: int
    win_rate: str
    def __init__(self, symbol: _Optional[str] = ..., realized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., num_trades: _Optional[int] = ..., winning_trades: _Optional[int] = ..., losing_trades: _Optional[int] = ..., win_rate: _Optional[str] = ...) -> None: ...

class PositionServiceGetUnrealizedPnLRequest(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class PositionServiceGetUnrealizedPnLResponse(_message.Message):
    __slots__ = ("total_pnl", "positions")
    TOTAL_PNL_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    total_pnl: _decimal_pb2.Decimal
    positions: _containers.RepeatedCompositeFieldContainer[PositionPnL]
    def __init__(self, total_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., positions: _Optional[_Iterable[_Union[PositionPnL, _Mapping]]] = ...) -> None: ...

class PositionPnL(_message.Message):
    __slots__ = ("symbol", "quantity", "entry_price", "current_price", "unrealized_pnl", "pnl_percentage")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ENTRY_PRICE_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PRICE_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    PNL_PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    quantity: _decimal_pb2.Decimal
    entry_price: _decimal_pb2.Decimal
    current_price: _decimal_pb2.Decimal
    unrealized_pnl: _decimal_pb2.Decimal
    pnl_percentage: str
    def __init__(self, symbol: _Optional[str] = ..., quantity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., entry_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., current_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., unrealized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., pnl_percentage: _Optional[str] = ...) -> None: ...
