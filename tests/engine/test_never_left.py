"""An order that never left: when the connector's word proves it, and what it costs to err."""

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opensqt.core.facts import OrderReported
from opensqt.core.ids import ClientOrderId, UnixMs
from opensqt.core.orders import Order, OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.reconcile import SPARE_MS, proves_unsent
from opensqt.engine.connector_guard import MEMORY_MS, ConnectorGuard, GuardConfig
from opensqt.ports.exchange import Outcome, OutcomeClass, PlaceRequest, VenueCode
from opensqt.simulation.venue import VenueConnection
from tests.engine.guard_world import ACCEPTED, START_MS, Clock, World, order, settle
from tests.engine.stage import UNIT, Stage, play

TTL_MS = 3_000
REFUSED = Outcome(outcome=OutcomeClass.NOT_SENT, code=VenueCode.RATE_LIMITED)


def known(created_ms: int = START_MS, status: OrderStatus = OrderStatus.UNKNOWN) -> Order:
    return Order(
        client_order_id=ClientOrderId("q1"),
        slot=1,
        side=Side.BUY,
        purpose=Purpose.OPEN,
        generation=1,
        attempt=1,
        price=Decimal(100),
        quantity=Decimal(1),
        time_in_force=TimeInForce.GTX,
        reduce_only=False,
        epoch=1,
        created_ms=UnixMs(created_ms),
        deadline_ms=UnixMs(created_ms + TTL_MS),
        status=status,
    )


# -- the rule


def proven(unsent_ms: int, *, since_handed_ms: int, since_created_ms: int) -> bool:
    return proves_unsent(
        known(),
        unsent_ms=unsent_ms,
        handed_ms=500,
        monotonic_ms=500 + since_handed_ms,
        now_ms=START_MS + since_created_ms,
    )


@pytest.mark.parametrize(
    ("unsent_ms", "expected"), [(4_000 + SPARE_MS, True), (4_000 + SPARE_MS - 1, False), (0, False)]
)
def test_a_word_counts_when_it_covers_all_the_time_with_some_to_spare(
    unsent_ms: int, expected: bool
) -> None:
    assert proven(unsent_ms, since_handed_ms=4_000, since_created_ms=4_000) is expected


def test_either_clock_may_say_that_a_word_is_too_short() -> None:
    assert not proven(6_000, since_handed_ms=4_000, since_created_ms=600_000), "it has slept"
    assert not proven(6_000, since_handed_ms=600_000, since_created_ms=4_000), "it was set back"


@given(status=st.sampled_from([s for s in OrderStatus if s is not OrderStatus.UNKNOWN]))
def test_only_an_unknown_order_can_be_proven_never_to_have_left(status: OrderStatus) -> None:
    assert not proves_unsent(
        known(status=status), unsent_ms=60_000, handed_ms=0, monotonic_ms=4_000, now_ms=START_MS
    )


# -- the guard's word


async def disowned(world: World, *, deadline_ms: int = START_MS + TTL_MS) -> int:
    return await world.guard.disown(ClientOrderId("q1"), deadline_ms=UnixMs(deadline_ms))


async def test_a_guard_vouches_for_as_long_as_it_remembers() -> None:
    world = World()
    world.clock.elapsed_ms = TTL_MS
    assert await disowned(world) == TTL_MS

    world.clock.elapsed_ms = 10 * MEMORY_MS
    assert await disowned(world) == MEMORY_MS


async def test_an_order_that_may_still_come_is_not_disowned() -> None:
    world = World()
    world.clock.elapsed_ms = TTL_MS - 1

    assert await disowned(world) == 0
    assert await world.placed(order()) == ACCEPTED


async def test_what_is_being_written_or_was_is_not_disowned() -> None:
    world = World()
    writing = await world.start(order())
    world.clock.elapsed_ms = TTL_MS
    assert await disowned(world) == 0

    world.venue.waiting["q1"].set_exception(ConnectionError("lost"))
    await writing
    assert await disowned(world) == 0


async def test_what_the_guard_itself_has_refused_never_left() -> None:
    world = World()
    refused = await world.guard.place(order(epoch=0))
    world.clock.elapsed_ms = TTL_MS

    assert refused.outcome is OutcomeClass.NOT_SENT
    assert await disowned(world) == TTL_MS


async def test_what_was_disowned_is_refused_even_when_the_clock_is_set_back() -> None:
    world = World()
    world.clock.elapsed_ms = TTL_MS
    await disowned(world)

    late = await world.guard.place(order(deadline_ms=START_MS + 2 * TTL_MS))

    assert late.outcome is OutcomeClass.NOT_SENT
    assert world.venue.sent == {}


async def test_what_was_disowned_is_not_remembered_for_ever() -> None:
    world = World()
    for number in range(200):
        world.clock.elapsed_ms += MEMORY_MS // 10
        await world.guard.disown(ClientOrderId(f"q{number}"), deadline_ms=UnixMs(START_MS))

    assert len(world.guard._disowned) <= 12


# -- the unit


class Lossy(VenueConnection):
    """A connector that never gets what is sent to it, and vouches for ``memory_ms`` at most."""

    loses = False
    memory_ms = 60_000
    asked: ClassVar[list[str]] = []

    async def place(self, request: PlaceRequest) -> Outcome:
        if self.loses:
            return Outcome(outcome=OutcomeClass.UNKNOWN, code=VenueCode.LINK_DOWN)
        return await super().place(request)

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        self.asked.append(client_order_id)
        now_ms = self._clock.now_ms()
        return min(now_ms - START_MS, self.memory_ms) if now_ms >= deadline_ms else 0


def lost_and_placed_again_ms(*, memory_ms: int = 60_000) -> tuple[int, str]:
    """Lose the orders of a decision; return when their levels act again, and what settled them."""
    found: list[tuple[int, str]] = []

    async def story(stage: Stage) -> None:
        await stage.open()
        await stage.sleep(20_000)
        venue = cast(Lossy, stage.venue)
        venue.loses, venue.memory_ms = True, memory_ms
        before = len(stage.accepted)
        stage.quote("1003")
        await stage.until(lambda: any(order.status == "unknown" for order in stage.live))
        venue.loses = False
        began_ms = stage.clock.monotonic_ms()
        await stage.until(lambda: len(stage.accepted) > before)
        settled = [
            str(fact.status)
            for fact in stage.facts(OrderReported)
            if isinstance(fact, OrderReported) and fact.status in ("not_sent", "absent")
        ]
        found.append((stage.clock.monotonic_ms() - began_ms, settled[0]))

    play(story, venue_type=Lossy)
    return found[0]


def test_a_level_whose_order_never_left_acts_again_soon_after_its_deadline() -> None:
    after_ms, settled = lost_and_placed_again_ms()

    assert settled == "not_sent"
    assert TTL_MS - 100 <= after_ms < 10_000


def test_a_connector_that_came_later_proves_nothing() -> None:
    after_ms, settled = lost_and_placed_again_ms(memory_ms=SPARE_MS)

    assert settled == "absent"
    assert after_ms > 20_000


def test_an_order_of_an_earlier_process_is_not_disowned() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        venue = cast(Lossy, stage.venue)
        venue.loses = True
        stage.quote("1003")
        await stage.until(lambda: any(order.status == "unknown" for order in stage.live))
        stage.running.cancel()
        await asyncio.gather(stage.running, return_exceptions=True)
        Lossy.asked.clear()
        await stage.registry.next_symbol_epoch(UNIT)
        stage.engine = stage.make_engine(epoch=await stage.registry.next_symbol_epoch(UNIT))
        stage.tasks.append(asyncio.create_task(stage.engine.run()))
        await stage.sleep(15_000)

        assert any(order.status == "unknown" for order in stage.live)
        assert Lossy.asked == []

    play(story, venue_type=Lossy)


def test_an_order_whose_answer_was_lost_is_asked_for_whatever_the_clock_says() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        venue, executor = cast(Lossy, stage.venue), stage.engine._executor
        venue.loses = True
        sent, executor._sent = executor._sent, lambda _: None
        stage.quote("1003")
        await stage.until(
            lambda: any(order.status == "intent" for order in stage.live) and not executor.in_flight
        )
        lost = [o.client_order_id for o in stage.live if o.status == "intent"]
        stage.set_clock_by(-3_600_000)
        venue.loses, executor._sent = False, sent

        await stage.until(
            lambda: (
                all(stage.state.orders.get(own) is None for own in lost)
                or all(stage.state.orders[own].status == "absent" for own in lost)
            ),
            within_ms=120_000,
        )

    play(story, venue_type=Lossy)


# -- both together: any order of losses, delays, restarts and clocks that are set


@dataclass
class Wall(Clock):
    """A host's clocks; the wall clock may be set."""

    set_by_ms: int = 0

    def now_ms(self) -> UnixMs:
        return UnixMs(START_MS + self.elapsed_ms + self.set_by_ms)


@dataclass(frozen=True)
class Handed:
    """An order on its way, as its unit knows it."""

    request: PlaceRequest
    known: Order
    handed_ms: int


class CustodyMachine(RuleBasedStateMachine):
    """A unit hands each order over once; what arrives, and when, is up to the world.

    The connector may be replaced, and its clock may be set back: not both, each forgets one half
    of the fence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Wall()
        self.world = World(clock=self.clock)
        self.clock.elapsed_ms = 20_000
        self.handed: list[Handed] = []
        self.under_way: list[Handed] = []
        self.never_left: set[str] = set()
        self.written: set[str] = set()
        self.has_restarted = self.was_set_back = False

    @rule(arrives=st.booleans())
    def hand_over(self, arrives: bool) -> None:
        number = len(self.handed)
        now_ms = START_MS + self.clock.elapsed_ms
        request = order(f"q{number}", deadline_ms=now_ms + TTL_MS)
        one = Handed(
            request=request,
            known=replace(known(now_ms), client_order_id=request.client_order_id),
            handed_ms=self.clock.elapsed_ms,
        )
        self.handed.append(one)
        self.under_way.append(one)
        if arrives:
            self._arrive(one)

    @precondition(lambda self: bool(self.under_way))
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        self._arrive(data.draw(st.sampled_from(self.under_way)))

    def _arrive(self, one: Handed) -> None:
        self.under_way.remove(one)
        _ = self.runner.run(self.world.start(one.request))
        self.written |= set(self.world.venue.waiting)

    @precondition(lambda self: bool(self.world.venue.waiting))
    @rule(data=st.data(), outcome=st.sampled_from([ACCEPTED, REFUSED, None]))
    def answer(self, data: st.DataObject, outcome: Outcome | None) -> None:
        name = data.draw(st.sampled_from(list(self.world.venue.waiting)))

        async def give() -> None:
            if outcome is None:
                self.world.venue.waiting[name].set_exception(ConnectionError("lost"))
            else:
                self.world.venue.waiting[name].set_result(outcome)
            await settle()

        self.runner.run(give())
        if outcome is REFUSED:
            self.written.discard(name)

    @precondition(lambda self: not self.was_set_back)
    @rule()
    def restart(self) -> None:
        self.has_restarted = True
        self.world.guard = ConnectorGuard(self.world.venue, clock=self.clock, config=GuardConfig())

    @precondition(lambda self: not self.has_restarted)
    @rule(by_ms=st.sampled_from([1_000, TTL_MS, 10_000]))
    def set_back(self, by_ms: int) -> None:
        self.was_set_back = True
        self.clock.set_by_ms -= by_ms

    @rule(duration_ms=st.sampled_from([1, 1_000, TTL_MS, TTL_MS + 1, 10_000, MEMORY_MS]))
    def pause(self, duration_ms: int) -> None:
        self.clock.elapsed_ms += duration_ms

    @precondition(lambda self: bool(self.handed))
    @rule(data=st.data(), answer_takes_ms=st.sampled_from([0, 1, 2_000]))
    def ask(self, data: st.DataObject, answer_takes_ms: int) -> None:
        one = data.draw(st.sampled_from(self.handed))
        unsent_ms = self.runner.run(
            self.world.guard.disown(
                one.request.client_order_id, deadline_ms=one.request.deadline_ms
            )
        )
        self.clock.elapsed_ms += answer_takes_ms
        if proves_unsent(
            one.known,
            unsent_ms=unsent_ms,
            handed_ms=one.handed_ms,
            monotonic_ms=self.clock.elapsed_ms,
            now_ms=START_MS + self.clock.elapsed_ms,
        ):
            self.never_left.add(one.request.client_order_id)

    @invariant()
    def what_never_left_was_not_written(self) -> None:
        assert not self.never_left & self.written

    def teardown(self) -> None:
        async def finish() -> None:
            for waiting in list(self.world.venue.waiting.values()):
                waiting.set_result(ACCEPTED)
            await settle()

        self.runner.run(finish())
        self.runner.close()


TestCustody = CustodyMachine.TestCase
