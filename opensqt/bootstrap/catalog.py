"""The checked configuration file as the orchestrator's catalog."""

from collections.abc import Mapping

from opensqt.config.deployment import Deployment
from opensqt.config.problems import ConfigError
from opensqt.config.units import build_unit
from opensqt.core import codec
from opensqt.ports.catalog import CatalogError, UnitPlan


class DeploymentCatalog:
    """Implements ``CatalogPort``."""

    def __init__(self, deployment: Deployment) -> None:
        """Serve what ``deployment`` says."""
        self._deployment = deployment

    @property
    def mode(self) -> str:
        """Return what the orders cost."""
        return str(self._deployment.mode)

    @property
    def timezone(self) -> str:
        """Return the zone in which times are shown."""
        return self._deployment.timezone

    @property
    def plans(self) -> tuple[UnitPlan, ...]:
        """Return the units of the file."""
        return tuple(
            UnitPlan(unit=unit, config_text=codec.encode(config))
            for unit, config in self._deployment.units
        )

    def plan(self, target: str, overrides: Mapping[str, object] | None) -> UnitPlan:
        """Return the unit a target names with its configuration; raise ``CatalogError``."""
        try:
            unit, config = build_unit(self._deployment, target, overrides)
        except ConfigError as error:
            raise CatalogError(str(error)) from error
        return UnitPlan(unit=unit, config_text=codec.encode(config))
