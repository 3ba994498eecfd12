"""Bringing a deployment up on a Ray cluster: idempotent, and the only way.

Whatever runs already is left alone when it was launched from the same configuration; a changed
configuration replaces the orchestrator's actor only. Symbols and exchange never stop for it.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import RayError

from actors.names import NAMESPACE, ORCHESTRATOR, remote
from actors.orchestrator import Orchestrator
from opensqt.bootstrap.runtime import CONTROL_ENDPOINT, Runtime, build_text, incarnation_of
from opensqt.bootstrap.standalone import is_supervised
from opensqt.config.deployment import Deployment
from opensqt.system.clock import SystemClock

UP_MS: Final = 120_000
NAME_FREE_MS: Final = 10_000
"""The name of an actor that was just killed is free only after a moment."""
ANSWER_S: Final = 10.0
PRESENT_S: Final = 30.0
"""An orchestrator that is just starting on a busy machine is not one that hangs."""
LOOK_MS: Final = 100
_PACKAGES: Final = "/working_dir_files/"


class LaunchError(Exception):
    """The deployment could not be brought up; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """What runs now."""

    data_dir: str
    pid: int
    was_there: bool
    """Whether the same configuration had been launched before."""


def connect(environ: Mapping[str, str]) -> str:
    """Connect to the cluster and return the dashboard's address, empty if there is none."""
    address = environ.get("RAY_ADDRESS") or "auto"
    try:
        context = ray.init(
            address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING
        )
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        message = f"no Ray cluster at {address}: {error}; start one with: ray start --head"
        raise LaunchError(message) from error
    url = context.dashboard_url
    return f"http://{url}" if url else ""


async def launch(deployment: Deployment, environ: Mapping[str, str], *, dashboard: str) -> Launched:
    """Have the orchestrator run this deployment; wait until it serves. Raise ``LaunchError``."""
    deployment = _settled(deployment, environ)
    fingerprint = _fingerprint(deployment)
    actor, there = await _present()
    if there is not None and there["data_dir"] != str(deployment.data_dir):
        message = (
            f"this cluster runs the deployment of {there['data_dir']}, asked for "
            f"{deployment.data_dir}; stop it first with: python -m actors ctl shutdown"
        )
        raise LaunchError(message)
    was_there = there is not None and there["fingerprint"] == fingerprint
    if actor is not None and not was_there:
        ray.kill(actor, no_restart=True)
        actor = None
    if actor is None:
        actor = await _create(deployment, environ, fingerprint=fingerprint, dashboard=dashboard)
    answer = await _wait_until_ready(actor)
    told = await _ask(actor.launch.remote(), ANSWER_S)
    if not told.get("ok"):
        raise LaunchError(f"the orchestrator would not launch: {told.get('message')}")
    return Launched(data_dir=str(answer["data_dir"]), pid=int(answer["pid"]), was_there=was_there)


def find_orchestrator() -> Any:
    """Return the orchestrator's actor; raise ``LaunchError`` if there is none."""
    try:
        return ray.get_actor(ORCHESTRATOR, namespace=NAMESPACE)
    except ValueError as error:
        message = "no orchestrator runs on this cluster; launch with: python -m actors --config F"
        raise LaunchError(message) from error


async def _present() -> tuple[Any, dict[str, Any] | None]:
    """Return the orchestrator's actor and what it says of itself, each None if there is none."""
    try:
        actor = ray.get_actor(ORCHESTRATOR, namespace=NAMESPACE)
    except ValueError:
        return None, None
    try:
        return actor, await _ask(actor.describe.remote(), PRESENT_S)
    except LaunchError:
        # It hangs or cannot even be created: a new one looks at what runs and goes on.
        return actor, None


async def _create(
    deployment: Deployment, environ: Mapping[str, str], *, fingerprint: str, dashboard: str
) -> Any:
    runtime = Runtime(
        data_dir=str(deployment.data_dir),
        run_root=environ.get("XDG_RUNTIME_DIR", ""),
        log_level=environ.get("OPENSQT_LOG_LEVEL", "info"),
        store=deployment.store,
        engine=str(deployment.engine_type),
        connector_address=deployment.remote.address,
        connector_token_file=deployment.remote.token_file,
    )
    options = {
        "runtime": asdict(runtime),
        "is_standalone": not is_supervised(environ),
        "dashboard": dashboard,
        "fingerprint": fingerprint,
        "born_incarnation": incarnation_of(runtime.open_run_dir().path, CONTROL_ENDPOINT),
    }
    kind = remote(Orchestrator, ORCHESTRATOR)
    clock = SystemClock()
    give_up_ms = clock.monotonic_ms() + NAME_FREE_MS
    while True:
        try:
            return kind.remote(deployment, options)
        except (RayError, ValueError) as error:
            if clock.monotonic_ms() > give_up_ms:
                raise LaunchError(f"cannot create the orchestrator: {error}") from error
            await clock.sleep_ms(LOOK_MS)


async def _wait_until_ready(actor: Any) -> dict[str, Any]:
    problem = ""
    clock = SystemClock()
    give_up_ms = clock.monotonic_ms() + UP_MS
    while clock.monotonic_ms() < give_up_ms:
        try:
            answer = await _ask(actor.describe.remote(), ANSWER_S)
        except LaunchError as error:
            problem = str(error)
        else:
            if answer["is_ready"]:
                return answer
            problem = str(answer["problem"])
        await clock.sleep_ms(LOOK_MS)
    raise LaunchError(f"the orchestrator does not serve after {UP_MS // 1_000} s: {problem}")


async def _ask(call: Any, seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(seconds):
            answer = await call
    except TimeoutError as error:
        raise LaunchError(f"no answer within {seconds:g} s") from error
    except RayError as error:
        raise LaunchError(f"{type(error).__name__}: {error}") from error
    assert isinstance(answer, dict)
    return answer


def _settled(deployment: Deployment, environ: Mapping[str, str]) -> Deployment:
    """Return the deployment with a data directory that outlives the job.

    A job runs in an unpacked copy of its working directory, which Ray deletes some day; state
    that would lie in there goes to the user's state directory instead.
    """
    if _PACKAGES not in str(deployment.data_dir):
        return deployment
    home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return replace(deployment, data_dir=Path(home) / "opensqt" / "data")


def _fingerprint(deployment: Deployment) -> str:
    """Return a text that changes with the configuration and the build."""
    content = f"{build_text()}\x1f{replace(deployment, source=Path())!r}\x1f{os.getuid()}"
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
