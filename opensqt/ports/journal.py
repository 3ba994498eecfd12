"""The journal of one unit: the only durable truth about what we decided and learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opensqt.core.facts import Fact, OrderIntended, PriceTicked, TradeFilled
from opensqt.core.ids import ClientOrderId, TradeId, UnitId, VenueOrderId
from opensqt.core.symbol import SymbolState


class JournalError(Exception):
    """The journal cannot be used: no order may leave.

    A commit that raised exactly this class may nevertheless have reached the store, when only the
    reply was lost: ``load`` tells. The subclasses below say for sure that nothing was written.
    """


class SequenceConflictError(JournalError):
    """Somebody else has written since ``expected_sequence``; the caller's state is old."""


class StaleEpochError(JournalError):
    """A newer process owns this unit; the caller must stop and never write again."""


class DuplicateTradeError(JournalError):
    """A batch holds a trade that was committed before: it would move the position twice.

    Whoever proposes facts asks ``has_trade`` first, so this is a bug of the caller.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the journal holds: the newest snapshot and the facts after it."""

    snapshot: SymbolState | None
    facts: tuple[Fact, ...]


class JournalPort(Protocol):
    """Append-only facts with snapshots. One writer; every commit is atomic and synchronous."""

    async def claim(self, epoch: int) -> None:
        """Shut out every process with a lower epoch, durably, before reading what it wrote.

        Raise ``StaleEpochError`` when a higher epoch has claimed or committed. Idempotent.
        """

    async def load(self) -> Recovered:
        """Return the newest snapshot and all facts after it, oldest first."""

    async def commit(
        self,
        facts: Sequence[Fact],
        *,
        epoch: int,
        expected_sequence: int,
        snapshot: SymbolState | None = None,
    ) -> int:
        """Append facts durably and return the new sequence (count of facts ever committed).

        Orders and trades are indexed in the same transaction. ``snapshot`` is the state after
        these facts; its price is not kept. Raise ``SequenceConflictError``, ``StaleEpochError``
        (``epoch`` below the highest that ever claimed or committed), ``DuplicateTradeError``,
        ``JournalError`` (the store failed, or a fact cannot be stored).
        When the reply of the store is lost the caller re-reads; it never assumes.
        """

    async def has_trade(self, trade_id: TradeId) -> bool:
        """Tell whether a trade of this unit was ever committed."""

    async def find_order(
        self,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> ClientOrderId | None:
        """Return our id of an order of this unit that was ever intended, or None."""


def check_batch(
    facts: Sequence[Fact], *, unit: UnitId, sequence: int, snapshot: SymbolState | None
) -> None:
    """Refuse what no journal may hold, whatever it already holds; ``sequence`` is before the batch.

    Prices are not journaled, an order is intended and a trade is filled once, and a snapshot is
    the state of this unit after exactly these facts. Raise ``JournalError``.
    """
    orders: set[str] = set()
    trades: set[str] = set()
    for fact in facts:
        match fact:
            case PriceTicked():
                raise JournalError("prices are not journaled")
            case OrderIntended(client_order_id=order) if order in orders:
                raise JournalError(f"order {order} is intended twice in one batch")
            case OrderIntended(client_order_id=order):
                orders.add(order)
            case TradeFilled(trade_id=trade) if trade in trades:
                raise DuplicateTradeError(f"trade {trade} is in the batch twice")
            case TradeFilled(trade_id=trade):
                trades.add(trade)
            case _:
                pass
    if snapshot is not None:
        _check_snapshot(snapshot, unit=unit, sequence=sequence + len(facts))


def _check_snapshot(snapshot: SymbolState, *, unit: UnitId, sequence: int) -> None:
    if snapshot.unit != unit or snapshot.sequence != sequence:
        raise JournalError(
            f"expected a snapshot of {unit.text} at {sequence}, "
            f"got {snapshot.unit.text} at {snapshot.sequence}"
        )
