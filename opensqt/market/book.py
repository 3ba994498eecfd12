"""Our orders on one symbol against the market around them.

Theory of operation. The market is given: best prices, shown quantities, public trades. Our orders
are assumed too small to change it, and they never trade with each other. Resting orders are kept
in price-time priority. Three things fill an order:

* on arrival, as taker: the shown quantity at the best opposing price, then twice, thrice, ... as
  much on each further tick, within the limit; what was taken is gone until the next quote;
* resting, by a public trade, as the fill rule says (see ``FillRule``);
* resting, by a quote: an ask at or below a buy (a bid at or above a sell) cannot exist in a real
  book while the order rests, so what is left of it has traded at its own price.

The functions here decide *what* fills, as (order id, quantity, price) triples; the venue books it.
"""

from bisect import insort
from dataclasses import dataclass
from decimal import Decimal

from opensqt.core.ids import VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO
from opensqt.core.orders import Side
from opensqt.market.types import BookOrder, FillRule, MarketError, Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One execution the market implies."""

    venue_order_id: VenueOrderId
    quantity: Decimal | None
    """Base units, or None for all that is left of the order."""
    price: Decimal


class SymbolBook:
    """Resting orders and the market of one symbol."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.quote: Quote | None = None
        self.last_price: Decimal | None = None
        # (sort key, arrival, id): the sort key is the negative price for buys.
        self._buys: list[tuple[Decimal, int, VenueOrderId]] = []
        self._sells: list[tuple[Decimal, int, VenueOrderId]] = []
        self._arrivals = 0
        self._taken = {Side.BUY: ZERO, Side.SELL: ZERO}

    @property
    def mark_price(self) -> Decimal | None:
        """Return the price positions are valued at: the mid, else the last trade, else None."""
        return self.quote.mid_price if self.quote is not None else self.last_price

    def rest(self, order: BookOrder) -> None:
        """Let an order wait in price-time priority."""
        if order.price is None:
            raise MarketError("a market order cannot rest")
        self._arrivals += 1
        key = -order.price if order.side is Side.BUY else order.price
        insort(self._side(order.side), (key, self._arrivals, order.venue_order_id))

    def remove(self, order: BookOrder) -> None:
        """Take an order out; nothing happens if it does not rest."""
        side = self._side(order.side)
        for index, entry in enumerate(side):
            if entry[2] == order.venue_order_id:
                del side[index]
                return

    def is_crossed(self, side: Side, price: Decimal) -> bool:
        """Tell whether an order at this price would take at once."""
        if self.quote is None:
            return False
        return price >= self.quote.ask if side is Side.BUY else price <= self.quote.bid

    def set_quote(self, quote: Quote) -> tuple[Match, ...]:
        """Take new best prices; return the resting orders they reach, best first."""
        if not ZERO < quote.bid < quote.ask:
            message = f"expected 0 < bid < ask, got {quote.bid} and {quote.ask}"
            raise MarketError(message)
        self.quote = quote
        self._taken[Side.BUY] = self._taken[Side.SELL] = ZERO
        return (
            *self._reached(self._buys, -quote.ask, -1),
            *self._reached(self._sells, quote.bid, 1),
        )

    def trade(
        self, rule: FillRule, price: Decimal, quantity: Decimal, aggressor: Side | None
    ) -> tuple[Match, ...]:
        """Take a public trade; return what it fills under the rule, best price first.

        Without a known aggressor a trade counts for both sides.
        """
        if price <= ZERO or quantity <= ZERO:
            message = f"expected a positive trade, got {quantity} at {price}"
            raise MarketError(message)
        self.last_price = price
        touches_any = rule is FillRule.TOUCH or aggressor is None
        matches: tuple[Match, ...] = ()
        if touches_any or aggressor is Side.SELL:
            matches = self._reached(self._buys, -price, -1)
        if touches_any or aggressor is Side.BUY:
            matches = (*matches, *self._reached(self._sells, price, 1))
        return matches

    def take(
        self, side: Side, price: Decimal | None, quantity: Decimal, *, levels: int
    ) -> tuple[tuple[Decimal, Decimal], ...]:
        """Consume the opposing side; return (price, quantity) pieces, best first.

        ``price`` None is a market order. At most ``levels`` ticks beyond the best are walked.
        """
        if self.quote is None:
            return ()
        best = self.quote.ask if side is Side.BUY else self.quote.bid
        shown = self.quote.ask_quantity if side is Side.BUY else self.quote.bid_quantity
        if shown <= ZERO:
            return ()
        pieces = []
        gone = self._taken[side]
        wanted = quantity
        for index in range(levels + 1):
            at = best + side.sign * index * self.instrument.tick_size
            if wanted <= ZERO or at <= ZERO or (price is not None and side.sign * (at - price) > 0):
                break
            # One more time the shown quantity on each further tick: books thicken behind the best.
            here = shown * (index + 1)
            skipped = min(gone, here)
            gone -= skipped
            piece = min(wanted, here - skipped)
            if piece > ZERO:
                pieces.append((at, piece))
                wanted -= piece
        self._taken[side] += quantity - wanted
        return tuple(pieces)

    def _side(self, side: Side) -> list[tuple[Decimal, int, VenueOrderId]]:
        return self._buys if side is Side.BUY else self._sells

    @staticmethod
    def _reached(
        entries: list[tuple[Decimal, int, VenueOrderId]], limit: Decimal, sign: int
    ) -> tuple[Match, ...]:
        # Most trades and quotes reach nothing: one comparison.
        if not entries or entries[0][0] > limit:
            return ()
        matches = []
        for key, _, venue_order_id in entries:
            if key > limit:
                break
            matches.append(Match(venue_order_id=venue_order_id, quantity=None, price=key * sign))
        return tuple(matches)
