"""The venue model under ``touch`` against an integer grid that does its own matching.

The reference knows nothing of orders or accounts: slots are empty, bought or held, in integer
ticks and lots. Both must agree on every fill, on position, cash and fees.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from opensqt.core.ids import ClientOrderId, UnixMs
from opensqt.core.orders import Side, TimeInForce
from opensqt.market.types import Accepted, AccountTerms, FillRule
from opensqt.market.venue import VenueModel
from tests.market.builders import ALICE, BTC, venue, wants

FILL = tuple[int, str, int]
TICK, LOT, FEE = Decimal("0.1"), Decimal("0.001"), Decimal("0.0002")


@dataclass
class Reference:
    """Long grid of N slots, K ticks apart: full fills at own price, window trailing below."""

    interval: int
    window: int
    buys: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    fills: list[FILL] = field(default_factory=list)
    position: int = 0
    cash: int = 0
    turnover: int = 0

    def tick(self, index: int, price: int) -> None:
        bought = sorted((slot for slot in self.buys if slot * self.interval >= price), reverse=True)
        sold = sorted(slot for slot in self.held if (slot + 1) * self.interval <= price)
        for slot in bought:
            self.book(index, "buy", slot, slot * self.interval, 1)
            self.buys.remove(slot)
        for slot in sold:
            self.book(index, "sell", slot, (slot + 1) * self.interval, -1)
            self.held.remove(slot)
        self.held.update(bought)
        top = (price - 1) // self.interval
        wanted = set(range(top - self.window + 1, top + 1)) - self.held
        self.buys = wanted

    def book(self, index: int, side: str, slot: int, price: int, sign: int) -> None:
        self.fills.append((index, side, slot))
        self.position += sign
        self.cash -= sign * price
        self.turnover += price


def walk(seed: int, length: int) -> list[int]:
    rng = random.Random(seed)
    price, prices = 600_000, []
    for _ in range(length):
        if rng.random() > 0.55:
            price += rng.choice((-1, 1)) * rng.randint(1, 40)
        prices.append(price)
    return prices


def run_venue(model: VenueModel, prices: Sequence[int], interval: int, window: int) -> list[FILL]:
    fills: list[FILL] = []
    held: set[int] = set()

    def place(side: Side, slot: int, price: int, index: int) -> None:
        request = wants(
            side,
            str(price * TICK),
            str(LOT),
            client_order_id=ClientOrderId(f"{side}-{slot}"),
            time_in_force=TimeInForce.GTX,
        )
        assert isinstance(model.place(request, UnixMs(index)), Accepted)

    for index, price in enumerate(prices):
        now = UnixMs(index)
        for event in model.on_trade(BTC, price * TICK, LOT, None, now):
            name, _, text = event.order.client_order_id.partition("-")
            fills.append((index, name, int(text)))
        for _, filled_side, slot in [fill for fill in fills[-30:] if fill[0] == index]:
            if filled_side == "buy":
                held.add(slot)
                place(Side.SELL, slot, (slot + 1) * interval, index)
            else:
                held.discard(slot)
        top = (price - 1) // interval
        wanted = set(range(top - window + 1, top + 1)) - held
        resting = {
            int(order.client_order_id.partition("-")[2]): order.client_order_id
            for order in model.open_orders(ALICE, BTC)
            if order.side is Side.BUY
        }
        for slot, client_order_id in resting.items():
            if slot < top - window + 1:
                model.cancel(ALICE, BTC, client_order_id=client_order_id, now_ms=now)
        for slot in sorted(wanted - set(resting)):
            place(Side.BUY, slot, slot * interval, index)
    return fills


@pytest.mark.property
@pytest.mark.parametrize(("interval", "seed"), [(60, 1), (60, 2), (200, 3)])
def test_every_fill_of_the_grid_is_the_reference_s(interval: int, seed: int) -> None:
    prices = walk(seed, 3_000)
    reference = Reference(interval, 10)
    for index, price in enumerate(prices):
        reference.tick(index, price)
    terms = AccountTerms(name=ALICE, maker_fee=FEE)
    model = venue(FillRule.TOUCH, terms=terms)

    fills = run_venue(model, prices, interval, 10)

    position = model.position(ALICE, BTC)
    assert len(fills) > 20
    assert fills == reference.fills
    assert position.quantity == reference.position * LOT
    assert position.realized_pnl - position.entry_notional == reference.cash * TICK * LOT
    assert position.fees == reference.turnover * TICK * LOT * FEE
