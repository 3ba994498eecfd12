"""When orders fill, at which price and how much: one test per promise of the matching."""

from decimal import Decimal

import pytest

from opensqt.core.ids import ClientOrderId
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.market.types import (
    Accepted,
    ClientIdRule,
    EventKind,
    FillRule,
    MarketError,
    Refusal,
    Refused,
)
from tests.market.builders import (
    ALICE,
    BOB,
    BTC,
    ETH,
    T0,
    buy,
    filled,
    instrument,
    placed,
    quoted,
    refused,
    sell,
    traded,
    venue,
)

ONE = Decimal(1)
TOUCH, RIGHT, THROUGH = FillRule.TOUCH, FillRule.TOUCH_RIGHT_AGGRESSOR, FillRule.THROUGH


@pytest.mark.parametrize(
    ("rule", "price", "quantity", "aggressor", "expected"),
    [
        # a buy of 1 at 99.0 rests
        (TOUCH, "99.0", "0.25", Side.SELL, "1"),
        (TOUCH, "99.0", "0.25", Side.BUY, "1"),
        (TOUCH, "98.0", "0.25", None, "1"),
        (TOUCH, "99.1", "9", Side.SELL, None),
        (RIGHT, "99.0", "0.25", Side.SELL, "1"),
        (RIGHT, "98.0", "0.25", Side.BUY, None),
        (RIGHT, "99.0", "0.25", None, "1"),
        (RIGHT, "99.1", "9", Side.SELL, None),
        (THROUGH, "99.0", "0.25", Side.SELL, "0.25"),
        (THROUGH, "98.0", "0.25", Side.SELL, "0.25"),
        (THROUGH, "98.0", "9", Side.SELL, "1"),
        (THROUGH, "98.0", "9", Side.BUY, None),
        (THROUGH, "99.1", "9", Side.SELL, None),
    ],
)
def test_a_resting_buy_fills_as_the_rule_says(
    rule: FillRule, price: str, quantity: str, aggressor: Side | None, expected: str | None
) -> None:
    model = venue(rule)
    order = placed(model, buy("99.0"))

    events = traded(model, price, quantity, aggressor)

    wanted = [] if expected is None else [(order.client_order_id, Decimal(expected), Decimal(99))]
    assert filled(events) == wanted


@pytest.mark.parametrize("rule", list(FillRule))
def test_sells_mirror_buys(rule: FillRule) -> None:
    model = venue(rule)
    order = placed(model, sell("101.0"))

    assert traded(model, "100.9", "9", Side.BUY) == ()
    wrong = traded(model, "101.0", "9", Side.SELL)
    assert bool(wrong) == (rule is TOUCH)
    if rule is not TOUCH:
        events = traded(model, "102.0", "9", Side.BUY)
        assert filled(events) == [(order.client_order_id, ONE, Decimal(101))]


@pytest.mark.parametrize("rule", list(FillRule))
def test_a_quote_that_reaches_a_resting_order_fills_the_rest_at_its_own_price(
    rule: FillRule,
) -> None:
    model = venue(rule)
    model.on_quote(BTC, quoted("100.0", "100.1"), T0)
    low, high = placed(model, buy("99.0")), placed(model, sell("101.0"))

    assert model.on_quote(BTC, quoted("99.0", "99.1"), T0) == ()
    down = model.on_quote(BTC, quoted("98.9", "99.0"), T0)
    up = model.on_quote(BTC, quoted("101.0", "101.1"), T0)

    assert filled(down) == [(low.client_order_id, ONE, Decimal(99))]
    assert filled(up) == [(high.client_order_id, ONE, Decimal(101))]
    assert all(event.fill.is_maker for event in (*down, *up) if event.fill)


def test_the_quantity_of_a_trade_is_shared_in_price_time_priority_among_accounts() -> None:
    model = venue(THROUGH)
    third = placed(model, buy("99.0", "1"))
    first = placed(model, buy("99.5", "1"))
    second = placed(model, buy("99.5", "1", account=BOB))

    events = traded(model, "98.0", "2.4", Side.SELL)

    assert filled(events) == [
        (first.client_order_id, ONE, Decimal("99.5")),
        (second.client_order_id, ONE, Decimal("99.5")),
        (third.client_order_id, Decimal("0.4"), Decimal(99)),
    ]


def test_one_trade_under_touch_fills_every_reached_order_on_both_sides() -> None:
    model = venue(TOUCH)
    low, high = placed(model, buy("100.0")), placed(model, sell("100.0"))

    events = traded(model, "100.0", "0.001", None)

    assert [item[0] for item in filled(events)] == [low.client_order_id, high.client_order_id]


def test_partial_fills_add_up_and_the_order_ends_filled() -> None:
    model = venue(THROUGH)
    order = placed(model, buy("99.0", "1"))

    states = [
        event.order
        for size in ("0.3", "0.3", "0.4", "5")
        for event in traded(model, "99.0", size, Side.SELL)
    ]

    assert [state.filled_quantity for state in states] == [Decimal("0.3"), Decimal("0.6"), ONE]
    assert [state.status for state in states] == [
        OrderStatus.WORKING,
        OrderStatus.WORKING,
        OrderStatus.FILLED,
    ]
    assert model.open_orders(ALICE) == ()
    found = model.order(ALICE, BTC, client_order_id=order.client_order_id)
    assert found == states[-1]


def test_a_taker_walks_a_thickening_book_and_what_it_took_is_gone() -> None:
    model = venue()
    model.on_quote(BTC, quoted("100.0", "100.1", "1"), T0)

    first = model.place(buy("100.3", "4"), T0)
    second = model.place(buy("100.3", "3", time_in_force=TimeInForce.IOC), T0)

    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert [(q, p) for _, q, p in filled(first.events)] == [
        (ONE, Decimal("100.1")),
        (Decimal(2), Decimal("100.2")),
        (ONE, Decimal("100.3")),
    ]
    assert [(q, p) for _, q, p in filled(second.events)] == [(Decimal(2), Decimal("100.3"))]
    assert second.order.status is OrderStatus.EXPIRED
    assert second.order.filled_quantity == Decimal(2)
    assert not any(event.fill.is_maker for event in first.events if event.fill)


def test_a_new_quote_brings_new_size() -> None:
    model = venue()
    model.on_quote(BTC, quoted("100.0", "100.1", "1"), T0)
    placed(model, buy("100.1", "1"))
    waits = placed(model, buy("100.1", "1"))
    assert waits.filled_quantity == 0

    events = model.on_quote(BTC, quoted("100.0", "100.1", "1"), T0)

    assert filled(events) == [(waits.client_order_id, ONE, Decimal("100.1"))]
    assert placed(model, buy("100.1", "1")).status is OrderStatus.FILLED


def test_a_seller_takes_bids_downwards() -> None:
    model = venue()
    model.on_quote(BTC, quoted("100.0", "100.1", "1"), T0)

    result = model.place(sell("99.9", "2"), T0)

    assert isinstance(result, Accepted)
    assert [p for _, _, p in filled(result.events)] == [Decimal(100), Decimal("99.9")]


def test_a_market_order_takes_and_never_rests() -> None:
    model = venue(depth_levels=1)
    assert refused(model, buy(None)).reason is Refusal.NO_MARKET
    model.on_quote(BTC, quoted("100.0", "100.1", "1"), T0)

    order = placed(model, buy(None, "10"))

    assert (order.filled_quantity, order.status) == (Decimal(3), OrderStatus.EXPIRED)
    assert order.average_price == (Decimal("100.1") + 2 * Decimal("100.2")) / 3


@pytest.mark.parametrize("price", ["100.1", "100.2"])
def test_post_only_is_refused_where_it_would_take(price: str) -> None:
    model = venue()
    model.on_quote(BTC, quoted("100.0", "100.1"), T0)

    assert refused(model, buy(price, time_in_force=TimeInForce.GTX)).reason is Refusal.WOULD_CROSS
    assert (
        refused(model, sell("100.0", time_in_force=TimeInForce.GTX)).reason is Refusal.WOULD_CROSS
    )
    assert placed(model, buy("100.0", time_in_force=TimeInForce.GTX)).is_open
    assert placed(model, sell("100.1", time_in_force=TimeInForce.GTX)).is_open


def test_immediate_or_cancel_without_a_taker_price_expires() -> None:
    model = venue()
    model.on_quote(BTC, quoted("100.0", "100.1"), T0)

    order = placed(model, buy("99.0", time_in_force=TimeInForce.IOC))

    assert (order.status, order.filled_quantity) == (OrderStatus.EXPIRED, Decimal(0))


def test_cancel_ends_an_order_once() -> None:
    model = venue()
    order = placed(model, buy("99.0"))

    first = model.cancel(ALICE, BTC, client_order_id=order.client_order_id, now_ms=T0)
    again = model.cancel(ALICE, BTC, client_order_id=order.client_order_id, now_ms=T0)

    assert isinstance(first, Accepted)
    assert first.order.status is OrderStatus.CANCELED
    assert again == Refused(reason=Refusal.UNKNOWN_ORDER)
    assert traded(model, "98.0", "9", Side.SELL) == ()


def test_an_account_cannot_touch_the_orders_of_another() -> None:
    model = venue()
    order = placed(model, buy("99.0"))
    number = order.venue_order_id
    unknown = Refused(reason=Refusal.UNKNOWN_ORDER)

    assert model.cancel(BOB, BTC, now_ms=T0, venue_order_id=number) == unknown
    assert model.cancel(ALICE, ETH, now_ms=T0, venue_order_id=number) == unknown
    assert model.order(BOB, BTC, venue_order_id=number) is None
    assert model.order(ALICE, BTC, venue_order_id=number) == order


def test_cancel_all_takes_only_what_is_asked_for() -> None:
    model = venue()
    ours = [placed(model, buy("99.0")), placed(model, sell("120.0"))]
    other = placed(model, buy("99.0", symbol=ETH))
    foreign = placed(model, buy("99.0", account=BOB))

    events = model.cancel_all(ALICE, BTC, T0)

    assert {e.order.venue_order_id for e in events} == {o.venue_order_id for o in ours}
    assert {e.kind for e in events} == {EventKind.CANCELED}
    assert model.open_orders(ALICE) == (other,)
    assert model.open_orders(BOB) == (foreign,)
    assert next(e.order for e in model.cancel_all(ALICE, None, T0)).symbol == ETH


# ------------------------------------------------------------------------------------- reduce-only


def test_reduce_only_needs_a_position_to_reduce() -> None:
    model = venue()
    model.on_quote(BTC, quoted(), T0)

    assert refused(model, sell("101.0", reduce_only=True)).reason is Refusal.REDUCE_ONLY
    placed(model, buy("100.1"))
    assert refused(model, buy("99.0", reduce_only=True)).reason is Refusal.REDUCE_ONLY
    assert placed(model, sell("101.0", reduce_only=True)).is_open


def test_reduce_only_never_turns_a_position() -> None:
    model = venue()
    model.on_quote(BTC, quoted(), T0)
    placed(model, buy("100.1", "0.4"))
    closing = placed(model, sell("101.0", "1", reduce_only=True))

    events = traded(model, "101.0", "9", Side.BUY)

    assert filled(events) == [(closing.client_order_id, Decimal("0.4"), Decimal(101))]
    assert [event.kind for event in events] == [EventKind.TRADED, EventKind.EXPIRED]
    assert model.position(ALICE, BTC).quantity == 0
    assert model.open_orders(ALICE) == ()


def test_reduce_only_taker_takes_no_more_than_the_position() -> None:
    model = venue()
    model.on_quote(BTC, quoted(), T0)
    placed(model, buy("100.1", "0.4"))

    order = placed(model, sell(None, "1", reduce_only=True))

    assert (order.filled_quantity, order.status) == (Decimal("0.4"), OrderStatus.EXPIRED)
    assert model.position(ALICE, BTC).quantity == 0


@pytest.mark.parametrize("quantity", ["0.4", "1"])
def test_reduce_only_orders_expire_when_another_order_closes_or_turns_the_position(
    quantity: str,
) -> None:
    model = venue()
    model.on_quote(BTC, quoted(), T0)
    placed(model, buy("100.1", "0.4"))
    waiting = placed(model, sell("103.0", "0.4", reduce_only=True))

    result = model.place(sell("100.0", quantity), T0)

    assert isinstance(result, Accepted)
    assert result.order.client_order_id != waiting.client_order_id
    assert result.order.status is OrderStatus.FILLED
    last = result.events[-1]
    assert (last.kind, last.order.client_order_id) == (EventKind.EXPIRED, waiting.client_order_id)


# -------------------------------------------------------------------------------------- client ids


@pytest.mark.parametrize(
    ("rule", "while_open", "after"),
    [
        (ClientIdRule.OPEN, True, False),
        (ClientIdRule.FOREVER, True, True),
        (ClientIdRule.NONE, False, False),
    ],
)
def test_client_ids_are_unique_as_far_as_the_rule_reaches(
    rule: ClientIdRule, while_open: bool, after: bool
) -> None:
    model = venue(client_id_rule=rule)
    same = {"client_order_id": ClientOrderId("same")}
    first = placed(model, buy("99.0", **same))

    second = model.place(buy("98.0", **same), T0)
    other_account = model.place(buy("98.0", account=BOB, **same), T0)
    model.cancel_all(ALICE, None, T0)
    third = model.place(buy("97.0", **same), T0)

    duplicate = Refused(reason=Refusal.DUPLICATE_ID)
    assert (second == duplicate) is while_open
    assert isinstance(other_account, Accepted)
    assert (third == duplicate) is after
    if isinstance(third, Accepted):
        assert model.order(ALICE, BTC, client_order_id=ClientOrderId("same")) == third.order
    assert model.order(ALICE, BTC, venue_order_id=first.venue_order_id) is not None


# ------------------------------------------------------------------------------------------ margin


def test_orders_beyond_the_collateral_are_refused() -> None:
    model = venue()  # 10,000 USDT at leverage 20 carry 200,000

    placed(model, buy("100.0", "999"))
    placed(model, buy("100.0", "999", symbol=ETH))

    assert refused(model, buy("100.0", "3")).reason is Refusal.MARGIN
    assert placed(model, sell("150.0", "600")).is_open  # the worse side counts, not the sum
    model.set_leverage(ALICE, BTC, 40)
    assert placed(model, buy("100.0", "3")).is_open


def test_a_closing_order_needs_no_margin() -> None:
    model = venue()
    model.on_quote(BTC, quoted(size="100000"), T0)
    placed(model, buy("100.1", "1000"))
    placed(model, buy("100.0", "970"))

    assert refused(model, buy("99.0", "20")).reason is Refusal.MARGIN
    assert placed(model, sell("101.0", "1000")).is_open
    assert placed(model, sell("101.0", "1000", reduce_only=True)).is_open


# ------------------------------------------------------------------------------------- market data


@pytest.mark.parametrize(("bid", "ask"), [("100", "100"), ("101", "100"), ("0", "1"), ("-1", "1")])
def test_quotes_that_cannot_be_are_refused_and_change_nothing(bid: str, ask: str) -> None:
    model = venue()

    with pytest.raises(MarketError, match="bid"):
        model.on_quote(BTC, quoted(bid, ask), T0)

    assert model.quote(BTC) is None


@pytest.mark.parametrize(("price", "quantity"), [("0", "1"), ("-1", "1"), ("1", "0")])
def test_trades_that_cannot_be_are_refused(price: str, quantity: str) -> None:
    model = venue()

    with pytest.raises(MarketError, match="positive"):
        traded(model, price, quantity, Side.BUY)

    assert model.last_price(BTC) is None


def test_unknown_names_are_errors() -> None:
    model = venue()

    assert refused(model, buy("99.0", symbol="XUSDT:perp")).reason is Refusal.UNKNOWN_SYMBOL
    with pytest.raises(MarketError, match="account"):
        model.place(buy("99.0", account="nobody"), T0)
    with pytest.raises(MarketError, match="symbol"):
        model.mark_price("XUSDT:perp")  # type: ignore[arg-type]


def test_a_full_book_refuses_more() -> None:
    model = venue()
    model.books[BTC].instrument = instrument(orders_open_max=2)
    placed(model, buy("99.0"))
    placed(model, buy("99.0"))
    placed(model, buy("99.0", account=BOB))

    assert refused(model, buy("98.0")).reason is Refusal.ORDERS_OPEN_MAX
