"""Turning what the venue says into facts about our own orders."""

from dataclasses import dataclass
from typing import Final

from opensqt.core.facts import Evidence, Fact, OrderReported, TradeFilled, UnitQuarantined
from opensqt.core.ids import ClientOrderId, UnixMs, is_forced, is_ours
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.symbol import SymbolState
from opensqt.ports.exchange import (
    OrderUpdate,
    Outcome,
    OutcomeClass,
    TradeUpdate,
    VenueCode,
    VenueOrder,
    VenueTrade,
)
from opensqt.ports.journal import JournalPort

SAID_MAX: Final = 200
"""Characters of an answer's words that are journaled."""
_STATUS = {
    OutcomeClass.ACCEPTED: OrderStatus.WORKING,
    OutcomeClass.REJECTED: OrderStatus.REJECTED,
    OutcomeClass.NOT_SENT: OrderStatus.NOT_SENT,
    # An id in use may be our own earlier order: only a look-up that compares all fields can tell.
    OutcomeClass.DUPLICATE: OrderStatus.UNKNOWN,
    OutcomeClass.UNKNOWN: OrderStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What an update means for the unit."""

    fact: Fact | None = None
    orphan: ClientOrderId | None = None
    """One of our own ids for which the journal has no intent."""
    is_suspect: bool = False
    """Whether an order that had settled and was forgotten is said to be open: late, or alive."""


def reported(order: VenueOrder, *, evidence: Evidence, at_ms: UnixMs) -> OrderReported:
    """Return the fact that the venue described one of our orders."""
    return OrderReported(
        client_order_id=order.client_order_id,
        status=order.status,
        cumulative_quantity=order.cumulative_quantity,
        venue_order_id=order.venue_order_id,
        reason=str(order.reason),
        evidence=evidence,
        at_ms=at_ms,
    )


def is_strange(fact: OrderReported, order: Order | None) -> bool:
    """Tell whether an order is said to be open by one source and refused at the door by another.

    Some venues refuse what they had taken, so either may be late, or wrong: the venue is asked.
    """
    if order is None:
        return False
    if order.status is OrderStatus.REJECTED:
        return fact.status is OrderStatus.WORKING
    is_refused = fact.status is OrderStatus.REJECTED and fact.evidence is Evidence.REPLY
    return is_refused and order.status is OrderStatus.WORKING


def contradictions(found: VenueOrder, order: Order, *, at_ms: UnixMs) -> tuple[Fact, ...]:
    """Return a quarantine when the venue holds another order under the id of ours."""
    known = (order.side, order.price, order.quantity)
    if (found.side, found.price, found.quantity) == known:
        return ()
    reason = f"the venue holds another order under our id {order.client_order_id}"
    return (UnitQuarantined(reason=reason, at_ms=at_ms),)


def placed(client_order_id: ClientOrderId, outcome: Outcome, *, at_ms: UnixMs) -> OrderReported:
    """Return the fact that a placement was answered, or was not."""
    if outcome.outcome is OutcomeClass.ACCEPTED and outcome.order is not None:
        return reported(outcome.order, evidence=Evidence.REPLY, at_ms=at_ms)
    is_local = outcome.outcome is OutcomeClass.NOT_SENT
    return OrderReported(
        client_order_id=client_order_id,
        status=_STATUS[outcome.outcome],
        reason=str(outcome.code or outcome.outcome),
        said=outcome.message[:SAID_MAX],
        evidence=Evidence.LOCAL if is_local else Evidence.REPLY,
        at_ms=at_ms,
    )


def excesses(
    client_order_id: ClientOrderId, outcome: Outcome, *, at_ms: UnixMs
) -> tuple[Fact, ...]:
    """Return a quarantine when the gate has seen more orders leave this process than it intended.

    What was sent twice once may be sent twice again: a human has to look (invariant I10).
    """
    if outcome.code is not VenueCode.SENT_TWICE:
        return ()
    reason = f"{client_order_id}: {outcome.message}"
    return (UnitQuarantined(reason=reason, at_ms=at_ms),)


def filled(trade: VenueTrade, client_order_id: ClientOrderId) -> TradeFilled:
    """Return the fact that one of our orders traded."""
    return TradeFilled(
        trade_id=trade.trade_id,
        client_order_id=client_order_id,
        venue_order_id=trade.venue_order_id,
        side=trade.side,
        price=trade.price,
        quantity=trade.quantity,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        is_maker=trade.is_maker,
        at_ms=trade.at_ms,
    )


async def understand(
    update: OrderUpdate | TradeUpdate,
    state: SymbolState,
    journal: JournalPort,
    *,
    evidence: Evidence,
    at_ms: UnixMs,
) -> Understood:
    """Return the fact of a venue report, nothing for foreign or known ones, or the orphan."""
    if isinstance(update, OrderUpdate):
        return await _understand_order(update.order, state, journal, evidence, at_ms)
    return await _understand_trade(update.trade, state, journal)


async def _understand_order(
    order: VenueOrder,
    state: SymbolState,
    journal: JournalPort,
    evidence: Evidence,
    at_ms: UnixMs,
) -> Understood:
    if order.client_order_id in state.orders:
        return Understood(fact=reported(order, evidence=evidence, at_ms=at_ms))
    if not is_ours(order.client_order_id, deployment=state.deployment):
        return Understood()
    known = await journal.find_order(client_order_id=order.client_order_id)
    if known is None:
        return Understood(orphan=order.client_order_id)
    return Understood(is_suspect=order.status is OrderStatus.WORKING)


async def _understand_trade(
    trade: VenueTrade, state: SymbolState, journal: JournalPort
) -> Understood:
    client_order_id = trade.client_order_id or owner_of(trade, state)
    if not client_order_id:
        client_order_id = await journal.find_order(venue_order_id=trade.venue_order_id) or ""
    order = state.orders.get(ClientOrderId(client_order_id))
    if order is not None:
        if trade.trade_id in order.trade_ids:
            return Understood()
        return Understood(fact=filled(trade, order.client_order_id))
    is_theirs = is_forced(client_order_id)
    if not is_theirs and not is_ours(client_order_id, deployment=state.deployment):
        return Understood()
    if await journal.has_trade(trade.trade_id):
        return Understood()
    own = ClientOrderId(client_order_id)
    if is_theirs:
        return Understood(fact=filled(trade, own))
    is_orphan = await journal.find_order(client_order_id=own) is None
    # Ours all the same: its position is in our account, whatever became of the journal.
    return Understood(fact=filled(trade, own), orphan=own if is_orphan else None)


def owner_of(trade: VenueTrade, state: SymbolState) -> ClientOrderId | str:
    """Return our id of the order a trade belongs to, by the venue's order id; empty if unknown."""
    for order in state.orders.values():
        if order.venue_order_id == trade.venue_order_id:
            return order.client_order_id
    return ""
