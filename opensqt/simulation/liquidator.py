"""The venue's own hand in a position: liquidation and deleveraging, by orders of its own.

Part of a long position is sold at once below the touch, or by an order that rests above it; before
a liquidation the venue takes our orders on the symbol back. None of it was asked for by anybody.
"""

import random
from decimal import Decimal
from typing import Final

from opensqt.core.ids import ClientOrderId, Symbol, forced_id, is_forced, is_ours
from opensqt.core.money import ZERO, floor_to
from opensqt.core.orders import Side, TimeInForce
from opensqt.market.types import Accepted, OrderRequest, Quote
from opensqt.ports.clock import ClockPort
from opensqt.simulation.venue import SimulatedVenue

THROUGH: Final = Decimal("0.9")
"""Of the best bid: the worst price of an order that sells at once."""
REST_TICKS_MAX: Final = 10


class Liquidator:
    """Sells what we hold, when it is told to."""

    def __init__(
        self, venue: SimulatedVenue, *, deployment: str, rng: random.Random, clock: ClockPort
    ) -> None:
        """Tell our orders from those of humans by ``deployment``."""
        self._venue = venue
        self._deployment = deployment
        self._rng = rng
        self._clock = clock
        self._count = 0
        self.is_over = False
        """Whether it has been told to leave our positions alone."""

    def sell(self, symbol: Symbol) -> bool:
        """Sell a part of a position; tell whether there was one, and the venue took the order."""
        venue, model, rng = self._venue, self._venue.model, self._rng
        held, quote = model.position(venue.account, symbol).quantity, model.quote(symbol)
        if self.is_over or held <= ZERO or quote is None:
            return False
        if rng.random() < 1 / 2:
            self.take_back(symbol)
        self._count += 1
        rules = model.instrument(symbol)
        is_resting = rng.random() < 1 / 4
        result = model.place(
            OrderRequest(
                account=venue.account,
                symbol=symbol,
                client_order_id=forced_id(f"autoclose-{self._count}"),
                side=Side.SELL,
                price=self._price(quote, rules.tick_size, is_resting=is_resting),
                quantity=max(
                    floor_to(held * rng.randint(1, 4) / 4, rules.lot_size), rules.quantity_min
                ),
                time_in_force=TimeInForce.GTC if is_resting else TimeInForce.IOC,
                reduce_only=True,
            ),
            self._clock.now_ms(),
        )
        if isinstance(result, Accepted):
            venue.publish(result.events)
        return isinstance(result, Accepted)

    def take_back(self, symbol: Symbol) -> int:
        """Take back our orders on a symbol, which nobody asked for; return how many."""
        orders = self._venue.model.open_orders(self._venue.account, symbol)
        ours = [
            one.client_order_id
            for one in orders
            if is_ours(one.client_order_id, deployment=self._deployment)
        ]
        for own in ours:
            self._cancel(symbol, own)
        return len(ours)

    def end(self) -> None:
        """Sell no more and take back what rests: who stops trading must know what was sold."""
        self.is_over = True
        for order in self._venue.model.open_orders(self._venue.account, None):
            if is_forced(order.client_order_id):
                self._cancel(order.symbol, order.client_order_id)

    def _price(self, quote: Quote, tick_size: Decimal, *, is_resting: bool) -> Decimal:
        if is_resting:
            return quote.ask + self._rng.randint(0, REST_TICKS_MAX) * tick_size
        return floor_to(quote.bid * THROUGH, tick_size)

    def _cancel(self, symbol: Symbol, own: ClientOrderId) -> None:
        result = self._venue.model.cancel(
            self._venue.account,
            symbol,
            now_ms=self._clock.now_ms(),
            client_order_id=own,
        )
        if isinstance(result, Accepted):
            self._venue.publish(result.events)
