"""Executions the venue makes by itself: that worlds have them, and what is judged of them."""

import random
from decimal import Decimal

import pytest

from opensqt.core.facts import InventorySeeded, OrderIntended, QuarantineLifted, TradeFilled
from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    Symbol,
    TradeId,
    UnixMs,
    VenueOrderId,
    forced_id,
    is_forced,
)
from opensqt.core.orders import Purpose, Side, TimeInForce
from opensqt.market.types import Accepted, AccountTerms, OrderRequest, Quote
from opensqt.market.venue import VenueModel
from opensqt.simulation.crowd import instrument
from opensqt.simulation.faults import Faults
from opensqt.simulation.halts import Halts
from opensqt.simulation.liquidator import Liquidator
from opensqt.simulation.loop import START_MS, VirtualClock, VirtualLoop
from opensqt.simulation.venue import SimulatedVenue
from opensqt.simulation.world import run_seed

SYMBOL = Symbol("AAAUSDT:perp")
ACCOUNT = AccountName("paper")
NOW = UnixMs(START_MS)
OURS = ClientOrderId("q1abc00000000000000000001")


class Scene:
    """A venue with a position of ours, and the liquidator."""

    def __init__(self, seed: int) -> None:
        loop = VirtualLoop()
        loop.close()  # nothing is waited for
        self.model = VenueModel(
            instruments=[instrument(SYMBOL)],
            accounts=[AccountTerms(name=ACCOUNT, balances={"USDT": Decimal(1_000_000)})],
        )
        one = Decimal(1)
        quote = Quote(bid=Decimal(1000), ask=Decimal(1001), bid_quantity=one, ask_quantity=one)
        self.model.on_quote(SYMBOL, quote, NOW)
        venue = SimulatedVenue(
            self.model,
            account=ACCOUNT,
            faults=Faults(),
            rng=random.Random(seed),
            clock=VirtualClock(loop),
            accepted=lambda _: None,
        )
        self.liquidator = Liquidator(
            venue, deployment="abc", rng=random.Random(seed), clock=VirtualClock(loop)
        )

    def order(self, own: str, price: int, quantity: str) -> None:
        placed = self.model.place(
            OrderRequest(
                account=ACCOUNT,
                symbol=SYMBOL,
                client_order_id=ClientOrderId(own),
                side=Side.BUY,
                price=Decimal(price),
                quantity=Decimal(quantity),
                time_in_force=TimeInForce.GTC,
            ),
            NOW,
        )
        assert isinstance(placed, Accepted)

    @property
    def held(self) -> Decimal:
        return self.model.position(ACCOUNT, SYMBOL).quantity

    @property
    def open_ids(self) -> set[str]:
        return {order.client_order_id for order in self.model.open_orders(ACCOUNT, SYMBOL)}


def test_a_position_is_sold_at_once_or_by_an_order_that_rests_and_can_be_ended() -> None:
    ends = set()
    for seed in range(40):
        scene = Scene(seed)
        assert not scene.liquidator.sell(SYMBOL), "there is nothing to sell yet"
        scene.order("human-1", 900, "0.01")
        scene.order(OURS, 950, "0.02")
        scene.order("q1abc00000000000000000002", 1001, "0.5")

        assert scene.liquidator.sell(SYMBOL)

        is_resting = any(map(is_forced, scene.open_ids))
        assert is_resting or scene.held < Decimal("0.5")
        assert scene.held >= 0
        assert "human-1" in scene.open_ids
        ends.add((is_resting, OURS in scene.open_ids))
        scene.liquidator.end()
        assert not any(map(is_forced, scene.open_ids))
        assert not scene.liquidator.sell(SYMBOL), "it was told to end"
    assert len(ends) == 4


def _filled(quantity: str = "0.5") -> TradeFilled:
    return TradeFilled(
        trade_id=TradeId("1"),
        client_order_id=forced_id("autoclose-1"),
        venue_order_id=VenueOrderId("7"),
        side=Side.SELL,
        price=Decimal(1000),
        quantity=Decimal(quantity),
        fee=Decimal(0),
        fee_asset="USDT",
        is_maker=False,
        at_ms=NOW,
    )


def _intended(purpose: Purpose) -> OrderIntended:
    return OrderIntended(
        client_order_id=OURS,
        slot=0,
        side=Side.BUY,
        purpose=purpose,
        generation=1,
        attempt=0,
        price=Decimal(990),
        quantity=Decimal("0.02"),
        time_in_force=TimeInForce.GTX,
        reduce_only=False,
        epoch=1,
        deadline_ms=NOW,
        at_ms=NOW,
    )


def test_a_unit_must_halt_and_open_nothing_until_a_human_decides() -> None:
    halts = Halts()
    halted = "venue_forced: forced-autoclose-1"
    assert "goes on" in Halts().problem(SYMBOL, _filled(), quarantine="")
    assert not halts.problem(SYMBOL, _filled(), quarantine=halted)

    assert halts.is_halted(SYMBOL)
    assert "F27" in halts.problem(SYMBOL, _intended(Purpose.OPEN), quarantine=halted)
    assert not halts.problem(SYMBOL, _intended(Purpose.CLOSE), quarantine=halted)
    lifted = QuarantineLifted(operator="sim", reason="", at_ms=NOW)
    assert not halts.problem(SYMBOL, lifted, quarantine="")
    assert not halts.is_halted(SYMBOL)
    assert not halts.problem(SYMBOL, _intended(Purpose.OPEN), quarantine="")


def test_what_the_levels_hold_too_much_is_what_the_venue_sold_until_it_is_taken_off() -> None:
    halts = Halts()
    halts.problem(SYMBOL, _filled("0.5"), quarantine="venue_forced")
    assert halts.excess(SYMBOL) == Decimal("0.5")

    for part in ("-0.2", "-0.3"):
        seeded = InventorySeeded(slot=1, quantity=Decimal(part), at_ms=NOW)
        halts.problem(SYMBOL, seeded, quarantine="venue_forced")

    assert halts.excess(SYMBOL) == 0


@pytest.mark.sim
def test_a_world_without_any_other_fault_halts_is_adopted_and_quotes_again() -> None:
    stories = [run_seed(seed, faults=Faults(forced=1), keep_trace=True) for seed in range(8)]

    assert [story.violation for story in stories if story.violation] == []
    told = "\n".join(line for story in stories for line in story.trace)
    assert told.count("forced execution") >= 6
    assert "adopt: ('" in told
    assert "end the quarantine: venue_forced" in told
