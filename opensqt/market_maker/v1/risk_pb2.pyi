from google.type import decimal_pb2 as _decimal_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetRiskMetricsRequest(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class GetRiskMetricsResponse(_message.Message):
    __slots__ = ("metrics",)
    METRICS_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[SymbolRiskMetrics]
    def __init__(self, metrics: _Optional[_Iterable[_Union[SymbolRiskMetrics, _Mapping]]] = ...) -> None: ...

class SymbolRiskMetrics(_message.Message):
    __slots__ = ("symbol", "position_size", "notional_value", "unrealized_pnl", "leverage", "risk_score", "limit_breach", "limit_type", "last_price")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    POSITION_SIZE_FIELD_NUMBER: _ClassVar[int]
    NOTIONAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    RISK_SCORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_BREACH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    LAST_PRICE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    position_size: _decimal_pb2.Decimal
    notional_value: _decimal_pb2.Decimal
    unrealized_pnl: _decimal_pb2.Decimal
    leverage: _decimal_pb2.Decimal
    risk_score: _decimal_pb2.Decimal
    limit_breach: bool
    limit_type: str
    last_price: _decimal_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., position_size: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., notional_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., unrealized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., leverage: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., risk_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., limit_breach: _Optional[bool] = ..., limit_type: _Optional[str] = ..., last_price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class GetPositionLimitsRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetPositionLimitsResponse(_message.Message):
    __slots__ = ("symbol", "max_position_size", "max_notional_value", "max_leverage", "max_order_size")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    MAX_POSITION_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_NOTIONAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_ORDER_SIZE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    max_position_size: _decimal_pb2.Decimal
    max_notional_value: _decimal_pb2.Decimal
    max_leverage: _decimal_pb2.Decimal
    max_order_size: _decimal_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., max_position_size: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_notional_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_leverage: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_order_size: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class UpdatePositionLimitsRequest(_message.Message):
    __slots__ = ("symbol", "max_position_size", "max_notional_value", "max_leverage", "max_order_size", "reason")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    MAX_POSITION_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_NOTIONAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_ORDER_SIZE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    max_position_size: _decimal_pb2.Decimal
    max_notional_value: _decimal_pb2.Decimal
    max_leverage: _decimal_pb2.Decimal
    max_order_size: _decimal_pb2.Decimal
    reason: str
    def __init__(self, symbol: _Optional[str] = ..., max_position_size: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_notional_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_leverage: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., max_order_size: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class UpdatePositionLimitsResponse(_message.Message):
    __slots__ = ("success", "message")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    success: bool
    message: str
    def __init__(self, success: _Optional[bool] = ..., message: _Optional[str] = ...) -> None: ...

class GetExposureRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetExposureResponse(_message.Message):
    __slots__ = ("total_notional", "total_unrealized_pnl", "portfolio_leverage", "exposures")
    TOTAL_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    EXPOSURES_FIELD_NUMBER: _ClassVar[int]
    total_notional: _decimal_pb2.Decimal
    total_unrealized_pnl: _decimal_pb2.Decimal
    portfolio_leverage: _decimal_pb2.Decimal
    exposures: _containers.RepeatedCompositeFieldContainer[SymbolExposure]
    def __init__(self, total_notional: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., total_unrealized_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., portfolio_leverage: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., exposures: _Optional[_Iterable[_Union[SymbolExposure, _Mapping]]] = ...) -> None: ...

class SymbolExposure(_message.Message):
    __slots__ = ("symbol", "notional_value", "percentage_of_portfolio")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    NOTIONAL_VALUE_FIELD_NUMBER: _ClassVar[int]
    PERCENTAGE_OF_PORTFOLIO_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    notional_value: _decimal_pb2.Decimal
    percentage_of_portfolio: _decimal_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., notional_value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., percentage_of_portfolio: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class SubscribeRiskAlertsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RiskAlert(_message.Message):
    __slots__ = ("symbol", "alert_type", "severity", "message", "timestamp", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ALERT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    alert_type: str
    severity: str
    message: str
    timestamp: int
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, symbol: _Optional[str] = ..., alert_type: _Optional[str] = ..., severity: _Optional[str] = ..., message: _Optional[str] = ..., timestamp: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TriggerReconciliationRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class TriggerReconciliationResponse(_message.Message):
    __slots__ = ("reconciliation_id", "status")
    RECONCILIATION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    reconciliation_id: str
    status: str
    def __init__(self, reconciliation_id: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class GetReconciliationStatusRequest(_message.Message):
    __slots__ = ("reconciliation_id",)
    RECONCILIATION_ID_FIELD_NUMBER: _ClassVar[int]
    reconciliation_id: str
    def __init__(self, reconciliation_id: _Optional[str] = ...) -> None: ...

class GetReconciliationStatusResponse(_message.Message):
    __slots__ = ("reconciliation_id", "status", "started_at", "completed_at", "results")
    RECONCILIATION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    reconciliation_id: str
    status: str
    started_at: int
    completed_at: int
    results: _containers.RepeatedCompositeFieldContainer[ReconciliationResult]
    def __init__(self, reconciliation_id: _Optional[str] = ..., status: _Optional[str] = ..., started_at: _Optional[int] = ..., completed_at: _Optional[int] = ..., results: _Optional[_Iterable[_Union[ReconciliationResult, _Mapping]]] = ...) -> None: ...

class ReconciliationResult(_message.Message):
    __slots__ = ("symbol", "position_match", "local_position", "exchange_position", "divergence", "corrected")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    POSITION_MATCH_FIELD_NUMBER: _ClassVar[int]
    LOCAL_POSITION_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_POSITION_FIELD_NUMBER: _ClassVar[int]
    DIVERGENCE_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    position_match: bool
    local_position: _decimal_pb2.Decimal
    exchange_position: _decimal_pb2.Decimal
    divergence: _decimal_pb2.Decimal
    corrected: bool
    def __init__(self, symbol: _Optional[str] = ..., position_match: _Optional[bool] = ..., local_position: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., exchange_position: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., divergence: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., corrected: _Optional[bool] = ...) -> None: ...

class GetCircuitBreakerStatusRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetCircuitBreakerStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: CircuitBreakerStatus
    def __init__(self, status: _Optional[_Union[CircuitBreakerStatus, _Mapping]] = ...) -> None: ...

class CircuitBreakerStatus(_message.Message):
    __slots__ = ("symbol", "is_open", "reason", "opened_at", "consecutive_losses", "total_pnl")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    IS_OPEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_LOSSES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PNL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    is_open: bool
    reason: str
    opened_at: int
    consecutive_losses: int
    total_pnl: _decimal_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., is_open: _Optional[bool] = ..., reason: _Optional[str] = ..., opened_at: _Optional[int] = ..., consecutive_losses: _Optional[int] = ..., total_pnl: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class OpenCircuitBreakerRequest(_message.Message):
    __slots__ = ("symbol", "reason")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    reason: str
    def __init__(self, symbol: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OpenCircuitBreakerResponse(_message.Message):
    __slots__ = ("success",)
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    success: bool
    def __init__(self, success: _Optional[bool] = ...) -> None: ...

class CloseCircuitBreakerRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class CloseCircuitBreakerResponse(_message.Message):
    __slots__ = ("success",)
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    success: bool
    def __init__(self, success: _Optional[bool] = ...) -> None: ...
