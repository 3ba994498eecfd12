"""What every actor is called, and the options all of them share."""

from collections.abc import Mapping
from typing import Any, Final

import ray

NAMESPACE: Final = "opensqt"
ORCHESTRATOR: Final = "orchestrator"
WATCH: Final = "watch"
"""Concurrency group with a loop of its own: what is asked there never waits for the work."""
WATCH_CALLS_MAX: Final = 8
CALLS_MAX: Final = 64

# Detached: a job that ends takes nothing with it. Restarts without end, because the registry and
# not Ray decides what shall run; retries never, because a call that failed may have happened.
OPTIONS: Final[Mapping[str, Any]] = {
    "namespace": NAMESPACE,
    "lifetime": "detached",
    "get_if_exists": True,
    "num_cpus": 0,
    "max_restarts": -1,
    "max_task_retries": 0,
    "max_concurrency": CALLS_MAX,
}


def exchange_name(account: str) -> str:
    """Return the name of an account's exchange actor."""
    return f"exchange-{account}"


def remote(kind: type, name: str) -> Any:
    """Return what creates the actor of this name, or finds the one that is there."""
    decorator: Any = ray.remote  # its annotations know neither groups nor all options
    return decorator(concurrency_groups={WATCH: WATCH_CALLS_MAX})(kind).options(
        name=name, **OPTIONS
    )
