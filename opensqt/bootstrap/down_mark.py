"""The durable mark that a deployment is down: nothing is started until the next launch."""

from pathlib import Path

from opensqt.system.rundir import write_atomically


class DownMark:
    """A file in the data directory; implements ``StandDownPort``."""

    def __init__(self, data_dir: Path) -> None:
        """Use ``down`` in ``data_dir``."""
        self._path = data_dir / "down"

    def is_set(self) -> bool:
        """Tell whether the deployment is down."""
        return self._path.exists()

    def set(self) -> None:
        """Mark it down; raise ``OSError`` where no file can be made."""
        try:
            write_atomically(
                self._path, "stopped by the operator; the next launch removes this file\n"
            )
        except OSError:
            # A full disk has no room for the text, but often for the name, and only that counts.
            self._path.touch()

    def clear(self) -> None:
        """Let it run."""
        self._path.unlink(missing_ok=True)
