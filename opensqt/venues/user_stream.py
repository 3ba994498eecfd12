"""Binance's private stream: every report of our orders, in order, none merged.

The stream has no sequence numbers and replays nothing, so each connection begins with GAP: whatever
happened before it must be asked for. The key of the stream lives an hour unless it is kept alive;
an expired key ends the connection, not the stream.
"""

from collections.abc import Callable
from typing import Final, Protocol

from opensqt.core.ids import UnixMs
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    OrderUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    VenueUnavailableError,
)
from opensqt.ports.telemetry import LogPort
from opensqt.venues.codec import binance
from opensqt.venues.codec.fields import PayloadError, Raw, mapping_of
from opensqt.venues.event_queue import EventQueue
from opensqt.venues.socket_keeper import OpenSocket, SocketReader
from opensqt.venues.transport import decode_exact

KEEP_ALIVE_MS: Final = 20 * 60 * 1_000
_KEEP_ALIVE_RETRY_MS: Final = 60 * 1_000
_ORDER_EVENT: Final = "ORDER_TRADE_UPDATE"
_KEY_EXPIRED: Final = "listenKeyExpired"


class ListenKeys(Protocol):
    """How the key of the private stream is obtained; both raise ``VenueUnavailableError``."""

    async def create(self) -> str:
        """Return the account's key, a new one if there is none."""

    async def keep_alive(self) -> bool:
        """Extend the key's life; return False when the venue does not know it any more."""


class UserReader(SocketReader):
    """Turns the frames of the private stream into order and trade updates."""

    def __init__(
        self,
        base_url: str,
        *,
        keys: ListenKeys,
        events: EventQueue,
        seen: Callable[[OrderUpdate], None],
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """``seen`` is told of every order before its update is queued."""
        self._base_url = base_url
        self._keys = keys
        self._events = events
        self._seen = seen
        self._clock = clock
        self._log = log
        self._restart: Callable[[str], None] | None = None
        self._is_open = False
        self.newest_read_ms = UnixMs(0)
        """When the connection was last known to be alive; 0 before the first."""

    @property
    def expects_frames(self) -> bool:
        return True  # of answered pings at least

    def on_expiry(self, restart: Callable[[str], None]) -> None:
        """Set what ends the connection when its key has expired."""
        self._restart = restart

    async def url(self) -> str:
        return f"{self._base_url}?listenKey={await self._keys.create()}"

    async def opened(self, socket: OpenSocket) -> None:  # noqa: ARG002 - nothing to say to it
        self._is_open = True
        self.newest_read_ms = self._clock.now_ms()
        self._tell(StreamPhase.GAP, "connected")
        self._tell(StreamPhase.LIVE, "connected")

    def answered(self) -> None:
        self.newest_read_ms = self._clock.now_ms()

    def closed(self, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            self._tell(StreamPhase.DOWN, reason)

    def read(self, frame: bytes) -> None:
        self.newest_read_ms = self._clock.now_ms()
        try:
            self._read(_event_of(frame))
        except (PayloadError, UnicodeDecodeError, ValueError) as error:
            # A report that cannot be read is a report missed.
            self._log.error("stream.report_not_understood", error=str(error), frame=frame[:2_000])
            self._tell(StreamPhase.GAP, f"report not understood: {error}")

    def _read(self, raw: Raw) -> None:
        kind = raw.get("e")
        if kind == _ORDER_EVENT:
            for update in binance.order_events_of(raw):
                if isinstance(update, OrderUpdate):
                    self._seen(update)
                self._events.put(update)
        elif kind == _KEY_EXPIRED:
            self._expired("the venue says the listen key has expired")

    def _expired(self, reason: str) -> None:
        if self._restart is not None:
            self._restart(reason)

    async def keep_alive_forever(self) -> None:
        """Extend the key's life at intervals; begin anew when the venue has forgotten it."""
        wait_ms = KEEP_ALIVE_MS
        while True:
            await self._clock.sleep_ms(wait_ms)
            wait_ms = KEEP_ALIVE_MS
            try:
                if not await self._keys.keep_alive():
                    self._expired("the venue does not know the listen key")
            except VenueUnavailableError as error:
                self._log.warning("stream.keep_alive_failed", error=str(error))
                wait_ms = _KEEP_ALIVE_RETRY_MS

    def _tell(self, phase: StreamPhase, reason: str) -> None:
        self._events.put(
            StreamState(
                kind=StreamKind.PRIVATE, phase=phase, reason=reason, at_ms=self._clock.now_ms()
            )
        )


def _event_of(frame: bytes) -> Raw:
    raw = mapping_of(decode_exact(frame.decode()))
    return mapping_of(raw["data"]) if "stream" in raw and "data" in raw else raw
