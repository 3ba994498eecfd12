"""HTTP sessions: the real network, or one local port that answers for every host of a venue.

The paper venue is reached by an unmodified client under the venue's own host names: its resolver
maps each of them to a loopback port and refuses all others, so a process that was given a local
endpoint cannot reach a real venue, whatever address it asks for.
"""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_LOOPBACK: Final = "127.0.0.1"
# Venues close idle connections after a minute or more; a request written into a connection that is
# being closed has an unknown outcome, so ours are dropped well before.
_KEEPALIVE_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint:
    """A venue on this machine: all its hosts on one port, certified by an authority of its own."""

    port: int
    ca_file: Path


class LoopbackResolver(AbstractResolver):
    """Maps the hosts under some domains to one loopback port and refuses every other host."""

    def __init__(self, *, port: int, domains: frozenset[str]) -> None:
        self._port = port
        self._domains = domains

    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - the venue's port is not ours
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - always IPv4
    ) -> list[ResolveResult]:
        """Return the loopback address; raise ``OSError`` for a host of no allowed domain."""
        if not any(host == domain or host.endswith(f".{domain}") for domain in self._domains):
            message = f"host {host!r} is not served by the local venue"
            raise OSError(message)
        return [
            ResolveResult(
                hostname=host,
                host=_LOOPBACK,
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Hold nothing, release nothing."""


def open_session(
    local: LocalEndpoint | None, *, domains: frozenset[str] = frozenset()
) -> aiohttp.ClientSession:
    """Return a session for the real network, or for the local endpoint when one is given.

    The caller closes it. Call from a running event loop. ``domains`` are those the local endpoint
    stands in for.
    """
    if local is None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S)
    else:
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=_KEEPALIVE_S,
            resolver=LoopbackResolver(port=local.port, domains=domains),
            ssl=ssl.create_default_context(cafile=str(local.ca_file)),
            use_dns_cache=False,
        )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
