"""The status of a deployment as its supervisor and its orchestrator tell it together."""

from collections.abc import Mapping

from opensqt.cli.children import ACTORS
from opensqt.cli.control import ask
from opensqt.cli.supervision import ChildState, Kind
from opensqt.cli.supervisor import read_children
from opensqt.core.registry import UnitPhase
from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.system.rundir import RunDir

ENDPOINTS = ("ray_dashboard", "control", "paper_control", "metrics", "live")


def status(run: RunDir, targets: tuple[str, ...] = ()) -> Answer:
    """Return what ``status --json`` prints; raise ``ControlError`` without an orchestrator."""
    children = read_children(run)
    try:
        answer = ask(run, lambda control: control.status(targets))
    except ControlError as error:
        if error.code is not ControlCode.NOT_READY or not children:
            raise
        kinds = dict.fromkeys(children, Kind.SERVICE) | {ACTORS: Kind.TASK}
        message = f"not ready: {children_line(children, kinds)}"
        raise ControlError(ControlCode.NOT_READY, message) from error
    return with_children(answer, children, run.endpoints())


def with_children(
    answer: Answer, children: Mapping[str, ChildState], announced: Mapping[str, str]
) -> Answer:
    """Return the orchestrator's answer with the supervised processes and their addresses added."""
    told = answer.get("processes")
    processes = [*told] if isinstance(told, list) else []
    pids = {entry.get("pid") for entry in processes if isinstance(entry, dict)}
    processes += [
        {"name": name, "pid": state.pid, "restarts": state.restarts}
        for name, state in children.items()
        if state.pid and state.pid not in pids
    ]
    kill = answer.get("kill")
    if isinstance(kill, dict):
        answer = answer | {"kill": {key: value for key, value in kill.items() if value is not None}}
    known = answer.get("endpoints")
    endpoints = {**known} if isinstance(known, dict) else {}
    merged = {name: endpoints.get(name) or announced.get(name) or None for name in ENDPOINTS}
    return answer | {"processes": processes, "endpoints": merged}


def children_line(children: Mapping[str, ChildState], kinds: Mapping[str, Kind]) -> str:
    """Return where the start stands: ``paper-venue ready, ray starting``."""
    return ", ".join(
        f"{name} {_word(children.get(name, ChildState()), kind)}" for name, kind in kinds.items()
    )


def symbols_line(run: RunDir) -> tuple[str, bool]:
    """Return how many symbols have settled in what state, and whether all have."""
    try:
        entries = status(run)["symbols"]
    except ControlError as error:
        return error.message, False
    listed = entries if isinstance(entries, list) else []
    symbols = [entry for entry in listed if isinstance(entry, dict)]
    states = [str(entry.get("state")) for entry in symbols]
    settled = sum(state not in {"starting", "recovering"} for state in states)
    words = ", ".join(f"{entry.get('symbol')} {entry.get('state')}" for entry in symbols)
    return words or "no symbols", settled == len(states)


def quarantined(run: RunDir) -> list[str]:
    """Return a line for each symbol that does not trade before a human has decided."""
    try:
        entries = status(run)["symbols"]
    except ControlError:
        return []
    return [
        f"{one.get('account')}/{one.get('symbol')} is quarantined: "
        f"{str(one.get('idle_reason') or 'no reason').removeprefix('quarantined: ')}"
        for one in (entries if isinstance(entries, list) else [])
        if isinstance(one, dict) and one.get("state") == UnitPhase.QUARANTINED
    ]


def _word(state: ChildState, kind: Kind) -> str:
    if kind is Kind.TASK:
        return "done" if state.is_done else "running" if state.pid else "waiting"
    if not state.pid:
        return "restarting" if state.restarts else "waiting"
    return "ready" if state.is_ready else "starting"
