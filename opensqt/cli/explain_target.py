"""Why each level of a symbol has no order: asked from its process, or read from its journal."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from opensqt.cli.control import ask
from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.printing import table
from opensqt.core import codec
from opensqt.core.facts import OrderIntended
from opensqt.core.grid.explain import LevelReason, Obstacle
from opensqt.core.ids import UnitId
from opensqt.core.registry import UnitPhase
from opensqt.core.symbol import SymbolState
from opensqt.core.targets import TargetError, parse_target, resolve
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.unit_explanation import explained_state, unexplained
from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.storage.database import DatabaseError
from opensqt.storage.location import Location
from opensqt.storage.reading import open_journals, read_registry
from opensqt.system.clock import SystemClock
from opensqt.system.locks import lock_holder
from opensqt.system.rundir import RunDir

_COLUMNS = ("level", "price", "role", "inventory", "reason", "client_order_id", "detail")


def explain_target(target: str, run: RunDir | None, location: Location) -> Answer:
    """Return the answer of the deployment, or of the journal when it is down, saying which.

    Raise ``CommandError`` for a target that is malformed, ambiguous or not registered.
    """
    try:
        parse_target(target)
    except TargetError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    try:
        answer = ask(run, lambda control: control.explain(target))
    except ControlError as error:
        if error.code is ControlCode.NOT_READY:
            return {**_from_journal(target, location, _obstacle(run)), "source": "journal"}
        if error.code in {ControlCode.NOT_FOUND, ControlCode.INVALID}:
            raise CommandError(Exit.USAGE, error.message) from error
        raise
    return {**answer, "source": "process"}


def target_lines(answer: Mapping[str, object]) -> list[str]:
    """Return the lines for people."""
    levels = answer.get("levels")
    rows = [one for one in levels if isinstance(one, Mapping)] if isinstance(levels, list) else []
    where = "" if answer.get("source") == "process" else "; from the journal"
    price = "no price" if answer.get("price") is None else f"last price {answer['price']}"
    lines = [f"{answer.get('target')} {answer.get('state')}, {price}{where}"]
    if answer.get("reason"):
        detail = answer.get("detail")
        lines.append(f"all levels: {answer['reason']}{': ' * bool(detail)}{detail or ''}")
    if rows:
        head = [name.replace("_", " ") for name in _COLUMNS]
        lines += ["", *table([head, *map(_cells, rows)])]
    else:
        lines.append("no level is known")
    return lines


def _cells(level: Mapping[str, object]) -> list[str]:
    cells = {name: "-" if level.get(name) in {None, ""} else str(level[name]) for name in _COLUMNS}
    until_ms = level.get("until_ms")
    if isinstance(until_ms, int):
        at = datetime.fromtimestamp(until_ms / 1_000, tz=UTC)
        cells["detail"] = f"until {at:%H:%M:%S}Z"
    return [*cells.values()]


def _obstacle(run: RunDir | None) -> Obstacle:
    """Return why nobody could be asked: units trade on without an orchestrator."""
    links = [] if run is None else [*run.path.glob("link-*.lock")]
    if any(lock_holder(path) is not None for path in links):
        detail = "the orchestrator does not answer; the unit may trade on"
        return Obstacle(reason=LevelReason.STARTING, detail=detail)
    return Obstacle(reason=LevelReason.DOWN, detail="the deployment is down")


def _from_journal(target: str, location: Location, obstacle: Obstacle) -> Answer:
    try:
        deployment, rows = read_registry(location)
        unit = _meant(target, [row.unit for row in rows if not row.is_removed])
        config = next(row.config_text for row in rows if row.unit == unit)
        problems: list[str] = []
        with open_journals(location, refused=problems.append) as journals:
            found = [one for one in journals if one.unit == unit]
            if not found:
                _refuse_damaged(unit, problems)
                empty = unexplained(obstacle.reason, "it has no journal yet")
                return _named(unit, empty, obstacle)
            state = found[0].state(deployment)
            newest = found[0].newest(OrderIntended)
    except DatabaseError as error:
        message = f"nothing runs, and nothing can be read: {error}"
        raise CommandError(Exit.NOT_READY, message) from error
    if isinstance(newest, OrderIntended):
        # The newest price of the journal: where the window was when an order was last decided.
        state = replace(state, price=newest.seen)
    answer = _explained(state, codec.decode(config, UnitConfig), obstacle)
    return _named(unit, answer, obstacle)


def _refuse_damaged(unit: UnitId, problems: Iterable[str]) -> None:
    """Raise ``DatabaseError`` when the unit has a journal that cannot be read."""
    for problem in problems:
        if unit.path in problem:
            raise DatabaseError(problem)


def _explained(state: SymbolState, config: UnitConfig, obstacle: Obstacle) -> Answer:
    return explained_state(state, config, now_ms=SystemClock().now_ms(), obstacle=obstacle)


def _named(unit: UnitId, answer: Answer, obstacle: Obstacle) -> Answer:
    is_down = obstacle.reason is LevelReason.DOWN
    phase = UnitPhase.STOPPED if is_down else UnitPhase.STARTING
    return {"target": unit.text, "state": str(phase), **answer}


def _meant(target: str, units: Iterable[UnitId]) -> UnitId:
    try:
        return resolve(target, units)
    except TargetError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
