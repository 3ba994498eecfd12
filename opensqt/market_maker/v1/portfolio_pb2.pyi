from google.type import decimal_pb2 as _decimal_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetRiskProfileRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RiskProfile(_message.Message):
    __slots__ = ("adjusted_equity", "total_maintenance_margin", "available_headroom", "health_score", "is_unified")
    ADJUSTED_EQUITY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MAINTENANCE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_HEADROOM_FIELD_NUMBER: _ClassVar[int]
    HEALTH_SCORE_FIELD_NUMBER: _ClassVar[int]
    IS_UNIFIED_FIELD_NUMBER: _ClassVar[int]
    adjusted_equity: _decimal_pb2.Decimal
    total_maintenance_margin: _decimal_pb2.Decimal
    available_headroom: _decimal_pb2.Decimal
    health_score: _decimal_pb2.Decimal
    is_unified: bool
    def __init__(self, adjusted_equity: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., total_maintenance_margin: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., available_headroom: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., health_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., is_unified: _Optional[bool] = ...) -> None: ...

class SimulateMarginRequest(_message.Message):
    __slots__ = ("proposals",)
    class ProposalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _decimal_pb2.Decimal
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...
    PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    proposals: _containers.MessageMap[str, _decimal_pb2.Decimal]
    def __init__(self, proposals: _Optional[_Mapping[str, _decimal_pb2.Decimal]] = ...) -> None: ...

class SimulateMarginResponse(_message.Message):
    __slots__ = ("projected_health_score", "would_liquidate")
    PROJECTED_HEALTH_SCORE_FIELD_NUMBER: _ClassVar[int]
    WOULD_LIQUIDATE_FIELD_NUMBER: _ClassVar[int]
    projected_health_score: _decimal_pb2.Decimal
    would_liquidate: bool
    def __init__(self, projected_health_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., would_liquidate: _Optional[bool] = ...) -> None: ...

class GetTargetPositionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTargetPositionsResponse(_message.Message):
    __slots__ = ("targets",)
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[TargetPosition]
    def __init__(self, targets: _Optional[_Iterable[_Union[TargetPosition, _Mapping]]] = ...) -> None: ...

class TargetPosition(_message.Message):
    __slots__ = ("symbol", "weight", "notional", "exchange", "quality_score")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    weight: _decimal_pb2.Decimal
    notional: _decimal_pb2.Decimal
    exchange: str
    quality_score: _decimal_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., weight: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., notional: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., exchange: _Optional[str] = ..., quality_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class GetMarketScoresRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMarketScoresResponse(_message.Message):
    __slots__ = ("opportunities",)
    OPPORTUNITIES_FIELD_NUMBER: _ClassVar[int]
    opportunities: _containers.RepeatedCompositeFieldContainer[PortfolioOpportunity]
    def __init__(self, opportunities: _Optional[_Iterable[_Union[PortfolioOpportunity, _Mapping]]] = ...) -> None: ...

class PortfolioOpportunity(_message.Message):
    __slots__ = ("symbol", "strategy", "long_exchange", "short_exchange", "spread", "spread_apr", "basis", "quality_score", "metrics", "timestamp")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    LONG_EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    SHORT_EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    SPREAD_APR_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    strategy: str
    long_exchange: str
    short_exchange: str
    spread: _decimal_pb2.Decimal
    spread_apr: _decimal_pb2.Decimal
    basis: _decimal_pb2.Decimal
    quality_score: _decimal_pb2.Decimal
    metrics: FundingMetrics
    timestamp: int
    def __init__(self, symbol: _Optional[str] = ..., strategy: _Optional[str] = ..., long_exchange: _Optional[str] = ..., short_exchange: _Optional[str] = ..., spread: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., spread_apr: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., basis: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., quality_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., metrics: _Optional[_Union[FundingMetrics, _Mapping]] = ..., timestamp: _Optional[int] = ...) -> None: ...

class FundingMetrics(_message.Message):
    __slots__ = ("sma_1d", "sma_7d", "sma_30d", "stability_score", "volatility_score", "momentum", "oi_factor", "positive_ratio", "num_sign_flips", "current_duration", "average_annual_apr", "narrative_sector")
    SMA_1D_FIELD_NUMBER: _ClassVar[int]
    SMA_7D_FIELD_NUMBER: _ClassVar[int]
    SMA_30D_FIELD_NUMBER: _ClassVar[int]
    STABILITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    VOLATILITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    MOMENTUM_FIELD_NUMBER: _ClassVar[int]
    OI_FACTOR_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_RATIO_FIELD_NUMBER: _ClassVar[int]
    NUM_SIGN_FLIPS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_DURATION_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ANNUAL_APR_FIELD_NUMBER: _ClassVar[int]
    NARRATIVE_SECTOR_FIELD_NUMBER: _ClassVar[int]
    sma_1d: _decimal_pb2.Decimal
    sma_7d: _decimal_pb2.Decimal
    sma_30d: _decimal_pb2.Decimal
    stability_score: _decimal_pb2.Decimal
    volatility_score: _decimal_pb2.Decimal
    momentum: _decimal_pb2.Decimal
    oi_factor: _decimal_pb2.Decimal
    positive_ratio: _decimal_pb2.Decimal
    num_sign_flips: int
    current_duration: int
    average_annual_apr: _decimal_pb2.Decimal
    narrative_sector: str
    def __init__(self, sma_1d: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., sma_7d: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., sma_30d: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., stability_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., volatility_score: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., momentum: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., oi_factor: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., positive_ratio: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., num_sign_flips: _Optional[int] = ..., current_duration: _Optional[int] = ..., average_annual_apr: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., narrative_sector: _Optional[str] = ...) -> None: ...
