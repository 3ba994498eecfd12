"""Following a registry row: what the engine of a unit's process must hear of it, in order."""

from opensqt.core.facts import ConfigApplied, Directive, DirectiveGiven, QuarantineLifted
from opensqt.core.registry import UnitRecord
from opensqt.core.registry_rules import RESUMED
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.ports.clock import ClockPort


class UnitFollower:
    """What one process was told of its unit; the engine's mailbox keeps the order."""

    def __init__(self, clock: ClockPort) -> None:
        """Follow nothing yet."""
        self._clock = clock
        self._engine: SymbolEngine | None = None
        self._row: UnitRecord | None = None
        self._held: Directive | None = None

    @property
    def row(self) -> UnitRecord | None:
        """Return the row that is followed."""
        return self._row

    @property
    def held(self) -> Directive | None:
        """Return the directive that replaces the row's until the process ends."""
        return self._held

    def knows(self, revision: int) -> bool:
        """Tell whether that revision of the row, or a newer one, is followed already."""
        return self._row is not None and self._row.revision >= revision

    def begin(self, engine: SymbolEngine, row: UnitRecord) -> None:
        """Direct a new engine, which knows nothing of the row."""
        self._engine = engine
        self._row = None
        self.follow(row)

    def end(self) -> None:
        """Forget the engine; what is followed stays."""
        self._engine = None

    def hold(self, directive: Directive) -> None:
        """Follow ``directive`` instead of the row until the process ends."""
        if self._held is directive:
            return
        self._held = directive
        self._direct(directive, reason="held")

    def follow(self, row: UnitRecord) -> None:
        """Hand what a newer row says to the engine; older ones change nothing."""
        if self.knows(row.revision):
            return
        before, self._row = self._row, row
        engine = self._engine
        if engine is None:
            return
        now_ms = self._clock.now_ms()
        if before is not None and before.config_version != row.config_version:
            engine.tell(
                ConfigApplied(version=row.config_version, text=row.config_text, at_ms=now_ms)
            )
        if self._held is not None:
            if before is None:
                self._direct(self._held, reason="held")
            return
        if before is None or before.directive is not row.directive:
            self._direct(row.directive, reason=row.reason)
        if before is not None and row.reason == RESUMED and engine.state.quarantine:
            engine.tell(QuarantineLifted(operator="operator", reason=row.reason, at_ms=now_ms))

    def _direct(self, directive: Directive, *, reason: str) -> None:
        if self._engine is not None:
            now_ms = self._clock.now_ms()
            self._engine.tell(
                DirectiveGiven(directive=directive, by="operator", reason=reason, at_ms=now_ms)
            )
