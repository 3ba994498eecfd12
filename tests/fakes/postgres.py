"""A PostgreSQL server of our own, on a free loopback port, gone afterwards.

Where its programs are not installed, whoever asks for one is skipped.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest


def has_programs() -> bool:
    """Tell whether the server programs are installed."""
    return all(shutil.which(name) for name in ("initdb", "postgres", "pg_ctl"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running server."""

    folder: Path
    user: str | None
    """Account the server runs as; None = our own."""
    port: int

    @property
    def address(self) -> str:
        """Return the address without a database name."""
        return f"postgresql://test@127.0.0.1:{self.port}"

    def create(self, name: str) -> str:
        """Make an empty database, in place of any of that name; return its address."""
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.address}/{name}"

    def start(self) -> None:
        """Start it, recovering whatever an immediate stop has left; return once it answers."""
        # A crash of the server loses nothing the system has: fsync only costs time here.
        options = f"-F -p {self.port} -h 127.0.0.1 -k {self.folder}"
        _run(
            self.user,
            *("pg_ctl", "-D", str(self.folder / "data"), "-w"),
            *("-l", str(self.folder / "log"), "-o", options, "start"),
        )

    def stop(self) -> None:
        """End it at once, as a crash would: no connection is served to its end."""
        data = str(self.folder / "data")
        _run(self.user, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@contextmanager
def started_server() -> Iterator[PostgresServer]:
    """Yield a fresh server that may be stopped and started."""
    if not has_programs():
        pytest.skip("no PostgreSQL server programs")
    user = _server_user()
    # Not below pytest's folder: the server's user could not enter it.
    with tempfile.TemporaryDirectory(prefix="opensqt-pg-") as scratch:
        folder = Path(scratch)
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        _run(user, "initdb", "-D", str(folder / "data"), "-U", "test", "-A", "trust", "-N")
        server = PostgresServer(folder=folder, user=user, port=_free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _server_user() -> str | None:
    """Return as whom to run the server, which refuses to run as root; None for ourselves."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(user: str | None, *command: str) -> None:
    # The server inherits the output of pg_ctl; a pipe would keep this call waiting for its end.
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        timeout=60,
        user=user,
        cwd="/",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
