"""The configuration file as the orchestrator sees it: which units, configured how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from opensqt.core.ids import AccountName, UnitId


class CatalogError(Exception):
    """A configuration is wrong; the message holds one line per problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """A unit the configuration file lists."""

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
    def accounts(self) -> tuple[AccountName, ...]:
        """Return all configured accounts, the default one first."""

    @property
    def plans(self) -> tuple[UnitPlan, ...]:
        """Return the units that shall run unless the registry says otherwise."""

    def unit_config(self, unit: UnitId, overrides: Mapping[str, object] | None) -> str:
        """Return the canonical configuration of a unit; raise ``CatalogError``."""
