"""``ControlService`` over a ``ControlPort``: what operators ask, served by the orchestrator."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from opensqt.market_maker.v1 import control_pb2
from opensqt.market_maker.v1.control_pb2_grpc import (
    ControlServiceServicer,
    add_ControlServiceServicer_to_server,
)
from opensqt.ports.control import ControlCode, ControlError, ControlPort
from opensqt.ports.telemetry import LogPort
from opensqt.rpc.server import Service
from opensqt.wire.control import ORDERS_AT_SHUTDOWN, STOP_MODE, decode_config, encode_answer
from opensqt.wire.errors import WireError

STATUS_OF: Final[Mapping[ControlCode, grpc.StatusCode]] = {
    ControlCode.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ControlCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ControlCode.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    ControlCode.NOT_READY: grpc.StatusCode.UNAVAILABLE,
    ControlCode.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ControlCode.INTERNAL: grpc.StatusCode.INTERNAL,
}

MessageT = TypeVar("MessageT", bound=Message)
_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


def control_service(control: ControlPort, *, log: LogPort) -> Service:
    """Return the service that forwards to ``control``."""
    servicer = _Servicer(control, log=log)
    return Service(
        name=control_pb2.DESCRIPTOR.services_by_name["ControlService"].full_name,
        register=lambda server: add_ControlServiceServicer_to_server(servicer, server),
    )


class _Servicer(ControlServiceServicer):
    """Kill and Release are not overridden: they answer UNIMPLEMENTED."""

    def __init__(self, control: ControlPort, *, log: LogPort) -> None:
        self._control = control
        self._log = log

    async def AddSymbol(
        self, request: control_pb2.AddSymbolRequest, context: _Context
    ) -> control_pb2.AddSymbolResponse:
        async def ask() -> Mapping[str, object]:
            config = decode_config(request.config) if request.HasField("config") else None
            return await self._control.add_symbol(request.target, config, dry_run=request.dry_run)

        return await self._answer(context, ask, control_pb2.AddSymbolResponse)

    async def RemoveSymbol(
        self, request: control_pb2.RemoveSymbolRequest, context: _Context
    ) -> control_pb2.RemoveSymbolResponse:
        async def ask() -> Mapping[str, object]:
            return await self._control.remove_symbol(
                request.target,
                STOP_MODE.to_core(request.mode, "mode"),
                wait_ms=request.wait_ms,
                dry_run=request.dry_run,
            )

        return await self._answer(context, ask, control_pb2.RemoveSymbolResponse)

    async def Pause(
        self, request: control_pb2.PauseRequest, context: _Context
    ) -> control_pb2.PauseResponse:
        async def ask() -> Mapping[str, object]:
            mode = STOP_MODE.to_core(request.mode, "mode")
            return await self._control.pause(request.target, mode)

        return await self._answer(context, ask, control_pb2.PauseResponse)

    async def Resume(
        self, request: control_pb2.ResumeRequest, context: _Context
    ) -> control_pb2.ResumeResponse:
        async def ask() -> Mapping[str, object]:
            return await self._control.resume(request.target)

        return await self._answer(context, ask, control_pb2.ResumeResponse)

    async def Status(
        self, request: control_pb2.StatusRequest, context: _Context
    ) -> control_pb2.StatusResponse:
        async def ask() -> Mapping[str, object]:
            return await self._control.status(tuple(request.targets))

        return await self._answer(context, ask, control_pb2.StatusResponse)

    async def ListSymbols(
        self, _request: control_pb2.ListSymbolsRequest, context: _Context
    ) -> control_pb2.ListSymbolsResponse:
        return await self._answer(
            context, self._control.list_symbols, control_pb2.ListSymbolsResponse
        )

    async def Explain(
        self, request: control_pb2.ExplainRequest, context: _Context
    ) -> control_pb2.ExplainResponse:
        async def ask() -> Mapping[str, object]:
            return await self._control.explain(request.target)

        return await self._answer(context, ask, control_pb2.ExplainResponse)

    async def Adopt(
        self, request: control_pb2.AdoptRequest, context: _Context
    ) -> control_pb2.AdoptResponse:
        async def ask() -> Mapping[str, object]:
            return await self._control.adopt(
                request.target,
                operator=request.operator,
                reason=request.reason,
                quantity=request.quantity if request.HasField("quantity") else None,
                price=request.price if request.HasField("price") else None,
                dry_run=request.dry_run,
            )

        return await self._answer(context, ask, control_pb2.AdoptResponse)

    async def Shutdown(
        self, request: control_pb2.ShutdownRequest, context: _Context
    ) -> control_pb2.ShutdownResponse:
        async def ask() -> Mapping[str, object]:
            orders = ORDERS_AT_SHUTDOWN.to_core(request.orders, "orders")
            return await self._control.shutdown(orders=orders, wait_ms=request.wait_ms)

        return await self._answer(context, ask, control_pb2.ShutdownResponse)

    async def _answer(
        self,
        context: _Context,
        ask: Callable[[], Awaitable[Mapping[str, object]]],
        kind: type[MessageT],
    ) -> MessageT:
        try:
            answer = await ask()
        except ControlError as error:
            await context.abort(STATUS_OF[error.code], error.message)
        except WireError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        try:
            return encode_answer(answer, kind)
        except WireError as error:
            # Ours, not the caller's: an answer whose shape is not what the contract says.
            self._log.error("control.unsendable", error=str(error))
            await context.abort(grpc.StatusCode.INTERNAL, f"unsendable answer: {error}")
