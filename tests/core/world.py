"""A grid unit, its journal and a model venue, with everything in between that can go wrong.

The world is driven from outside, step by step; ``check`` states what must hold after each step,
``settle`` ends all faults and demands exact agreement.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from opensqt.core import symbol
from opensqt.core.facts import (
    CancelIntended,
    Directive,
    Evidence,
    Fact,
    InstrumentLoaded,
    OrderIntended,
    OrderReported,
    TradeFilled,
)
from opensqt.core.grid import planner
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import ClientOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.intents import PlaceOrder
from opensqt.core.money import ZERO
from opensqt.core.orders import Order, OrderStatus, Purpose, Side
from opensqt.core.risk import review as risk
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import SymbolState
from tests.core.builders import (
    UNIT,
    directed,
    intended,
    inventory,
    ms,
    price,
    reported,
    without_price,
)
from tests.core.model_venue import ModelVenue

T = TypeVar("T")


class Arrival(StrEnum):
    """What becomes of a request to place an order."""

    ACCEPTED = "accepted"
    REPLY_LOST = "reply_lost"
    REQUEST_LOST = "request_lost"
    REJECTED = "rejected"
    POST_ONLY = "post_only"
    NOT_SENT = "not_sent"


@dataclass(slots=True)
class World:
    """One unit and its venue. Time is a number the driver moves."""

    config: GridConfig
    instrument: Instrument
    limits: Limits
    state: SymbolState = field(default_factory=lambda: SymbolState(unit=UNIT, deployment="000"))
    now_ms: int = 0
    last: int = 1000
    journal: list[Fact] = field(default_factory=list)
    venue: ModelVenue = field(default_factory=ModelVenue)
    places: list[ClientOrderId] = field(default_factory=list)
    """Place requests on their way."""
    cancels: list[ClientOrderId] = field(default_factory=list)
    reports: list[Fact] = field(default_factory=list)
    """What the venue said and the unit has not heard."""
    seen: Counter[str] = field(default_factory=Counter)
    """What happened at least once; a driver that never got somewhere proves nothing."""
    shadow: SymbolState = field(default_factory=lambda: SymbolState(unit=UNIT, deployment="000"))
    """The journal as far as the last check has replayed it."""
    shadowed: int = 0

    def start(self) -> None:
        """Load the rules and see a first price."""
        self.record([InstrumentLoaded(instrument=self.instrument, at_ms=ms(0))])
        self.tick(0, wait_ms=1)

    def record(self, facts: Iterable[Fact]) -> None:
        """Journal and apply facts."""
        for fact in facts:
            before = self.state
            self.journal.append(fact)
            self.state = symbol.apply(self.state, fact)
            self._note(before, fact)

    def _note(self, before: SymbolState, fact: Fact) -> None:
        self.seen[type(fact).__name__] += 1
        if isinstance(fact, OrderIntended):
            slot = before.slots.get(fact.slot)
            is_held = slot is not None and slot.quantity > ZERO
            self.seen["top_up"] += is_held and fact.purpose is Purpose.OPEN
            self.seen[f"{fact.purpose}_retry"] += fact.attempt > 0
        if isinstance(fact, OrderReported) and fact.client_order_id in before.orders:
            known = before.orders[fact.client_order_id].status
            self.seen[f"{known}->{fact.status}"] += 1

    def tick(self, ticks: int, *, wait_ms: int) -> None:
        """Let the price move by whole ticks, and time pass."""
        self.now_ms += wait_ms
        self.last = max(self.last + ticks, 200)
        self.state = symbol.apply(
            self.state, price(self.last, bid=self.last - 1, ask=self.last + 1, at_ms=self.now_ms)
        )

    def cycle(self, *, sent: int | None = None) -> None:
        """Plan, review, record, send; ``sent`` stops after that many requests (a crash)."""
        self.record(planner.anchor_facts(self.state, self.config, now_ms=self.now_ms))
        wanted = planner.plan(self.state, self.config, now_ms=self.now_ms)
        verdict = risk.review(wanted.intents, view_of(self.state), self.limits, now_ms=self.now_ms)
        facts = [intended(intent, now_ms=self.now_ms) for intent in verdict.approved]
        self.record(facts)
        requests = [one for one in facts if isinstance(one, OrderIntended | CancelIntended)]
        for request in requests[:sent]:
            queue = self.places if isinstance(request, OrderIntended) else self.cancels
            queue.append(request.client_order_id)
        again = planner.plan(self.state, self.config, now_ms=self.now_ms)
        refused = {one.intent.slot for one in verdict.refused}
        for intent in again.intents:
            assert isinstance(intent, PlaceOrder), f"wanted again: {intent}"
            assert intent.slot in refused, f"wanted again: {intent}"

    def session(self, ticks: int, *, quantity: Decimal | None) -> None:
        """Let the market run for a while without faults; orders it crosses trade ``quantity``."""
        self.tick(ticks, wait_ms=500)
        self.cycle()
        while self.places:
            self.arrive(0, Arrival.ACCEPTED)
        while self.cancels:
            self.arrive_cancel(0, is_lost=False)
        for resting in self.venue.open_orders:
            order = resting.request
            if (self.last - order.price) * order.side.sign <= ZERO:
                amount = order.quantity if quantity is None else quantity
                self.reports += self.venue.fill(order.client_order_id, amount)
        while self.reports:
            self.hear(0)
        self.cycle()

    def arrive(self, pick: int, arrival: Arrival) -> None:
        """Let one place request meet its fate; the reply is one of the reports."""
        if not self.places:
            return
        request = self._order(_take(self.places, pick))
        self.seen[arrival] += 1
        match arrival:
            case Arrival.ACCEPTED:
                self.reports += self.venue.accept(request)
            case Arrival.REPLY_LOST:
                self.reports += self.venue.accept(request)
                self.reports.append(_unknown(request))
            case Arrival.REQUEST_LOST:
                self.reports.append(_unknown(request))
            case Arrival.REJECTED:
                self.reports += self.venue.refuse(request, OrderStatus.REJECTED)
            case Arrival.POST_ONLY:
                self.reports += self.venue.refuse(request, OrderStatus.EXPIRED)
            case Arrival.NOT_SENT:
                self.reports.append(reported(request.client_order_id, OrderStatus.NOT_SENT))

    def arrive_cancel(self, pick: int, *, is_lost: bool) -> None:
        """Let one cancel request work, or vanish."""
        if self.cancels:
            client_order_id = _take(self.cancels, pick)
            if not is_lost:
                self.reports += self.venue.end(client_order_id, OrderStatus.CANCELED)

    def fill(self, pick: int, quantity: Decimal | None) -> None:
        """Execute part or all of an order that rests."""
        resting = self.venue.open_orders
        if resting:
            order = resting[pick % len(resting)].request
            amount = order.quantity if quantity is None else quantity
            self.reports += self.venue.fill(order.client_order_id, amount)

    def expire(self, pick: int) -> None:
        """Let the venue end an order by itself."""
        resting = self.venue.open_orders
        if resting:
            order = resting[pick % len(resting)].request
            self.reports += self.venue.end(order.client_order_id, OrderStatus.EXPIRED)

    def hear(self, pick: int, *, is_kept: bool = False) -> None:
        """Hear one report, in any order; one that is kept comes again."""
        if self.reports:
            report = self.reports[pick % len(self.reports)]
            if not self._is_forgotten(report):
                self.record([report])
            if not is_kept:
                _take(self.reports, pick)

    def _is_forgotten(self, report: Fact) -> bool:
        """Tell whether a report concerns an order settled long ago: the journal knows it all."""
        if not isinstance(report, OrderReported | TradeFilled):
            return False
        client_order_id = report.client_order_id
        return client_order_id not in self.state.orders and client_order_id in self._intended()

    def _intended(self) -> set[ClientOrderId]:
        return {one.client_order_id for one in self.journal if isinstance(one, OrderIntended)}

    def stale(self, pick: int) -> None:
        """Hear an old state of an order: working, less executed than is known."""
        known = [order for order in self.state.orders.values() if order.venue_order_id]
        if known:
            order = known[pick % len(known)]
            less = order.cumulative_quantity // 2
            self.record([reported(order.client_order_id, OrderStatus.WORKING, less)])

    def resolve(self, pick: int) -> None:
        """Look up an order of unknown outcome; it is absent once nothing can arrive any more."""
        doubtful = [order for order in self.state.orders.values() if order.is_doubtful]
        if not doubtful:
            return
        client_order_id = doubtful[pick % len(doubtful)].client_order_id
        if client_order_id in self.venue.orders:
            self._look_up(client_order_id)
        elif client_order_id not in self.places:
            self.record([reported(client_order_id, OrderStatus.ABSENT)])

    def crash(self) -> None:
        """Lose all memory and all reports; come back from the journal and ask the venue."""
        self.state = self._replayed()
        self.reports.clear()
        doubtful = [one for one in self.state.orders.values() if one.status is OrderStatus.INTENT]
        self.record([_unknown(order) for order in doubtful])
        for order in self.state.unsettled_orders:
            if order.client_order_id in self.venue.orders:
                self._look_up(order.client_order_id)

    def give(self, directive: Directive) -> None:
        """Change the operator's wish."""
        self.record([directed(directive)])

    def check(self) -> None:
        """Assert what holds at every moment; replaying goes on where the last check ended."""
        self.shadow = symbol.replay(self.shadow, self.journal[self.shadowed :])
        self.shadowed = len(self.journal)
        assert self.shadow == without_price(self.state)
        assert not self.state.quarantine
        trades = {one.trade_id: one for one in self.journal if isinstance(one, TradeFilled)}
        booked = sum((one.quantity * one.side.sign for one in trades.values()), start=ZERO)
        assert self.state.position.quantity == booked
        assert inventory(self.state) == booked
        ids = [one.client_order_id for one in self.journal if isinstance(one, OrderIntended)]
        assert len(ids) == len(set(ids)), "a client order id was used twice"
        self._check_slots()
        self._check_exposure()

    def settle(self) -> None:
        """End all faults, take every order back and demand exact agreement with the venue."""
        assert self._replayed() == without_price(self.state)
        self.give(Directive.CANCEL)
        for _ in range(20):
            self._calm(lost=True)
            self.check()
            if self.state.is_quiescent:
                break
        assert self.state.is_quiescent, "orders never settled"
        assert not self.venue.open_orders
        assert self.state.position.quantity == self.venue.position
        heard = {one.trade_id for one in self.journal if isinstance(one, TradeFilled)}
        assert heard == {trade.trade_id for trade in self.venue.trades}
        for client_order_id, order in self.venue.orders.items():
            known = self.state.orders.get(client_order_id)
            assert known is not None or client_order_id in self._intended()
            if known is not None:
                assert known.status is order.status
                assert known.cumulative_quantity == order.filled

    def flatten(self) -> None:
        """Sell everything; only what the venue takes in no order may be left."""
        self.give(Directive.FLATTEN)
        idle = planner.Idle.NOT_IDLE
        for _ in range(40):
            self.tick(0, wait_ms=100_000)
            self._calm(lost=False)
            self.check()
            idle = planner.plan(self.state, self.config, now_ms=self.now_ms).idle
            if idle in (planner.Idle.FLAT, planner.Idle.LEFTOVER):
                break
        assert idle in (planner.Idle.FLAT, planner.Idle.LEFTOVER), idle
        if idle is planner.Idle.LEFTOVER and self.instrument.reduce_only_exempt:
            assert self.state.position.quantity < self.instrument.quantity_min

    def _calm(self, *, lost: bool) -> None:
        """Let everything on its way arrive, in order; requests that were lost stay lost."""
        self.tick(0, wait_ms=2_000)
        while self.reports:
            self.hear(0)
        while self.places:
            self.arrive(0, Arrival.REQUEST_LOST if lost else Arrival.ACCEPTED)
        while self.cancels:
            self.arrive_cancel(0, is_lost=False)
        while self.reports:
            self.hear(0)
        for order in self.state.unsettled_orders:
            if order.client_order_id in self.venue.orders:
                self._look_up(order.client_order_id)
            elif order.is_doubtful:
                self.resolve(0)
        while self.reports:
            self.hear(0)
        self.cycle()

    def _replayed(self) -> SymbolState:
        return symbol.replay(SymbolState(unit=UNIT, deployment="000"), self.journal)

    def _order(self, client_order_id: ClientOrderId) -> Order:
        return self.state.orders[client_order_id]

    def _look_up(self, client_order_id: ClientOrderId) -> None:
        self.reports.append(self.venue.report(client_order_id, evidence=Evidence.LOOKUP))
        self.reports += [
            trade for trade in self.venue.trades if trade.client_order_id == client_order_id
        ]

    def _check_slots(self) -> None:
        """At most one order of a level may trade, and an intent never trades more than it asked."""
        on_the_way = [self._order(client_order_id) for client_order_id in self.places]
        live = [one.request for one in self.venue.open_orders] + on_the_way
        levels = Counter(order.slot for order in live)
        assert all(count == 1 for count in levels.values()), f"levels with two orders: {levels}"
        opened: Counter[tuple[int, int]] = Counter()
        for resting in self.venue.orders.values():
            order = resting.request
            if order.purpose is Purpose.OPEN:
                opened[order.slot, order.generation] += int(resting.filled + resting.remaining)
        for order in on_the_way:
            if order.purpose is Purpose.OPEN:
                opened[order.slot, order.generation] += int(order.quantity)
        assert all(amount <= self.config.order_quantity for amount in opened.values()), opened

    def _check_exposure(self) -> None:
        """The worst case in the book is never better than what the venue can still do."""
        view = view_of(self.state)
        for side in Side:
            on_the_way = sum(
                (
                    self._order(client_order_id).quantity
                    for client_order_id in self.places
                    if self._order(client_order_id).side is side
                ),
                start=ZERO,
            )
            worst = self.venue.position + side.sign * (self.venue.remaining(side) + on_the_way)
            assert side.sign * view.worst_quantity(side) >= side.sign * worst
        assert view.worst_quantity(Side.SELL) >= ZERO, "more is offered than is held"


def _unknown(order: Order) -> OrderReported:
    return reported(order.client_order_id, OrderStatus.UNKNOWN, evidence=Evidence.LOCAL)


def _take(items: list[T], pick: int) -> T:
    return items.pop(pick % len(items))
