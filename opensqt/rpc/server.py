"""One gRPC server: limits, security, health, and an address that cannot be stolen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from opensqt.rpc.auth import ServerSecurity, TokenInterceptor
from opensqt.rpc.endpoint import Endpoint, EndpointError, is_unix
from opensqt.rpc.options import SERVER_OPTIONS

CALLS_MAX: Final = 1_000
"""Calls served at once; more are refused by the library before a handler runs."""
_OVERALL: Final = ""

Register = Callable[[grpc.aio.Server], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of a server."""

    name: str
    """Full name, such as ``opensqt.market_maker.v1.ExchangeService``."""
    register: Register


class RpcServer:
    """Serves on any number of addresses; not restartable."""

    def __init__(
        self, services: Sequence[Service], *, security: ServerSecurity | None = None
    ) -> None:
        """Prepare to serve ``services`` and the standard health service."""
        self._security = security or ServerSecurity()
        token = self._security.token
        self._server = grpc.aio.server(
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=CALLS_MAX,
            interceptors=[TokenInterceptor(token)] if token else [],
        )
        self._names = [service.name for service in services]
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in services:
            service.register(self._server)
        self._endpoints: list[Endpoint] = []

    def listen(self, endpoint: Endpoint) -> None:
        """Serve on a claimed unix socket, from ``start`` to ``stop``."""
        if not self._server.add_insecure_port(endpoint.address):
            message = f"cannot listen on {endpoint.address}"
            raise EndpointError(message)
        self._endpoints.append(endpoint)

    def listen_tcp(self, address: str) -> int:
        """Serve on ``host:port`` and return the port; needs a token or TLS."""
        if is_unix(address):
            message = f"{address}: expected host:port"
            raise EndpointError(message)
        self._security.check_tcp(address)
        credentials = self._security.credentials
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            message = f"cannot listen on {address}: {error}"
            raise EndpointError(message) from error
        return port

    async def start(self) -> None:
        """Begin to serve, report health, publish the sockets."""
        await self._server.start()
        await self.set_serving(is_serving=True)
        for endpoint in self._endpoints:
            endpoint.publish()

    async def set_serving(self, *, is_serving: bool) -> None:
        """Change what the health service answers, overall and for each service."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        for name in (_OVERALL, *self._names):
            await self._health.set(name, status.SERVING if is_serving else status.NOT_SERVING)

    async def stop(self, *, grace_ms: int = 1_000) -> None:
        """Take no new calls, give running ones ``grace_ms``, give the addresses free."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_ms / 1_000)
        for endpoint in self._endpoints:
            endpoint.release()
