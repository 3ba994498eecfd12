"""What reaches a unit's mailbox, and how it becomes facts in order."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from opensqt.core.facts import (
    ConfigApplied,
    DirectiveGiven,
    Evidence,
    Fact,
    OrderReported,
    QuarantineLifted,
    TradeFilled,
    UnitQuarantined,
)
from opensqt.core.ids import ClientOrderId, TradeId
from opensqt.core.orders import OrderStatus, join_report
from opensqt.core.symbol import SymbolState, apply
from opensqt.engine.evidence import is_strange, understand
from opensqt.engine.reconciler import Findings
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import OrderUpdate, TradeUpdate
from opensqt.ports.journal import JournalPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Venued:
    """An update from the link with its number."""

    seq: int
    update: OrderUpdate | TradeUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A complete pass over the venue, of the pass number it answers."""

    findings: Findings
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesFound:
    """Trades asked for because an order's sum did not add up."""

    findings: Findings


Incoming: TypeAlias = Venued | Reconciled | TradesFound | Fact
Control: TypeAlias = DirectiveGiven | ConfigApplied | QuarantineLifted


@dataclass(slots=True)
class Batch:
    """Everything to commit together, and what it leaves to do."""

    facts: list[Fact] = field(default_factory=list)
    orphans: list[ClientOrderId] = field(default_factory=list)
    reconciled: list[Reconciled] = field(default_factory=list)
    is_suspect: bool = False
    """Whether only the venue's own list can tell what a report means."""
    has_trades: bool = False
    """Whether trades were reported, known ones included."""
    ack_seq: int = 0
    late_reports: int = 0

    @property
    def is_plain(self) -> bool:
        """Tell whether to commit its facts is all there is to do."""
        return bool(self.facts) and not (self.orphans or self.reconciled or self.is_suspect)


class Intake:
    """Turns incoming mail into the facts that are news to the journal."""

    def __init__(self, journal: JournalPort, clock: ClockPort) -> None:
        """Ask ``journal`` about orders and trades the state has forgotten."""
        self._journal = journal
        self._clock = clock

    async def batch(self, incoming: Sequence[Incoming], state: SymbolState) -> Batch:
        """Return the facts of ``incoming`` that change anything, in order."""
        batch = Batch()
        booked: set[TradeId] = set()
        for item in incoming:
            for fact in await self._facts(item, state, batch):
                batch.has_trades |= isinstance(fact, TradeFilled)
                if isinstance(fact, OrderReported):
                    known = state.orders.get(fact.client_order_id)
                    batch.is_suspect |= is_strange(fact, known)
                if not await self._is_news(fact, state, booked):
                    batch.late_reports += 1
                    continue
                state = apply(state, fact)
                batch.facts.append(fact)
                if isinstance(fact, TradeFilled):
                    booked.add(fact.trade_id)
        return batch

    async def _facts(self, item: Incoming, state: SymbolState, batch: Batch) -> Sequence[Fact]:
        """Return what an item claims; note in ``batch`` what else it leaves to do."""
        match item:
            case Venued():
                batch.ack_seq = max(batch.ack_seq, item.seq)
                batch.has_trades |= isinstance(item.update, TradeUpdate)
                understood = await understand(
                    item.update,
                    state,
                    self._journal,
                    evidence=Evidence.STREAM,
                    at_ms=self._clock.now_ms(),
                )
                batch.is_suspect |= understood.is_suspect
                if understood.orphan is not None:
                    batch.orphans.append(understood.orphan)
                return () if understood.fact is None else (understood.fact,)
            case Reconciled():
                batch.reconciled.append(item)
                batch.orphans.extend(item.findings.orphans)
                return item.findings.facts
            case TradesFound():
                batch.orphans.extend(item.findings.orphans)
                return item.findings.facts
            case _:
                return (item,)

    async def _is_news(self, fact: Fact, state: SymbolState, booked: Set[TradeId]) -> bool:
        """Tell whether a fact would change the state; repeated reports are not journaled.

        ``booked`` holds the trades of this batch, which the journal does not know yet.
        """
        match fact:
            case OrderReported():
                order = state.orders.get(fact.client_order_id)
                if order is None:
                    # An answer that took longer than the order is remembered is only late.
                    own = fact.client_order_id
                    return await self._journal.find_order(client_order_id=own) is None
                is_open = fact.evidence is Evidence.AUDIT
                is_proof = is_open or fact.status is OrderStatus.ABSENT
                if is_proof and fact.reason != order.status and not order.is_doubtful:
                    return False  # seen since the proof was made
                status, cumulative, _ = join_report(
                    order,
                    status=fact.status,
                    cumulative_quantity=fact.cumulative_quantity,
                    is_proven=is_open,
                )
                brings_id = order.venue_order_id is None and fact.venue_order_id is not None
                is_same = status is order.status and cumulative == order.cumulative_quantity
                return brings_id or not is_same
            case TradeFilled():
                order = state.orders.get(fact.client_order_id)
                if order is not None:
                    return fact.trade_id not in order.trade_ids
                is_known = fact.trade_id in booked
                return not is_known and not await self._journal.has_trade(fact.trade_id)
            case UnitQuarantined():
                return not state.quarantine
            case _:
                return True
