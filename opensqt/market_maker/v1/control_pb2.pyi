from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StopMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_MODE_UNSPECIFIED: _ClassVar[StopMode]
    STOP_MODE_DRAIN: _ClassVar[StopMode]
    STOP_MODE_CANCEL: _ClassVar[StopMode]
    STOP_MODE_FLATTEN: _ClassVar[StopMode]

class OrdersAtShutdown(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDERS_AT_SHUTDOWN_UNSPECIFIED: _ClassVar[OrdersAtShutdown]
    ORDERS_AT_SHUTDOWN_CANCEL: _ClassVar[OrdersAtShutdown]
    ORDERS_AT_SHUTDOWN_KEEP: _ClassVar[OrdersAtShutdown]

class SymbolState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYMBOL_STATE_UNSPECIFIED: _ClassVar[SymbolState]
    SYMBOL_STATE_STARTING: _ClassVar[SymbolState]
    SYMBOL_STATE_RECOVERING: _ClassVar[SymbolState]
    SYMBOL_STATE_QUOTING: _ClassVar[SymbolState]
    SYMBOL_STATE_PAUSED: _ClassVar[SymbolState]
    SYMBOL_STATE_DRAINING: _ClassVar[SymbolState]
    SYMBOL_STATE_STOPPED: _ClassVar[SymbolState]
    SYMBOL_STATE_QUARANTINED: _ClassVar[SymbolState]

class SymbolDesire(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SYMBOL_DESIRE_UNSPECIFIED: _ClassVar[SymbolDesire]
    SYMBOL_DESIRE_RUNNING: _ClassVar[SymbolDesire]
    SYMBOL_DESIRE_PAUSED: _ClassVar[SymbolDesire]
    SYMBOL_DESIRE_REMOVED: _ClassVar[SymbolDesire]
STOP_MODE_UNSPECIFIED: StopMode
STOP_MODE_DRAIN: StopMode
STOP_MODE_CANCEL: StopMode
STOP_MODE_FLATTEN: StopMode
ORDERS_AT_SHUTDOWN_UNSPECIFIED: OrdersAtShutdown
ORDERS_AT_SHUTDOWN_CANCEL: OrdersAtShutdown
ORDERS_AT_SHUTDOWN_KEEP: OrdersAtShutdown
SYMBOL_STATE_UNSPECIFIED: SymbolState
SYMBOL_STATE_STARTING: SymbolState
SYMBOL_STATE_RECOVERING: SymbolState
SYMBOL_STATE_QUOTING: SymbolState
SYMBOL_STATE_PAUSED: SymbolState
SYMBOL_STATE_DRAINING: SymbolState
SYMBOL_STATE_STOPPED: SymbolState
SYMBOL_STATE_QUARANTINED: SymbolState
SYMBOL_DESIRE_UNSPECIFIED: SymbolDesire
SYMBOL_DESIRE_RUNNING: SymbolDesire
SYMBOL_DESIRE_PAUSED: SymbolDesire
SYMBOL_DESIRE_REMOVED: SymbolDesire

class AddSymbolRequest(_message.Message):
    __slots__ = ("target", "config", "dry_run")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    target: str
    config: str
    dry_run: bool
    def __init__(self, target: _Optional[str] = ..., config: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class AddSymbolResponse(_message.Message):
    __slots__ = ("target", "state", "created", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    state: SymbolState
    created: bool
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., created: _Optional[bool] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RemoveSymbolRequest(_message.Message):
    __slots__ = ("target", "mode", "wait_ms", "dry_run")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    target: str
    mode: StopMode
    wait_ms: int
    dry_run: bool
    def __init__(self, target: _Optional[str] = ..., mode: _Optional[_Union[StopMode, str]] = ..., wait_ms: _Optional[int] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class RemoveSymbolResponse(_message.Message):
    __slots__ = ("target", "state", "done", "position", "open_orders", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    state: SymbolState
    done: bool
    position: str
    open_orders: int
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., done: _Optional[bool] = ..., position: _Optional[str] = ..., open_orders: _Optional[int] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ("target", "mode")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    target: str
    mode: StopMode
    def __init__(self, target: _Optional[str] = ..., mode: _Optional[_Union[StopMode, str]] = ...) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ("target", "state", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    state: SymbolState
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: str
    def __init__(self, target: _Optional[str] = ...) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("target", "state", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    state: SymbolState
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("targets",)
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, targets: _Optional[_Iterable[str]] = ...) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("mode", "timezone", "kill", "memory", "symbols", "processes", "endpoints", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODE_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    KILL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    mode: str
    timezone: str
    kill: KillStatus
    memory: MemoryStatus
    symbols: _containers.RepeatedCompositeFieldContainer[SymbolStatus]
    processes: _containers.RepeatedCompositeFieldContainer[ProcessStatus]
    endpoints: Endpoints
    extra: _containers.ScalarMap[str, str]
    def __init__(self, mode: _Optional[str] = ..., timezone: _Optional[str] = ..., kill: _Optional[_Union[KillStatus, _Mapping]] = ..., memory: _Optional[_Union[MemoryStatus, _Mapping]] = ..., symbols: _Optional[_Iterable[_Union[SymbolStatus, _Mapping]]] = ..., processes: _Optional[_Iterable[_Union[ProcessStatus, _Mapping]]] = ..., endpoints: _Optional[_Union[Endpoints, _Mapping]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class KillStatus(_message.Message):
    __slots__ = ("state", "epoch", "operator", "reason", "at_ms", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    state: str
    epoch: int
    operator: str
    reason: str
    at_ms: int
    extra: _containers.ScalarMap[str, str]
    def __init__(self, state: _Optional[str] = ..., epoch: _Optional[int] = ..., operator: _Optional[str] = ..., reason: _Optional[str] = ..., at_ms: _Optional[int] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class MemoryStatus(_message.Message):
    __slots__ = ("plan_mb", "used_mb", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PLAN_MB_FIELD_NUMBER: _ClassVar[int]
    USED_MB_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    plan_mb: int
    used_mb: int
    extra: _containers.ScalarMap[str, str]
    def __init__(self, plan_mb: _Optional[int] = ..., used_mb: _Optional[int] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SymbolStatus(_message.Message):
    __slots__ = ("account", "symbol", "market", "strategy", "state", "idle_reason", "position", "open_orders", "fills", "realized_pnl", "unrealized_pnl", "fees", "price", "price_age_ms", "pid", "restarts", "capital", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    MARKET_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IDLE_REASON_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    FILLS_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    FEES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PRICE_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    CAPITAL_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    market: str
    strategy: str
    state: SymbolState
    idle_reason: str
    position: str
    open_orders: int
    fills: int
    realized_pnl: str
    unrealized_pnl: str
    fees: str
    price: str
    price_age_ms: int
    pid: int
    restarts: int
    capital: str
    extra: _containers.ScalarMap[str, str]
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., market: _Optional[str] = ..., strategy: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., idle_reason: _Optional[str] = ..., position: _Optional[str] = ..., open_orders: _Optional[int] = ..., fills: _Optional[int] = ..., realized_pnl: _Optional[str] = ..., unrealized_pnl: _Optional[str] = ..., fees: _Optional[str] = ..., price: _Optional[str] = ..., price_age_ms: _Optional[int] = ..., pid: _Optional[int] = ..., restarts: _Optional[int] = ..., capital: _Optional[str] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ProcessStatus(_message.Message):
    __slots__ = ("name", "pid", "restarts", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    name: str
    pid: int
    restarts: int
    extra: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., pid: _Optional[int] = ..., restarts: _Optional[int] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Endpoints(_message.Message):
    __slots__ = ("ray_dashboard", "control", "paper_control", "metrics", "live", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RAY_DASHBOARD_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    PAPER_CONTROL_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    ray_dashboard: str
    control: str
    paper_control: str
    metrics: str
    live: str
    extra: _containers.ScalarMap[str, str]
    def __init__(self, ray_dashboard: _Optional[str] = ..., control: _Optional[str] = ..., paper_control: _Optional[str] = ..., metrics: _Optional[str] = ..., live: _Optional[str] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListSymbolsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSymbolsResponse(_message.Message):
    __slots__ = ("symbols",)
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    symbols: _containers.RepeatedCompositeFieldContainer[RegisteredSymbol]
    def __init__(self, symbols: _Optional[_Iterable[_Union[RegisteredSymbol, _Mapping]]] = ...) -> None: ...

class RegisteredSymbol(_message.Message):
    __slots__ = ("target", "account", "symbol", "instance", "desired", "observed", "config", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    account: str
    symbol: str
    instance: str
    desired: SymbolDesire
    observed: SymbolState
    config: str
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., account: _Optional[str] = ..., symbol: _Optional[str] = ..., instance: _Optional[str] = ..., desired: _Optional[_Union[SymbolDesire, str]] = ..., observed: _Optional[_Union[SymbolState, str]] = ..., config: _Optional[str] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ShutdownRequest(_message.Message):
    __slots__ = ("orders", "wait_ms")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    orders: OrdersAtShutdown
    wait_ms: int
    def __init__(self, orders: _Optional[_Union[OrdersAtShutdown, str]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class ShutdownResponse(_message.Message):
    __slots__ = ("orders_empty", "open_orders", "positions", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ORDERS_EMPTY_FIELD_NUMBER: _ClassVar[int]
    OPEN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    orders_empty: bool
    open_orders: _containers.RepeatedScalarFieldContainer[str]
    positions: _containers.RepeatedCompositeFieldContainer[HeldPosition]
    extra: _containers.ScalarMap[str, str]
    def __init__(self, orders_empty: _Optional[bool] = ..., open_orders: _Optional[_Iterable[str]] = ..., positions: _Optional[_Iterable[_Union[HeldPosition, _Mapping]]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class HeldPosition(_message.Message):
    __slots__ = ("account", "symbol", "quantity")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    account: str
    symbol: str
    quantity: str
    def __init__(self, account: _Optional[str] = ..., symbol: _Optional[str] = ..., quantity: _Optional[str] = ...) -> None: ...

class KillRequest(_message.Message):
    __slots__ = ("targets", "mode", "operator", "reason")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedScalarFieldContainer[str]
    mode: StopMode
    operator: str
    reason: str
    def __init__(self, targets: _Optional[_Iterable[str]] = ..., mode: _Optional[_Union[StopMode, str]] = ..., operator: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class KillResponse(_message.Message):
    __slots__ = ("kill_epoch", "in_flight_client_order_ids")
    KILL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_CLIENT_ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    kill_epoch: int
    in_flight_client_order_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kill_epoch: _Optional[int] = ..., in_flight_client_order_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("operator", "reason")
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    operator: str
    reason: str
    def __init__(self, operator: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ("kill_epoch",)
    KILL_EPOCH_FIELD_NUMBER: _ClassVar[int]
    kill_epoch: int
    def __init__(self, kill_epoch: _Optional[int] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: str
    def __init__(self, target: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("target", "state", "reason", "detail", "price", "top_level", "levels", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    TOP_LEVEL_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    state: SymbolState
    reason: str
    detail: str
    price: str
    top_level: int
    levels: _containers.RepeatedCompositeFieldContainer[LevelExplanation]
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., price: _Optional[str] = ..., top_level: _Optional[int] = ..., levels: _Optional[_Iterable[_Union[LevelExplanation, _Mapping]]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class LevelExplanation(_message.Message):
    __slots__ = ("level", "price", "role", "inventory", "reason", "detail", "client_order_id", "order_status", "until_ms")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_STATUS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    level: int
    price: str
    role: str
    inventory: str
    reason: str
    detail: str
    client_order_id: str
    order_status: str
    until_ms: int
    def __init__(self, level: _Optional[int] = ..., price: _Optional[str] = ..., role: _Optional[str] = ..., inventory: _Optional[str] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., client_order_id: _Optional[str] = ..., order_status: _Optional[str] = ..., until_ms: _Optional[int] = ...) -> None: ...

class AdoptRequest(_message.Message):
    __slots__ = ("target", "operator", "reason", "quantity", "price", "dry_run")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    target: str
    operator: str
    reason: str
    quantity: str
    price: str
    dry_run: bool
    def __init__(self, target: _Optional[str] = ..., operator: _Optional[str] = ..., reason: _Optional[str] = ..., quantity: _Optional[str] = ..., price: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class AdoptResponse(_message.Message):
    __slots__ = ("target", "state", "adopted", "steps", "book", "venue", "difference", "price", "quarantine", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    VENUE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    target: str
    state: SymbolState
    adopted: bool
    steps: _containers.RepeatedScalarFieldContainer[str]
    book: str
    venue: str
    difference: str
    price: str
    quarantine: str
    extra: _containers.ScalarMap[str, str]
    def __init__(self, target: _Optional[str] = ..., state: _Optional[_Union[SymbolState, str]] = ..., adopted: _Optional[bool] = ..., steps: _Optional[_Iterable[str]] = ..., book: _Optional[str] = ..., venue: _Optional[str] = ..., difference: _Optional[str] = ..., price: _Optional[str] = ..., quarantine: _Optional[str] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...
