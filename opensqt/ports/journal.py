"""The journal of one unit: the only durable truth about what we decided and learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opensqt.core.facts import Fact
from opensqt.core.ids import ClientOrderId, TradeId, VenueOrderId
from opensqt.core.symbol import SymbolState


class JournalError(Exception):
    """The journal cannot be used: nothing was written, no order may leave."""


class SequenceConflictError(JournalError):
    """Somebody else has written since ``expected_sequence``; the caller's state is old."""


class StaleEpochError(JournalError):
    """A newer process owns this unit; the caller must stop and never write again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the journal holds: the newest snapshot and the facts after it."""

    snapshot: SymbolState | None
    facts: tuple[Fact, ...]


class JournalPort(Protocol):
    """Append-only facts with snapshots. One writer; every commit is atomic and synchronous."""

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

        Orders and trades are indexed in the same transaction. Raise ``SequenceConflictError``,
        ``StaleEpochError`` (``epoch`` below the highest that ever committed), ``JournalError``.
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
