"""The aggregate of one trading unit: its state and the only function that changes it.

Invariants kept by ``apply``:

* position = sum of applied trades and adjustments; a trade id moves it once;
* a slot has at most one unsettled order; a new attempt needs the former one settled;
* what is known of an order only moves up the lattice (see ``orders``);
* ``sequence`` counts journaled facts and nothing else, so a replay reproduces the state exactly.

The inventory of the slots sums up to the position, except for adjustments without a level.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, assert_never

from opensqt.core.facts import (
    CancelIntended,
    ConfigApplied,
    Directive,
    DirectiveGiven,
    Evidence,
    Fact,
    GridAnchored,
    InstrumentLoaded,
    InventoryMoved,
    InventorySeeded,
    JournalRestored,
    OrderIntended,
    OrderReported,
    PositionAdjusted,
    PositionIgnored,
    PriceTicked,
    ProcessStarted,
    QuarantineLifted,
    TradeFilled,
    UnitQuarantined,
)
from opensqt.core.ids import ClientOrderId, UnitId, UnixMs, is_forced
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO, floor_to
from opensqt.core.orders import Anomaly, Order, Orders, OrderStatus, Purpose, join_report
from opensqt.core.position import PositionBook, apply_fill
from opensqt.core.records import replace

# Settled orders kept in memory to recognise late and repeated reports; older ones are found in
# the journal. A bound on memory and on the cost of every look at the orders.
SETTLED_KEPT: Final = 64
_EPOCH: Final = UnixMs(0)
_REFUSED: Final = (OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.NOT_SENT)
_BACKOFF_DOUBLINGS_MAX: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One grid level we have touched; dropped when flat and without an unsettled order."""

    index: int
    generation: int
    """Unit-wide number of the open-close round trip this level is in; never reused."""
    quantity: Decimal = ZERO
    """Signed inventory of the level, base units."""
    order: ClientOrderId | None = None
    """The level's one order that is not settled yet."""
    open_attempts: int = 0
    close_attempts: int = 0
    opened_quantity: Decimal = ZERO
    """Base units the opening orders of this generation have traded."""
    refusals: int = 0
    """Orders refused in a row; drives the back-off."""
    refused_ms: UnixMs = _EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """Everything known of one unit; immutable, hence its own snapshot."""

    unit: UnitId
    deployment: str
    """Three-character tag of the deployment, part of every client order id."""
    sequence: int = 0
    """Journaled facts so far."""
    epoch: int = 0
    instrument: Instrument | None = None
    config_version: int = 0
    anchor: Decimal | None = None
    interval: Decimal | None = None
    slots: Mapping[int, Slot] = field(default_factory=dict)
    orders: Mapping[ClientOrderId, Order] = field(default_factory=dict)
    position: PositionBook = field(default_factory=PositionBook)
    generation_next: int = 1
    directive: Directive = Directive.RUN
    directive_reason: str = ""
    quarantine: str = ""
    """Why no order may be sent until a human decides; empty when trading may go on."""
    late_reports: int = 0
    ignored_quantity: Decimal | None = None
    """What the venue holds beyond the book and is not ours, signed base units; None = not told."""
    restored_ms: UnixMs | None = None
    """When the backup was made this journal was restored from, until a first order or a human shows
    that the venue has been asked for what happened since; None otherwise."""
    price: PriceTicked | None = None
    """Newest prices of this process; None after a replay."""

    def level_price(self, index: int) -> Decimal:
        """Return the price of lattice level ``index``: anchor + index * interval, on the tick."""
        if self.anchor is None or self.interval is None or self.instrument is None:
            message = "the lattice is not anchored yet"
            raise StateError(message)
        return floor_to(self.anchor + index * self.interval, self.instrument.tick_size)

    @property
    def live_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still trade."""
        return tuple(order for order in self.unsettled_orders if order.is_live)

    @property
    def unsettled_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still change the position."""
        if isinstance(self.orders, Orders):
            return self.orders.unsettled
        return tuple(order for order in self.orders.values() if not order.is_settled)

    @property
    def is_flat(self) -> bool:
        """Tell whether there is neither a position nor inventory in any level."""
        return self.position.quantity == ZERO and not any(
            slot.quantity for slot in self.slots.values()
        )

    @property
    def is_quiescent(self) -> bool:
        """Tell whether nothing of ours can still happen at the venue."""
        return not self.unsettled_orders


class StateError(Exception):
    """A fact contradicts the state in a way only a bug can cause."""


def replay(state: SymbolState, facts: Iterable[Fact]) -> SymbolState:
    """Return the state after all facts."""
    for fact in facts:
        state = apply(state, fact)
    return state


def apply(state: SymbolState, fact: Fact) -> SymbolState:  # noqa: C901, PLR0911, PLR0912 - one arm per fact
    """Return the state after one fact. Total over venue reports; raises only for our own bugs."""
    if isinstance(fact, PriceTicked):
        return replace(state, price=fact)
    state = replace(state, sequence=state.sequence + 1)
    match fact:
        case OrderReported():
            return _apply_report(state, fact)
        case TradeFilled():
            return _apply_trade(state, fact)
        case OrderIntended():
            return _apply_intended(state, fact)
        case CancelIntended():
            return _with_order(state, fact.client_order_id, cancel_requested_ms=fact.at_ms)
        case ProcessStarted():
            return replace(state, epoch=fact.epoch)
        case InstrumentLoaded():
            return replace(state, instrument=fact.instrument)
        case ConfigApplied():
            return replace(state, config_version=fact.version)
        case GridAnchored():
            return replace(state, anchor=fact.anchor, interval=fact.interval)
        case InventoryMoved():
            return _apply_moved(state, fact)
        case InventorySeeded():
            return _apply_seeded(state, fact)
        case PositionAdjusted():
            return _apply_adjusted(state, fact)
        case PositionIgnored():
            return replace(state, ignored_quantity=fact.quantity)
        case DirectiveGiven():
            return replace(state, directive=fact.directive, directive_reason=fact.reason)
        case UnitQuarantined():
            return _in_quarantine(state, fact.reason)
        case QuarantineLifted():
            return replace(state, quarantine="", restored_ms=None)
        case JournalRestored():
            return _apply_restored(state, fact)
        case _:
            assert_never(fact)


def _apply_intended(state: SymbolState, fact: OrderIntended) -> SymbolState:
    if fact.client_order_id in state.orders:
        message = f"client order id {fact.client_order_id} was intended twice"
        raise StateError(message)
    slot = _slot_for(state, fact)
    if slot.order is not None:
        message = f"level {fact.slot} already has the unsettled order {slot.order}"
        raise StateError(message)
    is_open = fact.purpose is Purpose.OPEN
    slot = replace(
        slot,
        order=fact.client_order_id,
        open_attempts=slot.open_attempts + is_open,
        close_attempts=slot.close_attempts + (not is_open),
    )
    order = Order(
        client_order_id=fact.client_order_id,
        slot=fact.slot,
        side=fact.side,
        purpose=fact.purpose,
        generation=fact.generation,
        attempt=fact.attempt,
        price=fact.price,
        quantity=fact.quantity,
        time_in_force=fact.time_in_force,
        reduce_only=fact.reduce_only,
        epoch=fact.epoch,
        created_ms=fact.at_ms,
        deadline_ms=fact.deadline_ms,
    )
    return replace(
        state,
        slots={**state.slots, fact.slot: slot},
        orders=_evicted(state.orders, order),
        generation_next=max(state.generation_next, fact.generation + 1),
        # Nothing is intended before a whole comparison with the venue.
        restored_ms=None,
    )


def _slot_for(state: SymbolState, fact: OrderIntended) -> Slot:
    """Return the level of an intent, in the intent's generation; numbers are never reused."""
    slot = state.slots.get(fact.slot)
    if slot is not None and fact.generation == slot.generation:
        return slot
    if fact.generation < state.generation_next:
        message = f"generation {fact.generation} of level {fact.slot} is used up"
        raise StateError(message)
    if slot is None:
        return Slot(index=fact.slot, generation=fact.generation)
    return replace(
        slot,
        generation=fact.generation,
        open_attempts=0,
        close_attempts=0,
        opened_quantity=ZERO,
    )


def _apply_report(state: SymbolState, fact: OrderReported) -> SymbolState:
    order = state.orders.get(fact.client_order_id)
    if order is None:
        return _quarantined(state, Anomaly.UNKNOWN_ORDER, fact.client_order_id)
    status, cumulative, anomaly = join_report(
        order,
        status=fact.status,
        cumulative_quantity=fact.cumulative_quantity,
        is_proven=fact.evidence is Evidence.AUDIT,
    )
    if status is order.status and cumulative == order.cumulative_quantity:
        is_news = fact.venue_order_id is not None and order.venue_order_id is None
        if not is_news:
            return replace(state, late_reports=state.late_reports + 1)
    updated = replace(
        order,
        status=status,
        cumulative_quantity=cumulative,
        venue_order_id=order.venue_order_id or fact.venue_order_id,
        reason=fact.reason if status is not order.status else order.reason,
    )
    state = _with_updated(state, updated, at_ms=fact.at_ms)
    return state if anomaly is None else _quarantined(state, anomaly, fact.client_order_id)


def _apply_trade(state: SymbolState, fact: TradeFilled) -> SymbolState:
    order = state.orders.get(fact.client_order_id)
    if order is not None and fact.trade_id in order.trade_ids:
        return replace(state, late_reports=state.late_reports + 1)
    signed = fact.quantity * fact.side.sign
    contract_size = state.instrument.contract_size if state.instrument else Decimal(1)
    book = apply_fill(
        state.position, signed_quantity=signed, price=fact.price, contract_size=contract_size
    ).with_fee(fact.fee_asset, fact.fee)
    state = replace(state, position=book)
    if order is None:
        is_theirs = is_forced(fact.client_order_id)
        kind = Anomaly.VENUE_FORCED if is_theirs else Anomaly.UNKNOWN_ORDER
        return _quarantined(state, kind, fact.client_order_id)
    applied = order.applied_quantity + fact.quantity
    status, cumulative, anomaly = join_report(
        order, status=OrderStatus.WORKING, cumulative_quantity=applied
    )
    updated = replace(
        order,
        status=status,
        cumulative_quantity=cumulative,
        applied_quantity=applied,
        trade_ids=(*order.trade_ids, fact.trade_id),
        venue_order_id=order.venue_order_id or fact.venue_order_id,
    )
    state, slot = _touched(state, order.slot)
    is_own_open = order.purpose is Purpose.OPEN and order.generation == slot.generation
    slot = replace(
        slot,
        quantity=slot.quantity + signed,
        opened_quantity=slot.opened_quantity + (fact.quantity if is_own_open else ZERO),
        refusals=0,
    )
    slots = {**state.slots, order.slot: slot}
    state = replace(state, slots=_without_empty(slots, order.slot))
    state = _with_updated(state, updated, at_ms=fact.at_ms)
    return state if anomaly is None else _quarantined(state, anomaly, fact.client_order_id)


def _touched(state: SymbolState, index: int) -> tuple[SymbolState, Slot]:
    """Return the level with its state, begun anew when it was dropped before.

    A level that comes back (a fill later than the confirmed cancel) takes a fresh generation: the
    attempts of the old one are forgotten, and their ids must not be derived again.
    """
    slot = state.slots.get(index)
    if slot is not None:
        return state, slot
    slot = Slot(index=index, generation=state.generation_next)
    return replace(state, generation_next=state.generation_next + 1), slot


def _apply_moved(state: SymbolState, fact: InventoryMoved) -> SymbolState:
    if fact.source == fact.target or not {fact.source, fact.target} <= state.slots.keys():
        message = f"no inventory can move from level {fact.source} to level {fact.target}"
        raise StateError(message)
    source, target = state.slots[fact.source], state.slots[fact.target]
    slots: Mapping[int, Slot] = {
        **state.slots,
        fact.source: replace(source, quantity=source.quantity - fact.quantity),
        fact.target: replace(target, quantity=target.quantity + fact.quantity),
    }
    return replace(state, slots=_without_empty(_without_empty(slots, fact.source), fact.target))


def _apply_seeded(state: SymbolState, fact: InventorySeeded) -> SymbolState:
    state, slot = _touched(state, fact.slot)
    slot = replace(slot, quantity=slot.quantity + fact.quantity)
    return replace(state, slots=_without_empty({**state.slots, fact.slot: slot}, fact.slot))


def _apply_adjusted(state: SymbolState, fact: PositionAdjusted) -> SymbolState:
    contract_size = state.instrument.contract_size if state.instrument else Decimal(1)
    book = apply_fill(
        state.position,
        signed_quantity=fact.quantity,
        price=fact.price,
        contract_size=contract_size,
    )
    return replace(state, position=replace(book, fills=state.position.fills))


def _apply_restored(state: SymbolState, fact: JournalRestored) -> SymbolState:
    generation = max(state.generation_next, fact.generation)
    slots = {}
    for index, slot in state.slots.items():
        slots[index] = replace(
            slot,
            generation=generation,
            open_attempts=0,
            close_attempts=0,
            opened_quantity=ZERO,
        )
        generation += 1
    known_ms = fact.backup_ms if state.restored_ms is None else state.restored_ms
    restored_ms = min(known_ms, fact.backup_ms)
    return replace(state, slots=slots, generation_next=generation, restored_ms=restored_ms)


def _with_updated(state: SymbolState, order: Order, *, at_ms: UnixMs) -> SymbolState:
    """Return the state with ``order`` replaced, and its slot released when it has settled."""
    was = state.orders[order.client_order_id]
    orders = Orders(state.orders)
    orders[order.client_order_id] = order
    if order.is_settled and not was.is_settled:
        # To the end: what has settled last is forgotten last, however old the order is.
        orders[order.client_order_id] = orders.pop(order.client_order_id)
    state = replace(state, orders=orders)
    slot = state.slots.get(order.slot)
    if slot is None or slot.order != order.client_order_id or not order.is_settled:
        return state
    refused = order.status in _REFUSED and order.applied_quantity == ZERO
    slot = replace(
        slot,
        order=None,
        refusals=slot.refusals + 1 if refused else 0,
        refused_ms=at_ms if refused else slot.refused_ms,
    )
    if was.is_settled:
        return state
    return replace(state, slots=_without_empty({**state.slots, slot.index: slot}, slot.index))


def _without_empty(slots: Mapping[int, Slot], index: int) -> Mapping[int, Slot]:
    """Return ``slots`` without level ``index`` once it is flat, free and not backing off."""
    slot = slots[index]
    if slot.quantity != ZERO or slot.order is not None or slot.refusals:
        return slots
    return {key: value for key, value in slots.items() if key != index}


def _with_order(
    state: SymbolState, client_order_id: ClientOrderId, *, cancel_requested_ms: UnixMs
) -> SymbolState:
    order = state.orders.get(client_order_id)
    if order is None:
        return _quarantined(state, Anomaly.UNKNOWN_ORDER, client_order_id)
    orders = Orders(state.orders)
    orders[client_order_id] = replace(order, cancel_requested_ms=cancel_requested_ms)
    return replace(state, orders=orders)


def _quarantined(state: SymbolState, anomaly: Anomaly, what: str) -> SymbolState:
    return _in_quarantine(state, f"{anomaly}: {what}")


def _in_quarantine(state: SymbolState, reason: str) -> SymbolState:
    if state.restored_ms is not None:
        reason = f"{reason}; the journal was restored from an older backup: adopt decides"
    return replace(state, quarantine=state.quarantine or reason)


def _evicted(known: Mapping[ClientOrderId, Order], order: Order) -> Orders:
    """Return ``known`` and ``order`` without those that settled first, beyond the number kept."""
    orders = Orders(known)
    orders[order.client_order_id] = order
    settled = [key for key, order in orders.items() if order.is_settled]
    for key in settled[:-SETTLED_KEPT]:
        del orders[key]
    return orders


def retry_at_ms(slot: Slot, *, backoff_ms: int) -> int:
    """Return when a level whose orders were refused may try again; 0 when it was not refused."""
    if not slot.refusals:
        return 0
    return slot.refused_ms + (backoff_ms << min(slot.refusals - 1, _BACKOFF_DOUBLINGS_MAX))
