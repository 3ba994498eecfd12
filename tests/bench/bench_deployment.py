"""A whole deployment: how fast it starts, what a symbol costs, how soon it trades after a kill."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opensqt.system import process
from tests.bench.measure import CpuSampler, Deployment, Recovery, now_ms, p95
from tests.bench.plan import Plan
from tests.bench.row import Row

_MEBIBYTE = 1 << 20
_SETTLE_S = 3.0
_IDLE_S = 20.0
_SUPERVISION_STEADY_S = 11.0
"""A connector that ran this long had no failure in a row before: one kill is one kill."""
_BUDGETS_S = {"symbol": 6, "exchange": 8, "connector": 8, "orchestrator": 15}


def run(plan: Plan) -> list[Row]:
    """Start one deployment, weigh it, kill its processes one after another, take it down."""
    with (
        tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder,
        deployed(Path(folder) / "data") as (deployment, start),
    ):
        cost = [*weighed(deployment, after_s=plan.memory_after_s), *idle(deployment)]
        return [*start, *cost, *recovered(deployment, kills=plan.kills)]


@contextmanager
def deployed(data_dir: Path) -> Iterator[tuple[Deployment, list[Row]]]:
    """Yield a deployment that quotes, and what its start took."""
    deployment = Deployment(data_dir)
    try:
        with CpuSampler(data_dir) as sampler:
            took = deployment.up()
            rows = started(deployment, sampler)
        yield deployment, [Row(name="start.up_cold", value=took, unit="s"), *rows]
    finally:
        deployment.down()


def started(deployment: Deployment, sampler: CpuSampler) -> list[Row]:
    """Return what the start took, from the venue's ledger."""
    symbols, firsts = deployment.symbols(), deployment.first_orders()
    own = (max(firsts[symbol] for symbol in symbols) - deployment.ray_started_ms()) / 1_000
    cpu = [sampler.cpu_s(deployment.pid(symbol), firsts[symbol]) for symbol in symbols]
    return [
        Row(name="start.own", value=own, unit="s", budget=30),
        Row(name="symbol.start_cpu", value=max(cpu), unit="CPU-s", budget=3.6),
    ]


def weighed(deployment: Deployment, *, after_s: float) -> list[Row]:
    """Return the private memory of the heaviest symbol process some time after its first quote."""
    due = max(deployment.first_orders().values()) / 1_000 + after_s
    time.sleep(max(0.0, due - now_ms() / 1_000))
    sizes = [process.private_bytes(deployment.pid(one)) or 0 for one in deployment.symbols()]
    size = max(sizes) / _MEBIBYTE
    return [Row(name="symbol.private", value=size, unit="MB", budget=130)]


def idle(deployment: Deployment) -> list[Row]:
    """Return the share of a core the busiest symbol process uses while the market stands still."""
    symbols = deployment.symbols()
    for symbol in symbols:
        deployment.script(symbol, pause="until the end of the bench")
    time.sleep(_SETTLE_S)
    pids = [deployment.pid(one) for one in symbols]
    before, begun = [process.cpu_ms(pid) or 0 for pid in pids], time.monotonic()
    time.sleep(_IDLE_S)
    wall_ms = (time.monotonic() - begun) * 1_000
    used = max((process.cpu_ms(pid) or 0) - one for pid, one in zip(pids, before, strict=True))
    return [Row(name="symbol.idle", value=100 * used / wall_ms, unit="%", budget=3)]


def recovered(deployment: Deployment, *, kills: int) -> list[Row]:
    """Return how soon new orders are accepted after each kind of process was killed."""
    symbols = deployment.symbols()
    found: dict[str, list[Recovery]] = {kind: [] for kind in _BUDGETS_S}
    with deployment.crossing(symbols):
        for number in range(kills):
            begun = time.monotonic()
            for kind, recoveries in found.items():
                deployment.settle(symbols)
                recoveries.append(_kill(deployment, kind, symbols, number))
                last = recoveries[-1]
                print(
                    f"  {last.name} back after {last.millis / 1_000:.1f} s,"
                    f" load {os.getloadavg()[0]:.1f}",
                    file=sys.stderr,
                    flush=True,
                )
            if number + 1 < kills:
                time.sleep(max(0.0, begun + _SUPERVISION_STEADY_S - time.monotonic()))
    rows = [
        Row(
            name=f"recovery.{kind}_p95_of_{kills}",
            value=p95([one.millis / 1_000 for one in recoveries]),
            unit="s",
            budget=_BUDGETS_S[kind],
        )
        for kind, recoveries in found.items()
    ]
    gap = max(one.gap_ms for one in found["orchestrator"]) / 1_000
    return [*rows, Row(name="recovery.orchestrator_others_pause", value=gap, unit="s", budget=2)]


def _kill(deployment: Deployment, kind: str, symbols: list[str], number: int) -> Recovery:
    first, *others = symbols[number % len(symbols) :] + symbols[: number % len(symbols)]
    match kind:
        case "symbol":
            return deployment.kill(first, affected=[first])
        case "orchestrator":
            return deployment.kill_orchestrator(changed=first, others=others)
        case _:
            return deployment.kill(f"{kind}-paper", affected=symbols)
