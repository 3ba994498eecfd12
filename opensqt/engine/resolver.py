"""Finding out what became of orders: look-ups with back-off, and proof of absence.

The resolver only asks and reports. It never sends an order, and it declares one absent only by
``core.reconcile.proves_absence``, or never sent by ``proves_unsent``. Its memory (how often, since
when) is lost with the process, which only makes a proof take longer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from opensqt.core.facts import Evidence, Fact, OrderReported
from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.reconcile import (
    TRADE_OVERLAP_MS,
    lookup_wait_ms,
    proves_absence,
    proves_unsent,
)
from opensqt.core.symbol import SymbolState
from opensqt.engine.evidence import contradictions, reported
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    CustodyPort,
    ExchangePort,
    Listing,
    VenueOrder,
    VenueUnavailableError,
)
from opensqt.ports.telemetry import LogPort

# A cancel the venue has not confirmed within this time is looked up.
CANCEL_PATIENCE_MS: Final = 2_000
# An order whose outcome is unknown for longer is told to a person.
UNKNOWN_MS_MAX: Final = 300_000


@dataclass(slots=True)
class _Doubt:
    since_ms: int
    """Monotonic time of the doubt; a wall clock that is set proves nothing."""
    base_ms: int
    """What the clock of the proof shows at that time, see ``_base_ms``."""
    not_found_ms: list[int] = field(default_factory=list)
    lookups: int = 0
    next_ms: int = 0
    is_running: bool = False
    is_told: bool = False
    """Whether a person was told that the doubt lasts."""
    is_forced: bool = False
    """Whether somebody asked for a look, although the state looks settled enough."""


class ResolverPort(ExchangePort, CustodyPort, Protocol):
    """Whom the resolver asks."""


class Resolver:
    """One unit's open questions."""

    def __init__(  # noqa: PLR0913 - collaborators, each used
        self,
        venue: ResolverPort,
        *,
        symbol: Symbol,
        clock: ClockPort,
        log: LogPort,
        found: Callable[[Fact], None],
        trades_wanted: Callable[[], None],
        answered: Callable[[], None],
        handed_ms: Callable[[ClientOrderId], int | None],
        horizon_ms: int,
        visibility_ms: int,
    ) -> None:
        """Ask ``venue``; report through ``found`` and ``trades_wanted``.

        ``answered`` is called after every look-up: there may be a next one to plan. ``handed_ms``
        says when this process handed an order over, monotonic time, None when it did not.
        """
        self._venue = venue
        self._symbol = symbol
        self._clock = clock
        self._log = log
        self._found = found
        self._trades_wanted = trades_wanted
        self._answered = answered
        self._handed_ms = handed_ms
        self._horizon_ms = horizon_ms
        self._visibility_ms = visibility_ms
        self._doubts: dict[ClientOrderId, _Doubt] = {}
        self._forced: set[ClientOrderId] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def due_ms(self) -> int | None:
        """Return the monotonic time of the next look-up, None while there is nothing to ask."""
        waiting = (doubt.next_ms for doubt in self._doubts.values() if not doubt.is_running)
        return min(waiting, default=None)

    def doubt(self, client_order_id: ClientOrderId) -> None:
        """Look an order up soon, whatever its state seems to be."""
        self._forced.add(client_order_id)

    def step(self, state: SymbolState, *, in_flight: frozenset[ClientOrderId]) -> None:
        """Start the look-ups that are due; forget the questions that are answered."""
        now_ms = self._clock.now_ms()
        for order in state.unsettled_orders:
            if order.client_order_id not in in_flight:
                self._wonder(order, now_ms)
        self._forced.clear()
        for client_order_id, doubt in tuple(self._doubts.items()):
            if doubt.is_running:
                continue
            known = state.orders.get(client_order_id)
            is_open = known is not None and not known.is_settled
            if known is None or not is_open or not self._is_asked(known, doubt, now_ms):
                del self._doubts[client_order_id]
            elif self._clock.monotonic_ms() >= doubt.next_ms:
                doubt.is_running = True
                task = asyncio.get_running_loop().create_task(self._look(known, doubt))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _wonder(self, order: Order, now_ms: int) -> None:
        own = order.client_order_id
        if own not in self._doubts and (
            own in self._forced or self._is_questionable(order, now_ms)
        ):
            self._doubts[own] = _Doubt(
                since_ms=self._clock.monotonic_ms(),
                base_ms=_base_ms(order, now_ms=now_ms, horizon_ms=self._horizon_ms),
            )
        if own in self._forced:
            self._doubts[own].is_forced = True
        doubt = self._doubts.get(own)
        if doubt is None or doubt.is_told or order.status is not OrderStatus.UNKNOWN:
            return
        doubt_ms = self._clock.monotonic_ms() - doubt.since_ms
        if doubt_ms > UNKNOWN_MS_MAX:
            doubt.is_told = True
            self._log.error("order.unknown_for_long", client_order_id=own, doubt_ms=doubt_ms)

    def _is_questionable(self, order: Order, now_ms: int) -> bool:
        # An answer that was lost leaves an intent, and a clock that was set a deadline far ahead.
        handed_ms = self._handed_ms(order.client_order_id)
        time_to_live_ms = order.deadline_ms - order.created_ms
        is_overdue = (
            handed_ms is not None and self._clock.monotonic_ms() - handed_ms > time_to_live_ms
        )
        return (order.is_doubtful and is_overdue) or _is_questionable(order, now_ms)

    def _is_asked(self, order: Order, doubt: _Doubt, now_ms: int) -> bool:
        return doubt.is_forced or self._is_questionable(order, now_ms)

    def _proof_ms(self, doubt: _Doubt) -> int:
        return doubt.base_ms + self._clock.monotonic_ms() - doubt.since_ms

    def abandon(self) -> None:
        """Stop asking."""
        for task in tuple(self._tasks):
            task.cancel()

    async def _look(self, order: Order, doubt: _Doubt) -> None:
        started_ms = self._proof_ms(doubt)
        try:
            found = await self._venue.find_order(
                self._symbol, client_order_id=order.client_order_id
            )
            # A working order nobody finds is asked for until it shows or is proven gone.
            doubt.is_forced = found is None and order.status is OrderStatus.WORKING
            if found is not None:
                self._report(order, found)
            elif order.status.is_terminal:
                # The venue has forgotten it, but not its trades.
                self._trades_wanted()
            else:
                doubt.not_found_ms.append(started_ms)
                if not await self._is_proven_unsent(order):
                    await self._consider_absence(order, doubt)
        except VenueUnavailableError as error:
            self._log.debug(
                "lookup.failed", client_order_id=order.client_order_id, reason=str(error)
            )
        finally:
            doubt.is_running = False
            doubt.next_ms = self._clock.monotonic_ms() + lookup_wait_ms(doubt.lookups)
            doubt.lookups += 1
            self._answered()

    def _report(self, order: Order, found: VenueOrder) -> None:
        for fact in contradictions(found, order, at_ms=self._clock.now_ms()):
            self._found(fact)
        self._found(reported(found, evidence=Evidence.LOOKUP, at_ms=self._clock.now_ms()))
        if found.cumulative_quantity > order.applied_quantity:
            self._trades_wanted()

    async def _is_proven_unsent(self, order: Order) -> bool:
        """Have an order disowned that nobody has seen; report it if that proves anything."""
        handed_ms = self._handed_ms(order.client_order_id)
        if handed_ms is None or order.status is not OrderStatus.UNKNOWN:
            return False
        try:
            unsent_ms = await self._venue.disown(
                order.client_order_id, deadline_ms=order.deadline_ms
            )
        except VenueUnavailableError as error:
            self._log.debug(
                "order.not_disowned", client_order_id=order.client_order_id, reason=str(error)
            )
            return False
        is_proven = proves_unsent(
            order,
            unsent_ms=unsent_ms,
            handed_ms=handed_ms,
            monotonic_ms=self._clock.monotonic_ms(),
            now_ms=self._clock.now_ms(),
        )
        if is_proven:
            self._log.warning("order.never_left", client_order_id=order.client_order_id)
            self._found(
                OrderReported(
                    client_order_id=order.client_order_id,
                    status=OrderStatus.NOT_SENT,
                    reason="never left",
                    evidence=Evidence.LOCAL,
                    at_ms=self._clock.now_ms(),
                )
            )
        return is_proven

    async def _consider_absence(self, order: Order, doubt: _Doubt) -> None:
        if not self._is_due(order, doubt):
            return
        listing = await self._venue.open_orders(self._symbol)
        since_ms = max(order.created_ms - TRADE_OVERLAP_MS, 0)
        trades = await self._venue.trades(self._symbol, since_ms=UnixMs(since_ms))
        has_trade = await self._has_trade(order, trades)
        if proves_absence(
            order,
            not_found_ms=doubt.not_found_ms,
            in_open_list=any(o.client_order_id == order.client_order_id for o in listing.orders),
            has_trade=has_trade,
            is_pass_complete=listing.is_complete and trades.is_complete,
            now_ms=self._proof_ms(doubt),
            horizon_ms=self._horizon_ms,
            visibility_ms=self._visibility_ms,
        ):
            self._log.warning("order.absent", client_order_id=order.client_order_id)
            self._found(
                OrderReported(
                    client_order_id=order.client_order_id,
                    status=OrderStatus.ABSENT,
                    reason=str(order.status),
                    evidence=Evidence.RESOLVER,
                    at_ms=self._clock.now_ms(),
                )
            )

    def _is_due(self, order: Order, doubt: _Doubt) -> bool:
        """Tell whether the cheap part of the rule holds, so that the lists are worth asking for."""
        return proves_absence(
            order,
            not_found_ms=doubt.not_found_ms,
            in_open_list=False,
            has_trade=False,
            is_pass_complete=True,
            now_ms=self._proof_ms(doubt),
            horizon_ms=self._horizon_ms,
            visibility_ms=self._visibility_ms,
        )

    async def _has_trade(self, order: Order, trades: Listing) -> bool:
        """Tell whether the order has a trade we do not know, asking who owns the unnamed ones."""
        for trade in trades.trades:
            if trade.trade_id in order.trade_ids:
                continue
            owner: str = trade.client_order_id
            if not owner:
                found = await self._venue.find_order(
                    self._symbol, venue_order_id=trade.venue_order_id
                )
                owner = found.client_order_id if found is not None else ""
            if owner == order.client_order_id:
                self._trades_wanted()
                return True
        return False


def _base_ms(order: Order, *, now_ms: int, horizon_ms: int) -> int:
    """Return what the clock of an order's proof shows when the doubt begins.

    It shows the order's own deadline when nothing can leave any more, and runs on monotonic time.
    A working order was taken by the venue: only visibility is waited for.
    """
    if order.status is OrderStatus.WORKING:
        return order.deadline_ms + horizon_ms
    until_deadline_ms = min(order.deadline_ms - now_ms, order.deadline_ms - order.created_ms)
    return order.deadline_ms - max(until_deadline_ms, 0)


def _is_questionable(order: Order, now_ms: int) -> bool:
    if order.is_doubtful:
        return order.status is OrderStatus.UNKNOWN or now_ms > order.deadline_ms
    if order.status.is_terminal:
        return not order.is_settled
    asked_ms = order.cancel_requested_ms
    return (
        order.status is OrderStatus.WORKING
        and asked_ms is not None
        and now_ms - asked_ms > CANCEL_PATIENCE_MS
    )
