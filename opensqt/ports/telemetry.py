"""Saying what happened, to people and machines that watch."""

from typing import Protocol


class LogPort(Protocol):
    """One structured line per unit of work. Event names are dotted constants."""

    def debug(self, event: str, **fields: object) -> None:
        """Report replayable detail."""

    def info(self, event: str, **fields: object) -> None:
        """Report a business change."""

    def warning(self, event: str, **fields: object) -> None:
        """Report something that healed itself."""

    def error(self, event: str, **fields: object) -> None:
        """Report something a person must look at."""
