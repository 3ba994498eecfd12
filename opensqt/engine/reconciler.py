"""Comparing the book with the venue: at start, after a gap, and from time to time.

A failed query is unknown, never empty: any failure aborts the whole pass and it is repeated. The
pass only gathers facts, in an order that cannot lose any: open orders, look-ups of what is missing
from them, trades since before the oldest unsettled order, position last.

An order that is listed as open although it had ended before the list was asked for is looked up.
Unless the look-up says otherwise it is a suspect, and the pass must be repeated: a list that is
asked for V after the first one and still shows it cannot be late any more, so it is alive.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from opensqt.core.facts import Evidence, Fact, InstrumentLoaded, OrderReported
from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId, is_ours, is_sibling
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.position import PositionBook
from opensqt.core.reconcile import trades_since_ms
from opensqt.core.symbol import SymbolState
from opensqt.engine.evidence import contradictions, owner_of, reported, understand
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    ExchangePort,
    Listing,
    TradeUpdate,
    VenueOrder,
    VenuePosition,
    VenueTrade,
    VenueUnavailableError,
)
from opensqt.ports.journal import JournalPort


@dataclass(slots=True)
class Findings:
    """What one complete pass found."""

    facts: list[Fact] = field(default_factory=list)
    orphans: list[ClientOrderId] = field(default_factory=list)
    """Open orders with our deployment's tag that the journal does not know."""
    siblings: list[ClientOrderId] = field(default_factory=list)
    """Open orders of another deployment of this program."""
    missing: list[ClientOrderId] = field(default_factory=list)
    """Working orders that are neither in the open list nor found."""
    suspects: list[ClientOrderId] = field(default_factory=list)
    """Orders that have ended and are listed as open, not yet for long enough to believe it."""
    foreign: list[VenueOrder] = field(default_factory=list)
    """Open orders of a human or another program: never touched."""
    asked_ms: UnixMs | None = None
    """When the trades were asked for, wall time."""
    book: PositionBook | None = None
    """Our book when the venue was asked for its position."""
    position: VenuePosition | None = None


class Reconciler:
    """One unit's comparison with its venue."""

    def __init__(
        self,
        venue: ExchangePort,
        *,
        state: Callable[[], SymbolState],
        journal: JournalPort,
        clock: ClockPort,
        visibility_ms: int,
    ) -> None:
        """Ask ``venue`` and ``journal``; nothing is written.

        ``state`` is read anew after each answer: an order the venue lists was in the journal before
        it was sent, so a state read later knows it.
        """
        self._venue = venue
        self._state = state
        self._journal = journal
        self._clock = clock
        self._visibility_ms = visibility_ms
        self._suspected_ms: dict[ClientOrderId, int] = {}
        """When the first list was asked for that shows an ended order open, monotonic time."""
        self._booked_ms: UnixMs | None = None

    async def full(self) -> Findings:
        """Return everything the venue knows and we may not; raise ``VenueUnavailableError``."""
        findings = Findings()
        await self._instrument(findings)
        await self._orders(findings)
        await self.add_trades(findings)
        findings.book = self._state().position
        findings.position = await self._venue.position(self._symbol)
        return findings

    @property
    def _symbol(self) -> Symbol:
        return self._state().unit.symbol

    def booked(self, findings: Findings) -> None:
        """Note that the journal holds what ``findings`` found."""
        self._booked_ms = findings.asked_ms

    async def _instrument(self, findings: Findings) -> None:
        instrument = await self._venue.instrument(self._symbol)
        if instrument != self._state().instrument:
            findings.facts.append(InstrumentLoaded(instrument=instrument, at_ms=self._now()))

    async def _orders(self, findings: Findings) -> None:
        before, asked_ms = self._state(), self._clock.monotonic_ms()
        listing = _complete(await self._venue.open_orders(self._symbol))
        seen, suspected_ms = set(), {}
        for order in listing.orders:
            own = order.client_order_id
            seen.add(own)
            if not _had_ended(before, own):
                await self._listed(order, findings)
            elif await self._may_be_open(own, findings):
                suspected_ms[own] = self._suspected_ms.get(own, asked_ms)
                self._suspected(order, findings, for_ms=asked_ms - suspected_ms[own])
        self._suspected_ms = suspected_ms
        state = self._state()
        for known in state.unsettled_orders:
            if known.client_order_id in seen or known.status is OrderStatus.INTENT:
                continue
            found = await self._venue.find_order(
                state.unit.symbol, client_order_id=known.client_order_id
            )
            if found is not None:
                self._report(found, known, Evidence.LOOKUP, findings)
            elif known.status is OrderStatus.WORKING:
                findings.missing.append(known.client_order_id)

    async def _listed(self, order: VenueOrder, findings: Findings) -> None:
        state, own = self._state(), order.client_order_id
        known = state.orders.get(own)
        if known is not None:
            self._report(order, known, Evidence.OPEN_LIST, findings)
        elif is_ours(own, deployment=state.deployment):
            if await self._is_orphan(own):
                findings.orphans.append(own)
        elif is_sibling(own, deployment=state.deployment):
            findings.siblings.append(own)
        else:
            findings.foreign.append(order)

    async def _may_be_open(self, own: ClientOrderId, findings: Findings) -> bool:
        """Tell whether a look-up agrees with the list, or does not know better."""
        found = await self._venue.find_order(self._symbol, client_order_id=own)
        known = self._state().orders.get(own)
        if known is None or found is None or found.status is OrderStatus.WORKING:
            return known is not None
        self._report(found, known, Evidence.LOOKUP, findings)
        return False

    def _suspected(self, order: VenueOrder, findings: Findings, *, for_ms: int) -> None:
        """Add the proof that an ended order is open, or the reason to ask again."""
        known = self._state().orders.get(order.client_order_id)
        if known is None or not known.status.is_terminal:
            return
        if for_ms < self._visibility_ms:
            findings.suspects.append(order.client_order_id)
            return
        now_ms = self._now()
        findings.facts += contradictions(order, known, at_ms=now_ms)
        proof = reported(order, evidence=Evidence.AUDIT, at_ms=now_ms)
        findings.facts.append(replace(proof, reason=str(known.status)))

    async def _is_orphan(self, own: ClientOrderId) -> bool:
        if await self._journal.find_order(client_order_id=own) is None:
            return True
        # It has settled and was forgotten while the list was on its way, or it lives again.
        found = await self._venue.find_order(self._symbol, client_order_id=own)
        return found is not None and found.status is OrderStatus.WORKING

    def _report(
        self, order: VenueOrder, known: Order, evidence: Evidence, findings: Findings
    ) -> None:
        findings.facts += contradictions(order, known, at_ms=self._now())
        findings.facts.append(reported(order, evidence=evidence, at_ms=self._now()))

    async def add_trades(self, findings: Findings) -> None:
        """Add the trades the book does not hold yet, oldest first."""
        findings.asked_ms = self._now()
        since_ms = trades_since_ms(
            self._state(), now_ms=findings.asked_ms, booked_ms=self._booked_ms
        )
        listing = _complete(await self._venue.trades(self._symbol, since_ms=since_ms))
        owners: dict[VenueOrderId, ClientOrderId] = {
            fact.venue_order_id: fact.client_order_id
            for fact in findings.facts
            if isinstance(fact, OrderReported) and fact.venue_order_id
        }
        for trade in listing.trades:
            named = await self._named(trade, owners)
            understood = await understand(
                TradeUpdate(trade=named),
                self._state(),
                self._journal,
                evidence=Evidence.LOOKUP,
                at_ms=self._now(),
            )
            if understood.fact is not None:
                findings.facts.append(understood.fact)
            if understood.orphan is not None:
                findings.orphans.append(understood.orphan)

    async def _named(
        self,
        trade: VenueTrade,
        owners: dict[VenueOrderId, ClientOrderId],
    ) -> VenueTrade:
        """Return the trade with our order id, asking the venue where nothing else tells."""
        own = trade.client_order_id or owners.get(trade.venue_order_id)
        if not own:
            own = ClientOrderId(owner_of(trade, self._state()))
        if not own:
            own = await self._journal.find_order(venue_order_id=trade.venue_order_id)
        if not own:
            found = await self._venue.find_order(self._symbol, venue_order_id=trade.venue_order_id)
            own = found.client_order_id if found is not None else None
        owners[trade.venue_order_id] = own or ClientOrderId("")
        return replace(trade, client_order_id=own or ClientOrderId(""))

    def _now(self) -> UnixMs:
        return self._clock.now_ms()


def _had_ended(before: SymbolState, own: ClientOrderId) -> bool:
    known = before.orders.get(own)
    return known is not None and known.status.is_terminal


def _complete(listing: Listing) -> Listing:
    if not listing.is_complete:
        message = "the venue's list is not complete"
        raise VenueUnavailableError(message)
    return listing


def venue_position(findings: Findings, *, reserve: Decimal) -> VenuePosition:
    """Return the venue's position of a complete pass without the ``reserve``, which is not ours."""
    found = findings.position
    if found is None:
        message = "the pass is not complete"
        raise VenueUnavailableError(message)
    return replace(found, quantity=found.quantity - reserve)
