"""Keeping one WebSocket open: dial, read, notice silence, dial again.

A dead peer is noticed by its unanswered pings, a stalled one by its silence. Both end in a new
connection; what was missed meanwhile is for the reader's owner to repair.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp

from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import VenueUnavailableError
from opensqt.ports.telemetry import LogPort

_TICK_MS: Final = 250
_DIAL_S: Final = 10.0
_CLOSE_S: Final = 1.0
_FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
_BACK_OFF_MS: Final = (100, 200, 400, 800, 1_600, 3_200, 5_000)


class SocketReader(Protocol):
    """Who reads the frames of a socket."""

    async def url(self) -> str:
        """Return where to dial now; raise ``VenueUnavailableError`` to try again later."""

    async def opened(self, socket: "OpenSocket") -> None:
        """Begin: nothing has been read from this connection yet."""

    def read(self, frame: bytes) -> None:
        """Take one frame. Never waits."""

    def answered(self) -> None:
        """Note that the peer has answered a ping: it is alive, and nothing sent before is missing.

        Never waits.
        """

    def closed(self, reason: str) -> None:
        """End: the connection, or the attempt to make one, is over."""

    @property
    def expects_frames(self) -> bool:
        """Tell whether silence means anything: nothing comes of what was not subscribed."""


class OpenSocket(Protocol):
    """What a reader may do with its connection."""

    async def send_text(self, text: str) -> None:
        """Send one text frame; raise ``ConnectionError`` when the connection is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketConfig:
    """When a connection counts as dead."""

    name: str
    """For the log."""
    silence_ms: int
    """Longest time without a sign of life."""
    expects_data: bool
    """Whether an answered ping is no sufficient sign of life: a stalled stream answers too."""
    ping_ms: int = 5_000


class SocketKeeper:
    """Dials again for as long as ``run`` runs."""

    def __init__(
        self,
        config: SocketConfig,
        reader: SocketReader,
        *,
        session: aiohttp.ClientSession,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        self._config = config
        self._reader = reader
        self._session = session
        self._clock = clock
        self._log = log
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._close_reason = ""
        self._closing: asyncio.Task[None] | None = None
        self._alive_ms = self._answered_ms = 0
        self._opened_ms = 0
        self._frames = 0

    async def run(self) -> None:
        """Keep the socket open until cancelled."""
        failures = 0
        while True:
            self._frames = 0
            reason = await self._attempt()
            failures = 0 if self._frames else failures + 1
            self._log.warning("socket.closed", socket=self._config.name, reason=reason)
            self._reader.closed(reason)
            await self._clock.sleep_ms(_BACK_OFF_MS[min(failures, len(_BACK_OFF_MS) - 1)])

    def restart(self, reason: str) -> None:
        """End the present connection, if any; a new one follows."""
        if self._socket is not None and not self._close_reason:
            self._close_reason = reason
            self._closing = asyncio.create_task(_close(self._socket))

    async def send_text(self, text: str) -> None:
        """Send one text frame; raise ``ConnectionError`` when there is no connection."""
        if self._socket is None or self._socket.closed:
            raise ConnectionError("not connected")
        try:
            await self._socket.send_str(text)
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error

    async def _attempt(self) -> str:
        try:
            url = await self._reader.url()
            async with asyncio.timeout(_DIAL_S):
                socket = await self._session.ws_connect(
                    url,
                    autoping=False,
                    decode_text=False,
                    max_msg_size=_FRAME_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
        except (VenueUnavailableError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"dial failed: {type(error).__name__}: {error}"
        async with socket:
            return await self._serve(socket)

    async def _serve(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> str:
        self._socket, self._close_reason = socket, ""
        self._opened_ms = self._alive_ms = self._answered_ms = self._clock.monotonic_ms()
        watchdog = asyncio.create_task(self._watch(socket))
        try:
            await self._reader.opened(self)
            return await self._read(socket)
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            self._socket = None
            watchdog.cancel()

    async def _read(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> str:
        receive, read = socket.receive, self._reader.read
        data = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        while True:
            message = await receive()
            kind = message.type
            if kind in data:
                self._frames += 1
                read(message.data)
            elif kind is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif kind is aiohttp.WSMsgType.PONG:
                self._answered_ms = self._clock.monotonic_ms()
                self._reader.answered()
            else:
                return self._close_reason or f"closed by the venue: {socket.close_code}"

    async def _watch(self, socket: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        seen, pinged_ms = 0, self._opened_ms
        while not self._close_reason:
            await self._clock.sleep_ms(_TICK_MS)
            now = self._clock.monotonic_ms()
            if self._frames != seen:
                seen, self._alive_ms, self._answered_ms = self._frames, now, now
            if not self._config.expects_data or not self._reader.expects_frames:
                self._alive_ms = self._answered_ms
            if now - self._alive_ms > self._silence_ms(now):
                self.restart(f"silent for {now - self._alive_ms} ms")
            elif now - self._answered_ms > self._config.silence_ms:
                self.restart(f"dead for {now - self._answered_ms} ms")
            elif now - pinged_ms >= self._config.ping_ms:
                pinged_ms = now
                try:
                    await socket.ping()
                except (aiohttp.ClientError, OSError) as error:
                    self.restart(f"ping failed: {type(error).__name__}")

    def _silence_ms(self, now: int) -> int:
        # A symbol nobody trades is not a stalled stream: leave it twenty times its usual gap.
        if not self._config.expects_data or not self._frames:
            return self._config.silence_ms
        usual = 20 * (now - self._opened_ms) // self._frames
        return min(max(self._config.silence_ms, usual), 12 * self._config.silence_ms)


async def _close(socket: "aiohttp.ClientWebSocketResponse[bool]") -> None:
    await socket.close()
