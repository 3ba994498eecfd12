"""Goal: a client of the published surface keeps working. Method: calls over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from opensqt.core.ids import UnixMs
from opensqt.market_maker.v1 import exchange_pb2
from opensqt.market_maker.v1.exchange_pb2_grpc import ExchangeServiceStub
from opensqt.ports.exchange import OrderUpdate, Outcome, OutcomeClass, VenueCode
from opensqt.rpc.endpoint import UnixLocator
from opensqt.wire.exchange import encode_place
from tests.fakes.waiting import PATIENCE_S, until
from tests.rpc import fakes
from tests.rpc.connector import CONFIG, NAME, connector
from tests.rpc.fakes import NOW, ORDER, REQUEST, SYMBOL, FakeVenue


@asynccontextmanager
async def stub(run_dir: Path) -> AsyncIterator[ExchangeServiceStub]:
    async with grpc.aio.insecure_channel(UnixLocator(run_dir, NAME)()) as channel:
        yield ExchangeServiceStub(channel)


async def test_an_old_client_reads_what_a_grid_needs(run_dir: Path) -> None:
    pb = exchange_pb2
    async with connector(run_dir, FakeVenue()), stub(run_dir) as old:
        assert (await old.GetName(pb.GetNameRequest())).name == "paper"
        info = await old.GetSymbolInfo(pb.GetSymbolInfoRequest(symbol=SYMBOL))
        assert info.tick_size.value == "0.1"
        order = await old.GetOrder(pb.GetOrderRequest(symbol=SYMBOL, order_id=12345))
        assert (order.order_id, order.client_order_id) == (12345, "q1abc")
        open_orders = await old.GetOpenOrders(pb.GetOpenOrdersRequest(symbol=SYMBOL))
        assert [one.venue_order_id for one in open_orders.orders] == ["12345"]
        assert not open_orders.complete
        held = await old.GetPositions(pb.GetPositionsRequest(symbol=SYMBOL))
        assert held.positions[0].size.value == "-0.5"
        assert (await old.GetBalance(pb.GetBalanceRequest(asset="USDT"))).balance.value == "100"
        assert (await old.GetBalance(pb.GetBalanceRequest(asset="BTC"))).balance.value == "0"


async def test_an_old_client_places_and_cancels_by_number(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.outcome = Outcome(outcome=OutcomeClass.ACCEPTED, order=ORDER)
    request = encode_place(replace(REQUEST, deadline_ms=UnixMs(0), account_epoch=0))
    async with connector(run_dir, venue), stub(run_dir) as old:
        placed = await old.PlaceOrder(request)
        await old.CancelOrder(exchange_pb2.CancelOrderRequest(symbol=SYMBOL, order_id=12345))

    assert placed.order_id == 12345
    assert venue.placed[0].deadline_ms == NOW + CONFIG.order_ttl_ms
    assert venue.canceled[0].client_order_id == ORDER.client_order_id


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (OutcomeClass.REJECTED, grpc.StatusCode.FAILED_PRECONDITION),
        (OutcomeClass.NOT_SENT, grpc.StatusCode.ABORTED),
        (OutcomeClass.DUPLICATE, grpc.StatusCode.ALREADY_EXISTS),
        (OutcomeClass.UNKNOWN, grpc.StatusCode.UNKNOWN),
    ],
)
async def test_an_old_client_learns_the_class_from_the_status(
    run_dir: Path, outcome: OutcomeClass, status: grpc.StatusCode
) -> None:
    venue = FakeVenue()
    venue.outcome = Outcome(outcome=outcome, code=VenueCode.POST_ONLY_WOULD_CROSS, message="no")
    async with connector(run_dir, venue), stub(run_dir) as old:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await old.PlaceOrder(encode_place(REQUEST))

    assert failed.value.code() is status
    assert failed.value.details() == "ErrPostOnlyWouldCross: no"


async def test_old_streams_carry_prices_and_orders(run_dir: Path) -> None:
    venue = FakeVenue()
    async with connector(run_dir, venue) as servicer, stub(run_dir) as old:
        prices = old.SubscribePrice(exchange_pb2.SubscribePriceRequest(symbols=[SYMBOL]))
        orders = old.SubscribeOrders(exchange_pb2.SubscribeOrdersRequest())
        await until(lambda: servicer.fanout.subscribers == 2)
        venue.batches.put_nowait((fakes.price(60000), OrderUpdate(order=ORDER)))
        async with asyncio.timeout(PATIENCE_S):
            change: Any = await prices.read()
            update: Any = await orders.read()
        latest = await old.GetLatestPrice(exchange_pb2.GetLatestPriceRequest(symbol=SYMBOL))

    assert (change.price.value, change.bid.value, change.ask.value) == ("60000", "59999", "60001")
    assert (change.sequence, change.received_age_ms) == (1, 5)
    assert (update.client_order_id, update.executed_qty.value) == ("q1abc", "0.05")
    assert latest.price.value == "60000"


NOT_SERVED = (
    "BatchPlaceOrders",
    "BatchCancelOrders",
    "CancelAllOrders",
    "GetAccount",
    "GetTickers",
    "GetOpenInterest",
    "GetHistoricalKlines",
    "FetchExchangeInfo",
    "GetSymbols",
    "GetFundingRate",
    "GetFundingRates",
    "GetHistoricalFundingRates",
)


@pytest.mark.parametrize("name", NOT_SERVED)
async def test_what_is_not_needed_yet_says_that_it_is_not_served(run_dir: Path, name: str) -> None:
    async with connector(run_dir, FakeVenue()), stub(run_dir) as old:
        request = getattr(exchange_pb2, f"{name}Request")()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await getattr(old, name)(request)

    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "name", ["SubscribeFundingRate", "SubscribeKlines", "SubscribeAccount", "SubscribePositions"]
)
async def test_streams_that_are_not_needed_yet_say_so(run_dir: Path, name: str) -> None:
    async with connector(run_dir, FakeVenue()), stub(run_dir) as old:
        call = getattr(old, name)(getattr(exchange_pb2, f"{name}Request")())
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()

    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_request_that_names_nothing_is_refused(run_dir: Path) -> None:
    pb = exchange_pb2
    async with connector(run_dir, FakeVenue()), stub(run_dir) as old:
        for call in (
            old.GetOrder(pb.GetOrderRequest(symbol=SYMBOL)),
            old.GetTrades(pb.GetTradesRequest()),
            old.SubmitOrder(pb.SubmitOrderRequest()),
            old.WithdrawOrder(pb.WithdrawOrderRequest()),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call
            assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
