"""The judge itself: each rule it watches over, broken on purpose."""

import asyncio
import random
from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import Directive, GridAnchored
from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    Symbol,
    TradeId,
    UnitId,
    UnixMs,
    VenueOrderId,
)
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.core.registry import Desire, UnitRecord
from opensqt.market.types import Accepted, AccountTerms, BookOrder, OrderRequest, Quote
from opensqt.market.venue import VenueModel
from opensqt.ports.exchange import OrderUpdate, PriceUpdate, TradeUpdate, VenueOrder, VenueTrade
from opensqt.ports.link import Ack, Band, Hello, LinkFact, LinkPrice, Welcome
from opensqt.simulation.checker import Checker, Violation
from opensqt.simulation.crowd import instrument
from opensqt.simulation.faults import Faults
from opensqt.simulation.journal import JournalDisk
from opensqt.simulation.link_watch import AckWatch, BandWatch
from opensqt.simulation.loop import START_MS, VirtualClock, VirtualLoop
from opensqt.simulation.venue import LIMIT_WINDOW_MS, SimulatedVenue

UNIT = UnitId(account=AccountName("paper"), symbol=Symbol("AAAUSDT:perp"))
NOW = UnixMs(START_MS)
BOOK_ID = VenueOrderId("1")
ROW = UnitRecord(
    unit=UNIT,
    desire=Desire.RUNNING,
    directive=Directive.RUN,
    config_text="",
    config_version=1,
    revision=1,
    updated_ms=NOW,
)


class Court:
    """A checker over a venue with one unit."""

    def __init__(self) -> None:
        self.disk = JournalDisk(unit=UNIT)
        self.model = VenueModel(
            instruments=[instrument(UNIT.symbol)],
            accounts=[AccountTerms(name=UNIT.account, balances={"USDT": Decimal(1_000_000)})],
        )
        quote = Quote(
            bid=Decimal(1000), ask=Decimal(1001), bid_quantity=Decimal(1), ask_quantity=Decimal(1)
        )
        self.model.on_quote(UNIT.symbol, quote, NOW)
        self.checker = Checker(
            deployment="abc",
            disks={UNIT.symbol: self.disk},
            model=self.model,
            account=UNIT.account,
        )

    def order(self) -> BookOrder:
        placed = self.model.place(
            OrderRequest(
                account=UNIT.account,
                symbol=UNIT.symbol,
                client_order_id=ClientOrderId("q1abc00000000000000000001"),
                side=Side.BUY,
                price=Decimal(990),
                quantity=Decimal("0.02"),
                time_in_force=TimeInForce.GTX,
            ),
            NOW,
        )
        assert isinstance(placed, Accepted)
        return placed.order


def test_a_fill_that_is_acknowledged_must_be_committed() -> None:
    court = Court()
    court.disk.trades.add(TradeId("1"))

    court.checker.on_acknowledged(UNIT, [TradeId("1")])
    with pytest.raises(Violation, match="I7"):
        court.checker.on_acknowledged(UNIT, [TradeId("1"), TradeId("2")])


def test_a_removal_is_complete_only_with_an_empty_list() -> None:
    court = Court()
    court.checker.on_stored(replace(ROW, is_removed=True))
    court.order()

    court.checker.on_stored(ROW)
    with pytest.raises(Violation, match="I3b"):
        court.checker.on_stored(replace(ROW, is_removed=True))


def test_no_order_may_arrive_after_the_removal_until_the_unit_is_added_again() -> None:
    court = Court()
    court.checker.on_stored(replace(ROW, is_removed=True))

    with pytest.raises(Violation, match="I3b"):
        court.checker.on_accepted(court.order(), None)


def test_the_lattice_is_anchored_once() -> None:
    court = Court()
    anchored = GridAnchored(anchor=Decimal(1000), interval=Decimal(1), at_ms=NOW)
    court.checker.on_committed(UNIT, [anchored])

    with pytest.raises(Violation, match="anchored twice"):
        court.checker.on_committed(UNIT, [anchored])


def test_an_acknowledgement_covers_what_was_received_since_the_latest_doubt() -> None:
    doubts = 0
    watch = AckWatch(lambda: doubts)
    watch.received([_trade_fact(1), _order_fact(2), _trade_fact(3)])
    doubts = 1
    watch.received([_trade_fact(4), _trade_fact(5)])

    assert watch.acknowledged(Ack(seq=4)) == (TradeId("4"),)
    assert watch.acknowledged(Ack(seq=5)) == (TradeId("5"),)


def test_what_a_resumed_session_repeats_is_not_received_again_and_a_new_one_numbers_anew() -> None:
    doubts = 0
    watch = AckWatch(lambda: doubts)
    watch.received([_trade_fact(1)])
    doubts = 1  # it was given up with others
    watch.received([_welcome(resumed=True), _trade_fact(1), _trade_fact(2)])
    assert watch.acknowledged(Ack(seq=2)) == (TradeId("2"),)

    watch.received([_trade_fact(3), _welcome(resumed=False), _trade_fact(1)])
    assert watch.acknowledged(Ack(seq=3)) == (TradeId("1"),)


def test_a_price_may_be_withheld_only_behind_a_band_newer_than_the_last_fact() -> None:
    watch = BandWatch()
    watch.received(_hello())
    price = _price()
    assert watch.unit == UNIT
    assert watch.withholds(price)

    watch.received(_band(after_seq=0))
    assert not watch.withholds(price)
    watch.sent(_order_fact(1))
    assert watch.withholds(price)
    watch.received(_band(after_seq=0))
    assert watch.withholds(price), "a band from before the fact"
    watch.received(_band(after_seq=1))
    assert not watch.withholds(price)

    watch.sent(LinkPrice(price=price, age_ms=0))
    assert not watch.withholds(price), "it was told"
    assert watch.withholds(replace(price, last=Decimal(5)))


def test_requests_beyond_the_limit_are_refused_until_the_window_has_passed() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop)
    venue = SimulatedVenue(
        Court().model,
        account=UNIT.account,
        faults=Faults(requests_max=2),
        rng=random.Random(1),
        clock=clock,
        accepted=lambda _: None,
    )

    async def ask() -> list[bool]:
        answers = [venue.refuses_request() for _ in range(3)]
        await asyncio.sleep((LIMIT_WINDOW_MS + 1) / 1_000)
        answers.append(venue.refuses_request())
        venue.banned_until_ms = clock.now_ms() + 1
        answers.append(venue.refuses_request())
        return answers

    assert loop.run_until_complete(ask()) == [False, False, True, False, True]
    loop.close()


def _order_fact(seq: int) -> LinkFact:
    order = VenueOrder(
        symbol=UNIT.symbol,
        client_order_id=ClientOrderId("q"),
        venue_order_id=BOOK_ID,
        side=Side.BUY,
        price=Decimal(1),
        quantity=Decimal(1),
        cumulative_quantity=Decimal(0),
        status=OrderStatus.WORKING,
        reduce_only=False,
        updated_ms=NOW,
    )
    return LinkFact(seq=seq, update=OrderUpdate(order=order))


def _trade_fact(seq: int) -> LinkFact:
    trade = VenueTrade(
        symbol=UNIT.symbol,
        trade_id=TradeId(str(seq)),
        venue_order_id=BOOK_ID,
        client_order_id=ClientOrderId("q"),
        side=Side.BUY,
        price=Decimal(1),
        quantity=Decimal(1),
        fee=Decimal(0),
        fee_asset="USDT",
        is_maker=True,
        at_ms=NOW,
    )
    return LinkFact(seq=seq, update=TradeUpdate(trade=trade))


def _price() -> PriceUpdate:
    return PriceUpdate(
        symbol=UNIT.symbol,
        bid=Decimal(1),
        ask=Decimal(2),
        last=Decimal(1),
        venue_ms=NOW,
        read_ms=NOW,
    )


def _welcome(*, resumed: bool) -> Welcome:
    return Welcome(session="s", resumed=resumed, account_epoch=1, now_ms=NOW)


def _band(*, after_seq: int) -> Band:
    return Band(
        reference="last", low=None, high=None, valid_until_ms=UnixMs(NOW + 1), after_seq=after_seq
    )


def _hello() -> Hello:
    return Hello(
        unit=UNIT,
        host="",
        pid=1,
        epoch=1,
        build="",
        session="",
        acked_seq=0,
        now_ms=NOW,
        position=Decimal(0),
        capital=Decimal(1),
    )
