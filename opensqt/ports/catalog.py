"""The configuration file as the orchestrator sees it: which units, configured how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from opensqt.core.ids import UnitId


class CatalogError(Exception):
    """A configuration is wrong; the message holds one line per problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """A unit with its configuration."""

    unit: UnitId
    config_text: str
    """Canonical JSON of the validated unit configuration."""


class CatalogPort(Protocol):
    """Validated before the first process starts; immutable."""

    @property
    def mode(self) -> str:
        """Return ``paper``, ``shadow``, ``demo`` or ``live``."""

    @property
    def timezone(self) -> str:
        """Return the zone in which times are shown to people."""

    @property
    def plans(self) -> tuple[UnitPlan, ...]:
        """Return the units that shall run unless the registry says otherwise."""

    def plan(self, target: str, overrides: Mapping[str, object] | None) -> UnitPlan:
        """Return the unit a target names, configured by the file and the given settings on top.

        Raise ``CatalogError``, also for a target that is malformed, ambiguous or not tradable.
        """
