"""What to do with a venue position the journal knows nothing of, at the first start of a unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from opensqt.core.facts import Fact, InventorySeeded, PositionAdjusted
from opensqt.core.grid.config import GridConfig, StartingPosition
from opensqt.core.grid.desk import Desk, desk_of
from opensqt.core.grid.planner import anchor_facts
from opensqt.core.ids import UnixMs
from opensqt.core.money import ZERO, floor_to, to_text
from opensqt.core.symbol import SymbolState, replay

# As many levels as the largest window: a larger position gets larger levels, not more of them.
LEVELS_MAX: Final = 200
OPERATOR: Final = "configuration"
"""Who adopts: the person who wrote ``starting_position: adopt``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How to begin: a refusal for people, or facts to record (perhaps none)."""

    refusal: str = ""
    facts: tuple[Fact, ...] = ()


def starting_position(
    state: SymbolState,
    config: GridConfig,
    *,
    venue_quantity: Decimal,
    venue_average_price: Decimal,
    now_ms: int,
) -> Start:
    """Return what becomes of ``venue_quantity`` (signed base units) that is not in the book.

    Adopting books an adjustment at the venue's average price (the market's where it is 0) and puts
    the inventory on the levels above that price, in equal shares, none larger than a full level
    while the levels suffice. Each is offered one level higher, as if it had been bought there.
    """
    strange = venue_quantity - state.position.quantity
    if not strange or config.starting_position is StartingPosition.IGNORE:
        return Start()
    found = f"the venue holds {to_text(strange)} {state.unit.symbol} that is not in the journal"
    if config.starting_position is StartingPosition.REFUSE:
        return Start(refusal=f"{found}; close it, or set starting_position to adopt or ignore")
    if strange < ZERO:
        return Start(refusal=f"{found}; a long grid cannot adopt a short position")
    anchoring = anchor_facts(state, config, now_ms=now_ms)
    desk = desk_of(replay(state, anchoring), config, now_ms=now_ms)
    if desk is None:
        return Start(refusal=f"{found}; it cannot be adopted before there is a price")
    price = venue_average_price if venue_average_price > ZERO else desk.price.last
    adjustment = PositionAdjusted(
        quantity=strange,
        price=price,
        operator=OPERATOR,
        reason="starting position adopted",
        at_ms=UnixMs(now_ms),
    )
    return Start(facts=(*anchoring, adjustment, *seeds(desk, strange, price)))


def seeds(desk: Desk, quantity: Decimal, price: Decimal) -> tuple[Fact, ...]:
    """Return ``quantity`` laid out on the levels above ``price``, the last taking the rest."""
    first = _first_above(desk, price)
    targets = [desk.target_quantity(desk.state.level_price(first))]
    while sum(targets) < quantity and len(targets) < LEVELS_MAX:
        targets.append(desk.target_quantity(desk.state.level_price(first + len(targets))))
    shares = _shares(desk, quantity, targets)
    while len(shares) > 1 and not all(
        desk.offerable_quantity(share, price=desk.state.level_price(first + offset + 1))
        for offset, share in enumerate(shares)
    ):
        targets.pop()
        shares = _shares(desk, quantity, targets)
    return tuple(
        InventorySeeded(slot=first + offset, quantity=share, at_ms=UnixMs(desk.now_ms))
        for offset, share in enumerate(shares)
    )


def _first_above(desk: Desk, price: Decimal) -> int:
    """Return the lowest level whose price lies above ``price``."""
    assert desk.state.anchor is not None
    assert desk.state.interval is not None
    index = int((price - desk.state.anchor) // desk.state.interval) - 1
    while desk.state.level_price(index) <= price:
        index += 1
    return index


def _shares(desk: Desk, quantity: Decimal, targets: Sequence[Decimal]) -> list[Decimal]:
    """Return ``quantity`` split in proportion to ``targets``, in lots, nothing lost."""
    total = sum(targets, start=ZERO)
    lot_size = desk.instrument.lot_size
    shares: list[Decimal] = []
    for target in targets[:-1]:
        nearest = floor_to(target * quantity / total + lot_size / 2, lot_size) if total else ZERO
        shares.append(min(nearest, quantity - sum(shares, start=ZERO)))
    return [*shares, quantity - sum(shares, start=ZERO)]
