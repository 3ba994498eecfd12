"""Why a unit does what it does, in plain words and strings, as its process or its journal knows."""

from decimal import Decimal

from opensqt.core.grid.explain import Explanation, Level, LevelReason, Obstacle, explain_levels
from opensqt.core.ids import UnixMs
from opensqt.core.money import to_text
from opensqt.core.risk.limits import Limits
from opensqt.core.symbol import SymbolState
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.symbol_engine import SymbolEngine


def explained_unit(
    engine: SymbolEngine | None, *, problem: str, now_ms: UnixMs
) -> dict[str, object]:
    """Return the answer that ``SpawnPort.unit_explanation`` describes."""
    if engine is None or not engine.is_loaded:
        return unexplained(LevelReason.STARTING, problem)
    return explained_state(engine.state, engine.config, now_ms=now_ms, obstacle=_obstacle(engine))


def explained_state(
    state: SymbolState, config: UnitConfig, *, now_ms: UnixMs, obstacle: Obstacle | None
) -> dict[str, object]:
    """Return the same answer from a state, whoever has it."""
    orders_max = state.instrument.orders_open_max if state.instrument else 0
    limits = Limits.from_capital(config.capital, venue_orders_open_max=orders_max)
    found = explain_levels(state, config.grid, limits, now_ms=now_ms, obstacle=obstacle)
    return _plain(found) | {"price": None if state.price is None else to_text(state.price.last)}


def unexplained(reason: LevelReason, detail: str) -> dict[str, object]:
    """Return the answer of a unit of which no level is known."""
    return _plain(Explanation(reason=reason, detail=detail, top=None, levels=()))


def _obstacle(engine: SymbolEngine) -> Obstacle | None:
    if not engine.is_ready:
        return Obstacle(reason=LevelReason.RECOVERING, detail=engine.idle_reason)
    if engine.gate_problem:
        return Obstacle(
            reason=LevelReason.GATE_SHUT, detail=engine.gate_problem, is_for_opens_only=True
        )
    return None


def _plain(found: Explanation) -> dict[str, object]:
    return {
        "reason": "" if found.reason is None else str(found.reason),
        "detail": found.detail,
        "price": None,
        "top_level": found.top,
        "levels": [_plain_level(level) for level in found.levels],
    }


def _plain_level(level: Level) -> dict[str, object]:
    return {
        "level": level.index,
        "price": _text(level.price),
        "role": str(level.role),
        "inventory": to_text(level.inventory),
        "reason": str(level.reason),
        "detail": level.detail,
        "client_order_id": level.client_order_id,
        "order_status": None if level.order_status is None else str(level.order_status),
        "until_ms": level.until_ms,
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else to_text(value)
