"""The protocol, proven on seeded worlds: fresh seeds are clean, planted bugs are found.

Read the story of one seed with ``run_seed(7, keep_trace=True).trace``. ``killing_seeds.json`` is
what ``opensqt certify --mutant all --json`` printed; print it anew when worlds change.
"""

import json
from pathlib import Path

import pytest

from opensqt.simulation.certify import judge
from opensqt.simulation.mutants import MUTANTS, Mutant
from opensqt.simulation.world import run_seed

SEEDS = 200
CHUNK = 25
ONCE_ALARMED = (400, 506, 534, 561, 1412, 3743, 3943, 4523, 4749, 6362, 6529, 7412, 7522)
KILLERS = {
    row["name"]: row["seed"]
    for row in json.loads((Path(__file__).parent / "killing_seeds.json").read_text())["mutants"]
}

pytestmark = pytest.mark.sim


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_violates_an_invariant(first: int) -> None:
    results = [run_seed(seed) for seed in range(first, first + CHUNK)]

    assert [(r.seed, r.violation) for r in results if r.violation] == []
    assert sum(r.orders for r in results) >= 20 * CHUNK
    assert sum(r.crashes for r in results) >= 3 * CHUNK


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_bug_is_found(mutant: Mutant) -> None:
    verdict = judge(mutant.name, (KILLERS[mutant.name],))

    assert verdict.seed is not None, f"{mutant.meaning}: the stored seed misses it, print them anew"


@pytest.mark.parametrize("seed", ONCE_ALARMED)
def test_a_world_that_once_alarmed_is_quiet(seed: int) -> None:
    assert run_seed(seed).violation == ""


def test_every_planted_bug_has_a_stored_seed() -> None:
    assert sorted(KILLERS) == sorted(one.name for one in MUTANTS)


def test_a_seed_tells_the_same_story_twice() -> None:
    first, second = run_seed(3, keep_trace=True), run_seed(3, keep_trace=True)

    assert first.trace == second.trace
    assert len(first.trace) > 20
