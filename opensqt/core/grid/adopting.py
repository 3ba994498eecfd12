"""What a human may decide about a unit: take over a difference to the venue, end a quarantine.

Nothing is guessed. The book is brought to what the venue holds by one adjustment that names the
operator, the inventory of the levels to what the book holds, and a quarantine ends in the same
commit. While an order of ours can still trade, what the venue holds is not settled, so nothing is
booked; a position a long grid cannot hold is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from opensqt.core.facts import (
    Fact,
    InventorySeeded,
    JournalRestored,
    PositionAdjusted,
    PositionIgnored,
    QuarantineLifted,
)
from opensqt.core.grid.config import GridConfig, StartingPosition
from opensqt.core.grid.desk import desk_of
from opensqt.core.grid.planner import anchor_facts
from opensqt.core.grid.starting import seeds
from opensqt.core.ids import UnixMs
from opensqt.core.money import ZERO, to_text
from opensqt.core.symbol import SymbolState, replay

_PRICE_DIGITS: Final = Decimal("1E-12")
_IDS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionWish:
    """What the operator says."""

    operator: str
    reason: str
    quantity: Decimal | None = None
    """Signed base units the operator expects to be booked; None = whatever is found."""
    price: Decimal | None = None
    """Price of the adjustment, quote units; None = see ``adoption``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What the venue holds on the symbol."""

    quantity: Decimal
    """Signed base units."""
    average_price: Decimal
    """Quote units, 0 when there is no position."""
    doubts: Sequence[str] = ()
    """What was seen at the venue that the book cannot account for yet, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What would be done, or why nothing is."""

    refusal: str = ""
    facts: tuple[Fact, ...] = ()
    steps: tuple[str, ...] = ()
    """What the facts mean, for people."""
    book: Decimal
    venue: Decimal
    price: Decimal | None = None
    """Price of the adjustment, None when there is none."""
    quarantine: str = ""

    @property
    def difference(self) -> Decimal:
        """Return what the venue holds beyond the book, signed base units."""
        return self.venue - self.book


def adoption(
    state: SymbolState, config: GridConfig, wish: AdoptionWish, holding: Holding, *, now_ms: int
) -> Adoption:
    """Return what brings the book to the venue and ends the quarantine; no facts = nothing to do.

    A growing position is booked at the price that makes the average cost the venue's own, any other
    difference at the last price. With ``starting_position: ignore`` what the venue holds beyond the
    book is not ours: that is noted, and the quarantine ends.
    """
    book = state.position.quantity
    ignores = config.starting_position is StartingPosition.IGNORE
    venue = book if ignores else holding.quantity
    found = Adoption(book=book, venue=venue, quarantine=state.quarantine)
    strange = holding.quantity - book
    is_moved = ignores and strange != state.ignored_quantity
    refusal = _refusal(state, wish, holding, found, is_moved=is_moved)
    if refusal:
        return Adoption(refusal=refusal, book=book, venue=venue, quarantine=state.quarantine)
    maker = _Maker(state, config, wish, now_ms)
    if found.difference:
        maker.adjust(found.difference, holding.average_price)
    if is_moved:
        maker.ignore(strange)
    maker.lay_out()
    if maker.problem:
        return Adoption(refusal=maker.problem, book=book, venue=venue, quarantine=state.quarantine)
    if state.quarantine:
        maker.lift()
    return Adoption(
        facts=tuple(maker.facts),
        steps=tuple(maker.steps),
        book=book,
        venue=venue,
        price=maker.price,
        quarantine=state.quarantine,
    )


def _refusal(
    state: SymbolState, wish: AdoptionWish, holding: Holding, found: Adoption, *, is_moved: bool
) -> str:
    """Return why nothing may be adopted now, empty when it may."""
    if not wish.operator.strip() or not wish.reason.strip():
        return "expected the name of the operator and a reason"
    if holding.doubts:
        return f"{holding.doubts[0]}; try again when that is settled"
    return _mismatch(wish, found) or _unsettled(state, found, is_moved=is_moved)


def _mismatch(wish: AdoptionWish, found: Adoption) -> str:
    """Return in what the operator expected something else than is found."""
    if wish.quantity is not None and wish.quantity != found.difference:
        return (
            f"expected to adopt {to_text(wish.quantity)}, found a difference of "
            f"{to_text(found.difference)}: book {to_text(found.book)}, venue {to_text(found.venue)}"
        )
    if found.venue < ZERO:
        return (
            f"the venue holds {to_text(found.venue)} and a long grid cannot adopt a short "
            "position; close it at the venue"
        )
    if wish.price is not None and not found.difference:
        return "there is no difference to book, so no price is needed"
    if wish.price is not None and not (wish.price.is_finite() and wish.price > ZERO):
        return f"expected a price above 0, got {wish.price}"
    return ""


def _unsettled(state: SymbolState, found: Adoption, *, is_moved: bool) -> str:
    """Return which orders keep what the venue holds from being settled."""
    if state.is_quiescent or not (found.difference or is_moved or _unlevelled(state)):
        return ""
    ids = [order.client_order_id for order in state.unsettled_orders]
    shown = ", ".join(ids[:_IDS_SHOWN]) + ", ..." * (len(ids) > _IDS_SHOWN)
    count = f"{len(ids)} orders of ours" if len(ids) > 1 else "an order of ours"
    return f"{count} may still trade ({shown}); first: pause the symbol with --mode cancel"


class _Maker:
    """Collects facts and the state after them."""

    def __init__(
        self, state: SymbolState, config: GridConfig, wish: AdoptionWish, now_ms: int
    ) -> None:
        self.facts: list[Fact] = []
        self.steps: list[str] = []
        self.price: Decimal | None = None
        self.problem = ""
        self._state = state
        self._config = config
        self._wish = wish
        self._now_ms = UnixMs(now_ms)

    def adjust(self, difference: Decimal, average_price: Decimal) -> None:
        price = self._wish.price or self._fair_price(difference, average_price)
        if price is None:
            self.problem = "there is no price yet to book the difference at; give one, or try again"
            return
        self.price = price
        self._add(
            f"book an adjustment of {to_text(difference)} at {to_text(price)}",
            PositionAdjusted(
                quantity=difference,
                price=price,
                operator=self._wish.operator,
                reason=self._wish.reason,
                at_ms=self._now_ms,
            ),
        )

    def ignore(self, quantity: Decimal) -> None:
        """Note what is not ours."""
        self._add(
            f"ignore {to_text(quantity)} at the venue that is not ours",
            PositionIgnored(quantity=quantity, at_ms=self._now_ms),
        )

    def lay_out(self) -> None:
        """Bring the inventory of the levels to what the book holds."""
        lacking = _unlevelled(self._state)
        if lacking > ZERO and not self.problem:
            self._offer(lacking)
        elif lacking < ZERO:
            self._take_away(-lacking)

    def lift(self) -> None:
        """End the quarantine; what the journal may have forgotten must not be derived again."""
        self._add(
            f"end the quarantine: {self._state.quarantine}",
            JournalRestored(
                backup_ms=self._now_ms,
                generation=max(self._now_ms, self._state.generation_next),
                at_ms=self._now_ms,
            ),
            QuarantineLifted(
                operator=self._wish.operator, reason=self._wish.reason, at_ms=self._now_ms
            ),
        )

    def _offer(self, quantity: Decimal) -> None:
        anchoring = anchor_facts(self._state, self._config, now_ms=self._now_ms)
        desk = desk_of(replay(self._state, anchoring), self._config, now_ms=self._now_ms)
        if desk is None:
            self.problem = "there is no price yet to lay the inventory out at; try again"
            return
        average = self._state.position.average_price
        price = self.price or (average if average > ZERO else desk.price.last)
        seeded = seeds(desk, quantity, price)
        self._add(
            f"offer {to_text(quantity)} on {len(seeded)} levels above {to_text(price)}",
            *anchoring,
            *seeded,
        )

    def _take_away(self, quantity: Decimal) -> None:
        """Take inventory from the highest levels first: they would have been sold last."""
        taken: list[Fact] = []
        rest = quantity
        for slot in sorted(self._state.slots.values(), key=lambda slot: -slot.index):
            part = min(rest, max(slot.quantity, ZERO))
            if part:
                taken.append(InventorySeeded(slot=slot.index, quantity=-part, at_ms=self._now_ms))
                rest -= part
        self._add(f"take {to_text(quantity)} off {len(taken)} levels, highest first", *taken)

    def _fair_price(self, difference: Decimal, average_price: Decimal) -> Decimal | None:
        book = self._state.position
        if difference > ZERO and average_price > ZERO and book.quantity >= ZERO:
            venue = book.quantity + difference
            price = ((average_price * venue - book.cost) / difference).quantize(_PRICE_DIGITS)
            return price if price > ZERO else average_price
        seen = self._state.price
        return None if seen is None else seen.last

    def _add(self, step: str, *facts: Fact) -> None:
        self.steps.append(step)
        self.facts.extend(facts)
        self._state = replay(self._state, facts)


def _unlevelled(state: SymbolState) -> Decimal:
    """Return what the book holds beyond the inventory of the levels, signed base units."""
    return state.position.quantity - sum((slot.quantity for slot in state.slots.values()), ZERO)
