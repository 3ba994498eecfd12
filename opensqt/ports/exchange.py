"""A venue as the engine sees it: requests, evidence, one event stream.

The same protocol is implemented by the venue adapter (ccxt), by the gRPC client of the connector,
by the simulation's venue and, for one symbol, by the link of a symbol manager. Every number is an
exact ``Decimal``; every failure to learn something raises ``VenueUnavailableError`` - a failed
query is *unknown*, never *empty*.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from opensqt.core.ids import ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.orders import OrderStatus, Side, TimeInForce


class VenueUnavailableError(Exception):
    """The venue, or the way to it, could not be asked. Says nothing about what it would answer."""


class FenceRefusedError(VenueUnavailableError):
    """The connector serves another deployment."""


class OutcomeClass(StrEnum):
    """What is known about one attempt to place an order. The default is UNKNOWN."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Refused for sure by the venue."""
    NOT_SENT = "not_sent"
    """Refused for sure on our side: not one byte of the request left."""
    DUPLICATE = "duplicate"
    """The venue says the id is in use; UNKNOWN until a look-up shows the same order."""
    UNKNOWN = "unknown"


class VenueCode(StrEnum):
    """Stable reason codes; the connector maps every venue's raw codes to these."""

    NONE = ""
    ALREADY_EXISTS = "ErrAlreadyExists"
    MARGIN_UNAVAILABLE = "ErrMarginUnavailable"
    INSUFFICIENT_COLLATERAL = "ErrInsufficientCollateral"
    NOT_FOUND = "ErrNotFound"
    POST_ONLY_WOULD_CROSS = "ErrPostOnlyWouldCross"
    REDUCE_ONLY = "ErrReduceOnly"
    INVALID_ORDER = "ErrInvalidOrder"
    RATE_LIMITED = "ErrRateLimited"
    CLOCK_SKEW = "ErrClockSkew"
    UNKNOWN_STATE = "ErrUnknownState"
    UPSTREAM_REJECTED = "ErrUpstreamRejected"
    AUTHENTICATION = "ErrAuthentication"
    # Refusals of our own gate, connector and link.
    STALE_EPOCH = "ErrStaleEpoch"
    KILLED = "ErrKilled"
    DEADLINE = "ErrDeadline"
    GATE_SHUT = "ErrGateShut"
    RISK = "ErrRisk"
    BUSY = "ErrBusy"
    SENT_TWICE = "ErrSentTwice"
    LINK_DOWN = "ErrLinkDown"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRequest:
    """One order to place. ``deadline_ms`` is absolute wall time, checked again before writing."""

    symbol: Symbol
    client_order_id: ClientOrderId
    side: Side
    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce
    reduce_only: bool
    deadline_ms: UnixMs
    symbol_epoch: int
    account_epoch: int = 0
    """Filled in by the gate; 0 before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """One order to take back, by our id."""

    symbol: Symbol
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId | None = None
    symbol_epoch: int
    account_epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order as the venue reports it."""

    symbol: Symbol
    client_order_id: ClientOrderId
    """Empty when the venue gives none."""
    venue_order_id: VenueOrderId
    side: Side
    price: Decimal
    quantity: Decimal
    cumulative_quantity: Decimal
    status: OrderStatus
    """WORKING or a terminal status."""
    reduce_only: bool
    updated_ms: UnixMs
    reason: VenueCode = VenueCode.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """One execution on our account."""

    symbol: Symbol
    trade_id: TradeId
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId
    """Empty when the venue does not say (most trade histories do not)."""
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Positive = paid."""
    fee_asset: str
    is_maker: bool
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a place or cancel request."""

    outcome: OutcomeClass
    code: VenueCode = VenueCode.NONE
    message: str = ""
    """The venue's own words, for people."""
    order: VenueOrder | None = None
    """The order, when the reply carried it."""
    retry_after_ms: int = 0
    """How long the venue wants to be left alone, when that is why; 0 = not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Open orders or trades with the claim whether nothing is missing."""

    orders: tuple[VenueOrder, ...] = ()
    trades: tuple[VenueTrade, ...] = ()
    is_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """A position of the account, signed base units."""

    symbol: Symbol
    quantity: Decimal
    average_price: Decimal
    mark_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the account holds of one asset."""

    asset: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceUpdate:
    """Newest prices of one symbol; a later one replaces an earlier one."""

    symbol: Symbol
    bid: Decimal
    ask: Decimal
    last: Decimal
    mark: Decimal | None = None
    venue_ms: UnixMs
    """Venue time of the newest part."""
    read_ms: UnixMs
    """Wall time at which the frame was read from the socket, on the reading host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """The venue pushed the state of an order."""

    order: VenueOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeUpdate:
    """The venue pushed an execution."""

    trade: VenueTrade


class StreamKind(StrEnum):
    """Which of the two streams of an account is meant."""

    PUBLIC = "public"
    PRIVATE = "private"


class StreamPhase(StrEnum):
    """Whether what a stream said is all there was."""

    LIVE = "live"
    """Connected; everything since the last LIVE of this kind was delivered, unless a GAP came."""
    GAP = "gap"
    """Events may have been missed: reconcile before trusting the state."""
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """The condition of a stream changed."""

    kind: StreamKind
    phase: StreamPhase
    reason: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameAge:
    """Sent each second by whoever reads the sockets: how old the newest frames are."""

    public_ms: int
    private_ms: int
    at_ms: UnixMs
    stale: tuple[Symbol, ...] = ()
    """Symbols whose prices are known to be old, or may be, although the socket is alive."""


VenueEvent: TypeAlias = PriceUpdate | OrderUpdate | TradeUpdate | StreamState | FrameAge


class ExchangePort(Protocol):
    """One venue account. All methods raise ``VenueUnavailableError`` when nothing was learnt.

    ``place`` and ``cancel`` never raise for venue trouble: they classify. They are sent once.
    """

    async def place(self, request: PlaceRequest) -> Outcome:
        """Send one order once and classify the answer; a lost answer is UNKNOWN."""

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Ask for a cancel once. ACCEPTED means the venue took the cancel, not that it worked."""

    async def instrument(self, symbol: Symbol) -> Instrument:
        """Return the venue's current rules; raise ``UnknownSymbolError`` for no such symbol."""

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        """Return the order, or None when the venue says there is none (which proves little)."""

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        """Return all open orders of one symbol or of the account, ours and foreign."""

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        """Return our account's executions on the symbol since then, oldest first."""

    async def position(self, symbol: Symbol) -> VenuePosition:
        """Return the account's position; quantity 0 when flat."""

    async def balances(self) -> tuple[Balance, ...]:
        """Return the account's balances."""

    async def server_time_ms(self) -> UnixMs:
        """Return the venue's clock."""


class EventSource(Protocol):
    """The one event stream of a venue account."""

    def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        """Yield batches of events in order; prices may be conflated, nothing else ever is."""

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        """Set which symbols' prices are wanted; idempotent, replaces the earlier set."""


class CustodyPort(Protocol):
    """The word of whoever every order must pass."""

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        """Never let an order leave from now on; return for how long it certainly has not left.

        Milliseconds up to the answer, 0 = it may have left, or may still: nothing was changed.
        Raise ``VenueUnavailableError`` when nobody answered.
        """


class VenuePort(ExchangePort, EventSource, CustodyPort, Protocol):
    """Requests and events of one venue account: what the connector offers."""

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        """Refuse older account epochs (and, while killed, all opens) from now on.

        Return the ids of requests being written at this moment, which can no longer be recalled.
        """


class UnknownSymbolError(Exception):
    """The venue does not trade this symbol."""
