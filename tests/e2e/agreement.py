"""Whether three witnesses tell the same story: the engine, its journal, and the venue's ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from opensqt.core.facts import Fact, OrderIntended, PositionAdjusted, PriceTicked, TradeFilled
from opensqt.core.grid.config import GridConfig
from opensqt.core.grid.planner import plan
from opensqt.core.ids import ClientOrderId, TradeId, client_order_id, is_ours
from opensqt.core.money import ZERO
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.symbol import SymbolState
from tests.e2e.ledger import Ledger, LedgerOrder

_STATUS = {
    "NEW": OrderStatus.WORKING,
    "PARTIALLY_FILLED": OrderStatus.WORKING,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_NEVER_AN_ORDER = frozenset({OrderStatus.REJECTED, OrderStatus.NOT_SENT, OrderStatus.ABSENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """The three stories, taken at one moment."""

    snapshot: SymbolState
    """What the engine believes."""
    replayed: SymbolState
    """What the journal says when it is read from its first fact."""
    facts: Sequence[Fact]
    ledger: Ledger
    """What the venue says."""


def crimes(deployment: str, facts: Sequence[Fact], ledger: Ledger) -> list[str]:
    """Return what must never be, at no moment, quiescent or not."""
    found = ledger.problems()
    intended = {fact.client_order_id: fact for fact in facts if isinstance(fact, OrderIntended)}
    for order in ledger.orders:
        if not is_ours(order.client_order_id, deployment=deployment):
            continue
        intent = intended.get(ClientOrderId(order.client_order_id))
        if intent is None:
            found.append(f"{order.client_order_id} was accepted without a committed intent")
        elif (order.side, order.price, order.quantity) != (
            intent.side,
            intent.price,
            intent.quantity,
        ):
            found.append(f"{order.client_order_id} is not what was intended")
    booked = [fact.trade_id for fact in facts if isinstance(fact, TradeFilled)]
    if len(set(booked)) != len(booked):
        found.append("a trade was booked twice")
    invented = set(booked) - {fill.trade_id for fill in ledger.fills}
    if invented:
        found.append(f"trades the venue does not know: {sorted(invented)}")
    return found + doubled_levels(facts, ledger)


def doubled_levels(facts: Sequence[Fact], ledger: Ledger) -> list[str]:
    """Return the levels on which more than one order of ours is open at the venue."""
    levels = {f.client_order_id: f.slot for f in facts if isinstance(f, OrderIntended)}
    held: dict[int, str] = {}
    found = []
    for order in ledger.open_orders:
        level = levels.get(ClientOrderId(order.client_order_id))
        if level is None:
            continue
        if level in held:
            found.append(f"level {level} has {held[level]} and {order.client_order_id}")
        held[level] = order.client_order_id
    return found


def differences(deployment: str, witnesses: Witnesses) -> list[str]:
    """Return where the stories differ; none may once everything has come to rest."""
    snapshot, ledger = witnesses.snapshot, witnesses.ledger
    found = []
    if snapshot != witnesses.replayed:
        found.append(_first_difference(snapshot, witnesses.replayed))
    at_venue = {order.client_order_id: order for order in ledger.orders}
    for own in snapshot.orders.values():
        found += _order_differences(own, at_venue.get(own.client_order_id))
    for name, order in at_venue.items():
        is_known = name in snapshot.orders or not is_ours(name, deployment=deployment)
        if order.is_open and not is_known:
            found.append(f"{name} is open at the venue, the engine does not know it")
    found += _trade_differences(witnesses.facts, deployment, ledger)
    ours = sum((f.signed for f in ledger.fills if _is_own(f.client_order_id, deployment)), ZERO)
    ours += sum((f.quantity for f in witnesses.facts if isinstance(f, PositionAdjusted)), ZERO)
    if snapshot.position.quantity != ours:
        found.append(f"position {snapshot.position.quantity}, our fills at the venue {ours}")
    levels = sum((slot.quantity for slot in snapshot.slots.values()), ZERO)
    if levels != snapshot.position.quantity:
        found.append(f"levels hold {levels}, the position is {snapshot.position.quantity}")
    return found


def _order_differences(own: Order, order: LedgerOrder | None) -> list[str]:
    name = own.client_order_id
    if order is None:
        is_fine = own.status in _NEVER_AN_ORDER
        return [] if is_fine else [f"{name} is {own.status} here, not an order at the venue"]
    found = []
    if own.status is not _STATUS[order.status]:
        found.append(f"{name} is {own.status} here, {order.status} at the venue")
    if own.applied_quantity != order.filled:
        found.append(f"{name} traded {own.applied_quantity} here, {order.filled} at the venue")
    if own.venue_order_id != order.order_id:
        found.append(f"{name} is {own.venue_order_id} here, {order.order_id} at the venue")
    return found


def _trade_differences(facts: Sequence[Fact], deployment: str, ledger: Ledger) -> list[str]:
    booked = {
        fact.trade_id: (fact.client_order_id, fact.side.value, fact.price, fact.quantity, fact.fee)
        for fact in facts
        if isinstance(fact, TradeFilled)
    }
    traded = {
        fill.trade_id: (fill.client_order_id, fill.side, fill.price, fill.quantity, fill.fee)
        for fill in ledger.fills
        if _is_own(fill.client_order_id, deployment)
    }
    if booked == traded:
        return []
    booked_only = {f"{key} here" for key in booked if traded.get(str(key)) != booked[key]}
    traded_only = {f"{key} there" for key in traded if booked.get(TradeId(key)) != traded[key]}
    return [f"trades differ: {sorted(booked_only | traded_only)}"]


def wishes(state: SymbolState, config: GridConfig, price: PriceTicked, *, now_ms: int) -> list[str]:
    """Return what the planner would still want at the venue's true price; empty at rest."""
    wanted = plan(replace(state, price=price), config, now_ms=now_ms)
    return [f"wanted: {intent}" for intent in wanted.intents]


def underived(deployment: str, facts: Sequence[Fact], state: SymbolState) -> list[str]:
    """Return the intents whose id is not the one their key derives."""
    return [
        f"{fact.client_order_id} is not derived from its key"
        for fact in facts
        if isinstance(fact, OrderIntended)
        and fact.client_order_id
        != client_order_id(
            deployment=deployment,
            unit=state.unit,
            slot=fact.slot,
            side=fact.side,
            generation=fact.generation,
            attempt=fact.attempt,
        )
    ]


def _is_own(name: str, deployment: str) -> bool:
    return is_ours(name, deployment=deployment)


def _first_difference(snapshot: SymbolState, replayed: SymbolState) -> str:
    for name in SymbolState.__dataclass_fields__:
        ours, theirs = getattr(snapshot, name), getattr(replayed, name)
        if ours != theirs:
            return f"{name}: the engine has {ours}, its journal {theirs}"
    return "engine and journal differ"
