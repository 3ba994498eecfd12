"""Faults that are drawn really happen: one that never strikes proves nothing."""

import random
from dataclasses import fields

import pytest

from opensqt.simulation.disasters import plan_of
from opensqt.simulation.faults import Faults
from opensqt.simulation.world import run_seed

pytestmark = pytest.mark.sim
SEEDS = 4


@pytest.mark.parametrize(
    ("strike", "faults"),
    [
        ("stale", Faults(stale_ms_max=4_900, drop_event=0.5, manager_crashes=2)),
        ("forgotten", Faults(forget_ms=1, drop_reply=0.3, drop_event=0.5)),
        ("partial list", Faults(partial_list=0.4)),
        ("late reject", Faults(late_reject=0.3)),
        ("denial", Faults(denial=0.2)),
        ("mass cancel", Faults(mass_cancels=2)),
        ("disaster cluster", Faults(cluster_kills=1)),
        ("forced", Faults(forced=1)),
        ("disaster pause connector", Faults(connector_pauses=1)),
        ("disaster clock", Faults(clock_jumps=1, drop_reply=0.2)),
    ],
)
def test_a_fault_strikes_and_alone_it_does_no_harm(strike: str, faults: Faults) -> None:
    results = [run_seed(seed, faults=faults) for seed in range(SEEDS)]

    assert [(one.seed, one.violation) for one in results if one.violation] == []
    assert sum(one.strikes.get(strike, 0) for one in results) >= SEEDS - 1


def test_every_process_dies_with_the_cluster() -> None:
    result = run_seed(0, faults=Faults(cluster_kills=1))

    assert result.crashes >= result.units + len(("exchange", "connector", "orchestrator"))


def test_every_fault_is_drawn_sooner_or_later() -> None:
    drawn = [Faults.draw(random.Random(seed)) for seed in range(300)]
    none = Faults()
    never = [
        knob.name
        for knob in fields(Faults)
        if all(getattr(one, knob.name) == getattr(none, knob.name) for one in drawn)
    ]

    assert never == []
    assert any(len(plan_of(one)) > len(fields(Faults)) // 3 for one in drawn)


def test_an_exchange_process_starts_although_who_asked_for_it_has_died() -> None:
    faults = Faults(
        safety_ms=20_000,
        stream_cuts=1,
        manager_crashes=1,
        link_cuts=2,
        orchestrator_crashes=1,
        operations=6,
        spawn_failure=0.05,
        cluster_kills=1,
        manager_pauses=1,
        exchange_pauses=2,
        workflow_failure=0.02,
    )

    assert run_seed(1412, faults=faults).violation == ""
