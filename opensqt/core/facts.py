"""What happened. Facts are the only way state changes; their names and fields are stored.

The class names and field names below are the journal's storage format: never rename one, only add
fields with defaults. ``JOURNAL_SCHEMA`` rises when a reader of an older build could misread.

``PriceTicked`` is the one fact that is never journaled and therefore never counts.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from opensqt.core.ids import ClientOrderId, TradeId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce

JOURNAL_SCHEMA: Final = 1


class Directive(StrEnum):
    """What the operator wants of a unit; the stop vocabulary."""

    RUN = "run"
    DRAIN = "drain"
    """Opening orders canceled, closing orders work until flat."""
    CANCEL = "cancel"
    """No orders of ours; the position stays."""
    FLATTEN = "flatten"
    """Opens blocked, then reduce-only orders with a slippage cap until flat."""


class Evidence(StrEnum):
    """Where a report came from."""

    REPLY = "reply"
    STREAM = "stream"
    LOOKUP = "lookup"
    OPEN_LIST = "open_list"
    RESOLVER = "resolver"
    AUDIT = "audit"
    """The venue was asked after the order's end was committed, and showed it open: twice."""
    LOCAL = "local"


class Trigger(StrEnum):
    """What was new when an order was decided."""

    FACT = "fact"
    """The newest journaled fact."""
    PRICE = "price"
    TIME = "time"
    """Nothing but the clock: a back-off or a wait had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTicked:
    """The market moved. Not journaled: state after a replay has no price."""

    bid: Decimal
    ask: Decimal
    last: Decimal
    mark: Decimal | None = None
    at_ms: UnixMs
    """Venue time of the newest part."""
    read_ms: UnixMs
    """When our process read the frame; staleness counts from here."""

    @property
    def mid_price(self) -> Decimal | None:
        """Return the middle of bid and ask, None when a side is missing."""
        if self.bid <= ZERO or self.ask <= ZERO:
            return None
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStarted:
    """A process took the unit over under a new epoch."""

    epoch: int
    build: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentLoaded:
    """The venue's rules were read, or changed."""

    instrument: Instrument
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigApplied:
    """A configuration took effect; its canonical text is kept for explanations."""

    version: int
    text: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class GridAnchored:
    """The lattice was fixed: level k lies at anchor + k * interval, floored to the tick."""

    anchor: Decimal
    interval: Decimal
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntended:
    """An order is about to be sent; its exposure is reserved from here on."""

    client_order_id: ClientOrderId
    slot: int
    side: Side
    purpose: Purpose
    generation: int
    attempt: int
    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce
    reduce_only: bool
    epoch: int
    deadline_ms: UnixMs
    """Nothing is written to the venue after this moment."""
    at_ms: UnixMs
    decided_at: int | None = None
    """Sequence of the newest fact the decision knew; None in journals of older builds."""
    decision_attempt: int = 1
    """How often the decision had been begun, this time included; part of its workflow's id."""
    trigger: Trigger | None = None
    seen: PriceTicked | None = None
    """Prices the decision saw; with the facts up to ``decided_at`` it can be decided again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelIntended:
    """A cancel is about to be sent. It proves nothing: the outcome shows in the order's state."""

    client_order_id: ClientOrderId
    reason: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReported:
    """Somebody reported the state of one of our orders; joined, never assigned."""

    client_order_id: ClientOrderId
    status: OrderStatus
    cumulative_quantity: Decimal = ZERO
    venue_order_id: VenueOrderId | None = None
    reason: str = ""
    """Stable code such as ``ErrPostOnlyWouldCross``; empty when there is none."""
    said: str = ""
    """The words of whoever answered, for people; empty in journals of older builds."""
    evidence: Evidence
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFilled:
    """One execution of one of our orders; the only fact that moves a position by trading."""

    trade_id: TradeId
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    side: Side
    price: Decimal
    quantity: Decimal
    """Base units of this trade, positive."""
    fee: Decimal
    """Positive = paid, negative = rebate, in ``fee_asset``."""
    fee_asset: str
    is_maker: bool
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryMoved:
    """Inventory changed its level inside the book; the position did not change."""

    source: int
    target: int
    quantity: Decimal
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class InventorySeeded:
    """Inventory of an adjustment was put on a level; the position did not change."""

    slot: int
    """Lattice index of the level that offers it from now on."""
    quantity: Decimal
    """Signed base units added to the level."""
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAdjusted:
    """A human accounted for a difference; the only position change without a venue trade."""

    quantity: Decimal
    """Signed base units added to the position."""
    price: Decimal
    operator: str
    reason: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionIgnored:
    """What the venue holds beyond the book is not ours; from now on no other difference is."""

    quantity: Decimal
    """Signed base units; replaces what was ignored before."""
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveGiven:
    """The operator's wish changed."""

    directive: Directive
    by: str
    reason: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitQuarantined:
    """Something impossible was seen: no more orders until a human decides."""

    reason: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLifted:
    """A human looked at the unit and decided to go on."""

    operator: str
    reason: str
    at_ms: UnixMs


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRestored:
    """The journal was put back to an older point: what happened since then is not in it.

    Ids derived from what it has forgotten must not come again, so every level begins anew in
    generations no lost fact can have used.
    """

    backup_ms: UnixMs
    """When the backup was made; later trades of ours may be missing."""
    generation: int
    """Lower ones are used up, whether the journal knows of them or not."""
    at_ms: UnixMs


Fact: TypeAlias = (
    PriceTicked
    | ProcessStarted
    | InstrumentLoaded
    | ConfigApplied
    | GridAnchored
    | OrderIntended
    | CancelIntended
    | OrderReported
    | TradeFilled
    | InventoryMoved
    | InventorySeeded
    | PositionAdjusted
    | PositionIgnored
    | DirectiveGiven
    | UnitQuarantined
    | QuarantineLifted
    | JournalRestored
)
