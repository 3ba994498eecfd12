"""Money is conserved to the last digit: against cash and quantity, which know no averages."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.money import ZERO
from opensqt.core.orders import Side
from opensqt.market.account import Account, trade_position
from opensqt.market.types import AccountTerms, Position
from tests.market.builders import (
    ALICE,
    BTC,
    T0,
    buy,
    instrument,
    placed,
    quoted,
    sell,
    traded,
    venue,
)

TRADES = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, 5_000).map(lambda lots: Decimal(lots) / 1000),
        st.integers(1, 20_000).map(lambda ticks: Decimal(ticks) / 10),
        st.booleans(),
    ),
    max_size=40,
)
RATES = st.sampled_from([Decimal(0), Decimal("0.0002"), Decimal("-0.00005"), Decimal("0.000333")])


@pytest.mark.property
@given(TRADES, RATES, st.sampled_from([Decimal(1), Decimal("0.01")]))
def test_wallet_and_position_are_sums_of_the_trades(
    trades: list[tuple[Side, Decimal, Decimal, bool]], rate: Decimal, contract: Decimal
) -> None:
    account = Account(AccountTerms(name=ALICE, maker_fee=rate, taker_fee=rate * 2))
    rules = instrument(contract_size=contract)
    cash = held = fees = realized = ZERO
    for side, quantity, price, is_maker in trades:
        fee = account.fee(rules.notional(price, quantity), is_maker=is_maker)
        realized += account.trade(rules, side, quantity, price, fee=fee)
        fees += fee
        held += side.sign * quantity
        cash -= side.sign * quantity * price * contract

    position = account.position(BTC)
    signed_entry = position.entry_notional if held > ZERO else -position.entry_notional
    assert position.quantity == held
    assert position.realized_pnl == realized
    assert position.fees == fees
    assert realized - signed_entry == cash
    assert account.wallet["USDT"] == Decimal(10_000) + realized - fees
    assert position.entry_notional >= ZERO
    assert bool(position.entry_notional) == bool(held)


@pytest.mark.property
@given(TRADES)
def test_the_average_price_lies_within_the_prices_traded(
    trades: list[tuple[Side, Decimal, Decimal, bool]],
) -> None:
    position = Position(symbol=BTC)
    for side, quantity, price, _ in trades:
        position, _ = trade_position(position, side, quantity, price)

    if position.quantity:
        prices = [price for _, _, price, _ in trades]
        slack = Decimal("0.00001")  # the cent that rounding may leave with a small rest
        assert min(prices) - slack <= position.average_price <= max(prices) + slack


def test_a_trade_through_zero_realizes_the_old_and_opens_the_new() -> None:
    long = Position(symbol=BTC, quantity=Decimal(2), entry_notional=Decimal(200))

    after, realized = trade_position(long, Side.SELL, Decimal(5), Decimal(110))

    assert realized == Decimal(20)
    assert (after.quantity, after.average_price) == (Decimal(-3), Decimal(110))


def test_closing_everything_leaves_nothing_however_fine_the_amounts() -> None:
    dust = Decimal("1.0000000000049")
    held = Position(symbol=BTC, quantity=Decimal(3), entry_notional=dust)

    after, realized = trade_position(held, Side.SELL, Decimal(3), Decimal(1))

    assert (after.quantity, after.entry_notional) == (ZERO, ZERO)
    assert realized == Decimal(3) - dust


def test_fees_follow_the_role_and_a_rebate_is_paid_out() -> None:
    terms = AccountTerms(name=ALICE, maker_fee=Decimal("-0.0001"), taker_fee=Decimal("0.001"))
    model = venue(terms=terms)
    model.on_quote(BTC, quoted(), T0)
    placed(model, buy("100.1", "1"))
    placed(model, sell("101.0", "1"))
    traded(model, "101.0", "5", Side.BUY)

    taken, made = model.fills(ALICE)

    assert (taken.is_maker, taken.fee) == (False, Decimal("0.1001"))
    assert (made.is_maker, made.fee) == (True, Decimal("-0.0101"))
    assert made.realized_pnl == Decimal("0.9")
    wallet = model.accounts[ALICE].wallet["USDT"]
    assert wallet == Decimal(10_000) + Decimal("0.9") - Decimal("0.1001") + Decimal("0.0101")


def test_what_an_order_locks_is_freed_in_step_with_its_fills() -> None:
    model = venue()
    order = placed(model, buy("100.0", "2"))
    account = model.accounts[ALICE]
    assert account.order_margin(order, model.instrument(BTC)) == Decimal(10)
    assert model.locked(ALICE, "USDT") == Decimal(10)

    traded(model, "100.0", "0.5", Side.SELL)
    (open_order,) = model.open_orders(ALICE)
    assert account.order_margin(open_order, model.instrument(BTC)) == Decimal("7.5")
    assert model.locked(ALICE, "USDT") == Decimal(10)  # 0.5 held, 1.5 resting

    model.cancel_all(ALICE, None, open_order.created_ms)
    assert model.locked(ALICE, "USDT") == Decimal("2.5")
    (balance,) = model.balances(ALICE)
    assert balance.free + balance.locked == account.wallet["USDT"]
    assert account.active_symbols() == {BTC}


def test_reduce_only_orders_lock_nothing() -> None:
    model = venue()
    model.on_quote(BTC, quoted(), T0)
    placed(model, buy("100.1", "1"))
    before = model.locked(ALICE, "USDT")

    order = placed(model, sell("101.0", "1", reduce_only=True))

    assert model.locked(ALICE, "USDT") == before
    assert model.accounts[ALICE].order_margin(order, model.instrument(BTC)) == ZERO
    assert model.unrealized_pnl(ALICE, BTC) == Decimal("-0.05")
    assert model.available(ALICE, "USDT") == (
        model.accounts[ALICE].wallet["USDT"] - before - Decimal("0.05")
    )
