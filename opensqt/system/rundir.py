"""The run directory of a deployment: sockets, endpoints, process ids, locks.

One directory per data directory, short because the path of a unix socket has at most 107 bytes,
readable by its owner only, and gone after a reboot. What it holds says where to look, never what
is true: every process id comes with its start time, every reader checks.
"""

import fcntl
import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from opensqt.system.locks import FileLock
from opensqt.system.process import ProcessName

SOCKET_PATH_BYTES_MAX: Final = 107
"""Bytes of a unix socket path on Linux, without the final zero."""
# Room below the run directory for names such as connector-paper.1234567.sock.
_SOCKET_NAME_BYTES_MAX: Final = 48
_ENDPOINTS, _PIDS = "endpoints.json", "pids.json"


class RunDirError(Exception):
    """The run directory cannot be trusted or used; one line says why."""


def data_dir(environ: Mapping[str, str], *, given: Path | None = None) -> Path:
    """Return the data directory: as given, else ``OPENSQT_DATA_DIR``, else ``./data``; absolute."""
    return (given or Path(environ.get("OPENSQT_DATA_DIR") or "data")).expanduser().resolve()


def run_dir_path(data: Path, environ: Mapping[str, str]) -> Path:
    """Return the run directory that belongs to a data directory; touches nothing."""
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:10]
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        path = Path(runtime) / "opensqt" / digest
        if len(os.fsencode(path)) + 1 + _SOCKET_NAME_BYTES_MAX <= SOCKET_PATH_BYTES_MAX:
            return path
    # A fixed place in /tmp is safe because owner and mode are verified before each use.
    return Path(f"/tmp/opensqt-{os.getuid()}") / digest  # noqa: S108 - made with mode 0700 and checked


class RunDir:
    """The run directory, made on construction; raises ``RunDirError`` if others could write it."""

    def __init__(self, data: Path, environ: Mapping[str, str]) -> None:
        self.path = run_dir_path(data, environ)
        for folder in (self.path.parent, self.path):
            _make_private(folder)
        write_atomically(self.path / "data", str(data.resolve()))

    def lock(self, name: str) -> FileLock:
        """Return the lock of this name, not yet taken."""
        return FileLock(self.path / f"{name}.lock", purpose=name)

    def endpoints(self) -> dict[str, str]:
        """Return the addresses that processes have announced, by name."""
        return {name: str(value) for name, value in _read(self.path / _ENDPOINTS).items()}

    def set_endpoint(self, name: str, address: str | None) -> None:
        """Announce an address, or take it back with None."""
        with self._changed(_ENDPOINTS) as entries:
            _put(entries, name, address)

    def processes(self) -> dict[str, ProcessName]:
        """Return the processes that were announced, by name, dead ones included."""
        found = {}
        for name, entry in _read(self.path / _PIDS).items():
            if isinstance(entry, dict) and isinstance(entry.get("pid"), int):
                found[name] = ProcessName(pid=entry["pid"], start=int(entry.get("start", -1)))
        return found

    def live_processes(self) -> dict[str, ProcessName]:
        """Return the announced processes that run."""
        return {name: entry for name, entry in self.processes().items() if entry.is_alive}

    def set_process(self, name: str, process: ProcessName | None) -> None:
        """Announce a process, or take it back with None."""
        entry = None if process is None else {"pid": process.pid, "start": process.start}
        with self._changed(_PIDS) as entries:
            _put(entries, name, entry)

    @contextmanager
    def _changed(self, file: str) -> Iterator[dict[str, object]]:
        """Yield the entries of a file and store them; writers wait for each other."""
        path = self.path / file
        with _exclusive(self.path / f".{file}.lock"):
            entries = _read(path)
            yield entries
            write_atomically(path, json.dumps(entries, indent=2, sort_keys=True))


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader or a crash sees the old or the new text, never a part."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def _put(entries: dict[str, object], name: str, value: object) -> None:
    if value is None:
        entries.pop(name, None)
    else:
        entries[name] = value


def _read(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise RunDirError(f"{path} is not a JSON text: {error}") from error
    if not isinstance(entries, dict):
        raise RunDirError(f"{path} does not hold an object")
    return entries


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock for a moment, waiting for others that hold it for a moment."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise RunDirError(f"cannot create {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RunDirError(f"{folder} is not a directory of this user; remove it")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
