"""How an actor's process ends by its own will."""

import os
import sys

import ray

from opensqt.system import log


def leave_for_good(reason: str) -> None:
    """End this actor without a restart: a newer process owns its work, or there is none."""
    log.get("actors").warning("actor.leaves", reason=reason)
    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def restart(reason: str) -> None:
    """End this process; Ray starts the actor anew."""
    log.get("actors").error("actor.restarts", reason=reason)
    sys.stderr.flush()
    os._exit(1)
