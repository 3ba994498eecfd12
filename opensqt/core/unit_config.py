"""The configuration of one unit as the symbol process decodes it from the registry."""

from dataclasses import dataclass
from decimal import Decimal

from opensqt.core.grid.config import GridConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitConfig:
    """Validated, canonical, stored as JSON text by the orchestrator."""

    capital: Decimal
    """Capital of the account, quote units; every limit is relative to it."""
    grid: GridConfig
    order_ttl_ms: int = 3_000
    """Request expiry: nothing is written to the venue later than this after the decision."""
    horizon_ms: int = 20_000
    """H: how long after its deadline an unanswered request may still show up at the venue."""
    visibility_ms: int = 5_000
    """V: how long an accepted order or trade may stay invisible to look-ups."""
    reserve: Decimal = Decimal(0)
    """Part of the account's position that belongs to a human, base units, >= 0: never sold, never
    adopted, never a difference. If it is gone, the unit stops until a human decides."""

    @property
    def late_ms(self) -> int:
        """Return how long after it was written an order may still appear, milliseconds."""
        return self.order_ttl_ms + self.horizon_ms
