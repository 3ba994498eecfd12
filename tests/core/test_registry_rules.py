"""Whatever is asked in whatever order, the registry stays sound and reconciling comes to rest."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, InstanceName, Symbol, UnitId, UnixMs
from opensqt.core.registry import Desire, UnitPhase, UnitRecord
from opensqt.core.registry_rules import (
    APART_MS,
    CRASH_LOOP_STARTS,
    SILENCE_MAX_MS,
    Changed,
    Decision,
    Observed,
    Refused,
    Step,
    Unchanged,
    decide_add,
    decide_pause,
    decide_remove,
    decide_resume,
    next_step,
    quarantined,
    refuse_beside,
    removed,
    rival_of,
)

UNIT = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
NOW = UnixMs(1_000)
STEPS_MAX = 12
Operation = Callable[[UnitRecord | None], Decision]


def add(row: UnitRecord | None, config_text: str = "{}") -> Decision:
    return decide_add(row, unit=UNIT, config_text=config_text, now_ms=NOW)


def remove(row: UnitRecord | None, mode: Directive = Directive.DRAIN) -> Decision:
    return decide_remove(row, unit=UNIT, mode=mode, now_ms=NOW)


def pause(row: UnitRecord | None, mode: Directive = Directive.CANCEL) -> Decision:
    return decide_pause(row, unit=UNIT, mode=mode, now_ms=NOW)


def resume(row: UnitRecord | None) -> Decision:
    return decide_resume(row, unit=UNIT, now_ms=NOW)


def changed(decision: Decision) -> UnitRecord:
    assert isinstance(decision, Changed)
    return decision.record


def running() -> UnitRecord:
    return changed(add(None))


def message(decision: Decision) -> str:
    assert isinstance(decision, Refused)
    return decision.message


def test_the_same_symbol_added_twice_is_the_same_row() -> None:
    assert add(running()) == Unchanged(record=running())


def test_adding_another_configuration_is_a_conflict() -> None:
    decision = add(running(), '{"capital":"5"}')

    assert "another configuration" in message(decision)


def test_adding_while_a_removal_is_under_way_is_a_conflict_that_says_so() -> None:
    removing = changed(remove(running()))

    assert "is being removed (drain)" in message(add(removing))


def test_a_removed_symbol_can_be_added_with_another_configuration() -> None:
    gone = removed(changed(remove(running())), now_ms=NOW)

    row = changed(add(gone, '{"capital":"5"}'))

    assert (row.desire, row.is_removed, row.config_version) == (Desire.RUNNING, False, 2)
    assert row.revision == gone.revision + 1


@pytest.mark.parametrize("decide", [remove, pause, resume])
def test_a_symbol_that_was_never_added_is_not_found(decide: Operation) -> None:
    decision = decide(None)

    assert isinstance(decision, Refused)
    assert decision.is_absent


def test_removing_twice_changes_nothing_but_another_mode_does() -> None:
    draining = changed(remove(running()))

    assert remove(draining) == Unchanged(record=draining)
    for mode in (Directive.CANCEL, Directive.FLATTEN):
        assert changed(remove(draining, mode)).directive is mode


def test_a_removal_is_taken_over_by_no_milder_one() -> None:
    canceling = changed(remove(running(), Directive.CANCEL))
    flattening = changed(remove(running(), Directive.FLATTEN))

    assert "drain is milder than cancel" in message(remove(canceling, Directive.DRAIN))
    assert "drain is milder than flatten" in message(remove(flattening, Directive.DRAIN))
    assert changed(remove(canceling, Directive.FLATTEN)).directive is Directive.FLATTEN
    assert changed(remove(flattening, Directive.CANCEL)).directive is Directive.CANCEL


def test_removing_what_was_removed_changes_nothing() -> None:
    gone = removed(changed(remove(running())), now_ms=NOW)

    assert remove(gone, Directive.CANCEL) == Unchanged(record=gone)


def test_run_is_no_way_to_remove_or_pause() -> None:
    assert "expected drain" in message(remove(running(), Directive.RUN))
    assert "expected drain" in message(pause(running(), Directive.RUN))


def test_a_removal_cannot_be_paused_or_resumed() -> None:
    removing = changed(remove(running()))

    assert "being removed" in message(pause(removing))
    assert "being removed" in message(resume(removing))


def test_pause_and_resume_are_idempotent() -> None:
    paused = changed(pause(running()))

    assert pause(paused) == Unchanged(record=paused)
    resumed = changed(resume(paused))
    assert (resumed.desire, resumed.directive) == (Desire.RUNNING, Directive.RUN)
    assert resume(resumed) == Unchanged(record=resumed)


def test_resume_ends_a_quarantine() -> None:
    row = quarantined(running(), reason="crash loop", now_ms=NOW)

    assert changed(resume(row)).quarantine == ""


def test_resume_reaches_a_unit_that_has_quarantined_itself() -> None:
    row = changed(decide_resume(running(), unit=UNIT, now_ms=NOW, is_stuck=True))

    assert (row.desire, row.revision) == (Desire.RUNNING, running().revision + 1)


def test_a_quarantined_unit_is_given_a_chance_to_close_its_position_but_none_to_cancel() -> None:
    row = quarantined(running(), reason="crash loop", now_ms=NOW)

    assert changed(remove(row, Directive.FLATTEN)).quarantine == ""
    assert changed(remove(row, Directive.CANCEL)).quarantine == "crash loop"


@pytest.mark.parametrize("mode", [Directive.DRAIN, Directive.FLATTEN])
def test_a_removal_that_got_stuck_is_tried_again_when_asked_for_again(mode: Directive) -> None:
    row = quarantined(changed(remove(running(), mode)), reason="crash loop", now_ms=NOW)

    again = changed(remove(row, mode))
    assert (again.quarantine, again.directive) == ("", mode)
    assert isinstance(remove(again, mode), Unchanged)


def test_five_failed_starts_quarantine() -> None:
    seen = Observed(has_process=True, failed_starts=CRASH_LOOP_STARTS)

    assert next_step(running(), seen) is Step.QUARANTINE
    assert next_step(running(), replace(seen, failed_starts=CRASH_LOOP_STARTS - 1)) is Step.WAIT


def test_a_removal_whose_venue_does_not_answer_is_no_crash_loop() -> None:
    # Each look at the venue takes an epoch, which counts like a start.
    seen = Observed(has_process=False, has_stopped=True, failed_starts=2 * CRASH_LOOP_STARTS)

    assert next_step(changed(remove(running(), Directive.FLATTEN)), seen) is Step.FINISH


def test_a_silent_process_is_replaced_only_after_a_minute() -> None:
    seen = Observed(has_process=True, silent_ms=SILENCE_MAX_MS)

    assert next_step(running(), seen) is Step.REPLACE
    assert next_step(running(), replace(seen, silent_ms=SILENCE_MAX_MS - 1)) is Step.WAIT


def test_a_stop_seen_under_an_older_wish_does_not_finish_a_removal() -> None:
    row = changed(remove(changed(pause(running()))))
    seen = Observed(has_process=True, phase=UnitPhase.STOPPED, revision=row.revision - 1)

    assert next_step(row, seen) is Step.TELL
    assert next_step(row, replace(seen, revision=row.revision)) is Step.FINISH


def test_a_unit_that_quarantined_itself_does_not_vouch_for_the_venue() -> None:
    row = changed(remove(running(), Directive.CANCEL))
    seen = Observed(
        has_process=True, phase=UnitPhase.QUARANTINED, revision=row.revision, orders_left=0
    )

    assert next_step(row, seen) is Step.QUARANTINE
    row = quarantined(row, reason="lost", now_ms=NOW)
    assert next_step(row, seen) is Step.STOP
    assert next_step(row, Observed(has_process=False)) is Step.CANCEL_ORDERS
    assert next_step(row, Observed(has_process=False, orders_left=0)) is Step.FINISH


def test_another_instance_on_the_symbol_is_a_rival_until_it_is_removed() -> None:
    other = replace(UNIT, instance=InstanceName("second"))
    rows = [running()]

    assert rival_of(other, rows) == UNIT
    assert rival_of(UNIT, rows) is None
    assert rival_of(replace(other, symbol=Symbol("XRPUSDT:perp")), rows) is None
    assert rival_of(other, [removed(running(), now_ms=NOW)]) is None


def test_a_second_instance_on_a_symbol_is_refused_with_what_to_do() -> None:
    other = replace(UNIT, instance=InstanceName("second"))

    refusal = refuse_beside(other, [running()], now_ms=NOW)

    assert other.text in refusal
    assert f"opensqt remove-symbol {UNIT.text}" in refusal
    assert "\n" not in refusal
    assert refuse_beside(UNIT, [running()], now_ms=NOW) == ""
    assert refuse_beside(replace(other, account=AccountName("b")), [running()], now_ms=NOW) == ""


def test_the_next_instance_waits_until_the_trades_of_the_last_are_out_of_its_sight() -> None:
    other = replace(UNIT, instance=InstanceName("second"))
    rows = [removed(running(), now_ms=NOW)]

    def refusal(after_ms: int, unit: UnitId = other) -> str:
        return refuse_beside(unit, rows, now_ms=UnixMs(NOW + after_ms))

    assert "removed 20 s ago" in refusal(20_000)
    assert "try again in 45 s" in refusal(20_000)
    assert "try again in 1 s" in refusal(APART_MS - 1)
    assert refusal(APART_MS) == ""
    assert refusal(20_000, UNIT) == "", "its own journal knows its trades"
    assert refusal(-1) == "", "of a clock that was set back nothing is known"


@dataclass
class World:
    """A unit's process that does as it is told, or crashes each time it starts."""

    row: UnitRecord | None = None
    seen: Observed = field(default_factory=lambda: Observed(has_process=False))
    crashes: bool = False
    orders: int = 0
    blind: int = 0
    """So many looks at the venue fail before a removal is seen to be complete."""

    def act(self) -> Step:
        assert self.row is not None
        step = next_step(self.row, self.seen)
        match step:
            case Step.START:
                self._start()
            case Step.TELL:
                self._obey()
            case Step.STOP | Step.REPLACE:
                self._stop()
            case Step.FINISH:
                self._stop()
                self.seen = replace(self.seen, has_stopped=True)
                self.blind -= 1
                if self.blind < 0:
                    self.row = removed(self.row, now_ms=NOW)
            case Step.QUARANTINE:
                self.row = quarantined(self.row, reason="crash loop", now_ms=NOW)
            case Step.CANCEL_ORDERS:
                self.orders = 0
                self.seen = replace(self.seen, orders_left=0)
            case Step.WAIT:
                self._obey() if not self.crashes else self._start()
            case Step.REST:
                pass
        return step

    def _start(self) -> None:
        if self.crashes:
            failed = self.seen.failed_starts + 1
            self.seen = Observed(has_process=True, failed_starts=failed)
        else:
            self.seen = Observed(has_process=True, phase=UnitPhase.STARTING)

    def _obey(self) -> None:
        assert self.row is not None
        phase = {
            Desire.RUNNING: UnitPhase.QUOTING,
            Desire.PAUSED: UnitPhase.PAUSED,
            Desire.REMOVED: UnitPhase.STOPPED,
        }[self.row.desire]
        self.orders = 4 if phase is UnitPhase.QUOTING else 0
        self.seen = Observed(
            has_process=True, phase=phase, revision=self.row.revision, orders_left=self.orders
        )

    def _stop(self) -> None:
        self.seen = Observed(has_process=False, failed_starts=0)

    def settle(self) -> None:
        for _ in range(STEPS_MAX):
            if self.act() is Step.REST:
                return
        pytest.fail(f"no rest after {STEPS_MAX} steps: {self.row} {self.seen}")


OPERATIONS: st.SearchStrategy[Operation] = st.sampled_from(
    [
        add,
        resume,
        pause,
        lambda row: pause(row, Directive.DRAIN),
        remove,
        lambda row: remove(row, Directive.CANCEL),
        lambda row: remove(row, Directive.FLATTEN),
    ]
)


@pytest.mark.property
@given(
    st.lists(st.tuples(OPERATIONS, st.integers(0, 3), st.booleans()), max_size=12),
    st.integers(0, 2),
)
def test_every_story_comes_to_rest_in_what_was_wished(
    story: list[tuple[Operation, int, bool]], blind: int
) -> None:
    world = World(blind=blind)

    for operation, steps, crashes in story:
        before = world.row
        decision = operation(world.row)
        if isinstance(decision, Changed):
            world.row = decision.record
            world.seen = replace(world.seen, has_stopped=False)
            assert world.row.revision == (before.revision if before else 0) + 1
            assert operation(world.row) == Unchanged(record=world.row)
        world.crashes = crashes
        for _ in range(steps if world.row else 0):
            world.act()
    if world.row is None:
        return
    world.settle()

    assert not world.orders or world.row.desire is Desire.RUNNING
    if world.row.quarantine:
        assert not world.seen.has_process
    elif world.row.desire is Desire.REMOVED:
        assert world.row.is_removed
        assert not world.seen.has_process
    else:
        assert world.seen.has_process
        assert world.seen.revision == world.row.revision
