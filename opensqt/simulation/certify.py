"""Running many seeds and judging the judge: fresh seeds must be clean, planted bugs must be found.

A failing seed is made smaller before it is shown: faults are taken away one by one as long as the
violation stays, so that what is left is what it needs.
"""

import gc
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Final

from opensqt.simulation.faults import Faults
from opensqt.simulation.mutants import Mutant, mutant
from opensqt.simulation.world import SeedResult, run_seed

_CHUNK: Final = 20
SHRINKING_PASSES: Final = 2
"""What one fault hides, the next pass may take away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A seed that violates an invariant, with the smallest world found that still does."""

    seed: int
    violation: str
    faults: Faults
    trace: Sequence[str]

    @property
    def schedule(self) -> dict[str, float]:
        """Return the faults the violation needs, by name."""
        none = Faults()
        names = (knob.name for knob in fields(Faults))
        return {
            name: getattr(self.faults, name)
            for name in names
            if getattr(self.faults, name) != getattr(none, name)
        }


@dataclass(slots=True, kw_only=True)
class Tally:
    """What many seeds did together."""

    seeds: int = 0
    several_symbols: int = 0
    crashes: int = 0
    orders: int = 0
    fills: int = 0

    def add(self, result: SeedResult) -> None:
        """Count one more seed."""
        self.seeds += 1
        self.several_symbols += result.units > 1
        self.crashes += result.crashes
        self.orders += result.orders
        self.fills += result.fills


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantVerdict:
    """Whether a planted bug was found, and by which seed first."""

    name: str
    meaning: str
    seed: int | None
    violation: str


def run_seeds(seeds: Iterable[int], *, jobs: int) -> Iterator[SeedResult]:
    """Yield the results of all seeds, in order, from ``jobs`` processes (0 = this one)."""
    if jobs <= 0:
        yield from map(run_seed, seeds)
        return
    waiting = iter(seeds)
    chunks = iter(lambda: tuple(islice(waiting, _CHUNK)), ())
    with ProcessPoolExecutor(max_workers=jobs, initializer=gc.freeze) as pool:
        for results in pool.map(_run_chunk, chunks):
            yield from results


def _run_chunk(seeds: Sequence[int]) -> list[SeedResult]:
    """Run some worlds, and look for garbage when they have ended: most of it is worlds."""
    gc.disable()
    results = [run_seed(seed) for seed in seeds]
    gc.collect()
    return results


def _spare_collector() -> None:
    """Look for garbage rarely: a world is one heap of it, and ends soon."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def shrunk(seed: int) -> Failure:
    """Return the failing seed with as few faults as it needs."""
    faults = drawn_faults(seed)
    result = run_seed(seed)
    gone = Faults()
    for _ in range(SHRINKING_PASSES):
        before = faults
        for knob in fields(Faults):
            if getattr(faults, knob.name) == getattr(gone, knob.name):
                continue
            fewer = replace(faults, **{knob.name: getattr(gone, knob.name)})
            smaller = run_seed(seed, faults=fewer)
            if smaller.violation:
                faults, result = fewer, smaller
        if faults == before:
            break
    told = run_seed(seed, faults=faults, keep_trace=True)
    return Failure(seed=seed, violation=result.violation, faults=faults, trace=told.trace)


def drawn_faults(seed: int) -> Faults:
    """Return the faults that ``seed`` draws."""
    return Faults.draw(random.Random(seed))


def judge(name: str, seeds: Iterable[int]) -> MutantVerdict:
    """Run a planted bug until a seed finds it at what it is named for.

    A world may break at something else first, which the bug only led to: the search goes on.
    """
    one: Mutant = mutant(name)
    with one.planted():
        for seed in seeds:
            violation = run_seed(seed).violation
            if one.did(violation):
                return MutantVerdict(name=name, meaning=one.meaning, seed=seed, violation=violation)
    return MutantVerdict(name=name, meaning=one.meaning, seed=None, violation="")


def judge_all(
    names: Sequence[str], *, seeds_max: int, jobs: int, told: Callable[[MutantVerdict], None]
) -> list[MutantVerdict]:
    """Judge every planted bug, each in a process of its own; ``told`` hears each verdict."""
    with ProcessPoolExecutor(max_workers=max(jobs, 1), initializer=_spare_collector) as pool:
        futures = [pool.submit(judge, name, range(seeds_max)) for name in names]
        verdicts = []
        for future in futures:
            verdicts.append(future.result())
            told(verdicts[-1])
    return verdicts
