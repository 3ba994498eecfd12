"""A way to a PostgreSQL server that breaks at the worst moment: while a COMMIT is on its way."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_CHUNK = 1 << 16
_COMMIT = b"COMMIT"
_WORKS_S = 0.2


@dataclass(slots=True, kw_only=True)
class Cut:
    """Which COMMIT loses its connection."""

    marks: tuple[bytes, ...]
    """What the transaction has sent before; a prepared statement sends no SQL, only values."""
    commits: bool
    """Whether the server receives the COMMIT, so that only the reply is lost."""
    count: int = 1
    """How many connections are cut, one after another."""


class CuttingProxy:
    """Passes bytes on, in threads because its users block, until it cuts."""

    def __init__(self, port: int) -> None:
        """Lead to this port of this machine."""
        self._target = port
        self._cut: Cut | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.cuts = 0
        self.port: int = self._listener.getsockname()[1]

    def arm(self, cut: Cut) -> None:
        """Cut from now on."""
        self._cut = cut

    def run(self) -> None:
        """Accept until closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += (client, server)
                self._spawn(self._pass_requests, client, server)
                self._spawn(self._pass_answers, server, client)

    def close(self) -> None:
        """End every connection and every thread."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _spawn(self, work: object, *ends: socket.socket) -> None:
        thread = threading.Thread(target=work, args=ends)  # type: ignore[arg-type]  # a method
        self._threads.append(thread)
        thread.start()

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                client.sendall(data)
        _end(client)

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        sent = b""
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                sent += data
                if _COMMIT in data:
                    cut = self._taken(sent)
                    sent = b""
                    if cut is not None:
                        _strike(cut, data, client, server)
                        break
                server.sendall(data)
        _end(server)

    def _taken(self, sent: bytes) -> Cut | None:
        cut = self._cut
        if cut is None or not all(mark in sent for mark in cut.marks):
            return None
        cut.count -= 1
        if cut.count <= 0:
            self._cut = None
        self.cuts += 1
        return cut


def _strike(cut: Cut, data: bytes, client: socket.socket, server: socket.socket) -> None:
    _end(client)
    if cut.commits:
        # The server works on what it has received although nobody waits for the answer.
        server.sendall(data)
        time.sleep(_WORKS_S)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    """Run a proxy in front of a port."""
    proxy = CuttingProxy(port)
    acceptor = threading.Thread(target=proxy.run)
    acceptor.start()
    try:
        yield proxy
    finally:
        proxy.close()
        acceptor.join()
