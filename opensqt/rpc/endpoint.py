"""Where a server listens, such that nobody can take its place silently.

gRPC unlinks an existing socket file and binds anew: a second server would steal the path of a
living one without an error on either side. So each incarnation of a server gets a path of its own,
a file lock per name says who may serve, and clients read the present address from a small file that
is replaced atomically. The lock dies with its process; nothing has to be cleaned up after a crash.
"""

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, Self

SOCKET_PATH_BYTES_MAX: Final = 107
"""Bytes of a unix socket path on Linux, without the final zero."""
_DIRECTORY_MODE: Final = 0o700
_SOCKET_MODE: Final = 0o600
_UNIX: Final = "unix:"


class EndpointError(Exception):
    """A server cannot listen, or a client does not find it; the message says why."""


class EndpointTakenError(EndpointError):
    """A living process serves under this name."""


class Endpoint:
    """One incarnation of a named server on a unix socket; use as a context manager.

    Claiming takes the lock. ``publish`` is called once the server listens on ``address``.
    """

    def __init__(self, run_dir: Path, name: str) -> None:
        """Take the lock of ``name``; raise ``EndpointTakenError`` while somebody holds it."""
        _check_directory(run_dir)
        self._address_file = run_dir / f"{name}.address"
        self._lock = _lock(run_dir / f"{name}.lock", name)
        try:
            self._path = _socket_path(run_dir, name, incarnation=_next_incarnation(self._lock))
        except EndpointError:
            os.close(self._lock)
            raise
        for old in run_dir.glob(f"{name}.*.sock"):
            old.unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        """Return the socket of this incarnation."""
        return self._path

    @property
    def address(self) -> str:
        """Return what a server binds and a client connects to."""
        return f"{_UNIX}{self._path}"

    def publish(self) -> None:
        """Close the socket to other users and tell clients where it is."""
        self._path.chmod(_SOCKET_MODE)
        draft = self._address_file.with_suffix(".draft")
        draft.write_text(self.address, encoding="utf-8")
        draft.replace(self._address_file)

    def release(self) -> None:
        """Forget the socket and give the name free; idempotent."""
        if self._lock < 0:
            return
        self._path.unlink(missing_ok=True)
        if read_address(self._address_file) == self.address:
            self._address_file.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class UnixLocator:
    """Finds the present incarnation of a named server; cheap enough to ask before each connect."""

    def __init__(self, run_dir: Path, name: str) -> None:
        """Look for ``name`` in ``run_dir``; neither has to exist yet."""
        self._file = run_dir / f"{name}.address"

    def __call__(self) -> str:
        """Return the address; raise ``EndpointError`` when nobody has published one."""
        address = read_address(self._file)
        if not address:
            message = f"no server has published {self._file}"
            raise EndpointError(message)
        return address


class FixedLocator:
    """A server whose address is configured."""

    def __init__(self, address: str) -> None:
        """Always return ``address``, such as ``connector.internal:50051``."""
        self._address = address

    def __call__(self) -> str:
        """Return the address."""
        return self._address


def read_address(file: Path) -> str:
    """Return the published address, empty when there is none."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def is_unix(address: str) -> bool:
    """Tell whether an address is a unix socket."""
    return address.startswith(_UNIX)


def _check_directory(run_dir: Path) -> None:
    run_dir.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    found = run_dir.stat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        message = (
            f"run directory {run_dir}: expected mode 0700 and owner {os.getuid()}, "
            f"got {stat.S_IMODE(found.st_mode):04o} and {found.st_uid}"
        )
        raise EndpointError(message)


def _lock(file: Path, name: str) -> int:
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        message = f"{name} is served already (incarnation and pid: {holder}); lock {file}"
        raise EndpointTakenError(message) from None
    return handle


def _next_incarnation(lock: int) -> int:
    # The lock file remembers the last number, so that a path is never used twice.
    first, _, _ = os.pread(lock, 64, 0).decode(errors="replace").partition(" ")
    number = int(first) + 1 if first.isdigit() else 1
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{number} {os.getpid()}\n".encode(), 0)
    return number


def _socket_path(run_dir: Path, name: str, *, incarnation: int) -> Path:
    path = run_dir.absolute() / f"{name}.{incarnation}.sock"
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_BYTES_MAX:
        message = (
            f"socket path {path} is {length} bytes long, at most {SOCKET_PATH_BYTES_MAX} are "
            "possible; choose a shorter run directory"
        )
        raise EndpointError(message)
    return path
