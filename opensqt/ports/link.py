"""The link between a symbol manager and the exchange process: messages and transport.

Down (exchange to manager): ``Welcome`` or ``Gap``, then ``LinkPrice`` (latest wins), ``LinkFact``
(sequenced, kept until acknowledged), ``Heartbeat`` once a second, ``Reply`` and ``Answer``.
Up (manager to exchange): ``Hello`` first, then ``Band``, ``Ack``, ``Declare``, ``Place``,
``Cancel``, ``Query``.

Ages travel, never foreign monotonic stamps. The exchange side drops its band with every fact it
sends and ignores a band whose ``after_seq`` is below the last fact it sent for that unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from opensqt.core.ids import ClientOrderId, Symbol, UnitId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    Listing,
    OrderUpdate,
    Outcome,
    PlaceRequest,
    PriceUpdate,
    TradeUpdate,
    VenueOrder,
    VenuePosition,
)

_EPOCH: Final = UnixMs(0)


class LinkClosedError(Exception):
    """The other end is gone; everything in flight is unknown."""


class LinkRefusedError(LinkClosedError):
    """The exchange refused to attach, for good: the message says why (stale epoch, skew)."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the stable code, such as ``ErrStaleEpoch``."""
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Exposure of one unsettled order, declared on attach so that the gate can count it."""

    client_order_id: ClientOrderId
    signed_quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first message of a manager."""

    unit: UnitId
    host: str
    pid: int
    epoch: int
    build: str
    session: str
    """Session of the last Welcome, empty at first."""
    acked_seq: int
    """Highest fact of that session whose effect is committed."""
    now_ms: UnixMs
    position: Decimal
    """Signed position of the unit, base units."""
    reserved: tuple[Reserved, ...] = ()
    capital: Decimal
    """Capital the unit's limits are relative to."""
    horizon_ms: int = 0
    """How long after a write an order may still appear: request expiry and H; 0 = not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The manager is attached."""

    session: str
    resumed: bool
    """True when the facts after ``acked_seq`` follow; False means: reconcile before quoting."""
    account_epoch: int
    now_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Facts may have been missed: reconcile before quoting. Also sent at venue stream gaps."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPrice:
    """Newest prices of the unit's symbol."""

    price: PriceUpdate
    age_ms: int
    """Age of the frame when the message was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFact:
    """An order or trade report of the unit, in the order it happened."""

    seq: int
    update: OrderUpdate | TradeUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Once a second, whatever happens."""

    price: PriceUpdate | None
    public_live: bool
    private_live: bool
    frame_age_ms: int
    """Age of the newest public frame of the venue."""
    last_seq: int
    """Last fact sent."""
    gate_open: bool
    """Whether the gate lets risk-increasing orders pass; false names a reason."""
    gate_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a Place or Cancel."""

    request_id: int
    outcome: Outcome


NOT_TRADED: Final = "ErrUnknownSymbol"
"""Begins the ``error`` of an answer that says for sure: the venue does not trade the symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a Query found. ``error`` non-empty: nothing was learnt."""

    request_id: int
    error: str = ""
    order: VenueOrder | None = None
    listing: Listing | None = None
    position: VenuePosition | None = None
    instrument: Instrument | None = None
    balances: tuple[Balance, ...] = ()
    time_ms: UnixMs = _EPOCH
    unsent_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """While the reference price stays strictly inside, the manager has nothing to do."""

    reference: str
    """``last``, ``mid`` or ``mark``."""
    low: Decimal | None
    """None = unbounded."""
    high: Decimal | None
    valid_until_ms: UnixMs
    after_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """All facts up to ``seq`` are committed."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare:
    """The unit's exposure as the journal knows it; replaces what the gate believed.

    Sent after every reconciliation and whenever an order was settled by other evidence than the
    stream (a look-up, or proof of absence), so that the gate can release its reservation.
    """

    position: Decimal
    reserved: tuple[Reserved, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place an order through the gate."""

    request_id: int
    request: PlaceRequest
    purpose: str
    """``open``, ``close`` or ``flatten``; decides which controls of the gate apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel an order through the gate."""

    request_id: int
    request: CancelRequest


class QueryKind(StrEnum):
    """What a manager may ask."""

    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    TRADES = "trades"
    POSITION = "position"
    INSTRUMENT = "instrument"
    BALANCES = "balances"
    TIME = "time"
    DISOWN = "disown"
    """Never let an order leave, see ``CustodyPort``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question about the unit's symbol."""

    request_id: int
    kind: QueryKind
    symbol: Symbol
    client_order_id: ClientOrderId | None = None
    venue_order_id: VenueOrderId | None = None
    since_ms: UnixMs = _EPOCH
    deadline_ms: UnixMs = _EPOCH


Upward: TypeAlias = Hello | Band | Ack | Declare | Place | Cancel | Query
Downward: TypeAlias = Welcome | Gap | LinkPrice | LinkFact | Heartbeat | Reply | Answer


class ManagerTransport(Protocol):
    """The manager's end of one connection."""

    def send(self, message: Upward) -> None:
        """Queue a message; never waits. Raise ``LinkClosedError`` when the connection is gone."""

    async def receive(self) -> Sequence[Downward]:
        """Return the next messages in order; raise ``LinkClosedError`` at the end."""

    async def close(self) -> None:
        """End the connection; idempotent."""


class ExchangeTransport(Protocol):
    """The exchange's end of one connection."""

    def send(self, message: Downward) -> None:
        """Queue a message; never waits. A price replaces a price that is still queued."""

    @property
    def pending_facts(self) -> int:
        """Return how many facts are queued and not yet written: the overflow gauge."""

    async def receive(self) -> Sequence[Upward]:
        """Return the next messages in order; raise ``LinkClosedError`` at the end."""

    async def close(self, *, code: str = "", message: str = "") -> None:
        """End the connection, telling the manager why; idempotent."""


class LinkPort(Protocol):
    """How a manager reaches the exchange process of its account."""

    async def connect(self) -> ManagerTransport:
        """Open a connection; raise ``LinkClosedError`` when nobody is there."""
