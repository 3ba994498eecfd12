from google.type import decimal_pb2 as _decimal_pb2
from opensqt.market_maker.v1 import events_pb2 as _events_pb2
from opensqt.market_maker.v1 import facts_pb2 as _facts_pb2
from opensqt.market_maker.v1 import resources_pb2 as _resources_pb2
from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetNameRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetNameResponse(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetTypeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTypeResponse(_message.Message):
    __slots__ = ("type", "is_unified_margin")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    IS_UNIFIED_MARGIN_FIELD_NUMBER: _ClassVar[int]
    type: _types_pb2.ExchangeType
    is_unified_margin: bool
    def __init__(self, type: _Optional[_Union[_types_pb2.ExchangeType, str]] = ..., is_unified_margin: _Optional[bool] = ...) -> None: ...

class BatchPlaceOrdersRequest(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_resources_pb2.PlaceOrderRequest]
    def __init__(self, orders: _Optional[_Iterable[_Union[_resources_pb2.PlaceOrderRequest, _Mapping]]] = ...) -> None: ...

class BatchPlaceOrdersResponse(_message.Message):
    __slots__ = ("orders", "all_success", "errors")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    ALL_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Order]
    all_success: bool
    errors: _containers.RepeatedCompositeFieldContainer[BatchOrderError]
    def __init__(self, orders: _Optional[_Iterable[_Union[_resources_pb2.Order, _Mapping]]] = ..., all_success: _Optional[bool] = ..., errors: _Optional[_Iterable[_Union[BatchOrderError, _Mapping]]] = ...) -> None: ...

class BatchOrderError(_message.Message):
    __slots__ = ("index", "client_order_id", "error_message", "code", "venue_order_id", "reason", "outcome_class")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_CLASS_FIELD_NUMBER: _ClassVar[int]
    index: int
    client_order_id: str
    error_message: str
    code: int
    venue_order_id: str
    reason: str
    outcome_class: _facts_pb2.OutcomeClass
    def __init__(self, index: _Optional[int] = ..., client_order_id: _Optional[str] = ..., error_message: _Optional[str] = ..., code: _Optional[int] = ..., venue_order_id: _Optional[str] = ..., reason: _Optional[str] = ..., outcome_class: _Optional[_Union[_facts_pb2.OutcomeClass, str]] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("symbol", "order_id", "use_margin", "venue_order_id", "client_order_id", "account", "account_epoch", "symbol_epoch", "deadline_ms")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    USE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    order_id: int
    use_margin: bool
    venue_order_id: str
    client_order_id: str
    account: str
    account_epoch: int
    symbol_epoch: int
    deadline_ms: int
    def __init__(self, symbol: _Optional[str] = ..., order_id: _Optional[int] = ..., use_margin: _Optional[bool] = ..., venue_order_id: _Optional[str] = ..., client_order_id: _Optional[str] = ..., account: _Optional[str] = ..., account_epoch: _Optional[int] = ..., symbol_epoch: _Optional[int] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class CancelOrderResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BatchCancelOrdersRequest(_message.Message):
    __slots__ = ("symbol", "order_ids", "use_margin", "venue_order_ids", "account", "account_epoch", "symbol_epoch", "deadline_ms")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    USE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    order_ids: _containers.RepeatedScalarFieldContainer[int]
    use_margin: bool
    venue_order_ids: _containers.RepeatedScalarFieldContainer[str]
    account: str
    account_epoch: int
    symbol_epoch: int
    deadline_ms: int
    def __init__(self, symbol: _Optional[str] = ..., order_ids: _Optional[_Iterable[int]] = ..., use_margin: _Optional[bool] = ..., venue_order_ids: _Optional[_Iterable[str]] = ..., account: _Optional[str] = ..., account_epoch: _Optional[int] = ..., symbol_epoch: _Optional[int] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class BatchCancelOrdersResponse(_message.Message):
    __slots__ = ("errors",)
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    errors: _containers.RepeatedCompositeFieldContainer[BatchOrderError]
    def __init__(self, errors: _Optional[_Iterable[_Union[BatchOrderError, _Mapping]]] = ...) -> None: ...

class CancelAllOrdersRequest(_message.Message):
    __slots__ = ("symbol", "use_margin", "account", "account_epoch", "symbol_epoch", "deadline_ms")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    USE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    use_margin: bool
    account: str
    account_epoch: int
    symbol_epoch: int
    deadline_ms: int
    def __init__(self, symbol: _Optional[str] = ..., use_margin: _Optional[bool] = ..., account: _Optional[str] = ..., account_epoch: _Optional[int] = ..., symbol_epoch: _Optional[int] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class CancelAllOrdersResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetOrderRequest(_message.Message):
    __slots__ = ("symbol", "order_id", "client_order_id", "use_margin", "venue_order_id", "account")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    USE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    order_id: int
    client_order_id: str
    use_margin: bool
    venue_order_id: str
    account: str
    def __init__(self, symbol: _Optional[str] = ..., order_id: _Optional[int] = ..., client_order_id: _Optional[str] = ..., use_margin: _Optional[bool] = ..., venue_order_id: _Optional[str] = ..., account: _Optional[str] = ...) -> None: ...

class GetOpenOrdersRequest(_message.Message):
    __slots__ = ("symbol", "use_margin", "account")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    USE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    use_margin: bool
    account: str
    def __init__(self, symbol: _Optional[str] = ..., use_margin: _Optional[bool] = ..., account: _Optional[str] = ...) -> None: ...

class GetOpenOrdersResponse(_message.Message):
    __slots__ = ("orders", "complete")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Order]
    complete: bool
    def __init__(self, orders: _Optional[_Iterable[_Union[_resources_pb2.Order, _Mapping]]] = ..., complete: _Optional[bool] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class GetPositionsRequest(_message.Message):
    __slots__ = ("symbol", "account")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    account: str
    def __init__(self, symbol: _Optional[str] = ..., account: _Optional[str] = ...) -> None: ...

class GetPositionsResponse(_message.Message):
    __slots__ = ("positions",)
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Position]
    def __init__(self, positions: _Optional[_Iterable[_Union[_resources_pb2.Position, _Mapping]]] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("asset", "account")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    account: str
    def __init__(self, asset: _Optional[str] = ..., account: _Optional[str] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("balance",)
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    balance: _decimal_pb2.Decimal
    def __init__(self, balance: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class GetLatestPriceRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetLatestPriceResponse(_message.Message):
    __slots__ = ("price",)
    PRICE_FIELD_NUMBER: _ClassVar[int]
    price: _decimal_pb2.Decimal
    def __init__(self, price: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class GetHistoricalKlinesRequest(_message.Message):
    __slots__ = ("symbol", "interval", "limit")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    interval: str
    limit: int
    def __init__(self, symbol: _Optional[str] = ..., interval: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GetHistoricalKlinesResponse(_message.Message):
    __slots__ = ("candles",)
    CANDLES_FIELD_NUMBER: _ClassVar[int]
    candles: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Candle]
    def __init__(self, candles: _Optional[_Iterable[_Union[_resources_pb2.Candle, _Mapping]]] = ...) -> None: ...

class FetchExchangeInfoRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class FetchExchangeInfoResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSymbolInfoRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetSymbolsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSymbolsResponse(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class GetFundingRateRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetFundingRatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetFundingRatesResponse(_message.Message):
    __slots__ = ("rates",)
    RATES_FIELD_NUMBER: _ClassVar[int]
    rates: _containers.RepeatedCompositeFieldContainer[_resources_pb2.FundingRate]
    def __init__(self, rates: _Optional[_Iterable[_Union[_resources_pb2.FundingRate, _Mapping]]] = ...) -> None: ...

class GetHistoricalFundingRatesRequest(_message.Message):
    __slots__ = ("symbol", "limit")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    limit: int
    def __init__(self, symbol: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GetHistoricalFundingRatesResponse(_message.Message):
    __slots__ = ("rates",)
    RATES_FIELD_NUMBER: _ClassVar[int]
    rates: _containers.RepeatedCompositeFieldContainer[_resources_pb2.FundingRate]
    def __init__(self, rates: _Optional[_Iterable[_Union[_resources_pb2.FundingRate, _Mapping]]] = ...) -> None: ...

class GetTickersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTickersResponse(_message.Message):
    __slots__ = ("tickers",)
    TICKERS_FIELD_NUMBER: _ClassVar[int]
    tickers: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Ticker]
    def __init__(self, tickers: _Optional[_Iterable[_Union[_resources_pb2.Ticker, _Mapping]]] = ...) -> None: ...

class GetOpenInterestRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetOpenInterestResponse(_message.Message):
    __slots__ = ("open_interest",)
    OPEN_INTEREST_FIELD_NUMBER: _ClassVar[int]
    open_interest: _decimal_pb2.Decimal
    def __init__(self, open_interest: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class SubscribeFundingRateRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class SubscribePriceRequest(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class SubscribeOrdersRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class SubscribeKlinesRequest(_message.Message):
    __slots__ = ("symbols", "interval")
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    interval: str
    def __init__(self, symbols: _Optional[_Iterable[str]] = ..., interval: _Optional[str] = ...) -> None: ...

class SubscribeAccountRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class SubscribePositionsRequest(_message.Message):
    __slots__ = ("symbol", "account")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    account: str
    def __init__(self, symbol: _Optional[str] = ..., account: _Optional[str] = ...) -> None: ...

class SubmitOrderRequest(_message.Message):
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: _resources_pb2.PlaceOrderRequest
    def __init__(self, order: _Optional[_Union[_resources_pb2.PlaceOrderRequest, _Mapping]] = ...) -> None: ...

class SubmitOrderResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: _facts_pb2.OrderOutcome
    def __init__(self, outcome: _Optional[_Union[_facts_pb2.OrderOutcome, _Mapping]] = ...) -> None: ...

class WithdrawOrderRequest(_message.Message):
    __slots__ = ("cancel",)
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    cancel: CancelOrderRequest
    def __init__(self, cancel: _Optional[_Union[CancelOrderRequest, _Mapping]] = ...) -> None: ...

class WithdrawOrderResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: _facts_pb2.OrderOutcome
    def __init__(self, outcome: _Optional[_Union[_facts_pb2.OrderOutcome, _Mapping]] = ...) -> None: ...

class OrderCommand(_message.Message):
    __slots__ = ("request_id", "submit", "withdraw")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    submit: SubmitOrderRequest
    withdraw: WithdrawOrderRequest
    def __init__(self, request_id: _Optional[int] = ..., submit: _Optional[_Union[SubmitOrderRequest, _Mapping]] = ..., withdraw: _Optional[_Union[WithdrawOrderRequest, _Mapping]] = ...) -> None: ...

class OrderAnswer(_message.Message):
    __slots__ = ("request_id", "outcome")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    outcome: _facts_pb2.OrderOutcome
    def __init__(self, request_id: _Optional[int] = ..., outcome: _Optional[_Union[_facts_pb2.OrderOutcome, _Mapping]] = ...) -> None: ...

class StreamOrdersRequest(_message.Message):
    __slots__ = ("commands",)
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    commands: _containers.RepeatedCompositeFieldContainer[OrderCommand]
    def __init__(self, commands: _Optional[_Iterable[_Union[OrderCommand, _Mapping]]] = ...) -> None: ...

class StreamOrdersResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[OrderAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[OrderAnswer, _Mapping]]] = ...) -> None: ...

class LookupOrderRequest(_message.Message):
    __slots__ = ("symbol", "client_order_id", "venue_order_id")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    VENUE_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    client_order_id: str
    venue_order_id: str
    def __init__(self, symbol: _Optional[str] = ..., client_order_id: _Optional[str] = ..., venue_order_id: _Optional[str] = ...) -> None: ...

class LookupOrderResponse(_message.Message):
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: _facts_pb2.OrderReport
    def __init__(self, order: _Optional[_Union[_facts_pb2.OrderReport, _Mapping]] = ...) -> None: ...

class ListOpenOrdersRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class ListOpenOrdersResponse(_message.Message):
    __slots__ = ("listing",)
    LISTING_FIELD_NUMBER: _ClassVar[int]
    listing: _facts_pb2.Listing
    def __init__(self, listing: _Optional[_Union[_facts_pb2.Listing, _Mapping]] = ...) -> None: ...

class GetTradesRequest(_message.Message):
    __slots__ = ("symbol", "since_ms")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    since_ms: int
    def __init__(self, symbol: _Optional[str] = ..., since_ms: _Optional[int] = ...) -> None: ...

class GetTradesResponse(_message.Message):
    __slots__ = ("trades", "complete")
    TRADES_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    trades: _containers.RepeatedCompositeFieldContainer[_facts_pb2.TradeReport]
    complete: bool
    def __init__(self, trades: _Optional[_Iterable[_Union[_facts_pb2.TradeReport, _Mapping]]] = ..., complete: _Optional[bool] = ...) -> None: ...

class LookupPositionRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class LookupPositionResponse(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: _facts_pb2.PositionReport
    def __init__(self, position: _Optional[_Union[_facts_pb2.PositionReport, _Mapping]] = ...) -> None: ...

class ListBalancesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListBalancesResponse(_message.Message):
    __slots__ = ("balances",)
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[_facts_pb2.BalanceReport]
    def __init__(self, balances: _Optional[_Iterable[_Union[_facts_pb2.BalanceReport, _Mapping]]] = ...) -> None: ...

class GetInstrumentRequest(_message.Message):
    __slots__ = ("symbol",)
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    def __init__(self, symbol: _Optional[str] = ...) -> None: ...

class GetInstrumentResponse(_message.Message):
    __slots__ = ("instrument",)
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    instrument: _facts_pb2.InstrumentReport
    def __init__(self, instrument: _Optional[_Union[_facts_pb2.InstrumentReport, _Mapping]] = ...) -> None: ...

class GetServerTimeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerTimeResponse(_message.Message):
    __slots__ = ("venue_time_ms",)
    VENUE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    venue_time_ms: int
    def __init__(self, venue_time_ms: _Optional[int] = ...) -> None: ...

class FenceRequest(_message.Message):
    __slots__ = ("account_epoch", "kill_epoch", "deployment")
    ACCOUNT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    KILL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_FIELD_NUMBER: _ClassVar[int]
    account_epoch: int
    kill_epoch: int
    deployment: str
    def __init__(self, account_epoch: _Optional[int] = ..., kill_epoch: _Optional[int] = ..., deployment: _Optional[str] = ...) -> None: ...

class FenceResponse(_message.Message):
    __slots__ = ("in_flight_client_order_ids",)
    IN_FLIGHT_CLIENT_ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    in_flight_client_order_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, in_flight_client_order_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DisownOrderRequest(_message.Message):
    __slots__ = ("client_order_id", "deadline_ms")
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    client_order_id: str
    deadline_ms: int
    def __init__(self, client_order_id: _Optional[str] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class DisownOrderResponse(_message.Message):
    __slots__ = ("unsent_ms",)
    UNSENT_MS_FIELD_NUMBER: _ClassVar[int]
    unsent_ms: int
    def __init__(self, unsent_ms: _Optional[int] = ...) -> None: ...

class SubscribeEventsRequest(_message.Message):
    __slots__ = ("subscriber", "symbols")
    SUBSCRIBER_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    subscriber: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subscriber: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class SubscribeEventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_facts_pb2.VenueEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_facts_pb2.VenueEvent, _Mapping]]] = ...) -> None: ...

class WatchSymbolsRequest(_message.Message):
    __slots__ = ("subscriber", "symbols")
    SUBSCRIBER_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    subscriber: str
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subscriber: _Optional[str] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchSymbolsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
