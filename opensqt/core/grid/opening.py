"""Opening orders: which levels below the price want inventory, and how much."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from opensqt.core.grid.desk import Desk
from opensqt.core.intents import PlaceOrder
from opensqt.core.money import ZERO, floor_to
from opensqt.core.symbol import Slot


class Skip(StrEnum):
    """Why a level inside the window opens nothing."""

    PRICE = "price"
    """The level's price is not positive."""
    QUANTITY = "quantity"
    """The level's order would break the venue's minimum or maximum."""
    BACKING_OFF = "backing_off"
    """The venue refused the level's last order; it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A level that would open, and why it does not."""

    index: int
    reason: Skip


def opening_intents(desk: Desk) -> tuple[tuple[PlaceOrder, ...], tuple[Skipped, ...]]:
    """Return the opening orders, highest level first, and the levels left out."""
    placed: list[PlaceOrder] = []
    skipped: list[Skipped] = []
    generation = desk.state.generation_next
    for index in desk.opening_levels:
        found = _opening(desk, index, generation)
        if isinstance(found, PlaceOrder):
            placed.append(found)
            generation = max(generation, found.generation + 1)
        elif found is not None:
            skipped.append(Skipped(index=index, reason=found))
    return tuple(placed), tuple(skipped)


def _opening(desk: Desk, index: int, generation_next: int) -> PlaceOrder | Skip | None:
    if index in desk.busy:
        return None
    slot = desk.state.slots.get(index) or Slot(index=index, generation=generation_next)
    price = desk.state.level_price(index)
    if price <= ZERO:
        return Skip.PRICE
    offer_price = desk.state.level_price(index + 1)
    if desk.offerable_quantity(slot.quantity, price=offer_price) > ZERO:
        return None  # the level holds inventory that is offered
    target = desk.target_quantity(price)
    if desk.instrument.fault(price=price, quantity=target, reduce_only=False) is not None:
        return Skip.QUANTITY
    if desk.is_resting(slot):
        return Skip.BACKING_OFF
    quantity = _wanted(desk, slot, price=price, target=target)
    if slot.opened_quantity + quantity <= target:
        generation, attempt = slot.generation, slot.open_attempts
    else:
        # More than the former intent asked for is a new intent.
        generation, attempt = generation_next, 0
    return desk.opening_order(
        index=index, generation=generation, attempt=attempt, price=price, quantity=quantity
    )


def _wanted(desk: Desk, slot: Slot, *, price: Decimal, target: Decimal) -> Decimal:
    """Return what the level lacks, or a full order where the venue takes nothing smaller."""
    lacking = floor_to(min(target - slot.quantity, target), desk.instrument.lot_size)
    fault = desk.instrument.fault(price=price, quantity=lacking, reduce_only=False)
    return lacking if fault is None else target
