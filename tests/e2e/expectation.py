"""What a scenario sees once everything is at rest, and what it expects to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from opensqt.core.facts import Fact
from opensqt.core.symbol import SymbolState
from tests.e2e.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything at rest."""

    state: SymbolState
    status: dict[str, Any]
    ledger: Ledger
    facts: Sequence[Fact]

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a scenario expects once everything is at rest; None = whatever."""

    buys: tuple[str, ...] | None = None
    """Prices of our open buys, any order."""
    sells: tuple[str, ...] | None = None
    position: str | None = None
    fills: int | None = None
    state: str | None = None
    """Phase of the unit."""
    idle: str | None = None
    quarantine: str = ""
    """A word of the reason, empty = not quarantined."""

    def problems(self, view: View) -> list[str]:
        found = []
        for side, wanted in (("buy", self.buys), ("sell", self.sells)):
            has = sorted(o.price for o in view.ledger.open_orders if o.side == side)
            if wanted is not None and has != sorted(map(Decimal, wanted)):
                found.append(f"expected open {side} orders at {wanted}, got {[*map(str, has)]}")
        if self.position is not None and view.ledger.position != Decimal(self.position):
            found.append(f"expected the position {self.position}, got {view.ledger.position}")
        if self.fills is not None and len(view.ledger.fills) != self.fills:
            found.append(f"expected {self.fills} fills, got {len(view.ledger.fills)}")
        for name, given in (("state", self.state), ("idle_reason", self.idle)):
            if given is not None and view.status[name] != given:
                found.append(f"expected {name} {given!r}, got {view.status[name]!r}")
        reason = view.state.quarantine
        if self.quarantine not in reason or bool(reason) != bool(self.quarantine):
            found.append(f"expected quarantine {self.quarantine!r}, got {reason!r}")
        return found
