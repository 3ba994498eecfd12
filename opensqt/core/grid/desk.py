"""What every decision of one planning pass looks at, gathered once."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from opensqt.core.facts import Directive, PriceTicked
from opensqt.core.grid.config import GridConfig, QuantityUnit
from opensqt.core.grid.ladder import reference_price, top_level
from opensqt.core.ids import client_order_id, split_symbol
from opensqt.core.instrument import Instrument
from opensqt.core.intents import PlaceOrder
from opensqt.core.money import ZERO, floor_to
from opensqt.core.orders import Order, Purpose, Side, TimeInForce
from opensqt.core.symbol import Slot, SymbolState, retry_at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """State, config and time of one pass with what they imply."""

    state: SymbolState
    config: GridConfig
    now_ms: int
    instrument: Instrument
    price: PriceTicked
    top: int
    """Highest level that may open."""
    busy: Mapping[int, Order]
    """Level -> its unsettled order; nothing else is wanted of these levels."""
    is_reduce_only: bool
    """Whether closing orders carry the venue's reduce-only flag: on perps, not on spot."""

    @property
    def opening_levels(self) -> range:
        """Return the levels that may open, highest first; empty unless the unit runs."""
        if self.state.directive is not Directive.RUN:
            return range(0)
        return range(self.top, self.top - self.config.buy_window_size, -1)

    def free_slots(self) -> tuple[Slot, ...]:
        """Return the slots with inventory of which something may be wanted."""
        return tuple(
            slot
            for slot in self.state.slots.values()
            if slot.quantity != ZERO and slot.index not in self.busy
        )

    def is_resting(self, slot: Slot) -> bool:
        """Tell whether the level must wait after refusals; not across a clock that was set back."""
        retry_ms = retry_at_ms(slot, backoff_ms=self.config.retry_backoff_ms)
        return slot.refused_ms <= self.now_ms < retry_ms

    def target_quantity(self, price: Decimal) -> Decimal:
        """Return what a level at ``price`` holds when it is full, in whole lots."""
        amount = self.config.order_quantity
        match self.config.order_quantity_unit:
            case QuantityUnit.QUOTE:
                return self.instrument.quantity_for(amount, price)
            case QuantityUnit.BASE:
                return floor_to(amount / self.instrument.contract_size, self.instrument.lot_size)

    def offerable_quantity(self, quantity: Decimal, *, price: Decimal) -> Decimal:
        """Return the lots of ``quantity`` (positive) the venue takes in one order, 0 when none."""
        lot_size = self.instrument.lot_size
        lots = floor_to(min(quantity, self.instrument.quantity_max), lot_size)
        fault = self.instrument.fault(price=price, quantity=lots, reduce_only=self.is_reduce_only)
        return lots if fault is None else ZERO

    def opening_order(
        self, *, index: int, generation: int, attempt: int, price: Decimal, quantity: Decimal
    ) -> PlaceOrder:
        """Return a post-only buy that opens level ``index``."""
        return PlaceOrder(
            client_order_id=client_order_id(
                deployment=self.state.deployment,
                unit=self.state.unit,
                slot=index,
                side=Side.BUY,
                generation=generation,
                attempt=attempt,
            ),
            slot=index,
            side=Side.BUY,
            purpose=Purpose.OPEN,
            generation=generation,
            attempt=attempt,
            price=price,
            quantity=quantity,
            time_in_force=TimeInForce.GTX,
            reduce_only=False,
        )

    def reducing_order(
        self, slot: Slot, *, purpose: Purpose, side: Side, price: Decimal, quantity: Decimal
    ) -> PlaceOrder:
        """Return an order that gives inventory of ``slot`` back: resting, or at once to flatten."""
        is_flattening = purpose is Purpose.FLATTEN
        return PlaceOrder(
            client_order_id=client_order_id(
                deployment=self.state.deployment,
                unit=self.state.unit,
                slot=slot.index,
                side=side,
                generation=slot.generation,
                attempt=slot.close_attempts,
            ),
            slot=slot.index,
            side=side,
            purpose=purpose,
            generation=slot.generation,
            attempt=slot.close_attempts,
            price=price,
            quantity=quantity,
            time_in_force=TimeInForce.IOC if is_flattening else TimeInForce.GTX,
            reduce_only=self.is_reduce_only,
        )


def desk_of(state: SymbolState, config: GridConfig, *, now_ms: int) -> Desk | None:
    """Return the desk, None while the instrument, the anchor or the price is missing."""
    reference = reference_price(state.price, config.price_source)
    if state.instrument is None or state.anchor is None or reference is None:
        return None
    assert state.price is not None
    _, market = split_symbol(state.unit.symbol)
    return Desk(
        state=state,
        config=config,
        now_ms=now_ms,
        instrument=state.instrument,
        price=state.price,
        top=top_level(state, config, reference),
        busy={order.slot: order for order in state.unsettled_orders},
        is_reduce_only=market == "perp",
    )
