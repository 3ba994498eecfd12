"""Venues by the name a configuration gives them."""

from pathlib import Path
from typing import Final, Protocol

from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import EventSource, ExchangePort
from opensqt.ports.telemetry import LogPort
from opensqt.venues.ban_note import BanFile
from opensqt.venues.session import LocalEndpoint, open_session
from opensqt.venues.transport import Credentials, VenueConfigError

KNOWN: Final = ("binance", "binance_spot", "bybit", "okx", "bitget", "gate", "paper", "remote")
"""Every venue name a configuration may use, built yet or not."""
_BUILT: Final = ("binance", "paper")


class VenueAdapter(ExchangePort, EventSource, Protocol):
    """A venue account without the guard that belongs in front of it."""

    async def start(self) -> None:
        """Check the account and open the streams.

        Raise ``VenueConfigError`` for good, ``VenueUnavailableError`` to be called again.
        """

    async def close(self) -> None:
        """Close everything; idempotent."""


def check_venue(name: str, *, local: LocalEndpoint | None) -> None:
    """Raise ``VenueConfigError``, in one line, for a name or endpoint that cannot be built."""
    if name not in KNOWN:
        raise VenueConfigError(f"unknown venue {name!r}, known are: {' '.join(KNOWN)}")
    if name == "remote":
        raise VenueConfigError(
            "venue 'remote' is a connector somewhere else: dial remote.address, nothing to build"
        )
    if name not in _BUILT:
        raise VenueConfigError(f"venue {name!r} is known but not built yet")
    if name == "paper" and local is None:
        raise VenueConfigError("venue 'paper' needs the local endpoint of a paper venue")
    if name != "paper" and local is not None:
        raise VenueConfigError(f"venue {name!r} takes no local endpoint, only 'paper' does")


def build_venue(
    name: str,
    *,
    credentials: Credentials,
    clock: ClockPort,
    log: LogPort,
    local: LocalEndpoint | None = None,
    notes: Path | None = None,
) -> VenueAdapter:
    """Return the venue of that name, not yet started; call from a running event loop.

    ``paper`` is Binance USD-M spoken to the local endpoint, by the same code. ``notes`` is the
    folder in which a ban is remembered. Raise ``VenueConfigError`` as ``check_venue`` does.
    """
    check_venue(name, local=local)
    # Loading ccxt costs more than half a second: only when a venue is really built.
    from opensqt.venues.binance_usdm import DOMAINS, BinanceUsdm

    session = open_session(local, domains=DOMAINS)
    ban = None if notes is None else BanFile(notes / f"ban-{name}")
    return BinanceUsdm(session=session, credentials=credentials, clock=clock, log=log, ban=ban)
