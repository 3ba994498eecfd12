"""Builders for tests of the venue model."""

from decimal import Decimal
from itertools import count
from typing import Any

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnixMs
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side, TimeInForce
from opensqt.market.types import (
    Accepted,
    AccountTerms,
    BookOrder,
    FillRule,
    OrderEvent,
    OrderRequest,
    Quote,
    Refused,
    VenueOptions,
)
from opensqt.market.venue import VenueModel

BTC = Symbol("BTCUSDT:perp")
ETH = Symbol("ETHUSDT:perp")
ALICE = AccountName("alice")
BOB = AccountName("bob")
T0 = UnixMs(1_700_000_000_000)
_numbers = count(1)


def instrument(symbol: Symbol = BTC, **changes: Any) -> Instrument:
    values: dict[str, Any] = {
        "symbol": symbol,
        "venue_symbol": symbol.partition(":")[0],
        "base_asset": symbol[:3],
        "quote_asset": "USDT",
        "tick_size": Decimal("0.1"),
        "lot_size": Decimal("0.001"),
        "quantity_min": Decimal("0.001"),
        "quantity_max": Decimal(1000),
        "notional_min": Decimal(5),
        "contract_size": Decimal(1),
        "orders_open_max": 200,
        "reduce_only_exempt": True,
        "price_band": Decimal("0.05"),
    }
    return Instrument(**values | changes)


def venue(
    rule: FillRule = FillRule.THROUGH, *, terms: AccountTerms | None = None, **options: Any
) -> VenueModel:
    return VenueModel(
        instruments=[instrument(), instrument(ETH)],
        accounts=[terms or AccountTerms(name=ALICE), AccountTerms(name=BOB)],
        options=VenueOptions(fill_rule=rule, **options),
    )


def quoted(bid: str = "100.0", ask: str = "100.1", size: str = "5") -> Quote:
    return Quote(
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_quantity=Decimal(size),
        ask_quantity=Decimal(size),
    )


def wants(side: Side, price: str | None, quantity: str = "1", **changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "account": ALICE,
        "symbol": BTC,
        "client_order_id": ClientOrderId(f"c{next(_numbers)}"),
        "side": side,
        "price": None if price is None else Decimal(price),
        "quantity": Decimal(quantity),
        "time_in_force": TimeInForce.GTC,
    }
    return OrderRequest(**values | changes)


def buy(price: str | None, quantity: str = "1", **changes: Any) -> OrderRequest:
    return wants(Side.BUY, price, quantity, **changes)


def sell(price: str | None, quantity: str = "1", **changes: Any) -> OrderRequest:
    return wants(Side.SELL, price, quantity, **changes)


def placed(model: VenueModel, request: OrderRequest) -> BookOrder:
    result = model.place(request, T0)
    assert isinstance(result, Accepted), result
    return result.order


def refused(model: VenueModel, request: OrderRequest) -> Refused:
    before = model.snapshot()
    result = model.place(request, T0)
    assert isinstance(result, Refused), result
    assert model.snapshot() == before
    return result


def traded(
    model: VenueModel, price: str, quantity: str, aggressor: Side | None
) -> tuple[OrderEvent, ...]:
    return model.on_trade(BTC, Decimal(price), Decimal(quantity), aggressor, T0)


def filled(events: tuple[OrderEvent, ...]) -> list[tuple[str, Decimal, Decimal]]:
    """Return (client order id, quantity, price) of the fills among events."""
    return [
        (e.fill.client_order_id, e.fill.quantity, e.fill.price)
        for e in events
        if e.fill is not None
    ]
