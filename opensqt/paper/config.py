"""What a paper venue is started with, and where it can be reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from opensqt.core.ids import AccountName, Symbol
from opensqt.market.instruments import INSTRUMENTS
from opensqt.market.types import LEVERAGE_DEFAULT, FillRule

DEFAULT_ACCOUNT: Final = AccountName("paper")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperAccount:
    """An account of the paper venue with the key that opens it."""

    name: AccountName = DEFAULT_ACCOUNT
    api_key: str = "paper"
    api_secret: str = field(default="paper", repr=False)
    """Guards play money only; not a secret worth hiding."""
    balances: Mapping[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000)})
    """Asset to amount, used when the account is first seen; later the database decides."""
    maker_fee: Decimal = Decimal("0.0002")
    """Fraction of notional, 0 and rebates (negative) allowed."""
    taker_fee: Decimal = Decimal("0.0005")
    leverage: int = LEVERAGE_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperConfig:
    """One paper venue process."""

    data_dir: Path
    """Root of the state; the venue keeps everything under ``paper/`` in it."""
    venue: str = "paper"
    """Name in the ledger, and of the database file."""
    host: str = "127.0.0.1"
    port: int = 0
    """REST and WebSocket; 0 lets the system choose."""
    control_port: int = 0
    """Control API, plain HTTP on loopback; 0 lets the system choose."""
    tls: bool = True
    seed: int = 1
    symbols: tuple[Symbol, ...] = tuple(INSTRUMENTS)
    """Symbols with a synthetic market (or a scripted one); those of replayed files are added."""
    accounts: tuple[PaperAccount, ...] = (PaperAccount(),)
    is_scripted: bool = False
    """No synthetic movement: prices come from the control API only."""
    replay: tuple[Path, ...] = ()
    """Recorded frame files, merged by their receive times."""
    speed: float = 1.0
    """Seconds of recording, or of synthetic market, per second."""
    loop: bool = False
    """Start the recording again at its end; otherwise the last quote is kept alive."""
    fill_rule: FillRule = FillRule.THROUGH
    control_token: str | None = field(default=None, repr=False)
    """When set, control requests must carry ``Authorization: Bearer <token>``."""
    weight_limit: int = 24_000
    """Request weight one client address may use per minute before it gets 429."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a running paper venue listens."""

    host: str
    port: int
    control_port: int
    ca_path: Path | None
    """Certificate of the venue's own authority in PEM; None without TLS."""
    pid: int

    @property
    def rest_url(self) -> str:
        """Return the base URL of the venue's own protocol."""
        return f"{'https' if self.ca_path else 'http'}://{self.host}:{self.port}"

    @property
    def control_url(self) -> str:
        """Return the base URL of the control API."""
        return f"http://{self.host}:{self.control_port}/paper/v1"
