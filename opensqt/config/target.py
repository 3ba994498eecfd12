"""Names of trading units in a configuration file; see ``opensqt.core.targets``."""

from opensqt.core.targets import (
    NAME_FORM,
    Target,
    TargetError,
    complete,
    parse_target,
    resolve,
)

__all__ = ["NAME_FORM", "Target", "TargetError", "complete", "parse_target", "resolve"]
