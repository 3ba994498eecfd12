"""Who may call: unix sockets by file mode, TCP only with a token or TLS.

A token travels in the ``authorization`` metadata of each call and is compared in constant time. A
call without the right one is refused before its handler runs.
"""

import hmac
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import grpc

_HEADER: Final = "authorization"
_SCHEME: Final = "Bearer "
TOKEN_LENGTH_MIN: Final = 32
"""Characters; 32 hexadecimal digits are 128 bits."""

Metadata: TypeAlias = tuple[tuple[str, str], ...]
RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class SecurityError(Exception):
    """The way of listening or connecting would let anybody in, or its secret is unusable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecurity:
    """How a client proves who it is."""

    token: str = field(default="", repr=False)
    credentials: grpc.ChannelCredentials | None = None
    """TLS, with a client certificate for mutual TLS."""

    @property
    def metadata(self) -> Metadata:
        """Return what each call carries."""
        return ((_HEADER, _SCHEME + self.token),) if self.token else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSecurity:
    """What a server asks of its callers."""

    token: str = field(default="", repr=False)
    credentials: grpc.ServerCredentials | None = None

    def check_tcp(self, address: str) -> None:
        """Raise ``SecurityError`` if ``address`` would be open to anybody."""
        if not self.token and self.credentials is None:
            message = f"{address}: a TCP server needs a token or TLS"
            raise SecurityError(message)


# (Types in quotes: the library's classes are generic in its stubs only.)
class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without the token."""

    def __init__(self, token: str) -> None:
        """Ask every caller for ``token``."""
        self._expected = (_SCHEME + check_token(token, "token")).encode()

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails],
            Awaitable["grpc.RpcMethodHandler[RequestT, ResponseT] | None"],
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[RequestT, ResponseT] | None":
        """Return the handler of the call, or one that refuses it."""
        handler = await continuation(handler_call_details)
        metadata = handler_call_details.invocation_metadata or ()
        offered = [value for key, value in metadata if key == _HEADER]
        if len(offered) == 1 and hmac.compare_digest(_bytes(offered[0]), self._expected):
            return handler
        return None if handler is None else _refusal(handler)


def load_token(file: Path) -> str:
    """Return the token of a file that only its owner may read."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        message = f"{file}: expected mode 0600, got {mode:04o}"
        raise SecurityError(message)
    return check_token(file.read_text(encoding="utf-8").strip(), str(file))


def check_token(token: str, where: str) -> str:
    """Return the token; raise ``SecurityError`` for one that could be guessed or not be sent."""
    if len(token) < TOKEN_LENGTH_MIN or not (token.isascii() and token.isalnum()):
        message = f"{where}: expected at least {TOKEN_LENGTH_MIN} letters and digits"
        raise SecurityError(message)
    return token


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _refusal(
    handler: "grpc.RpcMethodHandler[RequestT, ResponseT]",
) -> "grpc.RpcMethodHandler[RequestT, ResponseT]":
    async def refuse(_: object, context: grpc.aio.ServicerContext[object, object]) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong")

    # The shape must be that of the refused method, or the library answers INTERNAL.
    build: Callable[..., grpc.RpcMethodHandler[RequestT, ResponseT]] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return build(refuse)
