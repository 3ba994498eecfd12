"""Opening channels: connected for sure, or an error at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

import grpc

from opensqt.rpc.auth import ClientSecurity
from opensqt.rpc.endpoint import EndpointError
from opensqt.rpc.options import CLIENT_OPTIONS

CONNECT_TIMEOUT_MS: Final = 1_000
"""A local socket answers in a millisecond, another host within a few hundred."""

RETIRE_MS: Final = 15_000
"""How long calls of a replaced channel may still take: longer than any call's own limit."""

ResultT = TypeVar("ResultT")
Locate: TypeAlias = Callable[[], str]
"""Returns the present address of a server; raises ``EndpointError``."""


class NotConnectedError(Exception):
    """Nobody is there; nothing was sent."""


class CallLostError(Exception):
    """The call's channel was closed under it; whether it arrived is not known."""


class Connection:
    """A channel that is opened when it is needed and replaced when it broke. Repeats no call."""

    def __init__(self, locate: Locate, *, security: ClientSecurity, timeout_ms: int) -> None:
        """Connect on first use; ask ``locate`` again for each new channel."""
        self._locate = locate
        self._security = security
        self._timeout_ms = timeout_ms
        self._channel: grpc.aio.Channel | None = None
        self._opening = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def channel(self) -> grpc.aio.Channel:
        """Return a connected channel; raise ``NotConnectedError``."""
        if self._channel is not None and is_ready(self._channel):
            return self._channel
        async with self._opening:
            if self._channel is not None:
                if is_ready(self._channel):
                    return self._channel
                self._retire(self._channel)
                self._channel = None
            self._channel = await open_channel(
                self._locate, security=self._security, timeout_ms=self._timeout_ms
            )
            return self._channel

    async def close(self) -> None:
        """End all calls."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
        for task in tuple(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _retire(self, channel: grpc.aio.Channel) -> None:
        # A server that stops gracefully still answers the calls it has: let them end by themselves.
        task = asyncio.create_task(channel.close(RETIRE_MS / 1_000), name="channel.retire")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def completed(call: Awaitable[ResultT]) -> ResultT:
    """Return what ``call`` returns; raise ``CallLostError`` if its channel was closed meanwhile.

    The library reports that case as a cancellation of the caller, which it is not.
    """
    try:
        return await call
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        message = "the channel was closed"
        raise CallLostError(message) from None


async def open_channel(
    locate: Locate, *, security: ClientSecurity, timeout_ms: int = CONNECT_TIMEOUT_MS
) -> grpc.aio.Channel:
    """Return a connected channel; raise ``NotConnectedError`` if nobody answers in time."""
    try:
        address = locate()
    except EndpointError as error:
        raise NotConnectedError(str(error)) from error
    if security.credentials is None:
        channel = grpc.aio.insecure_channel(address, options=CLIENT_OPTIONS)
    else:
        channel = grpc.aio.secure_channel(address, security.credentials, options=CLIENT_OPTIONS)
    try:
        async with asyncio.timeout(timeout_ms / 1_000):
            is_ready = await _connect(channel)
    except TimeoutError:
        is_ready = False
    except BaseException:
        await channel.close()
        raise
    if not is_ready:
        await channel.close()
        message = f"no connection to {address}"
        raise NotConnectedError(message)
    return channel


def is_ready(channel: grpc.aio.Channel) -> bool:
    """Tell whether a channel is connected at this moment, as far as this side knows."""
    return channel.get_state() is grpc.ChannelConnectivity.READY


async def _connect(channel: grpc.aio.Channel) -> bool:
    state = channel.get_state(try_to_connect=True)
    while state in (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING):
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
    return state is grpc.ChannelConnectivity.READY
