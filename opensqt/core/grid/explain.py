"""Why each level of a grid has an order, or has none.

Nothing is decided here a second time: the reasons are those of the planner's own parts, of the
review of its plan, and of what the caller says is in the way of the whole unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from opensqt.core.facts import Directive
from opensqt.core.grid.closing import Unoffered, unoffered
from opensqt.core.grid.config import GridConfig
from opensqt.core.grid.desk import Desk, desk_of
from opensqt.core.grid.opening import Skip
from opensqt.core.grid.planner import Idle, halt_of, missing, plan
from opensqt.core.ids import ClientOrderId, UnixMs
from opensqt.core.intents import PlaceOrder
from opensqt.core.money import ZERO, to_text
from opensqt.core.orders import Order, OrderStatus, Purpose
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import Refusal, Refused, review
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import Slot, SymbolState, retry_at_ms


class LevelReason(StrEnum):
    """Why a level has no order, or what its order is doing; stable, for programs."""

    WORKING = "working"
    """It has an order at the venue."""
    WAITING_SETTLEMENT = "waiting_settlement"
    """Its order is not settled: the outcome or trades of it are not known yet."""
    WANTED = "wanted"
    """The next decision places its order."""
    DOWN = "down"
    STARTING = "starting"
    RECOVERING = "recovering"
    """The unit compares its book with the venue, or has no connection."""
    GATE_SHUT = "gate_shut"
    QUARANTINED = "quarantined"
    PAUSED = "paused"
    DRAINING = "draining"
    FLATTENING = "flattening"
    STOPPED = "stopped"
    NOT_ANCHORED = "not_anchored"
    NO_INSTRUMENT = "no_instrument"
    NO_FRESH_PRICE = "no_fresh_price"
    OUT_OF_WINDOW = "out_of_window"
    TOO_SMALL = "too_small"
    NO_PRICE_LEVEL = "no_price_level"
    """The price of the level is not positive."""
    BACKING_OFF = "backing_off"
    """The venue refused its last order, such as post-only; it is tried again at ``until_ms``."""
    EXPOSURE_LIMIT = "exposure_limit"
    REFUSED_BY_REVIEW = "refused_by_review"
    UNEXPLAINED = "unexplained"
    """Nothing is in the way and nothing is wanted: report it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What keeps the unit as a whole from placing orders, as its engine knows it."""

    reason: LevelReason
    detail: str = ""
    is_for_opens_only: bool = False
    """Whether closing orders pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level and why it is as it is."""

    index: int
    price: Decimal | None
    """Quote units; None while the lattice is not anchored."""
    role: Purpose
    """What an order of the level would be for."""
    inventory: Decimal
    """Signed base units the level holds."""
    reason: LevelReason
    detail: str = ""
    client_order_id: ClientOrderId | None = None
    order_status: OrderStatus | None = None
    until_ms: UnixMs | None = None
    """When the level is tried again, if time alone decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a unit does what it does, level by level, highest first."""

    reason: LevelReason | None
    """What is in the way of all levels, None when nothing is."""
    detail: str
    top: int | None
    """Highest level that may open; None without a price."""
    levels: tuple[Level, ...]


_HALTS: Final[Mapping[Idle, LevelReason]] = {
    Idle.QUARANTINED: LevelReason.QUARANTINED,
    Idle.PAUSED: LevelReason.PAUSED,
    Idle.DRAINED: LevelReason.STOPPED,
    Idle.FLAT: LevelReason.STOPPED,
    Idle.NO_INSTRUMENT: LevelReason.NO_INSTRUMENT,
    Idle.NOT_ANCHORED: LevelReason.NOT_ANCHORED,
    Idle.NO_PRICE: LevelReason.NO_FRESH_PRICE,
}
_SKIPS: Final[Mapping[Skip, LevelReason]] = {
    Skip.PRICE: LevelReason.NO_PRICE_LEVEL,
    Skip.QUANTITY: LevelReason.TOO_SMALL,
    Skip.BACKING_OFF: LevelReason.BACKING_OFF,
}
_UNOFFERED: Final[Mapping[Unoffered, LevelReason]] = {
    Unoffered.TOO_SMALL: LevelReason.TOO_SMALL,
    Unoffered.OUT_OF_WINDOW: LevelReason.OUT_OF_WINDOW,
    Unoffered.BACKING_OFF: LevelReason.BACKING_OFF,
}
_REFUSALS: Final[Mapping[Refusal, LevelReason]] = {
    Refusal.EXPOSURE: LevelReason.EXPOSURE_LIMIT,
    Refusal.PRICE_MISSING: LevelReason.NO_FRESH_PRICE,
    Refusal.PRICE_STALE: LevelReason.NO_FRESH_PRICE,
}


def explain_levels(
    state: SymbolState,
    config: GridConfig,
    limits: Limits,
    *,
    now_ms: int,
    obstacle: Obstacle | None = None,
) -> Explanation:
    """Return the reason of every level of the window and of every level that was touched."""
    desk = desk_of(state, config, now_ms=now_ms)
    whole = _whole(state, desk, obstacle)
    judge = _Judge(state, config, limits, now_ms, desk, whole, obstacle)
    window: range | tuple[int, ...] = ()
    if desk is not None:
        window = range(desk.top, desk.top - config.buy_window_size, -1)
    indices = {*window, *state.slots, *(order.slot for order in state.unsettled_orders)}
    return Explanation(
        reason=None if whole is None else whole.reason,
        detail="" if whole is None else whole.detail,
        top=None if desk is None else desk.top,
        levels=tuple(judge.level(index, window) for index in sorted(indices, reverse=True)),
    )


def _whole(state: SymbolState, desk: Desk | None, obstacle: Obstacle | None) -> Obstacle | None:
    """Return what is in the way of all levels; what a human decided comes first."""
    halt = halt_of(state)
    is_down = obstacle is not None and obstacle.reason is LevelReason.DOWN
    if halt is not None and (halt is Idle.QUARANTINED or not is_down):
        detail = state.quarantine or state.directive_reason
        return Obstacle(reason=_HALTS[halt], detail=detail)
    if obstacle is not None and not obstacle.is_for_opens_only:
        return obstacle
    if desk is None:
        return Obstacle(reason=_HALTS[missing(state)])
    return None


class _Judge:
    """Finds the reason of one level after the other."""

    def __init__(  # noqa: PLR0913, PLR0917 - what all levels share
        self,
        state: SymbolState,
        config: GridConfig,
        limits: Limits,
        now_ms: int,
        desk: Desk | None,
        whole: Obstacle | None,
        obstacle: Obstacle | None,
    ) -> None:
        self._state = state
        self._config = config
        self._whole = whole
        self._obstacle = obstacle
        self._desk = desk
        self._busy = {order.slot: order for order in state.unsettled_orders}
        self._wanted: dict[int, PlaceOrder] = {}
        self._refused: dict[int, Refused] = {}
        self._skipped: dict[int, Skip] = {}
        self._unoffered: Mapping[int, Unoffered] = {}
        if whole is None and desk is not None:
            self._ask(desk, limits, now_ms)

    def _ask(self, desk: Desk, limits: Limits, now_ms: int) -> None:
        wanted = plan(self._state, self._config, now_ms=now_ms)
        verdict = review(wanted.intents, view_of(self._state), limits, now_ms=now_ms)
        self._wanted = {one.slot: one for one in verdict.approved if isinstance(one, PlaceOrder)}
        self._refused = {one.intent.slot: one for one in verdict.refused}
        self._skipped = {one.index: one.reason for one in wanted.skipped}
        self._unoffered = unoffered(desk)

    def level(self, index: int, window: range | tuple[int, ...]) -> Level:
        slot = self._state.slots.get(index) or Slot(index=index, generation=0)
        order = self._busy.get(index)
        is_opening = index in window and slot.quantity == ZERO
        role = Purpose.OPEN if is_opening or slot.quantity == ZERO else Purpose.CLOSE
        is_placed = self._state.anchor is not None and self._state.instrument is not None
        reason, detail = (
            self._of_order(order) if order is not None else self._of_idle(index, slot, window)
        )
        until_ms = None
        if reason is LevelReason.BACKING_OFF:
            until_ms = UnixMs(retry_at_ms(slot, backoff_ms=self._config.retry_backoff_ms))
        return Level(
            index=index,
            price=self._state.level_price(index) if is_placed else None,
            role=role if order is None else order.purpose,
            inventory=slot.quantity,
            reason=reason,
            detail=detail,
            client_order_id=None if order is None else order.client_order_id,
            order_status=None if order is None else order.status,
            until_ms=until_ms,
        )

    def _of_order(self, order: Order) -> tuple[LevelReason, str]:
        what = f"{order.client_order_id} is {order.status}"
        if order.status is OrderStatus.WORKING:
            asked = order.cancel_requested_ms is not None
            return LevelReason.WORKING, "its cancel was asked for" if asked else ""
        if order.is_doubtful:
            return LevelReason.WAITING_SETTLEMENT, f"{what}: its outcome is being looked up"
        lacking = order.cumulative_quantity - order.applied_quantity
        return LevelReason.WAITING_SETTLEMENT, f"{what}: trades over {to_text(lacking)} are missing"

    def _of_idle(
        self, index: int, slot: Slot, window: range | tuple[int, ...]
    ) -> tuple[LevelReason, str]:
        if self._whole is not None:
            return self._whole.reason, self._whole.detail
        is_open = slot.quantity == ZERO or (index in self._wanted_opens)
        if is_open and self._state.directive is Directive.DRAIN:
            return LevelReason.DRAINING, self._state.directive_reason
        if self._state.directive is Directive.FLATTEN and index not in self._wanted:
            return LevelReason.FLATTENING, self._state.directive_reason
        if is_open and index in window and self._obstacle is not None:
            return self._obstacle.reason, self._obstacle.detail
        return self._of_plan(index)

    @property
    def _wanted_opens(self) -> frozenset[int]:
        return frozenset(
            index for index, one in self._wanted.items() if one.purpose is Purpose.OPEN
        )

    def _of_plan(self, index: int) -> tuple[LevelReason, str]:
        if index in self._wanted:
            return LevelReason.WANTED, ""
        if (refused := self._refused.get(index)) is not None:
            reason = _REFUSALS.get(refused.reason, LevelReason.REFUSED_BY_REVIEW)
            return reason, f"{refused.reason}: {refused.detail}"
        skip = self._skipped.get(index)
        if skip is not None:
            return _SKIPS[skip], ""
        held_back = self._unoffered.get(index)
        if held_back is not None:
            return _UNOFFERED[held_back], ""
        desk = self._desk
        if desk is not None and index not in desk.opening_levels:
            return LevelReason.OUT_OF_WINDOW, ""
        return LevelReason.UNEXPLAINED, ""
