"""The answer of ``status``: registry rows and process snapshots put side by side.

The keys are a stable interface (``status --json``). Decimals are strings; what is not known, or not
served by this deployment, is null.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from opensqt.core.ids import AccountName, UnitId, split_symbol
from opensqt.core.registry import KillRow, UnitPhase, UnitRecord
from opensqt.engine.unit_tender import Snapshot, UnitView, phase_of

ENDPOINTS: Final = ("ray_dashboard", "control", "paper_control", "metrics", "live")
# Private memory of one process of each kind after an hour, measured at 60-65 MB for the actors and
# 55-95 MB for paper venue and connector; the plan is what the machine must offer beside Ray itself.
ACTOR_MB: Final = 70
CHILD_MB: Final = 100
_DOWN: Final = {"state": str(UnitPhase.STOPPED), "idle_reason": "the deployment is down"}
_FROM_SNAPSHOT: Final = (
    "position",
    "open_orders",
    "fills",
    "realized_pnl",
    "unrealized_pnl",
    "fees",
    "price",
    "price_age_ms",
    "pid",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the orchestrator's own process knows: where things are, and who else runs."""

    pid: int
    memory_mb: int | None = None
    restarts: int = 0
    endpoints: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Mapping[str, object], ...] = ()
    """``{"name", "pid", "restarts"}`` of processes that are not actors and that we look after."""
    others_mb: tuple[int, ...] = ()
    """Private memory of each process of the deployment on this machine that is not an actor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything a status answer is made of."""

    mode: str
    timezone: str
    kill: KillRow
    units: tuple[tuple[UnitRecord, UnitView], ...]
    exchanges: tuple[tuple[AccountName, Snapshot | None], ...]
    here: Surroundings
    problems: Mapping[UnitId, str] = field(default_factory=dict)
    """Why what is done to a unit is not recorded."""
    is_down: bool = False
    """Whether trading was ended until the next launch."""


def status_report(deployment: Deployment) -> dict[str, object]:
    """Return the whole answer."""
    return {
        "mode": deployment.mode,
        "timezone": deployment.timezone,
        "kill": _kill(deployment.kill),
        "memory": _memory(deployment),
        "symbols": [
            symbol_entry(row, view, problem=deployment.problems.get(row.unit, ""))
            | (_DOWN if deployment.is_down else {})
            for row, view in deployment.units
        ],
        "processes": _processes(deployment),
        "endpoints": {name: deployment.here.endpoints.get(name) for name in ENDPOINTS},
    }


def observed_phase(row: UnitRecord, view: UnitView) -> UnitPhase:
    """Return what the unit is doing, as far as is known."""
    if row.is_removed:
        return UnitPhase.STOPPED
    if row.quarantine:
        return UnitPhase.QUARANTINED
    phase = phase_of(view.snapshot) if view.answers else None
    return phase or UnitPhase.STARTING


def symbol_entry(row: UnitRecord, view: UnitView, *, problem: str = "") -> dict[str, object]:
    """Return the entry of one unit; ``problem`` is told where nothing else is."""
    _, market = split_symbol(row.unit.symbol)
    snapshot = view.snapshot or {}
    entry: dict[str, object] = {
        "account": row.unit.account,
        "symbol": row.unit.symbol,
        "market": market,
        "strategy": row.unit.instance,
        "state": str(observed_phase(row, view)),
        "idle_reason": _idle_reason(row, view) or problem or None,
    }
    entry |= {key: snapshot.get(key) for key in _FROM_SNAPSHOT}
    if not view.answers:
        entry |= {"pid": None, "price_age_ms": None}
    if row.quarantine:
        entry["open_orders"] = None if view.orders_left is None else len(view.orders_left)
    return entry | {"restarts": snapshot.get("restarts", 0), "capital": snapshot.get("capital")}


def _idle_reason(row: UnitRecord, view: UnitView) -> object:
    if row.quarantine:
        return row.quarantine
    if not view.answers:
        return "the process does not answer" if view.has_process else "waits for its process"
    return (view.snapshot or {}).get("idle_reason") or None


def _kill(row: KillRow) -> dict[str, object]:
    if not row.is_engaged:
        return {"state": "released"}
    return {
        "state": "engaged",
        "epoch": row.epoch,
        "operator": row.operator,
        "reason": row.reason,
        "at_ms": row.at_ms,
    }


def _memory(deployment: Deployment) -> dict[str, object]:
    here = deployment.here
    actors = 1 + len(deployment.units) + len(deployment.exchanges)
    plan = ACTOR_MB * actors + CHILD_MB * len(here.others_mb)
    snapshots = [view.snapshot for _, view in deployment.units if view.answers]
    snapshots += [snapshot for _, snapshot in deployment.exchanges]
    used = [here.memory_mb, *here.others_mb, *map(_memory_of, snapshots)]
    known = [value for value in used if value is not None]
    return {"plan_mb": plan, "used_mb": sum(known) if known else None}


def _memory_of(snapshot: Snapshot | None) -> int | None:
    value = None if snapshot is None else snapshot.get("memory_mb")
    return value if isinstance(value, int) else None


def _processes(deployment: Deployment) -> list[dict[str, object]]:
    here = deployment.here
    found: list[dict[str, object]] = [
        {"name": "orchestrator", "pid": here.pid, "restarts": here.restarts}
    ]
    found += [
        _process(f"exchange-{account}", snapshot) for account, snapshot in deployment.exchanges
    ]
    found += [
        _process(row.unit.path, view.snapshot, answers=view.answers)
        for row, view in deployment.units
    ]
    return found + [dict(child) for child in here.children]


def _process(name: str, snapshot: Snapshot | None, *, answers: bool = True) -> dict[str, object]:
    answer = snapshot or {}
    pid = answer.get("pid") if answers else None
    return {"name": name, "pid": pid, "restarts": answer.get("restarts", 0)}


def accounts_of(rows: Iterable[UnitRecord]) -> tuple[AccountName, ...]:
    """Return the accounts that need an exchange process, sorted."""
    return tuple(sorted({row.unit.account for row in rows if not row.is_removed}))
