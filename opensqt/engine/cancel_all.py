"""Taking back all orders of a unit, or of an account, without their processes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from opensqt.core.ids import ClientOrderId, Symbol, UnitId, is_ours
from opensqt.core.symbol import SymbolState
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
PAUSE_MS: Final = 1_000
"""Between looks that can prove nothing: the list of an account is dear, and looks are rationed."""
LOOKS: Final = 3
"""Empty lists in a row that count as empty: venues show a new order with some delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Canceling our orders until the venue shows none; foreign and manual ones are not touched."""

    venue: ExchangePort
    clock: ClockPort
    deployment: str
    symbol: Symbol | None
    """Whose orders; None = the account's."""
    wait_ms: int
    """For how long to look again: a cancel proves nothing until the order has left the list."""
    coming: Callable[[], Awaitable[str]]
    """Asked before each look: what may still become an order, in words; empty = nothing can."""
    cancel: Callable[[VenueOrder], Awaitable[object]]

    async def run(self) -> tuple[ClientOrderId, ...]:
        """Cancel and look; return what is still open in the end.

        Raise ``VenueUnavailableError`` when the list could not be seen in full, or not often enough
        while nothing could still arrive: unknown is not empty. Asking again goes on from there.
        """
        give_up_ms = self.clock.monotonic_ms() + self.wait_ms
        empty_looks = 0
        while True:
            coming = await self.coming()
            try:
                left = await self._ours()
            except VenueUnavailableError:
                if self.clock.monotonic_ms() >= give_up_ms:
                    raise
                empty_looks = 0
                await self.clock.sleep_ms(PAUSE_MS)
                continue
            empty_looks = 0 if coming or left else empty_looks + 1
            if empty_looks >= LOOKS:
                return ()
            if self.clock.monotonic_ms() >= give_up_ms:
                if not left:
                    raise VenueUnavailableError(coming or "the list was empty too briefly")
                return tuple(order.client_order_id for order in left)
            for order in left:
                await self.cancel(order)
            await self.clock.sleep_ms(PAUSE_MS if coming else LOOK_MS)

    async def _ours(self) -> tuple[VenueOrder, ...]:
        listing = await self.venue.open_orders(self.symbol)
        if not listing.is_complete:
            raise VenueUnavailableError("the venue's open list is not complete")
        return tuple(
            order
            for order in listing.orders
            if is_ours(order.client_order_id, deployment=self.deployment)
        )


def arrives_until_ms(state: SymbolState, *, horizon_ms: int) -> int:
    """Return until when an order that a journal holds may still appear, wall time; 0 = none can.

    An intent is committed before it is sent: what the journal has not is not under way either.
    """
    return max((order.deadline_ms + horizon_ms for order in state.live_orders), default=0)


async def cancel_all(
    unit: UnitId,
    *,
    venue: ExchangePort,
    gate: Gate,
    deployment: str,
    epoch: int,
    clock: ClockPort,
) -> tuple[ClientOrderId, ...]:
    """Cancel every order of this deployment on the unit's symbol, as ``Sweep.run`` does."""

    async def coming() -> str:
        return "" if gate.is_quiet(unit) else "an order of the unit may still arrive"

    async def cancel(order: VenueOrder) -> object:
        return await gate.cancel(
            unit,
            CancelRequest(
                symbol=unit.symbol,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                symbol_epoch=epoch,
            ),
        )

    sweep = Sweep(
        venue=venue,
        clock=clock,
        deployment=deployment,
        symbol=unit.symbol,
        wait_ms=WAIT_MS,
        coming=coming,
        cancel=cancel,
    )
    return await sweep.run()
