"""The end of a venue's ban, in a file: a connector that starts again keeps to it.

The venue bans an address, not an account, so all connectors of a data folder share the note.
"""

import os
from contextlib import suppress
from pathlib import Path


class BanFile:
    """``BanNote`` in one small file."""

    def __init__(self, path: Path) -> None:
        """Use ``path``; its folder is made when there is something to write."""
        self._path = path

    def read(self) -> int:
        """Return the wall time at which the last ban ends or ended, 0 if none is known."""
        try:
            text = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            # Unreadable is unknown: the venue says it again with the first request.
            return 0
        return int(text) if text.isdigit() else 0

    def write(self, until_ms: int) -> None:
        """Replace it, whole or not at all; a disk that is full loses the note only."""
        partly = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partly.write_text(f"{until_ms}\n", "ascii")
            partly.replace(self._path)
        except OSError:
            with suppress(OSError):
                partly.unlink(missing_ok=True)
