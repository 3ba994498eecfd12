"""Opening channels: connected for sure, or an error at once."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

import grpc

from opensqt.rpc.auth import ClientSecurity
from opensqt.rpc.endpoint import EndpointError
from opensqt.rpc.options import CLIENT_OPTIONS

CONNECT_TIMEOUT_MS: Final = 1_000
"""A local socket answers in a millisecond, another host within a few hundred."""

Locate: TypeAlias = Callable[[], str]
"""Returns the present address of a server; raises ``EndpointError``."""


class NotConnectedError(Exception):
    """Nobody is there; nothing was sent."""


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
