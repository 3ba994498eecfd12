"""When children are started, restarted and left alone: rules without processes."""

import pytest

from opensqt.cli.supervision import (
    BACKOFF_MS,
    STEADY_MS,
    ChildSpec,
    ChildState,
    Kind,
    after_exit,
    after_start,
    backoff_ms,
    from_entry,
    is_all_up,
    is_due,
    to_entry,
)
from opensqt.system.process import ProcessName

HEAD = ChildSpec(name="head", arguments=("head",), ready_text="up")
TASK = ChildSpec(name="task", arguments=("task",), needs=("head",), kind=Kind.TASK)


def running(start: int = 1, *, is_ready: bool = True) -> ChildState:
    return ChildState(pid=10, start=start, is_ready=is_ready)


def test_a_service_without_process_is_due_at_once() -> None:
    assert is_due(HEAD, {}, now_ms=0)
    assert not is_due(HEAD, {"head": running()}, now_ms=0)


def test_a_child_waits_until_what_it_needs_is_ready() -> None:
    assert not is_due(TASK, {}, now_ms=0)
    assert not is_due(TASK, {"head": running(is_ready=False)}, now_ms=0)
    assert is_due(TASK, {"head": running()}, now_ms=0)


def test_a_start_is_ready_at_once_only_when_nothing_has_to_be_said() -> None:
    process = ProcessName(pid=5, start=7)

    head = after_start(HEAD, {}, process, now_ms=3, log_offset=9)
    task = after_start(TASK, {"head": head}, process, now_ms=3, log_offset=0)

    assert head.process == process
    assert (head.is_ready, head.log_offset, head.started_ms) == (False, 9, 3)
    assert (task.is_ready, task.seen) == (True, {"head": 7})


def test_each_failure_in_a_row_makes_the_pause_longer_up_to_a_bound() -> None:
    state = running()
    pauses = []
    for _ in range(len(BACKOFF_MS) + 2):
        state = after_exit(HEAD, state, is_success=False, now_ms=100)
        pauses.append(state.due_ms - 100)

    assert pauses == [*BACKOFF_MS, BACKOFF_MS[-1], BACKOFF_MS[-1]]
    assert state.restarts == len(pauses)
    assert not is_due(HEAD, {"head": state}, now_ms=state.due_ms - 1)
    assert is_due(HEAD, {"head": state}, now_ms=state.due_ms)


def test_a_steady_run_forgives_earlier_failures() -> None:
    state = ChildState(pid=1, start=1, failures=6, started_ms=0, is_ready=True)

    ended = after_exit(HEAD, state, is_success=False, now_ms=STEADY_MS)

    assert ended.failures == 1
    assert ended.due_ms == STEADY_MS + backoff_ms(1)


def test_a_child_that_was_never_ready_was_not_steady_however_long_it_took() -> None:
    state = ChildState(pid=1, start=1, failures=2, started_ms=0)

    assert after_exit(HEAD, state, is_success=False, now_ms=10 * STEADY_MS).failures == 3


def test_a_service_that_ends_well_is_started_again_all_the_same() -> None:
    ended = after_exit(HEAD, running(), is_success=True, now_ms=0)

    assert (ended.is_done, ended.restarts) == (False, 1)


def test_a_task_that_succeeded_runs_again_only_for_a_new_head() -> None:
    states = {"head": running(start=1)}
    started = after_start(TASK, states, ProcessName(pid=3, start=3), now_ms=0, log_offset=0)
    done = after_exit(TASK, started, is_success=True, now_ms=1)

    assert done.restarts == 0
    assert not is_due(TASK, states | {"task": done}, now_ms=10**9)
    assert is_due(TASK, {"head": running(start=2), "task": done}, now_ms=10**9)


def test_a_head_replaced_while_the_task_runs_makes_the_task_run_again() -> None:
    started = after_start(
        TASK, {"head": running(start=1)}, ProcessName(pid=3, start=3), now_ms=0, log_offset=0
    )
    done = after_exit(TASK, started, is_success=True, now_ms=1)

    assert is_due(TASK, {"head": running(start=2), "task": done}, now_ms=1)


def test_a_task_that_failed_is_repeated_after_a_pause() -> None:
    states = {"head": running()}
    started = after_start(TASK, states, ProcessName(pid=3, start=3), now_ms=0, log_offset=0)
    failed = after_exit(TASK, started, is_success=False, now_ms=0)

    assert not is_due(TASK, states | {"task": failed}, now_ms=0)
    assert is_due(TASK, states | {"task": failed}, now_ms=failed.due_ms)


def test_everything_is_up_when_services_are_ready_and_tasks_are_done() -> None:
    specs = (HEAD, TASK)
    done = ChildState(is_done=True)

    assert not is_all_up(specs, {})
    assert not is_all_up(specs, {"head": running(), "task": running()})
    assert not is_all_up(specs, {"head": running(is_ready=False), "task": done})
    assert is_all_up(specs, {"head": running(), "task": done})


def test_a_state_survives_being_stored() -> None:
    state = ChildState(pid=4, start=2, restarts=1, is_ready=True, seen={"head": 2})

    assert from_entry(to_entry(state)) == state


@pytest.mark.parametrize(
    "entry",
    [{"pid": "4"}, {"is_ready": 1}, {"seen": [1]}, {"seen": {"head": "2"}}, {"start": None}],
)
def test_a_stored_state_that_does_not_fit_is_an_unknown_child(entry: dict[str, object]) -> None:
    assert from_entry({"restarts": 3} | entry) == ChildState()


def test_keys_of_a_later_build_are_ignored() -> None:
    assert from_entry({"pid": 4, "colour": "blue"}) == ChildState(pid=4)
