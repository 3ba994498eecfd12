"""Taking back all orders of a unit without its process."""

from typing import Final

from opensqt.core.ids import ClientOrderId, UnitId, is_ours
from opensqt.engine.gate import Gate
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    CancelRequest,
    ExchangePort,
    VenueOrder,
    VenueUnavailableError,
)

WAIT_MS: Final = 3_500
LOOK_MS: Final = 250
LOOKS: Final = 3
"""Empty lists in a row that count as empty: venues show a new order with some delay."""


async def cancel_all(
    unit: UnitId,
    *,
    venue: ExchangePort,
    gate: Gate,
    deployment: str,
    epoch: int,
    clock: ClockPort,
) -> tuple[ClientOrderId, ...]:
    """Cancel every order of this deployment on the unit's symbol; return those still open.

    Foreign and manual orders are never touched. Looks again for up to 3.5 s, because a cancel
    proves nothing until the order has left the list. Raise ``VenueUnavailableError`` when
    the list could not be seen in full, or not often enough while nothing of the unit could still
    arrive: unknown is not empty. Asking again goes on where this ended.
    """
    give_up_ms = clock.monotonic_ms() + WAIT_MS
    empty_looks = 0
    while True:
        is_quiet = gate.is_quiet(unit)
        left = await _ours(unit, venue=venue, deployment=deployment)
        empty_looks = empty_looks + 1 if is_quiet and not left else 0
        if empty_looks >= LOOKS:
            return ()
        if clock.monotonic_ms() >= give_up_ms:
            if not left:
                raise VenueUnavailableError("an order of the unit may still arrive")
            return tuple(order.client_order_id for order in left)
        for order in left:
            await gate.cancel(
                unit,
                CancelRequest(
                    symbol=unit.symbol,
                    client_order_id=order.client_order_id,
                    venue_order_id=order.venue_order_id,
                    symbol_epoch=epoch,
                ),
            )
        await clock.sleep_ms(LOOK_MS)


async def _ours(unit: UnitId, *, venue: ExchangePort, deployment: str) -> tuple[VenueOrder, ...]:
    listing = await venue.open_orders(unit.symbol)
    if not listing.is_complete:
        raise VenueUnavailableError("the venue's open list is not complete")
    return tuple(
        order for order in listing.orders if is_ours(order.client_order_id, deployment=deployment)
    )
