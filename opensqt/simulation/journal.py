"""A journal in memory with the semantics of the real one, and the ways a real one fails.

``JournalDisk`` is what survives a crash; a ``MemoryJournal`` is one process's connection to it.
Each incarnation opens its own connection; ``kill`` severs it, so that code of a dead process that
still runs (a ``finally``, a forgotten task) cannot write.

A hook stands for everything that can go wrong around a commit. It is awaited before and after the
facts reach the disk and may sleep in virtual time, raise ``JournalError`` (disk full before, reply
lost after) or raise whatever the simulation understands as a crash at that point.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from opensqt.core.facts import (
    Fact,
    OrderIntended,
    OrderReported,
    TradeFilled,
)
from opensqt.core.ids import ClientOrderId, TradeId, UnitId, VenueOrderId
from opensqt.core.symbol import SymbolState
from opensqt.ports.journal import (
    DuplicateTradeError,
    JournalError,
    Recovered,
    SequenceConflictError,
    StaleEpochError,
    check_batch,
)

SNAPSHOTS_KEPT: Final = 2


class CommitPoint(StrEnum):
    """Where in a commit a hook is called."""

    BEFORE = "before"
    """Nothing is written yet."""
    AFTER = "after"
    """Everything is durable, the caller does not know it yet."""


CommitHook: TypeAlias = Callable[[CommitPoint, Sequence[Fact]], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class JournalDisk:
    """What a journal holds durably; shared by all incarnations of one unit."""

    unit: UnitId
    epoch: int = 0
    facts: list[Fact] = field(default_factory=list)
    snapshots: list[SymbolState] = field(default_factory=list)
    orders: dict[ClientOrderId, VenueOrderId | None] = field(default_factory=dict)
    trades: set[TradeId] = field(default_factory=set)
    written: Callable[[Sequence[Fact]], None] | None = None
    """Hears of every batch at the moment it is durable."""

    @property
    def sequence(self) -> int:
        """Return the count of facts ever committed."""
        return len(self.facts)


class MemoryJournal:
    """One process's connection to a ``JournalDisk``; implements ``JournalPort``."""

    def __init__(self, disk: JournalDisk, *, hook: CommitHook | None = None) -> None:
        self._disk = disk
        self._hook = hook
        self._is_dead = False

    def kill(self) -> None:
        """Sever the connection: every later call raises ``JournalError`` and does nothing."""
        self._is_dead = True

    async def claim(self, epoch: int) -> None:
        self._check_alive()
        self._check_epoch(epoch)
        self._disk.epoch = epoch

    async def load(self) -> Recovered:
        self._check_alive()
        if not self._disk.snapshots:
            return Recovered(snapshot=None, facts=tuple(self._disk.facts))
        snapshot = self._disk.snapshots[-1]
        return Recovered(snapshot=snapshot, facts=tuple(self._disk.facts[snapshot.sequence :]))

    async def commit(
        self,
        facts: Sequence[Fact],
        *,
        epoch: int,
        expected_sequence: int,
        snapshot: SymbolState | None = None,
    ) -> int:
        batch = tuple(facts)
        check_batch(batch, unit=self._disk.unit, sequence=expected_sequence, snapshot=snapshot)
        if self._hook is not None:
            await self._hook(CommitPoint.BEFORE, batch)
        self._check_alive()
        self._check(batch, epoch=epoch, expected_sequence=expected_sequence)
        self._write(batch, epoch=epoch, snapshot=snapshot)
        sequence = self._disk.sequence
        if self._hook is not None:
            await self._hook(CommitPoint.AFTER, batch)
        return sequence

    async def has_trade(self, trade_id: TradeId) -> bool:
        self._check_alive()
        return trade_id in self._disk.trades

    async def find_order(
        self,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> ClientOrderId | None:
        self._check_alive()
        if client_order_id is not None and client_order_id in self._disk.orders:
            return client_order_id
        if venue_order_id is None:
            return None
        found = (ours for ours, theirs in self._disk.orders.items() if theirs == venue_order_id)
        return next(found, None)

    def _check_alive(self) -> None:
        if self._is_dead:
            raise JournalError(f"the journal of {self._disk.unit.text} is closed")

    def _check(self, facts: tuple[Fact, ...], *, epoch: int, expected_sequence: int) -> None:
        disk = self._disk
        self._check_epoch(epoch)
        if expected_sequence != disk.sequence:
            raise SequenceConflictError(
                f"expected sequence {expected_sequence} of {disk.unit.text}, found {disk.sequence}"
            )
        for fact in facts:
            if isinstance(fact, TradeFilled) and fact.trade_id in disk.trades:
                raise DuplicateTradeError(f"trade {fact.trade_id} was committed before")
            if isinstance(fact, OrderIntended) and fact.client_order_id in disk.orders:
                raise JournalError(f"order {fact.client_order_id} was intended before")

    def _check_epoch(self, epoch: int) -> None:
        disk = self._disk
        if epoch < disk.epoch:
            raise StaleEpochError(
                f"epoch {epoch} of {disk.unit.text} is over, the newest is {disk.epoch}"
            )

    def _write(self, facts: tuple[Fact, ...], *, epoch: int, snapshot: SymbolState | None) -> None:
        disk = self._disk
        disk.epoch = epoch
        disk.facts.extend(facts)
        if disk.written is not None:
            disk.written(facts)
        for fact in facts:
            match fact:
                case OrderIntended():
                    disk.orders[fact.client_order_id] = None
                case OrderReported(venue_order_id=str(venue_order_id)):
                    self._index(fact.client_order_id, VenueOrderId(venue_order_id))
                case TradeFilled():
                    disk.trades.add(fact.trade_id)
                    self._index(fact.client_order_id, fact.venue_order_id)
                case _:
                    pass
        if snapshot is not None:
            kept = [old for old in disk.snapshots if old.sequence != snapshot.sequence]
            disk.snapshots[:] = [*kept, replace(snapshot, price=None)]
            del disk.snapshots[:-SNAPSHOTS_KEPT]

    def _index(self, client_order_id: ClientOrderId, venue_order_id: VenueOrderId) -> None:
        """Remember the venue's id of an order that we intended; the first one stays."""
        orders = self._disk.orders
        if client_order_id in orders and orders[client_order_id] is None:
            orders[client_order_id] = venue_order_id
