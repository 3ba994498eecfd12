"""Unmodified ccxt, our transport and streams, a venue on real sockets with real certificates."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.ports.exchange import (
    OutcomeClass,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    UnknownSymbolError,
    VenueCode,
)
from opensqt.venues.transport import Endpoint, Reply, Transport
from tests.fakes.waiting import until
from tests.venues.paper_world import (
    CLOCK,
    SYMBOL,
    cancel,
    newest_price,
    order,
    paper_world,
)

pytestmark = pytest.mark.e2e


async def test_an_order_is_placed_filled_in_parts_and_looked_up(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        placed = await world.venue.place(order("qfill", price="59000", quantity="0.01"))
        await world.quote("58999.0", "58999.1")
        await world.trade("58998.0", "0.004")
        await world.trade("58998.0", "0.1")
        await until(lambda: world.orders("qfill")[-1].order.status is OrderStatus.FILLED)
        found = await world.venue.find_order(SYMBOL, client_order_id=ClientOrderId("qfill"))
        listing = await world.venue.trades(SYMBOL, since_ms=UnixMs(CLOCK.now_ms() - 60_000))
        position = await world.venue.position(SYMBOL)
        fills = (await world.ledger())["fills"]

    assert placed.outcome is OutcomeClass.ACCEPTED
    assert placed.order is not None
    assert placed.order.status is OrderStatus.WORKING
    trades = [update.trade for update in world.trades("qfill")]
    assert [trade.trade_id for trade in trades] == [row["trade_id"] for row in fills]
    assert sum(trade.quantity for trade in trades) == Decimal("0.01")
    assert world.orders("qfill")[-1].order.cumulative_quantity == Decimal("0.01")
    assert found is not None
    assert (found.status, found.cumulative_quantity) == (OrderStatus.FILLED, Decimal("0.01"))
    # The history carries no client ids; ours are known from the order.
    assert list(listing.trades) == trades
    assert listing.is_complete
    assert position.quantity == Decimal("0.01")
    assert position.average_price == Decimal(59000)


async def test_an_order_is_canceled_once(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        placed = await world.venue.place(order("qgone"))
        listed = await world.venue.open_orders(SYMBOL)
        everywhere = await world.venue.open_orders(None)
        canceled = await world.venue.cancel(cancel("qgone"))
        again = await world.venue.cancel(cancel("qgone"))
        await until(lambda: world.orders("qgone")[-1].order.status is OrderStatus.CANCELED)
        left = await world.venue.open_orders(SYMBOL)

    assert listed.orders == everywhere.orders == (placed.order,)
    assert canceled.outcome is OutcomeClass.ACCEPTED
    assert (again.outcome, again.code) == (OutcomeClass.REJECTED, VenueCode.NOT_FOUND)
    assert left.orders == ()


async def test_a_lost_reply_is_unknown_and_the_look_up_finds_the_order(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await world.fault("drop_reply", "POST /fapi/v1/order")
        outcome = await world.venue.place(order("qlost"))
        found = await world.venue.find_order(SYMBOL, client_order_id=ClientOrderId("qlost"))
        requests = [
            row
            for row in (await world.ledger())["requests"]
            if row["method"] == "POST" and row["client_order_id"] == "qlost"
        ]

    assert (outcome.outcome, outcome.code) == (OutcomeClass.UNKNOWN, VenueCode.UNKNOWN_STATE)
    assert found is not None
    assert found.status is OrderStatus.WORKING
    assert [row["outcome"] for row in requests] == ["dropped_reply"]


async def test_a_lost_request_is_unknown_too_and_never_sent_again(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await world.fault("drop_request", "POST /fapi/v1/order")
        placed = await world.venue.place(order("qvoid"))
        found = await world.venue.find_order(SYMBOL, client_order_id=ClientOrderId("qvoid"))
        await world.venue.place(order("qhere"))
        # The connection the request was cut on is dead; a DELETE would be repeated on a new one.
        await world.fault("drop_request", "DELETE /fapi/v1/order", count=2)
        canceled = await world.venue.cancel(cancel("qhere"))
        requests = (await world.ledger())["requests"]

    assert placed.outcome is canceled.outcome is OutcomeClass.UNKNOWN
    assert found is None
    sent = [row["client_order_id"] for row in requests if row["outcome"] == "dropped_request"]
    assert sent == ["qvoid", "qhere"]


async def test_refusals_are_told_apart(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await world.venue.place(order("qtwice"))
        duplicate = await world.venue.place(order("qtwice"))
        crossing = await world.venue.place(order("qcross", price="60500"))
        broken = await world.venue.place(order("qtick", price="59000.05"))
        reducing = await world.venue.place(order("qred", side=Side.SELL, reduce_only=True))
        rich = await world.venue.place(order("qrich", quantity="500"))

    assert (duplicate.outcome, duplicate.code) == (
        OutcomeClass.DUPLICATE,
        VenueCode.ALREADY_EXISTS,
    )
    assert (crossing.outcome, crossing.code) == (
        OutcomeClass.REJECTED,
        VenueCode.POST_ONLY_WOULD_CROSS,
    )
    assert (broken.outcome, broken.code) == (OutcomeClass.REJECTED, VenueCode.INVALID_ORDER)
    assert (reducing.outcome, reducing.code) == (OutcomeClass.REJECTED, VenueCode.REDUCE_ONLY)
    assert (rich.outcome, rich.code) == (
        OutcomeClass.REJECTED,
        VenueCode.INSUFFICIENT_COLLATERAL,
    )


async def test_an_order_that_takes_tells_its_end_in_the_reply(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        taking = order("qioc", price="60500", quantity="0.5", time_in_force=TimeInForce.IOC)
        placed = await world.venue.place(taking)

    assert placed.outcome is OutcomeClass.ACCEPTED
    assert placed.order is not None
    assert placed.order.status.is_terminal


async def test_a_server_error_is_unknown(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await world.fault("error", "POST /fapi/v1/order", status=503, code=-1001)
        outcome = await world.venue.place(order("qerr"))

    assert outcome.outcome is OutcomeClass.UNKNOWN


async def test_prices_arrive_and_follow_the_market(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await until(lambda: StreamPhase.LIVE in world.phases(StreamKind.PUBLIC))
        await world.quote("60010.0", "60010.1")
        await until(lambda: (p := newest_price(world)) is not None and p.bid == Decimal("60010.0"))
        await world.trade("60010.1", "0.5")
        await until(lambda: (p := newest_price(world)) is not None and p.last == Decimal("60010.1"))
        await until(lambda: (p := newest_price(world)) is not None and p.mark is not None)
        price = newest_price(world)

    assert isinstance(price, PriceUpdate)
    assert price.symbol == SYMBOL
    assert abs(CLOCK.now_ms() - price.read_ms) < 5_000


async def test_a_symbol_is_added_without_dropping_the_socket(tmp_path: Path) -> None:
    other = Symbol("ETHUSDT:perp")
    async with paper_world(tmp_path) as world:
        await until(lambda: StreamPhase.LIVE in world.phases(StreamKind.PUBLIC))
        phases = world.phases(StreamKind.PUBLIC)
        await world.venue.watch(frozenset({SYMBOL, other}))
        for event in ({"bid": "3000.00", "ask": "3000.01"}, {"price": "3000.01"}):
            await world.post("market", {"symbol": "ETHUSDT", "events": [event]})
        await until(lambda: any(price.symbol == other for price in world.of(PriceUpdate)))

        assert world.phases(StreamKind.PUBLIC)[: len(phases)] == phases
        assert StreamPhase.DOWN not in world.phases(StreamKind.PUBLIC)


async def test_after_an_outage_the_last_price_is_asked_for_again(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await until(lambda: StreamPhase.LIVE in world.phases(StreamKind.PUBLIC))
        await world.quote("60010.0", "60010.1")
        await world.trade("60010.1", "0.5")
        await until(lambda: (p := newest_price(world)) is not None and p.last == Decimal("60010.1"))
        before = len(world.of(PriceUpdate))
        await world.fault("disconnect", "GET /public")
        await until(
            lambda: (
                world.phases(StreamKind.PUBLIC)[-2:]
                == [
                    StreamPhase.DOWN,
                    StreamPhase.LIVE,
                ]
            )
        )
        # Nobody trades: without being asked for, the last price would be missing for ever.
        await world.quote("60020.0", "60020.1")

        await until(lambda: len(world.of(PriceUpdate)) > before)

        price = newest_price(world)
        assert price is not None
        assert price.last == Decimal("60010.1")


async def test_a_cut_private_stream_comes_back_with_a_gap(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        assert world.phases(StreamKind.PRIVATE) == [StreamPhase.GAP, StreamPhase.LIVE]
        await world.fault("disconnect", "GET /private")
        await until(lambda: len(world.phases(StreamKind.PRIVATE)) == 5)
        await world.venue.place(order("qback"))
        await until(lambda: world.orders("qback"))

    assert world.phases(StreamKind.PRIVATE)[2:] == [
        StreamPhase.DOWN,
        StreamPhase.GAP,
        StreamPhase.LIVE,
    ]


async def test_an_expired_listen_key_heals(tmp_path: Path) -> None:
    async with paper_world(tmp_path) as world:
        await world.post("listen-key/expire", {"account": "paper"})
        await until(lambda: len(world.phases(StreamKind.PRIVATE)) == 5)
        await world.venue.place(order("qback"))
        await until(lambda: world.orders("qback"))

        assert world.orders("qback")[0].order.status is OrderStatus.WORKING


async def test_rules_balances_and_time_are_read(tmp_path: Path) -> None:
    async with paper_world(tmp_path, symbols=False) as world:
        rules = await world.venue.instrument(SYMBOL)
        balances = await world.venue.balances()
        venue_ms = await world.venue.server_time_ms()
        flat = await world.venue.position(SYMBOL)
        with pytest.raises(UnknownSymbolError):
            await world.venue.instrument(Symbol("NONEUSDT:perp"))
        with pytest.raises(UnknownSymbolError):
            await world.venue.instrument(Symbol("BTCUSDT:spot"))

    assert rules.tick_size == Decimal("0.1")
    assert [(one.asset, one.free, one.locked) for one in balances] == [
        ("USDT", Decimal(10_000), Decimal(0))
    ]
    assert abs(venue_ms - CLOCK.now_ms()) < 5_000
    assert flat.quantity == 0


@pytest.mark.parametrize(("age_ms", "readings"), [(3_000, 1), (60_000, 2)])
async def test_rules_are_read_again_after_a_refusal_for_which_they_may_be_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_ms: int, readings: int
) -> None:
    asked: list[str] = []
    call = Transport.call

    async def noted(self: Transport, endpoint: Endpoint, *rest: Any, **named: Any) -> Reply:
        asked.append(endpoint.path)
        return await call(self, endpoint, *rest, **named)

    monkeypatch.setattr(Transport, "call", noted)
    async with paper_world(tmp_path, symbols=False) as world:
        await world.venue.instrument(SYMBOL)
        world.venue._rules_ms = CLOCK.monotonic_ms() - age_ms  # type: ignore[attr-defined]

        refused = await world.venue.place(order("qodd", price="59000.01"))
        await world.venue.instrument(SYMBOL)
        await world.venue.instrument(SYMBOL)

    assert (refused.outcome, refused.code) == (OutcomeClass.REJECTED, VenueCode.INVALID_ORDER)
    assert asked.count("exchangeInfo") == readings, asked
