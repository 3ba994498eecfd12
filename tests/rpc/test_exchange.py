"""Goal: a venue behind a connector is the same venue, and doubt is never mistaken for refusal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.ports.exchange import (
    FenceRefusedError,
    FrameAge,
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    StreamKind,
    StreamPhase,
    UnknownSymbolError,
    VenueCode,
    VenueEvent,
    VenueUnavailableError,
)
from opensqt.rpc import exchange_server
from opensqt.rpc.auth import ClientSecurity, ServerSecurity
from opensqt.rpc.endpoint import UnixLocator
from opensqt.rpc.exchange_client import ExchangeTimeouts, GrpcExchange
from tests.fakes.waiting import PATIENCE_S, until
from tests.rpc import fakes
from tests.rpc.connector import NAME, connector
from tests.rpc.fakes import (
    CANCEL,
    INSTRUMENT,
    NOW,
    ORDER,
    REQUEST,
    SYMBOL,
    TRADE,
    FakeVenue,
)


@asynccontextmanager
async def client(run_dir: Path, **settings: Any) -> AsyncIterator[GrpcExchange]:
    exchange = GrpcExchange(UnixLocator(run_dir, NAME), subscriber="test", **settings)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_orders_reach_the_venue_unchanged(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.outcome = Outcome(outcome=OutcomeClass.ACCEPTED, order=ORDER)
    async with connector(run_dir, venue), client(run_dir) as exchange:
        placed = await exchange.place(REQUEST)
        canceled = await exchange.cancel(CANCEL)

    assert placed == canceled == venue.outcome
    assert venue.placed == [REQUEST]
    assert venue.canceled == [CANCEL]


@pytest.mark.parametrize("outcome", OutcomeClass)
async def test_every_class_of_outcome_arrives(run_dir: Path, outcome: OutcomeClass) -> None:
    venue = FakeVenue()
    venue.outcome = Outcome(
        outcome=outcome, code=VenueCode.INSUFFICIENT_COLLATERAL, message="-2019 no money"
    )
    async with connector(run_dir, venue), client(run_dir) as exchange:
        assert await exchange.place(REQUEST) == venue.outcome


async def test_evidence_arrives_with_its_claim_of_completeness(run_dir: Path) -> None:
    async with connector(run_dir, FakeVenue()), client(run_dir) as exchange:
        assert await exchange.instrument(SYMBOL) == INSTRUMENT
        assert await exchange.find_order(SYMBOL, client_order_id=ORDER.client_order_id) == ORDER
        assert await exchange.find_order(SYMBOL, venue_order_id=ORDER.venue_order_id) == ORDER
        assert await exchange.find_order(SYMBOL, client_order_id=ClientOrderId("q9")) is None
        assert await exchange.open_orders(None) == Listing(orders=(ORDER,), is_complete=False)
        assert await exchange.trades(SYMBOL, since_ms=UnixMs(1)) == Listing(trades=(TRADE,))
        assert (await exchange.trades(SYMBOL, since_ms=UnixMs(0))).is_complete is False
        assert (await exchange.position(SYMBOL)).quantity == Decimal("-0.5")
        assert [one.asset for one in await exchange.balances()] == ["USDT"]
        assert await exchange.server_time_ms() == NOW


async def test_an_unknown_symbol_is_not_an_unavailable_venue(run_dir: Path) -> None:
    async with connector(run_dir, FakeVenue()), client(run_dir) as exchange:
        with pytest.raises(UnknownSymbolError):
            await exchange.instrument(Symbol("NOPEUSDT:perp"))


async def test_a_connector_is_fenced_by_one_deployment_only(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue), AsyncExitStack() as stack:
        first, second, unnamed = [
            await stack.enter_async_context(client(run_dir, deployment=tag))
            for tag in ("aaa", "bbb", "")
        ]
        await first.fence(account_epoch=4, kill_epoch=0)
        foreign = replace(REQUEST, client_order_id=ClientOrderId(f"q1bbb{7:020d}"))
        refused = await first.place(foreign)
        assert (refused.outcome, venue.placed) == (OutcomeClass.NOT_SENT, [])
        with pytest.raises(FenceRefusedError, match="deployment aaa, not by bbb"):
            await second.fence(account_epoch=9, kill_epoch=0)
        await unnamed.fence(account_epoch=5, kill_epoch=0)

    assert venue.fences == [(4, 0), (5, 0)]


async def test_a_fence_reaches_the_venue_and_names_what_is_in_flight(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        in_flight = await exchange.fence(account_epoch=4, kill_epoch=2)

    assert in_flight == (ClientOrderId("q7"),)
    assert venue.fences == [(4, 2)]


async def test_disowning_reaches_the_venue_and_tells_for_how_long(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        unsent_ms = await exchange.disown(ClientOrderId("q7"), deadline_ms=NOW)

    assert unsent_ms == 7_000
    assert venue.disowned == [("q7", NOW)]


QUERIES: dict[str, Callable[[GrpcExchange], Awaitable[object]]] = {
    "instrument": lambda exchange: exchange.instrument(SYMBOL),
    "find_order": lambda exchange: exchange.find_order(SYMBOL),
    "open_orders": lambda exchange: exchange.open_orders(SYMBOL),
    "trades": lambda exchange: exchange.trades(SYMBOL, since_ms=NOW),
    "position": lambda exchange: exchange.position(SYMBOL),
    "balances": lambda exchange: exchange.balances(),
    "server_time_ms": lambda exchange: exchange.server_time_ms(),
    "fence": lambda exchange: exchange.fence(account_epoch=1, kill_epoch=0),
    "disown": lambda exchange: exchange.disown(ClientOrderId("q7"), deadline_ms=NOW),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_failed_query_is_unknown_never_empty(run_dir: Path, name: str) -> None:
    venue = FakeVenue()
    venue.error = VenueUnavailableError("the venue is away")
    async with connector(run_dir, venue), client(run_dir) as exchange:
        with pytest.raises(VenueUnavailableError, match="the venue is away"):
            await QUERIES[name](exchange)


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_without_a_connector_says_so(run_dir: Path, name: str) -> None:
    async with client(run_dir) as exchange:
        with pytest.raises(VenueUnavailableError, match="no server has published"):
            await QUERIES[name](exchange)


async def test_without_a_connection_an_order_is_not_sent(run_dir: Path) -> None:
    async with client(run_dir) as exchange:
        placed = await exchange.place(REQUEST)
        canceled = await exchange.cancel(CANCEL)

    assert placed.outcome is canceled.outcome is OutcomeClass.NOT_SENT
    assert placed.code is VenueCode.LINK_DOWN


async def test_a_lost_answer_is_unknown_and_the_order_is_finished_anyway(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.hold = asyncio.Event()
    timeouts = ExchangeTimeouts(order_ms=200)
    async with connector(run_dir, venue), client(run_dir, timeouts=timeouts) as exchange:
        outcome = await exchange.place(REQUEST)
        assert venue.finished == []
        venue.hold.set()
        await asyncio.sleep(0.05)

    assert outcome.outcome is OutcomeClass.UNKNOWN
    assert venue.placed == [REQUEST]
    assert venue.finished == [REQUEST.client_order_id]


async def test_a_connector_that_dies_while_sending_leaves_the_order_unknown(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.hold = asyncio.Event()
    async with client(run_dir) as exchange:
        async with connector(run_dir, venue):
            waiting = asyncio.create_task(exchange.place(REQUEST))
            await venue.entered.wait()
        async with asyncio.timeout(PATIENCE_S):
            outcome = await waiting
        venue.hold.set()

    assert outcome.outcome is OutcomeClass.UNKNOWN
    assert len(venue.placed) == 1


async def test_a_venue_that_fails_unexpectedly_leaves_the_order_unknown(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.error = ZeroDivisionError()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        outcome = await exchange.place(REQUEST)

    assert outcome.outcome is OutcomeClass.UNKNOWN


async def test_closing_the_client_leaves_its_orders_unknown(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.hold = asyncio.Event()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        waiting = asyncio.create_task(exchange.place(REQUEST))
        await venue.entered.wait()
        await exchange.close()
        assert (await waiting).outcome is OutcomeClass.UNKNOWN
        venue.hold.set()


async def test_a_cancelled_caller_is_cancelled(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.hold = asyncio.Event()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        waiting = asyncio.create_task(exchange.place(REQUEST))
        await venue.entered.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        venue.hold.set()


async def test_the_connector_is_found_again_under_its_next_address(run_dir: Path) -> None:
    async with client(run_dir) as exchange:
        async with connector(run_dir, FakeVenue()):
            assert await exchange.server_time_ms() == NOW
        async with connector(run_dir, FakeVenue()):
            assert await exchange.server_time_ms() == NOW


async def test_too_many_orders_at_once_are_refused_before_they_are_sent(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_server, "SENDING_MAX", 1)
    venue = FakeVenue()
    venue.hold = asyncio.Event()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        first = asyncio.create_task(exchange.place(REQUEST))
        await venue.entered.wait()
        second = await exchange.place(REQUEST)
        venue.hold.set()
        assert (await first).outcome is OutcomeClass.ACCEPTED

    assert (second.outcome, second.code) == (OutcomeClass.NOT_SENT, VenueCode.BUSY)
    assert len(venue.placed) == 1


async def test_an_order_that_cannot_be_written_down_is_not_sent(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        outcome = await exchange.place(replace(REQUEST, price=Decimal("NaN")))

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.INVALID_ORDER)
    assert venue.placed == []


@pytest.mark.parametrize(("account", "is_right"), [("main", True), ("other", False)])
async def test_a_connector_serves_one_account_only(
    run_dir: Path, account: str, is_right: bool
) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue), client(run_dir, account=account) as exchange:
        placed = await exchange.place(REQUEST)
        canceled = await exchange.cancel(CANCEL)

    expected = OutcomeClass.ACCEPTED if is_right else OutcomeClass.NOT_SENT
    assert placed.outcome is canceled.outcome is expected
    assert len(venue.placed) == len(venue.canceled) == is_right


async def test_a_subscription_that_cannot_be_watched_leaves_nothing_behind(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.error = VenueUnavailableError("too many symbols")
    async with connector(run_dir, venue) as servicer, client(run_dir) as exchange:
        await exchange.watch(frozenset({SYMBOL}))
        with pytest.raises(VenueUnavailableError, match="too many symbols"):
            await _collect(exchange, [])
        assert servicer.fanout.subscribers == 0


async def test_a_wrong_token_is_a_proven_refusal(run_dir: Path) -> None:
    venue = FakeVenue()
    security = ServerSecurity(token="a" * 32)
    wrong = ClientSecurity(token="b" * 32)
    async with (
        connector(run_dir, venue, security=security),
        client(run_dir, security=wrong) as exchange,
    ):
        outcome = await exchange.place(REQUEST)

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.AUTHENTICATION)
    assert venue.placed == []


async def test_an_answer_beyond_the_size_limit_is_a_failed_query(run_dir: Path) -> None:
    venue = FakeVenue()
    long = replace(TRADE, client_order_id=ClientOrderId("q" * 1_000))
    venue.listing = Listing(trades=(long,) * 5_000)
    async with connector(run_dir, venue), client(run_dir) as exchange:
        with pytest.raises(VenueUnavailableError, match="resource_exhausted"):
            await exchange.trades(SYMBOL, since_ms=NOW)
        assert await exchange.server_time_ms() == NOW


async def take(
    events: AsyncIterator[tuple[VenueEvent, ...]], until: VenueEvent
) -> list[VenueEvent]:
    seen: list[VenueEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for batch in events:
            seen.extend(batch)
            if until in seen:
                break
    return seen


async def test_events_arrive_in_order(run_dir: Path) -> None:
    venue = FakeVenue()
    sent: tuple[VenueEvent, ...] = (
        fakes.stream(StreamKind.PRIVATE, StreamPhase.LIVE),
        OrderUpdate(order=ORDER),
        fakes.trade(1),
        fakes.price(60000),
        FrameAge(public_ms=3, private_ms=4, at_ms=NOW),
        fakes.trade(2),
    )
    async with connector(run_dir, venue), client(run_dir) as exchange:
        await exchange.watch(frozenset({SYMBOL}))
        events = exchange.events()
        taking = asyncio.create_task(take(events, fakes.trade(2)))
        await until(lambda: venue.watched == [frozenset({SYMBOL})])
        venue.batches.put_nowait(sent)
        assert tuple(await taking) == sent


async def test_only_watched_prices_arrive_and_the_choice_can_change(run_dir: Path) -> None:
    venue = FakeVenue()
    other = Symbol("ETHUSDT:perp")
    async with connector(run_dir, venue), client(run_dir) as exchange:
        await exchange.watch(frozenset({SYMBOL}))
        seen: list[VenueEvent] = []
        reading = asyncio.create_task(_collect(exchange, seen))
        await until(lambda: len(venue.watched) == 1)
        venue.batches.put_nowait((fakes.price(1, other), fakes.price(2)))
        await until(lambda: fakes.price(2) in seen)
        await exchange.watch(frozenset({other}))
        venue.batches.put_nowait((fakes.price(3), fakes.price(4, other)))
        await until(lambda: fakes.price(4, other) in seen)
        reading.cancel()

    assert seen == [fakes.price(2), fakes.price(4, other)]
    assert venue.watched[:2] == [frozenset({SYMBOL}), frozenset({other})]


async def test_a_choice_made_while_connecting_is_not_lost(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        reading = asyncio.create_task(_collect(exchange, []))
        await asyncio.sleep(0)
        await exchange.watch(frozenset({SYMBOL}))
        await until(lambda: bool(venue.watched) and venue.watched[-1] == frozenset({SYMBOL}))
        reading.cancel()


async def test_who_comes_later_first_hears_the_present_state(run_dir: Path) -> None:
    venue = FakeVenue()
    live = fakes.stream(StreamKind.PUBLIC, StreamPhase.LIVE)
    down = fakes.stream(StreamKind.PRIVATE, StreamPhase.DOWN)
    async with connector(run_dir, venue), client(run_dir) as exchange:
        venue.batches.put_nowait((live, fakes.stream(StreamKind.PRIVATE, StreamPhase.LIVE)))
        venue.batches.put_nowait((down,))
        await until(venue.batches.empty)
        await asyncio.sleep(0)
        seen = await take(exchange.events(), down)

    assert seen == [live, down]


async def test_who_comes_after_a_gap_hears_that_the_stream_lives(run_dir: Path) -> None:
    # The gap was a moment, the stream went on: no LIVE follows that could end it.
    venue = FakeVenue()
    live = fakes.stream(StreamKind.PRIVATE, StreamPhase.LIVE)
    async with connector(run_dir, venue), client(run_dir) as exchange:
        venue.batches.put_nowait((live, fakes.stream(StreamKind.PRIVATE, StreamPhase.GAP)))
        await until(venue.batches.empty)
        await asyncio.sleep(0)
        last = asyncio.get_running_loop().call_later(
            0.3, venue.batches.put_nowait, (fakes.trade(1),)
        )
        seen = await take(exchange.events(), fakes.trade(1))
        last.cancel()

    assert seen == [live, fakes.trade(1)]


async def test_a_lost_stream_is_raised_and_can_be_opened_again(run_dir: Path) -> None:
    async def one_life(exchange: GrpcExchange, event: VenueEvent) -> None:
        venue = FakeVenue()
        seen: list[VenueEvent] = []
        async with connector(run_dir, venue) as servicer:
            reading = asyncio.create_task(_collect(exchange, seen))
            await until(lambda: servicer.fanout.subscribers == 1)
            venue.batches.put_nowait((event,))
            await until(lambda: event in seen)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(VenueUnavailableError):
                await reading
        assert seen == [event]

    async with client(run_dir) as exchange:
        await one_life(exchange, fakes.trade(1))
        await one_life(exchange, fakes.trade(2))


async def test_a_reader_that_leaves_is_forgotten(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue) as servicer:
        async with client(run_dir) as exchange:
            await exchange.watch(frozenset({SYMBOL}))
            reading = asyncio.create_task(_collect(exchange, []))
            await until(lambda: servicer.fanout.subscribers == 1)
            reading.cancel()
        await until(lambda: servicer.fanout.subscribers == 0)
        await until(lambda: venue.watched[-1] == frozenset())


async def test_a_newer_subscription_of_the_same_name_ends_the_older(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue) as servicer, client(run_dir) as first:
        reading = asyncio.create_task(_collect(first, []))
        await until(lambda: servicer.fanout.subscribers == 1)
        async with client(run_dir) as second:
            again = asyncio.create_task(_collect(second, []))
            with pytest.raises(VenueUnavailableError, match="newer subscription"):
                await reading
            again.cancel()


async def _collect(exchange: GrpcExchange, into: list[VenueEvent]) -> None:
    async for batch in exchange.events():
        into.extend(batch)
