"""The manager's end of a symbol link over gRPC. Imports nothing a symbol process does not need."""

import asyncio
from collections.abc import Sequence

import grpc

from opensqt.market_maker.v1 import link_pb2
from opensqt.market_maker.v1.link_pb2_grpc import SymbolLinkServiceStub
from opensqt.ports.link import (
    Ack,
    Band,
    Declare,
    Downward,
    LinkClosedError,
    LinkRefusedError,
    Upward,
)
from opensqt.rpc.auth import ClientSecurity
from opensqt.rpc.batching import batches
from opensqt.rpc.channel import (
    CONNECT_TIMEOUT_MS,
    CallLostError,
    Locate,
    NotConnectedError,
    completed,
    open_channel,
)
from opensqt.rpc.inbox import Inbox
from opensqt.rpc.outbox import Outbox, OutboxFullError
from opensqt.wire.errors import WireError
from opensqt.wire.link import decode_downward, encode_upward

_Call = grpc.aio.StreamStreamCall[link_pb2.AttachRequest, link_pb2.AttachResponse]


class GrpcLink:
    """``LinkPort`` to the exchange process of an account. Never retries by itself."""

    def __init__(
        self,
        locate: Locate,
        *,
        security: ClientSecurity | None = None,
        connect_timeout_ms: int = CONNECT_TIMEOUT_MS,
    ) -> None:
        """Ask ``locate`` for the address at each connect: every incarnation has its own."""
        self._locate = locate
        self._security = security or ClientSecurity()
        self._connect_timeout_ms = connect_timeout_ms

    async def connect(self) -> "GrpcManagerTransport":
        """Open a connection; raise ``LinkClosedError`` when nobody is there."""
        try:
            channel = await open_channel(
                self._locate, security=self._security, timeout_ms=self._connect_timeout_ms
            )
        except NotConnectedError as error:
            raise LinkClosedError(str(error)) from error
        call = SymbolLinkServiceStub(channel).Attach(metadata=self._security.metadata)
        return GrpcManagerTransport(channel, call)


class GrpcManagerTransport:
    """``ManagerTransport`` over one ``Attach`` stream."""

    def __init__(self, channel: grpc.aio.Channel, call: _Call) -> None:
        """Own ``channel``; start reading, and writing what is sent."""
        self._channel = channel
        self._call = call
        self._outbox: Outbox[Upward] = Outbox()
        self._inbox: Inbox[Downward] = Inbox()
        self._end: LinkClosedError | None = None
        self._tasks = (
            asyncio.create_task(self._write(), name="link.write"),
            asyncio.create_task(self._read(), name="link.read"),
        )

    def send(self, message: Upward) -> None:
        """Queue a message; an older band or acknowledgement that still waits is replaced.

        What is only told waits a moment for an order to travel with.
        """
        if self._end is not None:
            raise self._end
        match message:
            case Band() | Ack():
                self._outbox.put_latest(type(message).__name__, message, is_patient=True)
            case _:
                is_patient = isinstance(message, Declare)
                try:
                    self._outbox.put(message, is_patient=is_patient)
                except OutboxFullError as error:
                    self._ended(LinkClosedError(str(error)))
                    raise LinkClosedError(str(error)) from error

    async def receive(self) -> Sequence[Downward]:
        """Return the next messages in order; raise ``LinkClosedError`` at the end."""
        return await self._inbox.take()

    async def close(self) -> None:
        """End the connection; idempotent."""
        self._ended(LinkClosedError("closed by the manager"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._call.cancel()
        await self._channel.close()

    async def _read(self) -> None:
        try:
            while True:
                response = await completed(self._call.read())
                if not isinstance(response, link_pb2.AttachResponse):
                    self._ended(_closed(await self._call.code(), await self._call.details()))
                    return
                await self._deliver(response)
        except grpc.aio.AioRpcError as error:
            self._ended(_closed(error.code(), error.details()))
        except CallLostError as error:
            self._ended(LinkClosedError(str(error)))
        except WireError as error:
            self._ended(LinkClosedError(f"unreadable message: {error}"))
            self._call.cancel()

    async def _deliver(self, response: link_pb2.AttachResponse) -> None:
        messages: list[Downward] = []
        closed: LinkClosedError | None = None
        for one in response.messages:
            if one.HasField("closed"):
                code, text = one.closed.code, one.closed.message
                closed = LinkRefusedError(code, text) if code else LinkClosedError(text)
                break
            messages.append(decode_downward(one))
        await self._inbox.put(messages)
        if closed is not None:
            # Raised by the receiver after everything that came before it.
            self._ended(closed)

    async def _write(self) -> None:
        try:
            while messages := await self._outbox.take():
                encoded = map(encode_upward, messages)
                for request in batches(encoded, lambda all_: link_pb2.AttachRequest(messages=all_)):
                    await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The stream has ended; the reader learns why and says so.
            return
        except WireError as error:
            self._ended(LinkClosedError(f"message that cannot be sent: {error}"))
            self._call.cancel()

    def _ended(self, error: LinkClosedError) -> None:
        # The first reason is the true one, all later ones are consequences.
        if self._end is None:
            self._end = error
        self._inbox.end(self._end)


def _closed(code: grpc.StatusCode, details: str | None) -> LinkClosedError:
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return LinkRefusedError("ErrAuthentication", details or "refused")
    return LinkClosedError(f"{code.name.lower()}: {details or 'the stream ended'}")
