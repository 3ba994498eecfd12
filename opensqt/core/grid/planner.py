"""What a grid wants done, from its state alone: cancels, closing orders, opening orders.

Theory of operation. Prices reach a decision only through the *top*, the highest level that may
open. Everything wanted follows from the top, the slots, the orders and the clock:

* opening orders on the levels top, top - 1, … top - buy window + 1, highest first. One is taken
  back only when its level falls more than ``hysteresis`` levels below that window, never because
  the price crossed it;
* closing orders for the ``sell_window_size`` nearest levels that hold inventory, up to that many
  levels above the top. They are never taken back for distance;
* a level has one unsettled order at most; while it has one, nothing else is wanted of it;
* inventory too small to be offered is topped up while its level may open, and otherwise merged
  into the nearest level that is just about to be offered.

``plan`` is idempotent: once the facts of its intents are applied, it wants nothing new. It never
counts ticks and draws nothing: ids are derived from level, generation and attempt.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from opensqt.core.facts import Directive, Fact, GridAnchored
from opensqt.core.grid.closing import closing_intents, flattening_intents, has_offerable
from opensqt.core.grid.config import GridConfig, GridMode
from opensqt.core.grid.desk import Desk, desk_of
from opensqt.core.grid.ladder import lattice_interval, reference_price
from opensqt.core.grid.opening import Skip, Skipped, opening_intents
from opensqt.core.ids import UnixMs
from opensqt.core.intents import CancelOrder, CancelReason, Intent
from opensqt.core.money import ZERO, floor_to
from opensqt.core.orders import Order, OrderStatus, Purpose
from opensqt.core.symbol import SymbolState

# A cancel proves nothing and may be lost, so it is repeated; two seconds are several round trips
# to any venue and keep a cancel the venue is slow to act on from eating its rate limit.
CANCEL_REPEAT_MS: Final = 2_000


class UnsupportedModeError(Exception):
    """The grid mode is known but not planned by this build; configs with it are refused earlier."""


class Idle(StrEnum):
    """Why a plan wants nothing."""

    NOT_IDLE = ""
    NO_INSTRUMENT = "no_instrument"
    NOT_ANCHORED = "not_anchored"
    NO_PRICE = "no_price"
    QUARANTINED = "quarantined"
    PAUSED = "paused"
    """The directive is cancel: no orders of ours."""
    DRAINING = "draining"
    """Closing orders work; nothing new to do for them."""
    DRAINED = "drained"
    """The directive is drain, there is no inventory and no unsettled order."""
    FLATTENING = "flattening"
    """Waiting for orders to settle or for a back-off to end."""
    FLAT = "flat"
    """The directive is flatten, there is no inventory and no unsettled order."""
    LEFTOVER = "leftover"
    """What is left cannot be offered by any order, and nothing else is pending."""
    BACKING_OFF = "backing_off"
    """Levels wait after the venue refused their orders."""
    TOO_SMALL = "too_small"
    """No level's order would reach the venue's minimum."""
    IN_WINDOW = "in_window"
    """Everything wanted is at the venue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is wanted now, in the order in which it should be done."""

    intents: tuple[Intent, ...]
    idle: Idle
    """Why nothing is wanted; empty when something is."""
    skipped: tuple[Skipped, ...] = ()
    """Levels inside the opening window that open nothing, with the reason."""


def plan(state: SymbolState, config: GridConfig, *, now_ms: int) -> Plan:
    """Return what the grid wants. Raise ``UnsupportedModeError`` for modes other than long."""
    if config.mode is not GridMode.LONG:
        message = f"grid mode {config.mode} is not planned by this build"
        raise UnsupportedModeError(message)
    halt = halt_of(state)
    if halt is not None:
        return _plan(stop_cancels(state, now_ms), halt)
    desk = desk_of(state, config, now_ms=now_ms)
    if desk is None:
        return _plan(stop_cancels(state, now_ms), missing(state))
    match state.directive:
        case Directive.FLATTEN:
            intents = (*stop_cancels(state, now_ms), *flattening_intents(desk))
            return _plan(intents, _flattening_idle(desk))
        case Directive.DRAIN:
            intents = (*stop_cancels(state, now_ms), *closing_intents(desk))
            return _plan(intents, _draining_idle(desk))
        case _:
            opening, skipped = opening_intents(desk)
            intents = (*_window_cancels(desk), *closing_intents(desk), *opening)
            return _plan(intents, _running_idle(desk, skipped), skipped)


def anchor_facts(state: SymbolState, config: GridConfig, *, now_ms: int) -> tuple[Fact, ...]:
    """Return the fact that fixes the lattice at the first price, once; nothing before or after."""
    reference = reference_price(state.price, config.price_source)
    if state.anchor is not None or state.instrument is None or reference is None:
        return ()
    tick_size = state.instrument.tick_size
    anchor = floor_to(reference, tick_size)
    if anchor <= ZERO:
        return ()
    interval = lattice_interval(config, anchor=anchor, tick_size=tick_size)
    return (GridAnchored(anchor=anchor, interval=interval, at_ms=UnixMs(now_ms)),)


def next_cancel_ms(order: Order) -> int:
    """Return when the order may be asked to cancel (again)."""
    return 0 if order.cancel_requested_ms is None else order.cancel_requested_ms + CANCEL_REPEAT_MS


def _may_cancel(order: Order, now_ms: int) -> bool:
    """Tell whether the last request is old enough, or from before the clock was set back."""
    return not (order.cancel_requested_ms or 0) <= now_ms < next_cancel_ms(order)


def _plan(intents: tuple[Intent, ...], idle: Idle, skipped: tuple[Skipped, ...] = ()) -> Plan:
    return Plan(intents=intents, idle=Idle.NOT_IDLE if intents else idle, skipped=skipped)


def halt_of(state: SymbolState) -> Idle | None:
    """Return why no order may be placed whatever the market does, None when one may."""
    if state.quarantine:
        return Idle.QUARANTINED
    is_done = state.is_flat and state.is_quiescent
    match state.directive:
        case Directive.CANCEL:
            return Idle.PAUSED
        case Directive.DRAIN:
            return Idle.DRAINED if is_done else None
        case Directive.FLATTEN:
            return Idle.FLAT if is_done else None
        case Directive.RUN:
            return None


def missing(state: SymbolState) -> Idle:
    """Return what there is to be planned from and is not there yet."""
    if state.instrument is None:
        return Idle.NO_INSTRUMENT
    return Idle.NOT_ANCHORED if state.anchor is None else Idle.NO_PRICE


def _flattening_idle(desk: Desk) -> Idle:
    if desk.price.mid_price is None:
        return Idle.NO_PRICE
    return Idle.FLATTENING if _is_waiting(desk) else Idle.LEFTOVER


def _draining_idle(desk: Desk) -> Idle:
    return Idle.DRAINING if _is_waiting(desk) or has_offerable(desk) else Idle.LEFTOVER


def _is_waiting(desk: Desk) -> bool:
    """Tell whether an order has to settle or a level with inventory backs off."""
    return bool(desk.busy) or any(desk.is_resting(slot) for slot in desk.free_slots())


def _running_idle(desk: Desk, skipped: tuple[Skipped, ...]) -> Idle:
    reasons = {one.reason for one in skipped}
    if Skip.BACKING_OFF in reasons:
        return Idle.BACKING_OFF
    return Idle.TOO_SMALL if reasons and not desk.busy else Idle.IN_WINDOW


def stop_cancels(state: SymbolState, now_ms: int) -> tuple[CancelOrder, ...]:
    """Return the cancels a directive or a quarantine asks for, whatever the market does."""
    if state.directive is Directive.RUN and not state.quarantine:
        return ()
    is_flattening = state.directive is Directive.FLATTEN
    is_everything = is_flattening or state.directive is Directive.CANCEL
    reason = CancelReason.FLATTENING if is_flattening else CancelReason.STOPPED
    return tuple(
        CancelOrder(client_order_id=order.client_order_id, reason=reason)
        for order in state.unsettled_orders
        # An order of unknown outcome may rest: stopping asks for its cancel as well.
        if order.status in (OrderStatus.WORKING, OrderStatus.UNKNOWN)
        and order.purpose is not Purpose.FLATTEN
        and (is_everything or order.purpose is Purpose.OPEN or _is_stray(state, order))
        and _may_cancel(order, now_ms)
    )


def _is_stray(state: SymbolState, order: Order) -> bool:
    """Tell whether an order that came back offers what its level may have offered again since."""
    slot = state.slots.get(order.slot)
    return slot is None or slot.order != order.client_order_id


def _window_cancels(desk: Desk) -> tuple[Intent, ...]:
    """Return the cancels of opening orders far enough below the window."""
    lowest = desk.top + 1 - desk.config.buy_window_size - desk.config.hysteresis
    return tuple(
        CancelOrder(client_order_id=order.client_order_id, reason=CancelReason.OUT_OF_WINDOW)
        for order in desk.busy.values()
        if order.status is OrderStatus.WORKING
        and order.purpose is Purpose.OPEN
        and order.slot < lowest
        and _may_cancel(order, desk.now_ms)
    )
