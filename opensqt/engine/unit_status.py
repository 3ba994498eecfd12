"""What a symbol process says about itself: the frozen state, in plain words and strings."""

from dataclasses import dataclass
from decimal import Decimal

from opensqt.core.facts import Directive
from opensqt.core.ids import UnixMs
from opensqt.core.money import ZERO, to_text
from opensqt.core.registry import Desire, UnitPhase, UnitRecord
from opensqt.core.risk.view import committed_notional
from opensqt.core.symbol import SymbolState
from opensqt.engine.symbol_engine import SymbolEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatus:
    """What the process knows beside its engine."""

    pid: int
    epoch: int
    born_epoch: int
    """Newest epoch when the process was first created; its own first one is the next."""
    row: UnitRecord | None
    """The row the process follows."""
    held: Directive | None
    """Directive that replaces the row's."""
    problem: str
    """Why the last start failed, or empty."""
    memory_mb: int | None

    @property
    def directive(self) -> Directive | None:
        """Return what the engine was told."""
        if self.held is not None or self.row is None:
            return self.held
        return self.row.directive


def unit_status(
    status: UnitStatus, engine: SymbolEngine | None, *, now_ms: UnixMs
) -> dict[str, object]:
    """Return the answer that ``SpawnPort.unit_snapshot`` describes."""
    answer: dict[str, object] = {
        "state": str(UnitPhase.STARTING),
        "idle_reason": status.problem,
        "revision": 0,
        "epoch": status.epoch,
        "pid": status.pid,
        "restarts": max(0, status.epoch - status.born_epoch - 1),
        "held": "",
        "open_orders": 0,
        "memory_mb": status.memory_mb,
    }
    if engine is None or not engine.is_loaded:
        return answer
    state = engine.state
    # A directive counts as obeyed only once the engine has taken it out of its mailbox.
    is_applied = state.directive is status.directive
    answer |= {
        "state": str(_phase(status, engine, state)),
        "idle_reason": engine.idle_reason,
        "revision": status.row.revision if is_applied and status.row is not None else 0,
        "held": str(status.held) if is_applied and status.held is not None else "",
        "open_orders": len(state.live_orders),
        "foreign_orders": engine.foreign_orders,
        "facts_waiting": engine.facts_waiting,
    }
    return answer | _money(state, now_ms)


def _phase(status: UnitStatus, engine: SymbolEngine, state: SymbolState) -> UnitPhase:
    if state.quarantine:
        return UnitPhase.QUARANTINED
    if not engine.is_ready:
        return UnitPhase.RECOVERING
    if state.directive is Directive.RUN:
        return UnitPhase.QUOTING
    if not engine.is_stopped:
        return UnitPhase.DRAINING
    is_pause = status.held is None and status.row is not None
    if is_pause and status.row is not None and status.row.desire is Desire.PAUSED:
        return UnitPhase.PAUSED
    return UnitPhase.STOPPED


def _money(state: SymbolState, now_ms: UnixMs) -> dict[str, object]:
    book = state.position
    instrument = state.instrument
    answer: dict[str, object] = {
        "position": to_text(book.quantity),
        "fills": book.fills,
        "realized_pnl": to_text(book.realized_pnl),
        # What was paid in another asset has no price here.
        "fees": to_text(ZERO if instrument is None else book.fees_in(instrument.quote_asset)),
        "capital": to_text(committed_notional(state)),
        "unrealized_pnl": None,
        "price": None,
        "price_age_ms": None,
    }
    price = state.price
    if price is None:
        return answer
    contract_size = Decimal(1) if instrument is None else instrument.contract_size
    return answer | {
        "price": to_text(price.last),
        "price_age_ms": max(0, now_ms - price.read_ms),
        "unrealized_pnl": to_text(book.unrealized_pnl(price.mark or price.last, contract_size)),
    }
