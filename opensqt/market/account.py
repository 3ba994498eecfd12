"""Money of one account: wallet, one-way positions, margin. Exact, order of events decides all.

Invariants, per symbol: ``realized_pnl - signed(entry_notional)`` equals the signed cash flow of all
fills, and the wallet equals the starting amount plus realized profit minus fees, to the last digit.
The share of the entry notional that a partial close releases is rounded once, to eight decimals;
the rest stays with the open quantity, so nothing is lost by rounding.
"""

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Final

from opensqt.core.ids import Symbol
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO
from opensqt.core.orders import Side
from opensqt.market.types import AccountTerms, AssetBalance, BookOrder, Position

CENT: Final = Decimal("0.00000001")
"""Smallest amount an account keeps of any asset; what venues settle in."""


def close_share(position: Position, closing: Decimal) -> Decimal:
    """Return how much of the entry notional belongs to ``closing`` base units of the position."""
    held = abs(position.quantity)
    if closing == held:
        return position.entry_notional
    return (position.entry_notional * closing / held).quantize(CENT, ROUND_HALF_EVEN)


def trade_position(
    position: Position, side: Side, quantity: Decimal, unit_value: Decimal
) -> tuple[Position, Decimal]:
    """Return the position after a trade and what the trade realized, fees not included.

    ``unit_value`` is the value of one base unit: price times contract size. A trade through zero
    closes first and opens the rest on the other side.
    """
    held = position.quantity
    after = held + side.sign * quantity
    if held == ZERO or (held > ZERO) == (side is Side.BUY):
        grown = position.entry_notional + unit_value * quantity
        return replace(position, quantity=after, entry_notional=grown), ZERO
    closing = min(quantity, abs(held))
    released = close_share(position, closing)
    proceeds = unit_value * closing
    realized = proceeds - released if held > ZERO else released - proceeds
    crossed = quantity > closing
    entry = unit_value * (quantity - closing) if crossed else position.entry_notional - released
    return replace(
        position,
        quantity=after,
        entry_notional=entry,
        realized_pnl=position.realized_pnl + realized,
    ), realized


class Account:
    """Wallet, positions and reserved order margin of one account; changed only by the venue."""

    def __init__(self, terms: AccountTerms) -> None:
        self.terms = terms
        self.wallet: dict[str, Decimal] = dict(terms.balances)
        self.positions: dict[Symbol, Position] = {}
        self.leverages: dict[Symbol, int] = {}
        self._resting: dict[tuple[Symbol, Side], Decimal] = {}

    def leverage(self, symbol: Symbol) -> int:
        """Return the leverage set for a symbol."""
        return self.leverages.get(symbol, self.terms.leverage)

    def position(self, symbol: Symbol) -> Position:
        """Return the position, flat if there never was one."""
        return self.positions.get(symbol) or Position(symbol=symbol)

    def fee(self, notional: Decimal, *, is_maker: bool) -> Decimal:
        """Return what a trade of this value costs, rounded to what the account can keep."""
        rate = self.terms.maker_fee if is_maker else self.terms.taker_fee
        return (notional * rate).quantize(CENT, ROUND_HALF_EVEN)

    def trade(
        self, instrument: Instrument, side: Side, quantity: Decimal, price: Decimal, *, fee: Decimal
    ) -> Decimal:
        """Book one execution; return what it realized."""
        symbol = instrument.symbol
        before = self.position(symbol)
        unit_value = price * instrument.contract_size
        after, realized = trade_position(before, side, quantity, unit_value)
        self.positions[symbol] = replace(after, fees=after.fees + fee)
        asset = instrument.quote_asset
        self.wallet[asset] = self.wallet.get(asset, ZERO) + realized - fee
        return realized

    def reserve(self, order: BookOrder, notional_change: Decimal) -> None:
        """Add to (or take from) the value of resting orders that may open a position."""
        if not order.reduce_only:
            key = (order.symbol, order.side)
            self._resting[key] = self._resting.get(key, ZERO) + notional_change

    def resting_notional(self, symbol: Symbol, side: Side) -> Decimal:
        """Return the value of resting, not reduce-only orders of one side."""
        return self._resting.get((symbol, side), ZERO)

    def order_margin(self, order: BookOrder, instrument: Instrument) -> Decimal:
        """Return what one resting order locks at most, quote units."""
        if order.reduce_only or order.price is None or not order.is_open:
            return ZERO
        value = instrument.notional(order.price, order.remaining)
        return (value / self.leverage(order.symbol)).quantize(CENT, ROUND_CEILING)

    def margin(
        self,
        instrument: Instrument,
        mark_price: Decimal | None,
        *,
        extra: tuple[Side, Decimal] | None = None,
    ) -> Decimal:
        """Return the initial margin of a symbol: its position plus the worse side of its orders.

        ``extra`` is an order (side, value) that is not resting yet.
        """
        symbol = instrument.symbol
        position = self.position(symbol)
        price = position.average_price if mark_price is None else mark_price
        value = position.quantity * price * instrument.contract_size
        buys = self.resting_notional(symbol, Side.BUY)
        sells = self.resting_notional(symbol, Side.SELL)
        if extra is not None:
            buys += extra[1] if extra[0] is Side.BUY else ZERO
            sells += extra[1] if extra[0] is Side.SELL else ZERO
        worst = max(abs(value), value + buys, sells - value)
        return (worst / self.leverage(symbol)).quantize(CENT, ROUND_CEILING)

    def unrealized_pnl(self, instrument: Instrument, mark_price: Decimal | None) -> Decimal:
        """Return the open profit at the mark price, 0 without a price."""
        position = self.position(instrument.symbol)
        if mark_price is None or not position.quantity:
            return ZERO
        value = position.quantity * mark_price * instrument.contract_size
        cost = position.entry_notional if position.quantity > ZERO else -position.entry_notional
        return value - cost

    def active_symbols(self) -> frozenset[Symbol]:
        """Return the symbols with a position or resting orders."""
        held = {symbol for symbol, position in self.positions.items() if position.quantity}
        return frozenset(held | {key[0] for key, value in self._resting.items() if value})

    def balance(self, asset: str, locked: Decimal) -> AssetBalance:
        """Return the wallet of one asset split into free and locked."""
        return AssetBalance(asset=asset, free=self.wallet.get(asset, ZERO) - locked, locked=locked)
