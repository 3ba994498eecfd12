"""The keys of a configuration file, with their units, ranges and defaults.

Names follow the system we succeed where it had one. Money is text, so that it stays exact.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from opensqt.config.tree import Fraction
from opensqt.core.money import MoneyError, parse_decimal

ENVIRONMENT_PREFIX: Final = "OPENSQT_"
NESTING: Final = "__"

KNOWN_VENUES: Final = ("binance", "binance_spot", "bybit", "okx", "bitget", "gate", "paper")
BUILT_VENUES: Final = ("paper",)
MARKETS_OF_VENUE: Final = {"paper": ("perp",)}

PLANNED: Final = {
    "mode": ("shadow", "demo", "live"),
    "current_exchange": KNOWN_VENUES,
    "venue": tuple(name for name in KNOWN_VENUES if name not in BUILT_VENUES),
    "grid_mode": ("neutral", "short"),
    "order_quantity_unit": ("equity",),
}
"""Values of the design that no code stands behind yet; the error says so."""


def _money(value: object) -> object:
    match value:
        case Decimal():
            return value
        case bool():
            pass
        case int():
            return Decimal(value)
        case str():
            try:
                return parse_decimal(value)
            except MoneyError:
                pass
        case Fraction():
            kind = "unquoted_money"
            raise PydanticCustomError(kind, "a number with a fraction is not exact")
        case _:
            pass
    kind = "money"
    raise PydanticCustomError(kind, "not a plain decimal number")


Money = Annotated[Decimal, BeforeValidator(_money)]


class Section(BaseModel):
    """What all sections share: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class AppSettings(Section):
    """What runs and where it keeps its state."""

    mode: Literal["paper"] = Field(default="paper", description="what the orders cost")
    current_exchange: Literal["remote"] = Field(
        default="remote", description="remote = through the connector process"
    )
    engine_type: Literal["simple", "dbos"] = Field(
        default="dbos", description="dbos = decisions and removals as durable workflows"
    )
    store: str = Field(
        default="",
        pattern=r"^$|^postgres(ql)?://([^:@/\s]+@)?[^:@\s]*(:[0-9]{1,5})?(/[^@\s]*)?$",
        description="postgresql://user@host/database, no password; empty = files in data_dir",
    )
    timezone: str = Field(
        default="UTC", min_length=1, max_length=64, description="time zone of displayed times"
    )
    data_dir: str = Field(
        default="./data", min_length=1, description="folder of journals and registry"
    )


class RemoteSettings(Section):
    """Where the connector listens."""

    address: str = Field(
        default="",
        pattern=r"^$|^unix:.+$|^[A-Za-z0-9_.\-\[\]:]+:[0-9]{1,5}$",
        description="unix:/path or host:port; empty = a socket in the run directory",
    )
    token_file: str = Field(
        default="", description="file with the connector's token, mode 0600; empty = no token"
    )


class AccountSettings(Section):
    """One venue account."""

    venue: Literal["paper"] = Field(description="which venue")
    capital: Money = Field(gt=0, le=10**12, description="what limits are relative to, quote units")
    base_url: str = Field(
        default="",
        pattern=r"^$|^https?://[^\s]+$",
        description="REST address; empty = the venue's own",
    )
    reserve: dict[str, Annotated[Money, Field(ge=0, le=10**12)]] = Field(
        default={}, description="asset to quantity that is never sold, base units"
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="from ${VAR} only")
    secret_key: SecretStr = Field(default=SecretStr(""), description="from ${VAR} only")
    passphrase: SecretStr = Field(default=SecretStr(""), description="from ${VAR} only")


class ReplaySettings(Section):
    """Recorded frames instead of the synthetic market."""

    files: list[str] = Field(default=[], max_length=64, description="recordings; none = no replay")
    speed: Money = Field(
        default=Decimal(1), gt=0, le=1000, description="recorded seconds per second"
    )
    loop: bool = Field(default=False, description="start again at the end")


class PaperSettings(Section):
    """The paper venue."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address it listens on")
    port: int = Field(default=0, ge=0, le=65535, description="0 = any free port")
    control_port: int = Field(
        default=0, ge=0, le=65535, description="of the control API; 0 = any free port"
    )
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="seed of the synthetic market")
    maker_fee: Money = Field(
        default=Decimal(0),
        ge=Decimal("-0.01"),
        le=Decimal("0.01"),
        description="fraction of the notional",
    )
    taker_fee: Money = Field(
        default=Decimal("0.0005"), ge=0, le=Decimal("0.01"), description="fraction of the notional"
    )
    balance: Money = Field(
        default=Decimal(10_000), gt=0, le=10**12, description="starting balance, quote units"
    )
    replay: ReplaySettings = ReplaySettings()


class RaySettings(Section):
    """The Ray head that `up` starts."""

    port: int = Field(default=26_379, ge=1024, le=65000, description="first port tried")
    dashboard_port: int = Field(default=8_265, ge=1024, le=65000, description="first port tried")
    cpus: int = Field(default=0, ge=0, le=1024, description="0 = as many as the machine has")
    object_store_mb: int = Field(default=80, ge=76, le=65536, description="shared memory, MiB")


class UnitSettings(Section):
    """The knobs of one grid."""

    grid_mode: Literal["long"] = Field(default="long", description="which way the grid opens")
    price_interval: Money = Field(
        gt=0, le=10**9, description="distance of two levels, in price_interval_unit"
    )
    price_interval_unit: Literal["quote", "percent"] = Field(
        default="quote", description="quote units, or percent of the anchor price"
    )
    order_quantity: Money = Field(
        gt=0, le=10**9, description="size of one level, in order_quantity_unit"
    )
    order_quantity_unit: Literal["quote", "base"] = Field(
        default="quote", description="quote units or base units"
    )
    buy_window_size: int = Field(default=10, ge=1, le=200, description="levels below the price")
    sell_window_size: int = Field(default=10, ge=1, le=200, description="levels above the price")
    buffer_fraction: Money = Field(
        default=Decimal("0.1"), ge=0, le=1, description="distance kept from the price, intervals"
    )
    hysteresis: int = Field(default=1, ge=0, le=100, description="levels beyond the window")
    price_source: Literal["last", "mid", "mark"] = Field(
        default="last", description="which price the grid follows"
    )
    starting_position: Literal["refuse", "adopt", "ignore"] = Field(
        default="refuse", description="a venue position the journal knows nothing of"
    )
    retry_backoff_ms: int = Field(
        default=1_000, ge=100, le=60_000, description="first wait after a refusal, ms"
    )
    flatten_slippage: Money = Field(
        default=Decimal("0.005"),
        gt=0,
        le=Decimal("0.05"),
        description="how far a flattening order may trade through, fraction",
    )
    order_ttl_ms: int = Field(
        default=3_000, ge=500, le=10_000, description="request expiry, ms after the decision"
    )
    horizon_ms: int = Field(
        default=20_000, ge=20_000, le=120_000, description="how late a request may show up, ms"
    )
    visibility_ms: int = Field(
        default=5_000, ge=5_000, le=60_000, description="how long look-ups may lag, ms"
    )


class Settings(Section):
    """One configuration file. ``trading`` and ``symbols`` are checked after they are merged."""

    app: AppSettings = AppSettings()
    remote: RemoteSettings = RemoteSettings()
    accounts: dict[str, AccountSettings] = Field(
        min_length=1, max_length=64, description="accounts by our own names"
    )
    paper: PaperSettings = PaperSettings()
    ray: RaySettings = RaySettings()
    trading: dict[str, Any] = Field(default={}, description="defaults of every symbol")
    symbols: list[Any] = Field(default=[], max_length=500, description="what to trade")
