"""Orders that give inventory back: closing orders one level up, and flattening at the market.

Both offer inventory level by level and merge what is too small to be offered into the nearest
level that is about to be. Merging moves inventory inside the book only; it happens in the same
commit as the order that offers it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from opensqt.core.grid.desk import Desk
from opensqt.core.intents import Intent, MoveInventory
from opensqt.core.money import ONE, ZERO, ceil_to, floor_to
from opensqt.core.orders import Purpose, Side
from opensqt.core.symbol import Slot


class Unoffered(StrEnum):
    """Why inventory is not offered."""

    TOO_SMALL = "too_small"
    """No order of this size or value is taken by the venue; it waits to be merged."""
    OUT_OF_WINDOW = "out_of_window"
    BACKING_OFF = "backing_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """How inventory is given back: for what, in which direction."""

    desk: Desk
    purpose: Purpose
    side: Side
    """Side of the orders; inventory of the opposite sign cannot be offered by them."""

    @property
    def sign(self) -> int:
        """Return the sign of the inventory that can be offered."""
        return -self.side.sign

    def price(self, index: int) -> Decimal:
        """Return the limit price of the offer of a level."""
        desk = self.desk
        if self.purpose is Purpose.FLATTEN:
            return _through_the_touch(desk, self.side)
        # Never below the next level; above it only as far as it takes to rest instead of take.
        tick_size = desk.instrument.tick_size
        lowest_passive = floor_to(desk.price.bid, tick_size) + tick_size
        return max(desk.state.level_price(index + 1), lowest_passive)

    def quantity(self, index: int, held: Decimal) -> Decimal:
        """Return how much of ``held`` can be offered, 0 when it is too small or of the wrong sign.

        Closing orders are judged at the level's own price, so that no bid decides what is dust.
        """
        is_flattening = self.purpose is Purpose.FLATTEN
        price = self.price(index) if is_flattening else self.desk.state.level_price(index + 1)
        return self.desk.offerable_quantity(held * self.sign, price=price)


def closing_intents(desk: Desk) -> tuple[Intent, ...]:
    """Return what offers the inventory of a long grid one level above where it was bought."""
    offer = _Offer(desk=desk, purpose=Purpose.CLOSE, side=Side.SELL)
    reach = desk.config.sell_window_size
    shown = _shown(offer)
    ready = [slot for slot in shown if slot.index not in desk.busy and not desk.is_resting(slot)]
    strays = [
        slot
        for slot in desk.free_slots()
        if not offer.quantity(slot.index, slot.quantity) and slot.index not in desk.opening_levels
    ]
    if not shown:
        candidates = [slot for slot in strays if slot.index <= desk.top + 1 + reach]
        ready = _pooled(offer, candidates, key=lambda slot: slot.index, reach=reach)
    return _offered(offer, ready, strays, reach=reach)


def unoffered(desk: Desk) -> Mapping[int, Unoffered]:
    """Return why levels with inventory and without an order are not offered while a grid closes."""
    offer = _Offer(desk=desk, purpose=Purpose.CLOSE, side=Side.SELL)
    shown = {slot.index for slot in _shown(offer)}
    reasons = {}
    for slot in desk.free_slots():
        if not offer.quantity(slot.index, slot.quantity):
            reasons[slot.index] = Unoffered.TOO_SMALL
        elif slot.index not in shown:
            reasons[slot.index] = Unoffered.OUT_OF_WINDOW
        elif desk.is_resting(slot):
            reasons[slot.index] = Unoffered.BACKING_OFF
    return reasons


def flattening_intents(desk: Desk) -> tuple[Intent, ...]:
    """Return what sells (or buys back) the inventory of all settled levels at once."""
    side = Side.SELL if desk.state.position.quantity >= ZERO else Side.BUY
    offer = _Offer(desk=desk, purpose=Purpose.FLATTEN, side=side)
    slots = sorted(desk.free_slots(), key=lambda slot: -slot.index)
    large = [slot for slot in slots if offer.quantity(slot.index, slot.quantity)]
    strays = [slot for slot in slots if not offer.quantity(slot.index, slot.quantity)]
    ready = [slot for slot in large if not desk.is_resting(slot)]
    if not large:
        ready = _pooled(offer, strays, key=lambda slot: slot.quantity * offer.sign, reach=None)
    return _offered(offer, ready, strays, reach=None)


def has_offerable(desk: Desk) -> bool:
    """Tell whether any level holds inventory that one closing order could sell, now or later."""
    offer = _Offer(desk=desk, purpose=Purpose.CLOSE, side=Side.SELL)
    return any(offer.quantity(slot.index, slot.quantity) for slot in desk.free_slots())


def _shown(offer: _Offer) -> list[Slot]:
    """Return the levels within the closing window, nearest first."""
    desk = offer.desk
    reach = desk.config.sell_window_size
    near = sorted(
        (slot for slot in desk.state.slots.values() if slot.index <= desk.top + 1 + reach),
        key=lambda slot: (abs(slot.index - desk.top), -slot.index),
    )
    return [slot for slot in near if _is_shown(offer, slot)][:reach]


def _is_shown(offer: _Offer, slot: Slot) -> bool:
    """Tell whether a level is offered already or could be, backing off or not."""
    order = offer.desk.busy.get(slot.index)
    if order is not None:
        return order.purpose is not Purpose.OPEN
    return offer.quantity(slot.index, slot.quantity) > ZERO


def _pooled(
    offer: _Offer,
    strays: Sequence[Slot],
    *,
    key: Callable[[Slot], Decimal | int],
    reach: int | None,
) -> list[Slot]:
    """Return the stray that can be offered once the others have been merged into it, if any."""
    candidates = [slot for slot in strays if slot.quantity * offer.sign > ZERO]
    if not candidates:
        return []
    target = max(candidates, key=key)
    members = [slot for slot in candidates if _reaches(slot, target, reach)]
    held = sum((slot.quantity for slot in members), start=ZERO)
    return [target] if offer.quantity(target.index, held) else []


def _offered(
    offer: _Offer, ready: Sequence[Slot], strays: Sequence[Slot], *, reach: int | None
) -> tuple[Intent, ...]:
    """Return the offers of the ready levels, each after the moves that merge its strays."""
    gains: dict[int, list[Slot]] = {slot.index: [] for slot in ready}
    for stray in strays:
        if not ready or stray.index in gains:
            continue
        target = min(ready, key=lambda slot: (abs(slot.index - stray.index), -slot.index))
        if _reaches(stray, target, reach):
            gains[target.index].append(stray)
    intents: list[Intent] = []
    for slot in ready:
        held = slot.quantity
        for stray in gains[slot.index]:
            moved = _movable(offer, stray.quantity, held)
            if moved:
                intents.append(MoveInventory(source=stray.index, target=slot.index, quantity=moved))
                held += moved
        lots = offer.quantity(slot.index, held)
        if lots:
            intents.append(
                offer.desk.reducing_order(
                    slot,
                    purpose=offer.purpose,
                    side=offer.side,
                    price=offer.price(slot.index),
                    quantity=lots,
                )
            )
    return tuple(intents)


def _movable(offer: _Offer, quantity: Decimal, held: Decimal) -> Decimal:
    """Return how much of a stray may join ``held`` without turning its sign."""
    if quantity * offer.sign > ZERO:
        return quantity
    return max(quantity * offer.sign, -held * offer.sign) * offer.sign


def _reaches(stray: Slot, target: Slot, reach: int | None) -> bool:
    return reach is None or abs(stray.index - target.index) <= reach


def _through_the_touch(desk: Desk, side: Side) -> Decimal:
    """Return the worst price at which a flattening order may trade, rounded towards the touch.

    It never reaches orders of ours on the other side that are still being taken back: both halves
    of a trade with ourselves carry one trade id, of which a book keeps one.
    """
    slippage, tick_size = desk.config.flatten_slippage, desk.instrument.tick_size
    others = [order.price for order in desk.busy.values() if order.side is not side]
    match side:
        case Side.SELL:
            worst = ceil_to(desk.price.bid * (ONE - slippage), tick_size)
            return max(worst, max(others) + tick_size) if others else worst
        case Side.BUY:
            worst = floor_to(desk.price.ask * (ONE + slippage), tick_size)
            return min(worst, min(others) - tick_size) if others else worst
