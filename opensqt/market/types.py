"""Vocabulary of the venue model: requests, orders, fills, events, refusals, options.

Reasons are neutral words; a dialect (Binance, Bybit, ...) translates them to its own codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus, Side, TimeInForce

LEVERAGE_DEFAULT: Final = 20
"""Initial leverage of a new account, as on Binance USD-M."""


class MarketError(ValueError):
    """The market data fed to the model cannot be real, or a name is unknown to it."""


class FillRule(StrEnum):
    """When a public trade fills one of our resting orders. Always at the order's own price.

    Under every rule a best quote that reaches a resting order fills what is left of it.
    """

    TOUCH = "touch"
    """Any trade at or beyond the price fills the whole order, whoever was the aggressor."""
    TOUCH_RIGHT_AGGRESSOR = "touch_right_aggressor"
    """Only a seller's trade fills a buy and a buyer's a sell; the whole order."""
    THROUGH = "through"
    """As above, but all our orders together get no more than the quantity of the trade."""


class ClientIdRule(StrEnum):
    """How far the venue remembers the client order ids of an account."""

    OPEN = "open"
    """Unique among open orders only: the id of a finished order is accepted again (Binance)."""
    FOREVER = "forever"
    NONE = "none"


class Refusal(StrEnum):
    """Why a request was refused; a refused request changed nothing."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_ORDER = "unknown_order"
    NO_MARKET = "no_market"
    """There is no price yet to trade against."""
    TICK = "tick"
    LOT = "lot"
    QUANTITY_MIN = "quantity_min"
    QUANTITY_MAX = "quantity_max"
    NOTIONAL_MIN = "notional_min"
    PRICE_TOO_HIGH = "price_too_high"
    PRICE_TOO_LOW = "price_too_low"
    ORDERS_OPEN_MAX = "orders_open_max"
    DUPLICATE_ID = "duplicate_id"
    WOULD_CROSS = "would_cross"
    REDUCE_ONLY = "reduce_only"
    MARGIN = "margin"


class EventKind(StrEnum):
    """What happened to an order."""

    ACCEPTED = "accepted"
    TRADED = "traded"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOptions:
    """Named behaviour of a venue model."""

    fill_rule: FillRule = FillRule.THROUGH
    client_id_rule: ClientIdRule = ClientIdRule.OPEN
    depth_levels: int = 100
    """How many ticks beyond the best price a taking order may walk."""
    history_max: int | None = None
    """Finished orders, and fills, kept for look-ups; None keeps all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """An account as it is opened: money and conditions."""

    name: AccountName
    balances: Mapping[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000)})
    """Asset to starting amount."""
    maker_fee: Decimal = Decimal("0.0002")
    """Fraction of notional; negative is a rebate."""
    taker_fee: Decimal = Decimal("0.0005")
    leverage: int = LEVERAGE_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Best prices with the quantities shown there."""

    bid: Decimal
    ask: Decimal
    bid_quantity: Decimal
    ask_quantity: Decimal

    @property
    def mid_price(self) -> Decimal:
        """Return the middle between bid and ask."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """A trade of the market, not of our accounts."""

    symbol: Symbol
    trade_id: int
    price: Decimal
    quantity: Decimal
    aggressor: Side
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicQuote:
    """The market's best prices changed."""

    symbol: Symbol
    quote: Quote
    at_ms: UnixMs


PublicEvent: TypeAlias = PublicTrade | PublicQuote


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One order somebody asks the venue to take."""

    account: AccountName
    symbol: Symbol
    client_order_id: ClientOrderId
    side: Side
    price: Decimal | None
    """Limit price; None is a market order."""
    quantity: Decimal
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BookOrder:
    """An order as the venue knows it."""

    account: AccountName
    symbol: Symbol
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    """A rising number as text; a later order has a larger one."""
    side: Side
    price: Decimal | None
    quantity: Decimal
    time_in_force: TimeInForce
    reduce_only: bool
    created_ms: UnixMs
    updated_ms: UnixMs
    status: OrderStatus = OrderStatus.WORKING
    filled_quantity: Decimal = ZERO
    filled_notional: Decimal = ZERO
    """Sum of price times quantity of the fills, quote units."""

    @property
    def remaining(self) -> Decimal:
        """Return the base quantity not executed so far."""
        return self.quantity - self.filled_quantity

    @property
    def is_open(self) -> bool:
        """Tell whether the order still rests."""
        return self.status is OrderStatus.WORKING

    @property
    def average_price(self) -> Decimal:
        """Return the mean execution price, 0 without fills."""
        return self.filled_notional / self.filled_quantity if self.filled_quantity else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution on one account."""

    account: AccountName
    symbol: Symbol
    trade_id: TradeId
    """A rising number as text, unique over the venue."""
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Positive = paid, in ``fee_asset``."""
    fee_asset: str
    is_maker: bool
    realized_pnl: Decimal
    """Quote units this fill realized, fees not included."""
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """An order changed; ``order`` is its state right after, ``fill`` is set on TRADED."""

    kind: EventKind
    order: BookOrder
    fill: Fill | None = None
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The venue took the order; it may have traded, or even ended, at once."""

    order: BookOrder
    """State after everything in ``events``."""
    events: tuple[OrderEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The venue refused for sure; nothing changed."""

    reason: Refusal
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A one-way position."""

    symbol: Symbol
    quantity: Decimal = ZERO
    """Signed base units."""
    entry_notional: Decimal = ZERO
    """What the open quantity cost, quote units, never negative; exact."""
    realized_pnl: Decimal = ZERO
    """Since the account was opened, fees not included."""
    fees: Decimal = ZERO

    @property
    def average_price(self) -> Decimal:
        """Return the mean entry price of the open quantity, 0 when flat."""
        return self.entry_notional / abs(self.quantity) if self.quantity else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetBalance:
    """What an account owns of one asset; ``free + locked`` is the wallet."""

    asset: str
    free: Decimal
    """Negative when more is locked than owned: prices moved against the position."""
    locked: Decimal
    """Initial margin of positions and open orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueState:
    """Everything a restarted venue needs to go on."""

    orders: tuple[BookOrder, ...] = ()
    positions: tuple[tuple[AccountName, Position], ...] = ()
    wallets: tuple[tuple[AccountName, str, Decimal], ...] = ()
    leverages: tuple[tuple[AccountName, Symbol, int], ...] = ()
    order_id_next: int = 1
    trade_id_next: int = 1
