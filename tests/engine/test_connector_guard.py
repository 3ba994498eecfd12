import asyncio
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opensqt.core.registry import KillRow
from opensqt.engine.connector_guard import MEMORY_MS, GuardConfig
from opensqt.ports.exchange import Outcome, OutcomeClass, PlaceRequest, VenueCode, VenuePort
from tests.engine.guard_world import ACCEPTED, START_MS, World, cancel, order, settle


def test_a_guard_is_a_venue_port() -> None:
    port: VenuePort = World().guard

    assert port is not None


@pytest.mark.parametrize("confirm_within_ms", [None, 2_000])
async def test_a_guard_that_has_just_started_writes_nothing_before_it_is_told_who_may(
    confirm_within_ms: int | None,
) -> None:
    world = World(config=GuardConfig(confirm_within_ms=confirm_within_ms), is_fenced=False)

    placed = await world.placed(order(epoch=3, reduce_only=True))
    canceled = await world.guard.cancel(cancel(epoch=3))

    assert (placed.outcome, placed.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    assert (canceled.outcome, canceled.code) == (OutcomeClass.NOT_SENT, VenueCode.GATE_SHUT)
    assert (dict(world.venue.sent), world.venue.canceled) == ({}, [])
    assert world.guard.account_epoch == 0


@pytest.mark.parametrize("by_store", [False, True])
async def test_store_or_fence_tell_a_guard_who_may_write(by_store: bool) -> None:
    world = World(is_fenced=False)
    if by_store:
        world.guard.observe(account_epoch=9, kill=KillRow())
    else:
        await world.guard.fence(account_epoch=9, kill_epoch=0)

    assert (await world.guard.cancel(cancel(epoch=3))).code is VenueCode.STALE_EPOCH
    assert await world.placed(order(epoch=9)) == ACCEPTED


async def test_a_fence_without_an_epoch_tells_a_guard_nothing() -> None:
    world = World(is_fenced=False)

    await world.guard.fence(account_epoch=0, kill_epoch=0)

    assert (await world.guard.cancel(cancel(epoch=1))).code is VenueCode.GATE_SHUT


async def test_a_repeated_call_gets_the_recorded_answer_and_sends_nothing() -> None:
    world = World()
    first = await world.placed(order())

    world.clock.elapsed_ms = MEMORY_MS - 1
    again = await world.guard.place(order())

    assert (first, again) == (ACCEPTED, ACCEPTED)
    assert world.venue.sent["q1"] == 1


async def test_a_call_repeated_while_in_flight_waits_for_the_same_answer() -> None:
    world = World()
    first, second = await world.start(order()), await world.start(order())

    world.venue.waiting["q1"].set_result(ACCEPTED)

    assert (await first, await second) == (ACCEPTED, ACCEPTED)
    assert world.venue.sent["q1"] == 1


async def test_a_caller_that_goes_away_leaves_its_request_and_answer_behind() -> None:
    world = World()
    caller = await world.start(order())
    caller.cancel()
    await settle()

    assert world.guard.in_flight == ("q1",)
    world.venue.waiting["q1"].set_result(ACCEPTED)
    assert await world.guard.place(order()) == ACCEPTED
    assert world.venue.sent["q1"] == 1


async def test_a_repetition_with_a_new_deadline_and_epoch_is_still_a_repetition() -> None:
    world = World()
    await world.placed(order())

    again = await world.guard.place(order(epoch=2, deadline_ms=START_MS + 9_000))

    assert again == ACCEPTED
    assert world.venue.sent["q1"] == 1


async def test_an_id_used_for_another_order_is_a_duplicate_and_not_sent() -> None:
    world = World()
    await world.placed(order())

    outcome = await world.guard.place(order(price="101"))

    assert outcome.outcome is OutcomeClass.DUPLICATE
    assert world.venue.sent["q1"] == 1


async def test_a_refusal_is_final_too() -> None:
    world = World()
    await world.guard.fence(account_epoch=2, kill_epoch=0)
    first = await world.guard.place(order(epoch=1))

    again = await world.guard.place(order(epoch=2))

    assert first == again
    assert first.code is VenueCode.STALE_EPOCH
    assert not world.venue.sent


async def test_an_answered_id_is_forgotten_only_when_its_deadline_refuses_it() -> None:
    world = World()
    request = order(deadline_ms=START_MS + MEMORY_MS)
    await world.placed(request)

    world.clock.elapsed_ms = MEMORY_MS + 1
    outcome = await world.guard.place(request)

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.DEADLINE)
    assert world.venue.sent["q1"] == 1


@pytest.mark.parametrize("ahead_ms", [0, -1, MEMORY_MS + 1])
async def test_a_deadline_that_passed_or_outlives_the_memory_is_refused(ahead_ms: int) -> None:
    world = World()

    outcome = await world.guard.place(order(deadline_ms=START_MS + ahead_ms))

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.DEADLINE)
    assert not world.venue.sent


async def test_an_older_account_epoch_may_neither_place_nor_cancel() -> None:
    world = World()
    await world.placed(order("q7", epoch=7))

    placed = await world.guard.place(order("q6", epoch=6))
    canceled = await world.guard.cancel(cancel("q7", epoch=6))

    assert placed.code is canceled.code is VenueCode.STALE_EPOCH
    assert placed.outcome is canceled.outcome is OutcomeClass.NOT_SENT
    assert (set(world.venue.sent), world.venue.canceled) == ({"q7"}, [])


async def test_the_newest_epoch_may_cancel_even_while_killed() -> None:
    world = World()
    await world.guard.fence(account_epoch=3, kill_epoch=1)

    outcome = await world.guard.cancel(cancel(epoch=3))

    assert outcome.outcome is OutcomeClass.ACCEPTED


@pytest.mark.parametrize("allow_unfenced", [False, True])
async def test_an_unfenced_client_writes_only_where_that_is_allowed(allow_unfenced: bool) -> None:
    world = World(config=GuardConfig(allow_unfenced=allow_unfenced))
    await world.guard.fence(account_epoch=9, kill_epoch=0)

    outcome = await world.placed(order(epoch=0))

    assert (outcome == ACCEPTED) is allow_unfenced
    assert world.guard.account_epoch == 9


async def test_a_kill_refuses_opens_and_lets_reducing_orders_pass() -> None:
    world = World()
    await world.guard.fence(account_epoch=1, kill_epoch=4)

    opened = await world.placed(order("q1"))
    reduced = await world.placed(order("q2", reduce_only=True))

    assert (opened.outcome, opened.code) == (OutcomeClass.NOT_SENT, VenueCode.KILLED)
    assert reduced == ACCEPTED


async def test_a_kill_is_released_only_by_a_newer_row_of_the_store() -> None:
    world = World(config=GuardConfig(confirm_within_ms=2_000))
    await world.guard.fence(account_epoch=1, kill_epoch=4)

    await world.guard.fence(account_epoch=1, kill_epoch=0)
    assert world.guard.is_killed
    world.guard.observe(account_epoch=1, kill=KillRow(epoch=3, is_engaged=False))
    assert world.guard.is_killed
    world.guard.observe(account_epoch=1, kill=KillRow(epoch=5, is_engaged=False))
    assert not world.guard.is_killed
    await world.guard.fence(account_epoch=1, kill_epoch=4)
    assert not world.guard.is_killed
    world.guard.observe(account_epoch=1, kill=KillRow(epoch=3, is_engaged=False))
    assert not world.guard.is_killed
    world.guard.observe(account_epoch=1, kill=KillRow(epoch=6, is_engaged=True))
    assert world.guard.is_killed


@pytest.mark.parametrize(
    ("releasing_epoch", "is_released"), [(2, False), (3, True), (4, True), (0, False)]
)
async def test_without_a_store_the_present_holder_releases_a_kill(
    releasing_epoch: int, is_released: bool
) -> None:
    world = World()
    await world.guard.fence(account_epoch=3, kill_epoch=4)

    await world.guard.fence(account_epoch=releasing_epoch, kill_epoch=0)

    assert world.guard.is_killed is not is_released


async def test_a_fence_without_an_epoch_cannot_release_what_nobody_holds() -> None:
    world = World()
    await world.guard.fence(account_epoch=0, kill_epoch=4)

    await world.guard.fence(account_epoch=0, kill_epoch=0)

    assert world.guard.is_killed


async def test_opens_wait_for_the_control_store_to_be_read() -> None:
    world = World(config=GuardConfig(confirm_within_ms=2_000))

    before = await world.placed(order("q1"))
    world.guard.observe(account_epoch=1, kill=KillRow())
    world.clock.elapsed_ms += 2_000
    fresh = await world.placed(order("q2", deadline_ms=START_MS + 9_000))
    world.clock.elapsed_ms += 1
    stale = await world.placed(order("q3", deadline_ms=START_MS + 9_000))
    reduced = await world.placed(order("q4", deadline_ms=START_MS + 9_000, reduce_only=True))

    assert before.code is stale.code is VenueCode.GATE_SHUT
    assert (fresh, reduced) == (ACCEPTED, ACCEPTED)


async def test_a_look_at_the_store_is_as_old_as_its_question() -> None:
    # Whoever is stopped between question and answer wakes up with the truth of then.
    world = World(config=GuardConfig(confirm_within_ms=2_000))
    asked_ms = world.clock.monotonic_ms()
    world.clock.elapsed_ms += 2_001

    world.guard.observe(account_epoch=1, kill=KillRow(), asked_ms=asked_ms)

    refused = await world.placed(order("q1", deadline_ms=START_MS + 9_000))
    assert refused.code is VenueCode.GATE_SHUT


async def test_a_fence_names_what_is_being_written_from_the_first_moment() -> None:
    world = World()
    caller = asyncio.ensure_future(world.guard.place(order("q1", epoch=1)))
    await asyncio.sleep(0)

    in_flight = await world.guard.fence(account_epoch=2, kill_epoch=1)
    await settle()
    world.venue.waiting["q1"].set_result(ACCEPTED)
    await caller

    assert in_flight == ("q1",)
    assert await world.guard.fence(account_epoch=2, kill_epoch=1) == ()


async def test_a_venue_that_raises_leaves_the_outcome_unknown() -> None:
    world = World()
    caller = await world.start(order())

    world.venue.waiting["q1"].set_exception(RuntimeError("broken"))
    outcome = await caller

    assert outcome.outcome is OutcomeClass.UNKNOWN
    assert await world.guard.place(order()) == outcome
    assert world.guard.in_flight == ()


async def test_memory_does_not_grow_for_ever() -> None:
    world = World()
    for number in range(200):
        world.clock.elapsed_ms += MEMORY_MS // 10
        now = world.clock.now_ms()
        await world.placed(order(f"q{number}", deadline_ms=now + 3_000))

    assert len(world.guard._known) <= 12


class GuardMachine(RuleBasedStateMachine):
    """Any order of calls, repetitions, answers, fences and pauses: what never may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.made: list[PlaceRequest] = []
        self.callers: list[asyncio.Task[Outcome]] = []
        self.floor = 0
        self.is_killed = False
        self.kill_epoch = 0
        self.allowed: set[str] = set()

    def run_call(self, request: PlaceRequest) -> None:
        now = self.world.clock.now_ms()
        may_open = request.reduce_only or not self.is_killed
        if (
            request.account_epoch >= max(self.floor, 1)
            and now < request.deadline_ms <= now + MEMORY_MS
            and may_open
        ):
            self.allowed.add(request.client_order_id)
        self.callers.append(self.runner.run(self.world.start(request)))
        self.floor = max(self.floor, self.world.guard.account_epoch)

    @rule(
        epoch=st.integers(0, 6),
        reduce_only=st.booleans(),
        ahead_ms=st.sampled_from([-1, 0, 1, 3_000, MEMORY_MS, MEMORY_MS + 1]),
    )
    def place(self, epoch: int, reduce_only: bool, ahead_ms: int) -> None:
        deadline_ms = self.world.clock.now_ms() + ahead_ms
        request = order(
            f"q{len(self.made)}", epoch=epoch, reduce_only=reduce_only, deadline_ms=deadline_ms
        )
        self.made.append(request)
        self.run_call(request)

    @precondition(lambda self: bool(self.made))
    @rule(data=st.data(), changes_epoch=st.booleans())
    def repeat(self, data: st.DataObject, changes_epoch: bool) -> None:
        request = data.draw(st.sampled_from(self.made))
        if changes_epoch:
            request = replace(request, account_epoch=self.floor)
        self.callers.append(self.runner.run(self.world.start(request)))

    @precondition(lambda self: bool(self.world.venue.waiting))
    @rule(data=st.data(), fails=st.booleans())
    def answer(self, data: st.DataObject, fails: bool) -> None:
        waiting = self.world.venue.waiting
        answered = waiting[data.draw(st.sampled_from(list(waiting)))]

        async def give() -> None:
            if fails:
                answered.set_exception(ConnectionError("lost"))
            else:
                answered.set_result(ACCEPTED)
            await settle()

        self.runner.run(give())

    @precondition(lambda self: bool(self.callers))
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(self.callers))
        caller.cancel()
        self.runner.run(settle())

    @rule(account_epoch=st.integers(0, 6), kills=st.booleans())
    def fence(self, account_epoch: int, kills: bool) -> None:
        if kills:
            self.kill_epoch += 1
            self.is_killed = True
        elif 0 < account_epoch >= self.floor:
            self.is_killed = False
        named = self.runner.run(
            self.world.guard.fence(
                account_epoch=account_epoch, kill_epoch=self.kill_epoch if kills else 0
            )
        )
        self.floor = max(self.floor, account_epoch)
        assert set(named) == set(self.world.venue.waiting)

    @rule()
    def release(self) -> None:
        self.kill_epoch += 1
        self.is_killed = False
        self.world.guard.observe(
            account_epoch=0, kill=KillRow(epoch=self.kill_epoch, is_engaged=False)
        )

    @rule(duration_ms=st.sampled_from([1, 2_999, 3_000, MEMORY_MS - 1, MEMORY_MS, MEMORY_MS + 1]))
    def pause(self, duration_ms: int) -> None:
        self.world.clock.elapsed_ms += duration_ms

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(count == 1 for count in self.world.venue.sent.values())

    @invariant()
    def only_what_was_allowed_is_sent(self) -> None:
        assert set(self.world.venue.sent) <= self.allowed

    @invariant()
    def what_was_allowed_is_sent(self) -> None:
        assert self.allowed <= set(self.world.venue.sent)

    @invariant()
    def the_enforced_epoch_is_the_highest_seen(self) -> None:
        assert self.world.guard.account_epoch == self.floor

    def teardown(self) -> None:
        async def finish() -> None:
            for waiting in list(self.world.venue.waiting.values()):
                waiting.set_result(ACCEPTED)
            await settle()
            await asyncio.gather(*self.callers, return_exceptions=True)

        self.runner.run(finish())
        assert self.world.guard.in_flight == ()
        self.runner.close()


TestGuard = GuardMachine.TestCase
