"""Orders and the one table that says how what we know of an order may change.

Theory of operation. What we know of an order is a point of a lattice::

    INTENT < UNKNOWN < WORKING < {FILLED, CANCELED, EXPIRED, REJECTED, NOT_SENT, ABSENT}

A report never sets a status, it is *joined* with what is known: the result depends neither on the
order of the reports nor on how often each arrives. The table below is that join, total over all
pairs, so a venue report never raises. Two kinds of pairs are remarkable:

* a report below what is known is late and is ignored (its cumulative quantity still counts);
* a pair that cannot happen if both sides are right (an order proven absent appears, an order that
  was never sent is working) is adopted, because the venue is the truth, and raised as an anomaly.

A terminal status does not end fills: an order is *settled* when it is terminal **and** the trades
applied to the position add up to the quantity the venue reports as executed. Only then may its
slot act again.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from opensqt.core.ids import ClientOrderId, TradeId, UnixMs, VenueOrderId
from opensqt.core.money import ZERO


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for a buy, -1 for a sell: the direction in which a fill moves a position."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class TimeInForce(StrEnum):
    """How long, and how, an order may rest."""

    GTC = "gtc"
    """Rests until canceled; may take."""
    GTX = "gtx"
    """Post-only: rests until canceled, refused where it would take."""
    IOC = "ioc"
    """Takes what it can at once, the rest is canceled."""


class Purpose(StrEnum):
    """What an order is for; decides which controls apply."""

    OPEN = "open"
    CLOSE = "close"
    FLATTEN = "flatten"


class OrderStatus(StrEnum):
    """What we know of an order."""

    INTENT = "intent"
    """Committed to the journal, not yet sent."""
    UNKNOWN = "unknown"
    """Sent or perhaps sent; the outcome is not known and its exposure stays reserved."""
    WORKING = "working"
    """Accepted by the venue; may be partly filled (see cumulative quantity)."""
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """Refused by the venue: for sure never an order."""
    NOT_SENT = "not_sent"
    """Refused by ourselves before a byte left."""
    ABSENT = "absent"
    """Proven never to have existed, or to have ended without a trade."""

    @property
    def is_terminal(self) -> bool:
        """Tell whether no later report can make the order work again."""
        return self in _TERMINAL


class Anomaly(StrEnum):
    """A report that cannot be true together with what was known; the symbol is quarantined."""

    RESURRECTED = "resurrected"
    """An order proven absent, or known to have ended, is open after all."""
    IMPOSSIBLE = "impossible"
    """An order that was refused or never sent exists, or has traded."""
    OVERFILLED = "overfilled"
    """More was executed than the order asked for."""
    UNKNOWN_ORDER = "unknown_order"
    """A report carries our own id for which the journal has no intent."""
    VENUE_FORCED = "venue_forced"
    """The venue traded our position: liquidation, auto-deleveraging or settlement."""


_TERMINAL: Final = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.NOT_SENT,
        OrderStatus.ABSENT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Result of joining a report with what is known."""

    status: OrderStatus
    anomaly: Anomaly | None = None


def _build_join() -> dict[tuple[OrderStatus, OrderStatus], Joined]:
    s = OrderStatus
    # Row: what is known. Column: what is reported. One letter per pair:
    # k keep what is known, r take the report, R take it and raise RESURRECTED, I raise IMPOSSIBLE.
    order = (
        s.INTENT,
        s.UNKNOWN,
        s.WORKING,
        s.FILLED,
        s.CANCELED,
        s.EXPIRED,
        s.REJECTED,
        s.NOT_SENT,
        s.ABSENT,
    )
    table = {
        #            INT UNK WRK FIL CAN EXP REJ NOT ABS
        s.INTENT: "k   r   r   r   r   r   r   r   r",
        s.UNKNOWN: "k   k   r   r   r   r   r   r   r",
        s.WORKING: "k   k   k   r   r   r   r   k   r",
        s.FILLED: "k   k   k   k   k   k   k   k   k",
        # A cancel that crossed the last fill: the fill wins.
        s.CANCELED: "k   k   k   r   k   k   k   k   k",
        s.EXPIRED: "k   k   k   r   k   k   k   k   k",
        # Some venues accept first and refuse later, so a late WORKING is only late.
        s.REJECTED: "k   k   k   I   I   I   k   k   k",
        s.NOT_SENT: "k   k   I   I   I   I   k   k   k",
        s.ABSENT: "k   k   R   R   R   R   k   k   k",
    }
    join = {}
    for known, row in table.items():
        for reported, letter in zip(order, row.split(), strict=True):
            anomaly = {"R": Anomaly.RESURRECTED, "I": Anomaly.IMPOSSIBLE}.get(letter)
            status = known if letter == "k" else reported
            join[known, reported] = Joined(status=status, anomaly=anomaly)
    return join


JOIN: Final = _build_join()
"""The join of the lattice: ``JOIN[known, reported]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt of one intent, with everything known of it."""

    client_order_id: ClientOrderId
    slot: int
    """Lattice index of the level that owns the order."""
    side: Side
    purpose: Purpose
    generation: int
    attempt: int
    price: Decimal
    """Limit price, quote units."""
    quantity: Decimal
    """Base units, positive."""
    time_in_force: TimeInForce
    reduce_only: bool
    epoch: int
    """Symbol epoch of the process that committed the intent."""
    created_ms: UnixMs
    deadline_ms: UnixMs
    """No byte of the request leaves after this moment; look-ups count from here."""
    status: OrderStatus = OrderStatus.INTENT
    cumulative_quantity: Decimal = ZERO
    """Executed quantity as the venue reports it; never falls."""
    applied_quantity: Decimal = ZERO
    """Sum of the trades that moved our position."""
    trade_ids: tuple[TradeId, ...] = ()
    venue_order_id: VenueOrderId | None = None
    cancel_requested_ms: UnixMs | None = None
    """When the latest cancel was asked for; cancels may be repeated."""
    reason: str = ""
    """Why the order ended, as reported."""

    @property
    def is_live(self) -> bool:
        """Tell whether the order may still trade."""
        return not self.status.is_terminal

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing about this order can still change the position."""
        return self.status in _TERMINAL and self.applied_quantity >= self.cumulative_quantity

    @property
    def is_doubtful(self) -> bool:
        """Tell whether the venue must be asked about this order."""
        return self.status in (OrderStatus.INTENT, OrderStatus.UNKNOWN)

    @property
    def reserved_quantity(self) -> Decimal:
        """Return the base quantity that may still reach the position through this order."""
        if self.is_live:
            return max(self.quantity, self.cumulative_quantity) - self.applied_quantity
        return max(self.cumulative_quantity - self.applied_quantity, ZERO)


class Orders(dict[ClientOrderId, Order]):
    """Orders by id, with the answer to the question asked most; not changed once it was asked."""

    __slots__ = ("_unsettled",)
    _unsettled: tuple[Order, ...]

    @property
    def unsettled(self) -> tuple[Order, ...]:
        """Return the orders that may still change the position."""
        try:
            return self._unsettled
        except AttributeError:
            self._unsettled = tuple(order for order in self.values() if not order.is_settled)
            return self._unsettled


def join_report(
    order: Order, *, status: OrderStatus, cumulative_quantity: Decimal, is_proven: bool = False
) -> tuple[OrderStatus, Decimal, Anomaly | None]:
    """Return (status, cumulative quantity, anomaly) after joining a report with ``order``.

    ``is_proven``: the report is newer than anything known of the order, for sure.
    """
    joined = JOIN[order.status, status]
    cumulative = max(order.cumulative_quantity, cumulative_quantity)
    result, anomaly = joined.status, joined.anomaly
    if cumulative > order.quantity:
        return OrderStatus.FILLED, cumulative, Anomaly.OVERFILLED
    is_working = status is OrderStatus.WORKING
    if is_proven and is_working and order.status.is_terminal:
        return OrderStatus.WORKING, cumulative, anomaly or Anomaly.RESURRECTED
    is_refused = order.status is OrderStatus.REJECTED
    if is_refused and is_working and cumulative > order.cumulative_quantity:
        result, anomaly = OrderStatus.WORKING, Anomaly.IMPOSSIBLE
    if result is OrderStatus.FILLED:
        # Whatever quantity came along: filled means all of it, and the trades are still awaited.
        cumulative = order.quantity
    elif cumulative == order.quantity:
        if order.status in (OrderStatus.REJECTED, OrderStatus.NOT_SENT):
            anomaly = Anomaly.IMPOSSIBLE
        elif order.status is OrderStatus.ABSENT:
            anomaly = Anomaly.RESURRECTED
        result = OrderStatus.FILLED
    return result, cumulative, anomaly
