"""`opensqt certify`: the proof of the order protocol, run by whoever wants to see it."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from opensqt.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from opensqt.simulation.certify import Failure
    from opensqt.simulation.mutants import Mutant

STORIES_MAX: Final = 3
"""Failing worlds whose whole story is printed; the others are one command away."""


def certify(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="How many worlds to simulate.")] = 2_000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Tell the story of one world.")] = None,
    mutant: Annotated[
        str | None, typer.Option(help="Plant a named bug, or all, and see it found.")
    ] = None,
    only: Annotated[
        str, typer.Option(help="With --seed: only these faults.", metavar="NAME=VALUE,...")
    ] = "",
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 = one per core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove on simulated worlds: no order twice, no fill lost, nothing left after a stop."""
    jobs = jobs or os.cpu_count() or 1
    if seed is not None:
        _tell(seed, mutant, only=only, as_json=as_json)
    elif only:
        raise CommandError(Exit.USAGE, "--only: needs --seed, the world it is about")
    elif mutant is not None:
        _judge(mutant, seeds_max=seeds, jobs=jobs, as_json=as_json)
    else:
        _prove(range(first, first + seeds), jobs=jobs, as_json=as_json)


def _tell(seed: int, name: str | None, *, only: str, as_json: bool) -> None:
    from contextlib import nullcontext

    from opensqt.simulation.faults import Faults, FaultsError
    from opensqt.simulation.world import run_seed

    try:
        faults = Faults.parse(only) if only else None
    except FaultsError as error:
        raise CommandError(Exit.USAGE, f"--only: {error}") from error
    with _mutant(name).planted() if name else nullcontext():
        result = run_seed(seed, faults=faults, keep_trace=True)
    if as_json:
        typer.echo(json.dumps({"seed": seed, "violation": result.violation}))
    else:
        typer.echo("\n".join(result.trace))
        typer.echo(result.violation or "no invariant was violated")
    if result.violation:
        raise typer.Exit(Exit.UNEXPECTED)


def _prove(seeds: range, *, jobs: int, as_json: bool) -> None:
    from rich.progress import Progress

    from opensqt.bootstrap.runtime import build_text
    from opensqt.simulation.certify import Tally, run_seeds, shrunk
    from opensqt.system.clock import SystemClock
    from opensqt.system.process import cpu_seconds

    clock = SystemClock()
    began_ms, began_cpu_s = clock.monotonic_ms(), cpu_seconds()
    total = Tally()
    failing: list[Failure] = []
    with Progress(transient=True, disable=as_json) as progress:
        bar = progress.add_task("worlds", total=len(seeds))
        for result in run_seeds(seeds, jobs=jobs):
            total.add(result)
            if result.violation:
                failing.append(shrunk(result.seed))
            progress.advance(bar)
    report = {
        "seeds": total.seeds,
        "violations": len(failing),
        "crashes": total.crashes,
        "orders": total.orders,
        "fills": total.fills,
        "seconds": (clock.monotonic_ms() - began_ms) / 1_000,
        "cpu_seconds": round(cpu_seconds() - began_cpu_s, 1),
        "orders_mean": round(total.orders / total.seeds, 1),
        "crashes_mean": round(total.crashes / total.seeds, 1),
        "several_symbols": round(total.several_symbols / total.seeds, 2),
        "build": build_text(),
        "failing": [_failing(one) for one in failing],
    }
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        for number, one in enumerate(failing):
            _show(one, with_story=number < STORIES_MAX)
        typer.echo(
            f"{total.seeds} worlds, {total.several_symbols} with several symbols:"
            f" {total.orders} orders ({report['orders_mean']} each), {total.fills} fills,"
            f" {total.crashes} crashes ({report['crashes_mean']} each), {len(failing)} violations"
            f" in {report['seconds']} s, {report['cpu_seconds']} s of CPU, {report['build']}"
        )
    if failing:
        raise typer.Exit(Exit.UNEXPECTED)


def _failing(failure: "Failure") -> dict[str, object]:
    return {
        "seed": failure.seed,
        "violation": failure.violation,
        "schedule": failure.schedule,
        "replay": _replay(failure),
        "trace": list(failure.trace),
    }


def _show(failure: "Failure", *, with_story: bool) -> None:
    if with_story:
        typer.echo("\n".join(failure.trace))
    typer.echo(f"seed {failure.seed}: {failure.violation}")
    typer.echo(f"  still fails with only: {_schedule(failure) or 'no fault at all'}")
    typer.echo(f"  replay: {_replay(failure)}")


def _replay(failure: "Failure") -> str:
    from opensqt.simulation.faults import NOTHING

    return f"opensqt certify --seed {failure.seed} --only {_schedule(failure) or NOTHING}"


def _schedule(failure: "Failure") -> str:
    return ",".join(f"{name}={value}" for name, value in failure.schedule.items())


def _judge(name: str, *, seeds_max: int, jobs: int, as_json: bool) -> None:
    from opensqt.simulation.certify import MutantVerdict, judge_all
    from opensqt.simulation.mutants import MUTANTS

    names = [one.name for one in MUTANTS] if name == "all" else [_mutant(name).name]

    def told(verdict: MutantVerdict) -> None:
        if not as_json:
            found = "NOT FOUND" if verdict.seed is None else f"{verdict.seed}: {verdict.violation}"
            typer.echo(f"{verdict.name:<28} {found}")

    verdicts = judge_all(names, seeds_max=seeds_max, jobs=jobs, told=told)
    if as_json:
        rows = [
            {"name": one.name, "caught": one.seed is not None, "seed": one.seed} for one in verdicts
        ]
        typer.echo(json.dumps({"mutants": rows}, indent=2))
    if any(one.seed is None for one in verdicts):
        raise typer.Exit(Exit.UNEXPECTED)


def _mutant(name: str) -> "Mutant":
    from opensqt.simulation.mutants import MUTANTS, mutant

    try:
        return mutant(name)
    except KeyError:
        known = ", ".join(one.name for one in MUTANTS)
        raise CommandError(
            Exit.USAGE, f"--mutant: got {name!r}, expected all or one of {known}"
        ) from None
