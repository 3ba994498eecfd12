"""Who listens to what: topics, connections, frames encoded once and shared.

A frame is built as bytes, WebSocket header included, on the first subscriber and written to every
transport as it is. Frames of one loop turn leave in one write per connection. A connection that
does not read is cut, as exchanges do, so that a slow client costs no memory.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import orjson

from opensqt.paper.faults import FrameTrouble

BUFFER_BYTES_MAX: Final = 8_000_000
_TEXT_FRAME: Final = 0x81
_SMALL: Final = 126
_MEDIUM: Final = 1 << 16


def text_frame(payload: bytes) -> bytes:
    """Return a final, unmasked WebSocket text frame, as a server sends it."""
    size = len(payload)
    if size < _SMALL:
        header = bytes((_TEXT_FRAME, size))
    elif size < _MEDIUM:
        header = bytes((_TEXT_FRAME, 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((_TEXT_FRAME, 127)) + size.to_bytes(8, "big")
    return header + payload


_GARBAGE: Final = text_frame(b'{"e":"ORDER_TRADE_UPDATE","o":{"s":NaN,\xc3\xa9')


class Connection:
    """One WebSocket: what it subscribed to and what waits to be written."""

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        path: str,
        is_combined: bool,
        account: str = "",
        listen_key: str = "",
    ) -> None:
        self.path = path
        self.is_combined = is_combined
        self.account = account
        """Account of a user stream; empty on public connections."""
        self.listen_key = listen_key
        """Key the user stream was opened with, its name on combined connections."""
        self.topics: set[str] = set()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._silent_until = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether frames can still be written."""
        return not self._transport.is_closing()

    def send(self, frame: bytes) -> None:
        """Queue an encoded frame; it is written in this loop turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(frame)

    def send_json(self, value: object) -> None:
        """Queue a message of this connection's own."""
        self.send(text_frame(orjson.dumps(value)))

    def send_troubled(self, frame: bytes, trouble: FrameTrouble) -> None:
        """Queue an event as often, as late and as broken as the trouble says."""
        frame = _GARBAGE if trouble.is_garbled else frame
        for _ in range(trouble.copies):
            if trouble.delay_ms:
                self._loop.call_later(trouble.delay_ms / 1_000, self.send, frame)
            else:
                self.send(frame)

    def silence(self, seconds: float) -> None:
        """Swallow everything for a while, with the socket open: a stalled stream."""
        self._silent_until = self._loop.time() + seconds

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        self._transport.abort()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._transport.is_closing() or self._loop.time() < self._silent_until:
            return
        self._transport.write(b"".join(waiting))
        if self._transport.get_write_buffer_size() > BUFFER_BYTES_MAX:
            self._transport.abort()


class Hub:
    """Connections by topic, and user streams by account."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.on_interest: Callable[[str], None] = _ignore
        """Called with each topic somebody subscribes to."""
        self.trouble_of: Callable[[str], FrameTrouble] | None = None
        """Draws what happens to an event on a stream of this path; None while nothing does."""
        self._topics: dict[str, dict[Connection, None]] = {}

    def add(self, connection: Connection) -> None:
        """Take a connection in."""
        self.connections.add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection; idempotent."""
        self.unsubscribe(connection, tuple(connection.topics))
        self.connections.discard(connection)

    def subscribe(self, connection: Connection, topics: Iterable[str]) -> None:
        """Send a connection these topics from now on; idempotent."""
        for topic in topics:
            connection.topics.add(topic)
            self._topics.setdefault(topic, {})[connection] = None
            self.on_interest(topic)

    def unsubscribe(self, connection: Connection, topics: Iterable[str]) -> None:
        """Stop sending these topics; idempotent."""
        for topic in topics:
            connection.topics.discard(topic)
            listeners = self._topics.get(topic)
            if listeners is not None:
                listeners.pop(connection, None)
                if not listeners:
                    del self._topics[topic]

    def has_listeners(self, topic: str) -> bool:
        """Tell whether anybody wants a topic, so that nothing is encoded for nobody."""
        return topic in self._topics

    def topics(self) -> tuple[str, ...]:
        """Return the topics somebody listens to."""
        return tuple(self._topics)

    def publish(self, topic: str, message: Mapping[str, object]) -> None:
        """Send a message to the listeners of a topic, encoded at most once per form."""
        listeners = self._topics.get(topic)
        if not listeners:
            return
        payload = orjson.dumps(message)
        plain = combined = b""
        for connection in tuple(listeners):
            if connection.is_combined:
                combined = combined or _combined_frame(topic, payload)
                self._deliver(connection, combined)
            else:
                plain = plain or text_frame(payload)
                self._deliver(connection, plain)

    def publish_account(self, account: str, message: Mapping[str, object]) -> None:
        """Send a message to the user streams of an account."""
        payload = b""
        for connection in self.connections:
            if connection.account == account:
                payload = payload or orjson.dumps(message)
                if connection.is_combined:
                    self._deliver(connection, _combined_frame(connection.listen_key, payload))
                else:
                    self._deliver(connection, text_frame(payload))

    def _deliver(self, connection: Connection, frame: bytes) -> None:
        if self.trouble_of is None:
            connection.send(frame)
        else:
            connection.send_troubled(frame, self.trouble_of(connection.path))


def _combined_frame(stream: str, payload: bytes) -> bytes:
    return text_frame(b'{"stream":"%b","data":%b}' % (stream.encode(), payload))


def _ignore(_: str) -> None:
    pass
