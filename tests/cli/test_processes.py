"""Which processes are ours, decided on tables."""

from pathlib import Path

from opensqt.cli.processes import Row, family, mark_of, process_table
from opensqt.system.process import ProcessName, current

RUN = Path("/run/one")
OURS = mark_of(RUN, "ray")
LEADER = ProcessName(pid=100, start=5)


def row(pid: int, *, start: int = 5, parent: int = 1, session: int = 1, mark: str = "") -> Row:
    return Row(name=ProcessName(pid=pid, start=start), parent=parent, session=session, mark=mark)


def pids(rows: list[Row], *, mark: str = OURS, spared: tuple[int, ...] = ()) -> set[int]:
    return {one.pid for one in family(rows, mark=mark, leaders=[LEADER], spared=spared)}


def test_the_session_of_a_living_leader_is_ours_whatever_its_members_call_themselves() -> None:
    table = [row(100, session=100), row(101, parent=1, session=100), row(7)]

    assert pids(table) == {100, 101}


def test_a_session_outlives_its_leader_while_a_member_carries_the_mark() -> None:
    table = [row(101, session=100, mark=OURS), row(102, session=100), row(7)]

    assert pids(table) == {101, 102}


def test_a_session_whose_number_was_given_to_somebody_else_is_not_ours() -> None:
    reused = [row(100, start=900, session=100), row(101, session=100)]
    abandoned = [row(101, session=100)]

    assert pids(reused) == set()
    assert pids(abandoned) == set()


def test_descendants_are_ours_in_any_session() -> None:
    table = [row(100, session=100), row(8, parent=100, session=8), row(9, parent=8, session=9)]

    assert pids(table) == {100, 8, 9}


def test_the_mark_is_enough_and_another_deployment_has_another_one() -> None:
    table = [
        row(8, mark=OURS),
        row(9, mark=mark_of(Path("/run/one1"), "ray")),
        row(10, mark=mark_of(RUN, "ray2")),
    ]

    assert pids(table) == {8}
    assert pids(table, mark=mark_of(RUN)) == {8, 10}


def test_spared_processes_are_never_named() -> None:
    table = [row(100, session=100), row(8, parent=100)]

    assert pids(table, spared=(8,)) == {100}


def test_the_table_holds_this_process() -> None:
    assert current() in {entry.name for entry in process_table()}
