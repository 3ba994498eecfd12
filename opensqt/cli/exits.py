"""Exit codes, the same for every command, and what raises them."""

from enum import IntEnum
from typing import Final

from opensqt.ports.control import ControlCode


class Exit(IntEnum):
    """What the exit status of `opensqt` says."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    AUTH = 3
    NOT_READY = 4
    REFUSED = 5
    PARTLY = 6


EXIT_OF_CODE: Final = {
    ControlCode.INVALID: Exit.USAGE,
    ControlCode.NOT_FOUND: Exit.REFUSED,
    ControlCode.DENIED: Exit.AUTH,
    ControlCode.CONFLICT: Exit.REFUSED,
    ControlCode.NOT_READY: Exit.NOT_READY,
    ControlCode.DENIED: Exit.AUTH,
    ControlCode.INTERNAL: Exit.UNEXPECTED,
}


class CommandError(Exception):
    """A command ends without having done what was asked; the message is for the operator."""

    def __init__(self, exit_code: Exit, message: str) -> None:
        """Keep the exit code beside the message."""
        super().__init__(message)
        self.exit_code = exit_code
