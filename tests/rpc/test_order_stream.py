"""Goal: many orders share one stream and none of them its fate: what is not answered is unknown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc

from opensqt.core.ids import ClientOrderId
from opensqt.market_maker.v1 import exchange_pb2 as pb
from opensqt.market_maker.v1.exchange_pb2_grpc import (
    ExchangeServiceServicer,
    ExchangeServiceStub,
)
from opensqt.ports.exchange import Outcome, OutcomeClass, PlaceRequest, VenueCode
from opensqt.rpc.endpoint import Endpoint, UnixLocator
from opensqt.rpc.exchange_client import GrpcExchange
from opensqt.rpc.exchange_server import exchange_service
from opensqt.rpc.server import RpcServer
from opensqt.wire.exchange import encode_cancel, encode_place
from opensqt.wire.facts import encode_outcome
from tests.fakes.waiting import until
from tests.rpc.connector import NAME, connector
from tests.rpc.fakes import CANCEL, REQUEST, FakeVenue


@asynccontextmanager
async def client(run_dir: Path) -> AsyncIterator[GrpcExchange]:
    exchange = GrpcExchange(UnixLocator(run_dir, NAME), subscriber="test")
    try:
        yield exchange
    finally:
        await exchange.close()


def numbered(number: int) -> PlaceRequest:
    return replace(REQUEST, client_order_id=ClientOrderId(f"q{number}"))


class Turning(FakeVenue):
    """A venue that answers the newest order first, each with its own id."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[asyncio.Event] = []

    async def place(self, request: PlaceRequest) -> Outcome:
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        return Outcome(outcome=OutcomeClass.REJECTED, message=request.client_order_id)


async def test_each_order_gets_its_own_answer_whatever_the_order_of_answers(run_dir: Path) -> None:
    venue = Turning()
    async with connector(run_dir, venue), client(run_dir) as exchange:
        asked = [asyncio.create_task(exchange.place(numbered(one))) for one in range(20)]
        await until(lambda: len(venue.gates) == len(asked))
        for gate in reversed(venue.gates):
            gate.set()
            await asyncio.sleep(0)
        answers = await asyncio.gather(*asked)

    assert [one.message for one in answers] == [f"q{one}" for one in range(20)]


class Counting(ExchangeServiceServicer):
    """A connector that notes its streams and breaks each after so many commands."""

    def __init__(self, *, breaks_after: int) -> None:
        self.streams = 0
        self.commands: list[str] = []
        self._breaks_after = breaks_after

    async def StreamOrders(
        self, request_iterator: AsyncIterator[pb.StreamOrdersRequest], context: object
    ) -> AsyncIterator[pb.StreamOrdersResponse]:
        _ = context
        self.streams += 1
        seen = 0
        async for request in request_iterator:
            for command in request.commands:
                seen += 1
                self.commands.append(command.submit.order.client_order_id)
                if seen >= self._breaks_after:
                    return
                outcome = encode_outcome(Outcome(outcome=OutcomeClass.ACCEPTED))
                answer = pb.OrderAnswer(request_id=command.request_id, outcome=outcome)
                yield pb.StreamOrdersResponse(answers=[answer])


@asynccontextmanager
async def served(run_dir: Path, servicer: ExchangeServiceServicer) -> AsyncIterator[None]:
    server = RpcServer([exchange_service(servicer)])
    server.listen(Endpoint(run_dir, NAME))
    await server.start()
    try:
        yield
    finally:
        await server.stop(grace_ms=50)


async def test_orders_share_a_stream_and_a_new_one_follows_a_broken_one(run_dir: Path) -> None:
    servicer = Counting(breaks_after=3)
    async with served(run_dir, servicer), client(run_dir) as exchange:
        classes = [(await exchange.place(numbered(one))).outcome for one in range(6)]

    done, lost = OutcomeClass.ACCEPTED, OutcomeClass.UNKNOWN
    assert classes == [done, done, lost, done, done, lost]
    assert servicer.commands == [f"q{one}" for one in range(6)], "each is sent once"
    assert servicer.streams == 2


async def test_a_connector_without_the_stream_has_sent_nothing(run_dir: Path) -> None:
    async with served(run_dir, ExchangeServiceServicer()), client(run_dir) as exchange:
        outcome = await exchange.place(REQUEST)

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.UPSTREAM_REJECTED)


async def test_what_is_being_sent_is_finished_when_the_stream_breaks(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.hold = asyncio.Event()
    async with connector(run_dir, venue):
        async with client(run_dir) as exchange:
            waiting = asyncio.create_task(exchange.place(REQUEST))
            await venue.entered.wait()
        assert (await waiting).outcome is OutcomeClass.UNKNOWN
        await asyncio.sleep(0.05)
        assert venue.finished == []
        venue.hold.set()
        await until(lambda: venue.finished == [REQUEST.client_order_id])


async def test_the_calls_and_the_stream_say_the_same(run_dir: Path) -> None:
    venue = FakeVenue()
    venue.outcome = Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.RISK, message="no")
    submit = pb.SubmitOrderRequest(order=encode_place(REQUEST, account=""))
    withdraw = pb.WithdrawOrderRequest(cancel=encode_cancel(CANCEL, account=""))
    async with (
        connector(run_dir, venue),
        client(run_dir) as exchange,
        grpc.aio.insecure_channel(UnixLocator(run_dir, NAME)()) as channel,
    ):
        assert await exchange.place(REQUEST) == await exchange.cancel(CANCEL) == venue.outcome
        stub = ExchangeServiceStub(channel)
        answers = await stub.SubmitOrder(submit), await stub.WithdrawOrder(withdraw)

    assert [one.outcome for one in answers] == [encode_outcome(venue.outcome)] * 2
    assert (venue.placed, venue.canceled) == ([REQUEST] * 2, [CANCEL] * 2)


async def test_a_command_that_is_none_is_refused_and_the_stream_goes_on(run_dir: Path) -> None:
    venue = FakeVenue()
    answers: list[pb.OrderAnswer] = []
    async with (
        connector(run_dir, venue),
        grpc.aio.insecure_channel(UnixLocator(run_dir, NAME)()) as channel,
    ):
        call = ExchangeServiceStub(channel).StreamOrders()
        for number in (1, 2):
            command = pb.OrderCommand(request_id=number)
            await call.write(pb.StreamOrdersRequest(commands=[command]))
            response = await call.read()
            assert isinstance(response, pb.StreamOrdersResponse)
            answers.extend(response.answers)
        call.cancel()

    not_sent = encode_outcome(Outcome(outcome=OutcomeClass.NOT_SENT)).outcome_class
    assert [(one.request_id, one.outcome.outcome_class) for one in answers] == [
        (1, not_sent),
        (2, not_sent),
    ]
