"""A checked configuration as the processes receive it: frozen, complete, without a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from opensqt.core.ids import AccountName, UnitId
from opensqt.core.unit_config import UnitConfig


class Mode(StrEnum):
    """What the orders cost. Only live is real money."""

    PAPER = "paper"


class EngineType(StrEnum):
    """How decisions are made durable beside the journal."""

    SIMPLE = "simple"
    DBOS = "dbos"


class ExchangeName(StrEnum):
    """How the exchange actor reaches a venue."""

    REMOTE = "remote"
    """Through the connector's process, the only place with keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """One venue account. Keys are not here: only the connector reads them."""

    name: AccountName
    venue: str
    capital: Decimal
    """What the limits are relative to, quote units."""
    base_url: str
    """REST address of the venue; empty = the venue's own, or the paper venue `up` starts."""
    reserve: Mapping[str, Decimal] = field(default_factory=dict)
    """Asset -> quantity that belongs to a human and is never sold, base units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKeys:
    """The secrets of an account; never logged, never stored."""

    api_key: str
    secret_key: str
    passphrase: str

    def __repr__(self) -> str:
        """Return no secret."""
        return "AccountKeys(**********)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayConfig:
    """Recorded frames played instead of the synthetic market."""

    files: tuple[Path, ...]
    """Empty = no replay."""
    speed: Decimal
    """Seconds of the recording per second."""
    is_looping: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """The paper venue."""

    host: str
    port: int
    """0 = any free port. The venue's own protocol, over TLS."""
    control_port: int
    """0 = any free port. The control API, plain HTTP."""
    seed: int
    maker_fee: Decimal
    """Fraction of the notional; negative = rebate."""
    taker_fee: Decimal
    balance: Decimal
    """What every account starts with, quote units."""
    replay: ReplayConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfig:
    """Where the connector listens."""

    address: str
    """``unix:/path`` or ``host:port``; empty = a unix socket in the run directory."""
    token_file: str
    """Absolute path of the file with the connector's token; empty = it asks for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """The Ray head that `up` starts."""

    port: int
    """First port tried for the head itself."""
    dashboard_port: int
    """First port tried for the dashboard."""
    cpus: int
    """0 = as many as the machine has."""
    object_store_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything one configuration file says."""

    source: Path
    mode: Mode
    timezone: str
    data_dir: Path
    """Absolute."""
    store: str
    """Address of the PostgreSQL server of registry, journals and workflows; empty = files."""
    engine_type: EngineType
    current_exchange: ExchangeName
    remote: RemoteConfig
    accounts: tuple[AccountConfig, ...]
    defaults: Mapping[str, object]
    """Settings of a symbol the file does not name."""
    units: tuple[tuple[UnitId, UnitConfig], ...]
    paper: PaperConfig
    ray: RayConfig

    def account(self, name: str) -> AccountConfig | None:
        """Return the account of that name."""
        return next((account for account in self.accounts if account.name == name), None)
