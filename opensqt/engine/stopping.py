"""Proving that a stop is complete: the book agrees with the venue, whose list of ours is empty.

The list is seen empty twice. The comparison comes first and leaves nobody in doubt: with no order
alive, no fill that is on its way can explain a difference.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from opensqt.core.facts import Directive
from opensqt.core.ids import UnitId, is_ours
from opensqt.core.symbol import SymbolState
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import ExchangePort, VenueUnavailableError

BETWEEN_LOOKS_MS: Final = 1_000
LOOKS: Final = 2


class StopCheck:
    """Looks at the venue once the unit itself believes that it has stopped."""

    def __init__(
        self,
        venue: ExchangePort,
        *,
        unit: UnitId,
        deployment: str,
        clock: ClockPort,
        doubt: Callable[[str], None],
    ) -> None:
        """Ask ``venue`` about the orders of ``unit``; ``doubt`` has the book compared anew."""
        self._venue = venue
        self._unit = unit
        self._deployment = deployment
        self._clock = clock
        self._doubt = doubt
        self._has_doubted = False
        self._has_compared = False
        self._task: asyncio.Task[None] | None = None
        self._empty_looks = 0

    @property
    def is_confirmed(self) -> bool:
        """Tell whether the venue has shown an empty list often enough."""
        return self._empty_looks >= LOOKS

    def reset(self) -> None:
        """Forget what was seen: the directive has changed."""
        self.abandon()
        self._empty_looks = 0
        self._has_doubted = False
        self._has_compared = False

    def abandon(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()

    def step(self, state: SymbolState, *, is_idle: bool) -> None:
        """Look when the unit is told to stop, wants nothing and has nothing unsettled."""
        if not (is_idle and has_ended(state)):
            self._empty_looks = 0
            self._has_compared = False
            return
        if not self._has_compared:
            # Called again only once the pass is complete.
            self._has_compared = True
            self._doubt("a stop is about to end")
            return
        if not self.is_confirmed and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            listing = await self._venue.open_orders(self._unit.symbol)
        except VenueUnavailableError:
            # Unknown is not empty: look again at the next step.
            await self._clock.sleep_ms(BETWEEN_LOOKS_MS)
            return
        has_own = any(
            is_ours(order.client_order_id, deployment=self._deployment) for order in listing.orders
        )
        is_empty = listing.is_complete and not has_own
        self._empty_looks = self._empty_looks + 1 if is_empty else 0
        if has_own and not self._has_doubted:
            # Once: what the comparison finds harmless is a list that lags.
            self._has_doubted = True
            self._doubt("an order of ours is open after the stop")
        await self._clock.sleep_ms(BETWEEN_LOOKS_MS)


def has_ended(state: SymbolState) -> bool:
    """Tell whether the book says that the directive has been carried out."""
    match state.directive:
        case Directive.RUN:
            return False
        case Directive.CANCEL:
            return state.is_quiescent
        case Directive.DRAIN | Directive.FLATTEN:
            return state.is_quiescent and state.is_flat
