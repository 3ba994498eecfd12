"""The exchange's end of symbol links over gRPC: one ``Attach`` stream per trading unit.

A stream that breaks ends its transport, never the work behind it: the serving coroutine sees
``LinkClosedError`` and finishes by itself, so an order that is being sent is not torn in half.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import grpc

from opensqt.market_maker.v1 import link_pb2
from opensqt.market_maker.v1.link_pb2_grpc import (
    SymbolLinkServiceServicer,
    add_SymbolLinkServiceServicer_to_server,
)
from opensqt.ports.link import (
    Answer,
    Downward,
    ExchangeTransport,
    Heartbeat,
    LinkClosedError,
    LinkPrice,
    Upward,
)
from opensqt.ports.telemetry import LogPort
from opensqt.rpc.batching import batches
from opensqt.rpc.inbox import Inbox
from opensqt.rpc.options import MESSAGE_MAX
from opensqt.rpc.outbox import Outbox, OutboxFullError
from opensqt.rpc.server import Service
from opensqt.wire.errors import WireError
from opensqt.wire.link import decode_upward, encode_downward

ANSWER_MAX: Final = MESSAGE_MAX - 1_024
"""Bytes; the rest is for the envelope."""

Attach: TypeAlias = Callable[[ExchangeTransport], Awaitable[None]]
"""Serves one connection until it ends; raises nothing that is expected."""
_Context: TypeAlias = grpc.aio.ServicerContext[
    AsyncIterator[link_pb2.AttachRequest], AsyncIterator[link_pb2.AttachResponse]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closed:
    code: str
    message: str


def link_service(attach: Attach, *, log: LogPort) -> Service:
    """Return the service that hands each connection to ``attach``."""
    servicer = _Servicer(attach, log=log)
    return Service(
        name=link_pb2.DESCRIPTOR.services_by_name["SymbolLinkService"].full_name,
        register=lambda server: add_SymbolLinkServiceServicer_to_server(servicer, server),
    )


class GrpcExchangeTransport:
    """``ExchangeTransport`` over one ``Attach`` stream."""

    def __init__(self) -> None:
        """Begin open and empty."""
        self.outbox: Outbox[Downward | _Closed] = Outbox()
        self.inbox: Inbox[Upward] = Inbox()
        self._end: LinkClosedError | None = None

    def send(self, message: Downward) -> None:
        """Queue a message; an older price or heartbeat that still waits is replaced."""
        if self._end is not None:
            raise self._end
        match message:
            case LinkPrice() | Heartbeat():
                self.outbox.put_latest(type(message).__name__, message)
            case _:
                try:
                    self.outbox.put(message)
                except OutboxFullError as error:
                    self.end(str(error))
                    raise LinkClosedError(str(error)) from error

    @property
    def pending_facts(self) -> int:
        """Return how many messages that must not be dropped are not yet written."""
        return self.outbox.facts

    async def receive(self) -> Sequence[Upward]:
        """Return the next messages in order; raise ``LinkClosedError`` at the end."""
        return await self.inbox.take()

    async def close(self, *, code: str = "", message: str = "") -> None:
        """Tell the manager why, then end the connection; idempotent."""
        if self._end is None:
            self.outbox.put(_Closed(code=code, message=message))
        self.end(message or "closed by the exchange")

    def end(self, reason: str) -> None:
        """Accept nothing more; what waits is still written if the stream lives."""
        if self._end is None:
            self._end = LinkClosedError(reason)
        self.inbox.end(self._end)
        self.outbox.end()


class _Servicer(SymbolLinkServiceServicer):
    def __init__(self, attach: Attach, *, log: LogPort) -> None:
        self._attach = attach
        self._log = log
        self._serving: set[asyncio.Task[None]] = set()

    async def Attach(
        self, request_iterator: AsyncIterator[link_pb2.AttachRequest], context: _Context
    ) -> AsyncIterator[link_pb2.AttachResponse]:
        transport = GrpcExchangeTransport()

        def gone(_: object) -> None:
            transport.end("the manager is gone")

        # The library may abandon this generator without closing it; the callback always comes.
        # (The cast: the stubs take a class of theirs where a function is meant.)
        context.add_done_callback(cast("Any", gone))
        reading = asyncio.create_task(self._read(request_iterator, transport), name="link.read")
        serving = asyncio.create_task(self._serve(transport), name="link.serve")
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        try:
            while messages := await transport.outbox.take():
                for response in _responses(messages):
                    yield response
        except WireError as error:
            self._log.error("link.unsendable", error=str(error))
        finally:
            transport.end("the stream ended")
            reading.cancel()

    async def _serve(self, transport: GrpcExchangeTransport) -> None:
        try:
            await self._attach(transport)
        except LinkClosedError:
            self._log.debug("link.ended")
        except Exception as error:  # noqa: BLE001 - the outermost loop of one connection
            self._log.error("link.failed", error=repr(error))
            await transport.close(message="the exchange process failed to serve this link")
        finally:
            transport.end("no longer served")

    async def _read(
        self,
        requests: AsyncIterator[link_pb2.AttachRequest],
        transport: GrpcExchangeTransport,
    ) -> None:
        reason = "the manager has closed the stream"
        try:
            async for request in requests:
                await transport.inbox.put([decode_upward(one) for one in request.messages])
        except WireError as error:
            reason = f"unreadable message: {error}"
            self._log.error("link.unreadable", error=str(error))
            await transport.close(message=reason)
        except grpc.RpcError as error:
            reason = f"the stream broke: {error}"
        finally:
            transport.end(reason)


def _responses(messages: list[Downward | _Closed]) -> Iterator[link_pb2.AttachResponse]:
    return batches(
        map(_encode, messages), lambda encoded: link_pb2.AttachResponse(messages=encoded)
    )


def _encode(message: Downward | _Closed) -> link_pb2.DownwardMessage:
    if isinstance(message, _Closed):
        closed = link_pb2.Closed(code=message.code, message=message.message)
        return link_pb2.DownwardMessage(closed=closed)
    encoded = encode_downward(message)
    if isinstance(message, Answer) and encoded.ByteSize() > ANSWER_MAX:
        # Sending it would break the stream; a narrower question may have an answer that fits.
        text = f"the answer has {encoded.ByteSize()} bytes, at most {ANSWER_MAX} can be sent"
        return encode_downward(Answer(request_id=message.request_id, error=text))
    return encoded
