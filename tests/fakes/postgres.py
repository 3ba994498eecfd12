"""A PostgreSQL server of our own, on a free loopback port, gone afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def has_programs() -> bool:
    """Tell whether the server programs are installed."""
    return all(shutil.which(name) for name in ("initdb", "postgres", "pg_ctl"))


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the address of a fresh server, without a database name."""
    user = _server_user()
    # Not below pytest's folder: the server's user could not enter it.
    with tempfile.TemporaryDirectory(prefix="opensqt-pg-") as scratch:
        folder = Path(scratch)
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data, log, port = str(folder / "data"), str(folder / "log"), _free_port()
        _run(user, "initdb", "-D", data, "-U", "test", "-A", "trust", "-N")
        options = f"-p {port} -h 127.0.0.1 -k {folder}"
        _run(user, "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        try:
            yield f"postgresql://test@127.0.0.1:{port}"
        finally:
            _run(user, "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


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
