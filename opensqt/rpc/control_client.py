"""``ControlPort`` over gRPC: how the command line and the page reach the orchestrator."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from opensqt.market_maker.v1 import control_pb2
from opensqt.market_maker.v1.control_pb2_grpc import ControlServiceStub
from opensqt.ports.control import Answer, ControlCode, ControlError
from opensqt.rpc.auth import ClientSecurity
from opensqt.rpc.channel import (
    CONNECT_TIMEOUT_MS,
    CallLostError,
    Connection,
    Locate,
    NotConnectedError,
    completed,
)
from opensqt.wire.control import ORDERS_AT_SHUTDOWN, STOP_MODE, decode_answer, encode_config
from opensqt.wire.errors import WireError

CALL_TIMEOUT_MS: Final = 15_000
"""How long a call may take beyond the wait it asks for."""
SHUTDOWN_WAIT_MS: Final = 120_000
"""How long a shutdown may take that names no limit: the server has its own."""

_CODE_OF: Final[Mapping[grpc.StatusCode, ControlCode]] = {
    grpc.StatusCode.INVALID_ARGUMENT: ControlCode.INVALID,
    grpc.StatusCode.NOT_FOUND: ControlCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION: ControlCode.CONFLICT,
    grpc.StatusCode.UNIMPLEMENTED: ControlCode.CONFLICT,
    grpc.StatusCode.UNAVAILABLE: ControlCode.NOT_READY,
    grpc.StatusCode.DEADLINE_EXCEEDED: ControlCode.NOT_READY,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ControlCode.NOT_READY,
    grpc.StatusCode.UNAUTHENTICATED: ControlCode.DENIED,
    grpc.StatusCode.PERMISSION_DENIED: ControlCode.DENIED,
}
_Method: TypeAlias = Callable[[ControlServiceStub], grpc.aio.UnaryUnaryMultiCallable[Any, Any]]


class ControlClient:
    """``ControlPort`` of one deployment. All calls are idempotent: asking again is harmless."""

    def __init__(
        self,
        locate: Locate,
        *,
        security: ClientSecurity | None = None,
        connect_timeout_ms: int = CONNECT_TIMEOUT_MS,
    ) -> None:
        """Connect when first asked."""
        self._security = security or ClientSecurity()
        self._connection = Connection(
            locate, security=self._security, timeout_ms=connect_timeout_ms
        )

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def add_symbol(
        self, target: str, config: Mapping[str, object] | None = None, *, dry_run: bool = False
    ) -> Answer:
        """Register a symbol and start it."""
        request = control_pb2.AddSymbolRequest(
            target=target, config=encode_config(config), dry_run=dry_run
        )
        return await self._ask(lambda stub: stub.AddSymbol, request)

    async def remove_symbol(
        self, target: str, mode: str = "drain", *, wait_ms: int = 0, dry_run: bool = False
    ) -> Answer:
        """Stop a symbol and forget it."""
        request = control_pb2.RemoveSymbolRequest(
            target=target, mode=_stop_mode(mode), wait_ms=wait_ms, dry_run=dry_run
        )
        return await self._ask(lambda stub: stub.RemoveSymbol, request, wait_ms=wait_ms)

    async def pause(self, target: str, mode: str = "cancel") -> Answer:
        """Stop quoting, keep the symbol."""
        request = control_pb2.PauseRequest(target=target, mode=_stop_mode(mode))
        return await self._ask(lambda stub: stub.Pause, request)

    async def resume(self, target: str) -> Answer:
        """Quote again."""
        request = control_pb2.ResumeRequest(target=target)
        return await self._ask(lambda stub: stub.Resume, request)

    async def status(self, targets: tuple[str, ...] = ()) -> Answer:
        """Return what ``status --json`` prints."""
        request = control_pb2.StatusRequest(targets=targets)
        return await self._ask(lambda stub: stub.Status, request)

    async def list_symbols(self) -> Answer:
        """Return all registered symbols."""
        request = control_pb2.ListSymbolsRequest()
        return await self._ask(lambda stub: stub.ListSymbols, request)

    async def explain(self, target: str) -> Answer:
        """Return why each level of a symbol has no order."""
        request = control_pb2.ExplainRequest(target=target)
        return await self._ask(lambda stub: stub.Explain, request)

    async def adopt(
        self,
        target: str,
        *,
        operator: str,
        reason: str,
        quantity: str | None = None,
        price: str | None = None,
        dry_run: bool = False,
    ) -> Answer:
        """Book a difference to the venue and end a quarantine, or show what would be done."""
        request = control_pb2.AdoptRequest(
            target=target,
            operator=operator,
            reason=reason,
            quantity=quantity,
            price=price,
            dry_run=dry_run,
        )
        return await self._ask(lambda stub: stub.Adopt, request)

    async def shutdown(self, *, orders: str = "cancel", wait_ms: int = 0) -> Answer:
        """Stop all trading; what shall run after the next start stays as it is."""
        try:
            wanted = ORDERS_AT_SHUTDOWN.to_wire(orders, "orders")
        except WireError as error:
            raise ControlError(ControlCode.INVALID, str(error)) from error
        request = control_pb2.ShutdownRequest(orders=wanted, wait_ms=wait_ms)
        limit_ms = wait_ms or SHUTDOWN_WAIT_MS
        return await self._ask(lambda stub: stub.Shutdown, request, wait_ms=limit_ms)

    async def _ask(self, method: _Method, request: Message, *, wait_ms: int = 0) -> Answer:
        try:
            channel = await self._connection.channel()
            response = await completed(
                method(ControlServiceStub(channel))(
                    request,
                    timeout=(CALL_TIMEOUT_MS + wait_ms) / 1_000,
                    metadata=self._security.metadata,
                )
            )
            return decode_answer(response)
        except (NotConnectedError, CallLostError) as error:
            raise ControlError(ControlCode.NOT_READY, str(error)) from error
        except grpc.aio.AioRpcError as error:
            code = _CODE_OF.get(error.code(), ControlCode.INTERNAL)
            text = error.details() or error.code().name.lower()
            raise ControlError(code, text) from error
        except WireError as error:
            message = f"unreadable answer: {error}"
            raise ControlError(ControlCode.INTERNAL, message) from error


def _stop_mode(mode: str) -> control_pb2.StopMode:
    try:
        return STOP_MODE.to_wire(mode, "mode")
    except WireError as error:
        raise ControlError(ControlCode.INVALID, str(error)) from error
