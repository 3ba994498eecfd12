"""Reaching the orchestrator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from opensqt.ports.control import ControlCode, ControlError, ControlPort
from opensqt.system.rundir import RunDir

ANSWER_S: Final = 15.0
"""How long an answer may take beyond what the request itself waits for."""

T = TypeVar("T")


@asynccontextmanager
async def connected(run: RunDir) -> AsyncIterator[ControlPort]:
    """Yield the control service of a running deployment.

    Raise ``ControlError(NOT_READY)`` when nobody serves it.
    """
    from opensqt.rpc.control_client import ControlClient
    from opensqt.rpc.endpoint import EndpointError, UnixLocator

    locate = UnixLocator(run.path, "control")
    try:
        locate()
    except EndpointError as error:
        raise not_ready() from error
    client = ControlClient(locate)
    try:
        yield client
    finally:
        await client.close()


def not_ready() -> ControlError:
    """Return what is raised when there is no orchestrator to ask."""
    message = "the orchestrator is not running; start with: opensqt up --detach"
    return ControlError(ControlCode.NOT_READY, message)


def ask(
    run: RunDir | None,
    request: Callable[[ControlPort], Awaitable[T]],
    *,
    timeout_s: float | None = ANSWER_S,
) -> T:
    """Return the answer to one request; raise ``ControlError``, also when none comes."""
    if run is None:
        raise not_ready()

    async def talk() -> T:
        try:
            async with asyncio.timeout(timeout_s), connected(run) as control:
                return await request(control)
        except TimeoutError as error:
            message = f"the orchestrator has not answered within {timeout_s:g} s"
            raise ControlError(ControlCode.NOT_READY, message) from error

    return asyncio.run(talk())
