"""Asking the orchestrator's actor from a script's process."""

from collections.abc import Mapping
from typing import Any, Final

import ray
from ray.exceptions import RayError

from actors.launcher import LaunchError, find_orchestrator

ANSWER_S: Final = 120.0
_METHODS: Final[Mapping[str, str]] = {
    "add": "add_symbol",
    "remove": "remove_symbol",
    "pause": "pause",
    "resume": "resume",
    "status": "status",
    "list": "list_symbols",
    "explain": "explain",
    "adopt": "adopt",
    "shutdown": "shutdown",
}


def ask(action: str, arguments: tuple[Any, ...], **named: Any) -> dict[str, Any]:
    """Return the orchestrator's answer; raise ``LaunchError`` when there is none."""
    method = getattr(find_orchestrator(), _METHODS[action])
    try:
        answer = ray.get(method.remote(*arguments, **named), timeout=ANSWER_S)
    except RayError as error:
        raise LaunchError(f"{type(error).__name__}: {error}") from error
    assert isinstance(answer, dict)
    return answer
