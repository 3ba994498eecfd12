"""Scripted markets: prices and trades told from outside, for scenarios."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from opensqt.core.ids import Symbol
from opensqt.core.money import ZERO, MoneyError, parse_decimal
from opensqt.core.orders import Side
from opensqt.market.filters import PRICE_MAX
from opensqt.market.types import PublicEvent, PublicQuote, PublicTrade, Quote
from opensqt.paper.dialect import venue_symbol
from opensqt.paper.feed import SyntheticFeed
from opensqt.paper.venue import PaperVenue

_SIZE_DEFAULT: Final = "10"
_EVENT_KEYS: Final = frozenset(
    {"bid", "ask", "bid_quantity", "ask_quantity", "price", "quantity", "aggressor", "move_to"}
)


class ScriptError(ValueError):
    """A market script is not usable."""


def run_script(
    venue: PaperVenue, synthetic: SyntheticFeed, body: Mapping[str, Any]
) -> dict[str, object]:
    """Apply a market script; raise ``ScriptError`` before anything happened.

    ``{"symbol", "pause"?, "resume"?, "events"?: [...]}`` where an event is a quote
    ``{"bid", "ask", "bid_quantity"?, "ask_quantity"?}``, a trade ``{"price", "quantity"?,
    "aggressor"?}`` or ``{"move_to": price}``: trades at the price and quotes around it. A single
    event may stand beside ``symbol``. Scripting a symbol pauses its synthetic market.
    """
    symbol = Symbol(f"{str(body.get('symbol', '')).partition(':')[0]}:perp")
    if symbol not in venue.model.books:
        message = f"expected a symbol of this venue, got {body.get('symbol')!r}"
        raise ScriptError(message)
    steps = body.get("events", [])
    single = {key: body[key] for key in _EVENT_KEYS & set(body)}
    if not isinstance(steps, list):
        raise ScriptError("expected a list of events")
    script = _Script(venue, symbol)
    try:
        events = [e for step in [*steps, *([single] if single else [])] for e in script.parse(step)]
    except (MoneyError, ValueError, TypeError, AttributeError, KeyError) as error:
        message = f"expected events of text decimals: {error}"
        raise ScriptError(message) from error
    if body.get("pause") or (events and not body.get("resume")):
        synthetic.pause(symbol)
    for event in events:
        venue.feed(event)
    if body.get("resume"):
        synthetic.resume(symbol)
    return {"symbol": venue_symbol(symbol), "events": len(events)}


class _Script:
    """Turns described events into market events, following the price as it moves."""

    def __init__(self, venue: PaperVenue, symbol: Symbol) -> None:
        self._venue = venue
        self._symbol = symbol
        self._last = venue.model.last_price(symbol) or venue.model.mark_price(symbol) or ZERO
        trades = venue.board[symbol].trades
        self._trade_id = trades[-1].trade_id if trades else venue.now_ms()

    def parse(self, step: Mapping[str, Any]) -> Iterable[PublicEvent]:
        unknown = sorted(set(step) - _EVENT_KEYS)
        if unknown:
            message = f"unknown keys {unknown}"
            raise ScriptError(message)
        if "move_to" in step:
            return self._move(parse_decimal(step["move_to"]), step)
        if "price" in step:
            return [self._trade(parse_decimal(step["price"]), step)]
        quote = Quote(
            bid=parse_decimal(step["bid"]),
            ask=parse_decimal(step["ask"]),
            bid_quantity=parse_decimal(step.get("bid_quantity", _SIZE_DEFAULT)),
            ask_quantity=parse_decimal(step.get("ask_quantity", _SIZE_DEFAULT)),
        )
        return [self._quote(quote)]

    def _move(self, price: Decimal, step: Mapping[str, Any]) -> list[PublicEvent]:
        # Towards the price the aggressor pays; afterwards it lies between the best prices.
        tick = self._venue.model.instrument(self._symbol).tick_size
        size = parse_decimal(step.get("quantity", _SIZE_DEFAULT))
        quote = Quote(bid=price - tick, ask=price + tick, bid_quantity=size, ask_quantity=size)
        return [self._trade(price, step), self._quote(quote)]

    def _quote(self, quote: Quote) -> PublicQuote:
        if not ZERO < quote.bid < quote.ask <= PRICE_MAX:
            message = f"expected 0 < bid < ask <= {PRICE_MAX}, got {quote.bid} and {quote.ask}"
            raise ScriptError(message)
        return PublicQuote(symbol=self._symbol, quote=quote, at_ms=self._venue.now_ms())

    def _trade(self, price: Decimal, step: Mapping[str, Any]) -> PublicTrade:
        falling = Side.SELL if price <= self._last else Side.BUY
        quantity = parse_decimal(step.get("quantity", _SIZE_DEFAULT))
        if not ZERO < price <= PRICE_MAX or quantity <= ZERO:
            raise ScriptError(f"expected a price up to {PRICE_MAX} and a positive quantity")
        self._last = price
        self._trade_id += 1
        return PublicTrade(
            symbol=self._symbol,
            trade_id=self._trade_id,
            price=price,
            quantity=quantity,
            aggressor=Side(step["aggressor"]) if "aggressor" in step else falling,
            at_ms=self._venue.now_ms(),
        )
