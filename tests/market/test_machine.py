"""Random sessions of two accounts against a trivial model that only knows resting quantities.

The trivial model has no priorities, averages or margins: an order rests at a price with so much
left. What the venue reports is checked against it after every step, and cash against all fills.
"""

from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnixMs
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.market.types import (
    Accepted,
    EventKind,
    Fill,
    FillRule,
    OrderEvent,
    Quote,
    Refusal,
    Refused,
    VenueOptions,
)
from opensqt.market.venue import VenueModel
from tests.market.builders import ALICE, BOB, BTC, ETH, T0, quoted, venue, wants

SYMBOLS = st.sampled_from([BTC, ETH])
ACCOUNTS = st.sampled_from([ALICE, BOB])
TICKS = st.integers(980, 1020)
LOTS = st.integers(60, 3_000)


@dataclass(slots=True)
class Known:
    """What the trivial model knows of an open order."""

    account: AccountName
    symbol: Symbol
    side: Side
    price: Decimal
    left: Decimal
    reduce_only: bool


class VenueMachine(RuleBasedStateMachine):
    """Drives a venue at random."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.known: dict[str, Known] = {}
        self.fills: list[Fill] = []
        self.ids: set[int] = set()
        self.taken: set[tuple[Symbol, Side]] = set()
        self.number = 0

    @initialize(rule_=st.sampled_from(FillRule))
    def start(self, rule_: FillRule) -> None:
        self.rule_ = rule_
        self.model: VenueModel = venue(rule_)

    # -------------------------------------------------------------------------------------- steps

    @rule(
        account=ACCOUNTS,
        symbol=SYMBOLS,
        side=st.sampled_from(Side),
        tick=TICKS,
        lots=LOTS,
        kind=st.sampled_from(TimeInForce),
        reduce_only=st.booleans(),
    )
    def place(
        self,
        *,
        account: AccountName,
        symbol: Symbol,
        side: Side,
        tick: int,
        lots: int,
        kind: TimeInForce,
        reduce_only: bool,
    ) -> None:
        self.number += 1
        price, quantity = Decimal(tick) / 10, Decimal(lots) / 1000
        request = wants(
            side,
            str(price),
            str(quantity),
            account=account,
            symbol=symbol,
            client_order_id=ClientOrderId(f"n{self.number}"),
            time_in_force=kind,
            reduce_only=reduce_only,
        )
        quote = self.model.quote(symbol)
        crosses = quote is not None and (
            price >= quote.ask if side is Side.BUY else price <= quote.bid
        )
        held = self.model.position(account, symbol).quantity
        result = self.model.place(request, self.now)
        if isinstance(result, Refused):
            assert result.reason in (Refusal.WOULD_CROSS, Refusal.REDUCE_ONLY)
            if result.reason is Refusal.WOULD_CROSS:
                assert crosses
                assert kind is TimeInForce.GTX
            else:
                assert reduce_only
                assert held * side.sign >= ZERO
            return
        assert not (crosses and kind is TimeInForce.GTX)
        number = int(result.order.venue_order_id)
        assert number > max(self.ids, default=0)
        self.ids.add(number)
        known = Known(account, symbol, side, price, quantity, reduce_only)
        self.known[request.client_order_id] = known
        self.absorb(result.events)
        fills = [e.fill for e in result.events if e.fill is not None]
        can_fill = crosses and self.fillable_before(reduce_only, held, side)
        # Once an order has taken, what the quote showed may be gone until the next quote.
        assert bool(fills) == can_fill or (can_fill and (symbol, side) in self.taken)
        if fills:
            self.taken.add((symbol, side))
        if kind is TimeInForce.IOC:
            assert request.client_order_id not in self.known

    @rule(data=st.data())
    @precondition(lambda self: self.known)
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.known)))
        known = self.known[name]
        result = self.model.cancel(
            known.account, known.symbol, client_order_id=ClientOrderId(name), now_ms=self.now
        )
        assert isinstance(result, Accepted)
        self.absorb(result.events)
        assert name not in self.known

    @rule(symbol=SYMBOLS, tick=TICKS, lots=LOTS, aggressor=st.none() | st.sampled_from(Side))
    def trade(self, symbol: Symbol, tick: int, lots: int, aggressor: Side | None) -> None:
        price, quantity = Decimal(tick) / 10, Decimal(lots) / 1000
        reached = {
            name
            for name, known in self.known.items()
            if known.symbol == symbol and self.reaches(known, price, aggressor)
        }
        firm = {name for name in reached if not self.known[name].reduce_only}
        whole = sum((self.known[name].left for name in firm), ZERO)
        events = self.model.on_trade(symbol, price, quantity, aggressor, self.now)
        filled = {e.order.client_order_id for e in events if e.kind is EventKind.TRADED}
        total = sum((e.fill.quantity for e in events if e.fill is not None), ZERO)
        self.absorb(events)
        assert filled <= reached
        if self.rule_ is FillRule.THROUGH:
            assert total <= quantity
            assert total >= min(quantity, whole)
        else:
            assert firm <= filled
            assert not firm & set(self.known)

    @rule(symbol=SYMBOLS, tick=TICKS, width=st.integers(1, 4), size=st.integers(1, 5))
    def quote(self, symbol: Symbol, tick: int, width: int, size: int) -> None:
        quote = quoted(str(Decimal(tick) / 10), str(Decimal(tick + width) / 10), str(size))
        firm = {name for name in self.reached_by(symbol, quote) if not self.known[name].reduce_only}
        self.show(self.model, symbol, quote)
        assert not firm & set(self.known)

    @rule(step=st.integers(1, 10_000))
    def wait(self, step: int) -> None:
        self.now = UnixMs(self.now + step)

    @rule()
    def restart(self) -> None:
        fresh = VenueModel(
            instruments=[book.instrument for book in self.model.books.values()],
            accounts=[account.terms for account in self.model.accounts.values()],
            options=VenueOptions(fill_rule=self.rule_),
        )
        fresh.restore(self.model.snapshot())
        assert fresh.snapshot() == self.model.snapshot()
        for symbol in (BTC, ETH):
            quote, last = self.model.quote(symbol), self.model.last_price(symbol)
            if last is not None:
                fresh.books[symbol].last_price = last
            if quote is not None:
                self.show(fresh, symbol, quote)
        self.model = fresh

    # ------------------------------------------------------------------------------------ checking

    @staticmethod
    def fillable_before(reduce_only: bool, held: Decimal, side: Side) -> bool:
        return not reduce_only or held * side.sign < ZERO

    def reaches(self, known: Known, price: Decimal, aggressor: Side | None) -> bool:
        if known.side is Side.BUY:
            side_fits, price_fits = aggressor is Side.SELL, price <= known.price
        else:
            side_fits, price_fits = aggressor is Side.BUY, price >= known.price
        return price_fits and (self.rule_ is FillRule.TOUCH or aggressor is None or side_fits)

    def reached_by(self, symbol: Symbol, quote: Quote) -> set[str]:
        return {
            name
            for name, known in self.known.items()
            if known.symbol == symbol
            and (known.price >= quote.ask if known.side is Side.BUY else known.price <= quote.bid)
        }

    def show(self, model: VenueModel, symbol: Symbol, quote: Quote) -> None:
        reached = self.reached_by(symbol, quote)
        events = model.on_quote(symbol, quote, self.now)
        self.taken -= {(symbol, Side.BUY), (symbol, Side.SELL)}
        assert {e.order.client_order_id for e in events if e.fill is not None} <= reached
        self.absorb(events)

    def absorb(self, events: tuple[OrderEvent, ...]) -> None:
        for event in events:
            name = event.order.client_order_id
            known = self.known[name]
            assert event.at_ms == self.now
            if event.fill is not None:
                fill = event.fill
                assert ZERO < fill.quantity <= known.left
                known.left -= fill.quantity
                if fill.is_maker:
                    assert fill.price == known.price
                else:
                    assert known.side.sign * (known.price - fill.price) >= ZERO
                assert int(fill.trade_id) > max((int(f.trade_id) for f in self.fills), default=0)
                self.fills.append(fill)
            assert event.order.remaining == known.left
            if known.left == ZERO:
                assert event.order.status is OrderStatus.FILLED
            if event.order.status.is_terminal:
                del self.known[name]

    @invariant()
    def open_orders_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        for account in (ALICE, BOB):
            shown = {
                order.client_order_id: (order.symbol, order.side, order.price, order.remaining)
                for order in self.model.open_orders(account)
            }
            expected = {
                name: (known.symbol, known.side, known.price, known.left)
                for name, known in self.known.items()
                if known.account == account
            }
            assert shown == expected

    @invariant()
    def positions_are_sums_of_fills_and_cash_is_conserved(self) -> None:
        if not hasattr(self, "model"):
            return
        for account in (ALICE, BOB):
            fees = realized = ZERO
            for symbol in (BTC, ETH):
                fills = [f for f in self.fills if (f.account, f.symbol) == (account, symbol)]
                position = self.model.position(account, symbol)
                held = sum((f.side.sign * f.quantity for f in fills), ZERO)
                cash = -sum((f.side.sign * f.quantity * f.price for f in fills), ZERO)
                entry = position.entry_notional * (1 if held > ZERO else -1)
                assert position.quantity == held
                assert position.realized_pnl - entry == cash
                realized += position.realized_pnl
                fees += sum((f.fee for f in fills), ZERO)
                self.margins_agree(account, symbol)
            (balance,) = self.model.balances(account)
            assert balance.free + balance.locked == Decimal(10_000) + realized - fees

    def margins_agree(self, account: AccountName, symbol: Symbol) -> None:
        for side in Side:
            resting = sum(
                (
                    known.left * known.price
                    for known in self.known.values()
                    if (known.account, known.symbol, known.side) == (account, symbol, side)
                    and not known.reduce_only
                ),
                ZERO,
            )
            assert self.model.accounts[account].resting_notional(symbol, side) == resting

    @invariant()
    def nothing_reduces_what_is_not_there(self) -> None:
        for known in self.known.values():
            if known.reduce_only:
                held = self.model.position(known.account, known.symbol).quantity
                assert held * known.side.sign < ZERO


TestVenueMachine = VenueMachine.TestCase
TestVenueMachine.settings = settings(max_examples=150, stateful_step_count=40)
TestVenueMachine = pytest.mark.property(TestVenueMachine)
