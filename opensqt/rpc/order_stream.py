"""Orders to a connector over one open stream: a call of its own would take twice as long.

A command is written once, to the stream of that moment. It is NOT_SENT only when that is proven: no
connection, or a stream that our servers refuse before they read from it. What a stream that ended
did not answer is UNKNOWN, and the next command opens another one.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import grpc

from opensqt.market_maker.v1.exchange_pb2 import (
    OrderCommand,
    StreamOrdersRequest,
    StreamOrdersResponse,
)
from opensqt.market_maker.v1.exchange_pb2_grpc import ExchangeServiceStub
from opensqt.market_maker.v1.facts_pb2 import OrderOutcome
from opensqt.ports.exchange import Outcome, OutcomeClass, VenueCode
from opensqt.rpc.auth import ClientSecurity
from opensqt.rpc.channel import (
    CallLostError,
    Connection,
    NotConnectedError,
    completed,
)
from opensqt.rpc.outbox import Outbox, OutboxFullError
from opensqt.wire.errors import WireError
from opensqt.wire.facts import decode_outcome

# Our servers end a stream with these before they read a command; see exchange_server.
_NEVER_SENT: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: VenueCode.INVALID_ORDER,
    grpc.StatusCode.UNAUTHENTICATED: VenueCode.AUTHENTICATION,
    grpc.StatusCode.UNIMPLEMENTED: VenueCode.UPSTREAM_REJECTED,
}
_Call: TypeAlias = grpc.aio.StreamStreamCall[StreamOrdersRequest, StreamOrdersResponse]


class OrderStream:
    """The commands of one client; opened with the first one."""

    def __init__(
        self, connection: Connection, *, security: ClientSecurity, timeout_ms: int
    ) -> None:
        """Send over ``connection``; an answer is waited for ``timeout_ms``."""
        self._connection = connection
        self._security = security
        self._timeout_ms = timeout_ms
        self._open: _Open | None = None
        self._opened: set[_Open] = set()

    async def ask(self, command: OrderCommand) -> Outcome:
        """Send a command once and return how it ended; its number is set here."""
        try:
            channel = await self._connection.channel()
        except NotConnectedError as error:
            return not_sent(VenueCode.LINK_DOWN, str(error))
        stream = self._open
        if stream is None or stream.channel is not channel or stream.is_ended:
            call = ExchangeServiceStub(channel).StreamOrders(metadata=self._security.metadata)
            stream = self._open = _Open(channel, call, ended=self._opened.discard)
            self._opened.add(stream)
        return await stream.ask(command, timeout_ms=self._timeout_ms)

    async def close(self) -> None:
        """End the streams; what was not answered is unknown."""
        for stream in tuple(self._opened):
            await stream.close()


class _Open:
    """One stream."""

    def __init__(
        self, channel: grpc.aio.Channel, call: _Call, *, ended: Callable[["_Open"], None]
    ) -> None:
        self.channel = channel
        self._call = call
        self._ended = ended
        self._outbox: Outbox[OrderCommand] = Outbox()
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._number = 0
        self.is_ended = False
        self.reading = asyncio.create_task(self._read(), name="orders.read")
        self._writing = asyncio.create_task(self._write(), name="orders.write")

    async def ask(self, command: OrderCommand, *, timeout_ms: int) -> Outcome:
        self._number += 1
        number = command.request_id = self._number
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._outbox.put(command)
            async with asyncio.timeout(timeout_ms / 1_000):
                return await answer
        except OutboxFullError as error:
            return not_sent(VenueCode.BUSY, str(error))
        except TimeoutError:
            return unknown(f"no answer within {timeout_ms} ms")
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        for task in (self.reading, self._writing):
            task.cancel()
        await asyncio.gather(self.reading, self._writing, return_exceptions=True)
        self._end(unknown("closed"))

    async def _write(self) -> None:
        try:
            while commands := await self._outbox.take():
                await self._call.write(StreamOrdersRequest(commands=commands))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the reader learns why

    async def _read(self) -> None:
        ended = unknown("the stream has ended")
        try:
            while True:
                response = await completed(self._call.read())
                if not isinstance(response, StreamOrdersResponse):
                    ended = _ending(await self._call.code(), await self._call.details())
                    return
                for one in response.answers:
                    self._answer(one.request_id, outcome_of(one.outcome))
        except grpc.aio.AioRpcError as error:
            ended = _ending(error.code(), error.details())
        except CallLostError as error:
            ended = unknown(str(error))
        finally:
            self._end(ended)
            self._call.cancel()

    def _answer(self, number: int, outcome: Outcome) -> None:
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    def _end(self, outcome: Outcome) -> None:
        self.is_ended = True
        self._ended(self)
        self._outbox.end()
        for number in tuple(self._waiting):
            self._answer(number, outcome)


def outcome_of(message: OrderOutcome) -> Outcome:
    """Return what an answer says; one that cannot be read is unknown."""
    try:
        return decode_outcome(message)
    except WireError as error:
        return Outcome(
            outcome=OutcomeClass.UNKNOWN,
            code=VenueCode.UNKNOWN_STATE,
            message=f"unreadable answer: {error}",
        )


def not_sent(code: VenueCode, message: str) -> Outcome:
    """Return the outcome of an order that did not leave, for sure."""
    return Outcome(outcome=OutcomeClass.NOT_SENT, code=code, message=message)


def unknown(message: str) -> Outcome:
    """Return the outcome of an order that may have left."""
    return Outcome(outcome=OutcomeClass.UNKNOWN, code=VenueCode.LINK_DOWN, message=message)


def _ending(code: Any, details: str | None) -> Outcome:
    never = _NEVER_SENT.get(code)
    if never is not None:
        return not_sent(never, details or "")
    return unknown(f"{code.name.lower()}: {details}")
