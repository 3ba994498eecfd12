"""File locks that name their holder. The kernel frees them when the process ends, however it ends.

The file stays: removing it would let two processes lock two different files of the same name.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from opensqt.system import process


class LockHeldError(Exception):
    """Another process holds the lock; the message names it."""


class FileLock:
    """An exclusive lock on a file, held until ``release`` or the end of the process.

    Raises ``LockHeldError`` on entry when somebody else, also this very process through another
    ``FileLock``, holds it. Never waits.
    """

    def __init__(self, path: Path, *, purpose: str) -> None:
        self._path = path
        self._purpose = purpose
        self._descriptor: int | None = None

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def is_held(self) -> bool:
        """Tell whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock and write down who holds it; raise ``LockHeldError`` or ``OSError``."""
        assert self._descriptor is None, f"{self._path} is locked already"
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held_by = _described(os.pread(descriptor, 4096, 0))
            os.close(descriptor)
            raise LockHeldError(f"{self._path} is held by {held_by}") from error
        me = process.current()
        text = json.dumps({"pid": me.pid, "start": me.start, "purpose": self._purpose})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; idempotent."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(path: Path) -> str | None:
    """Return who holds a lock, as text for people, or None if it is free."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _described(os.pread(descriptor, 4096, 0))
    else:
        return None
    finally:
        os.close(descriptor)


def account_lock_path(environ: Mapping[str, str], *, venue: str, key_id: str) -> Path:
    """Return the per-user lock file of a venue account; the key id appears as a hash only."""
    home = environ.get("XDG_STATE_HOME") or str(
        Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    )
    digest = hashlib.sha256(f"{venue}\x1f{key_id}".encode()).hexdigest()[:16]
    return Path(home) / "opensqt" / "locks" / f"{venue}-{digest}"


def _described(content: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        held = json.loads(content)
        return f"process {held['pid']} ({held['purpose']})"
    return "another process"
