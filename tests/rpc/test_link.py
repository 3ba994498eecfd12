"""Goal: the link carries messages in order, says when it broke, and never loses a fact silently."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    Symbol,
    TradeId,
    UnitId,
    UnixMs,
)
from opensqt.core.orders import Side, TimeInForce
from opensqt.ports.exchange import (
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    TradeUpdate,
)
from opensqt.ports.link import (
    Ack,
    Answer,
    Downward,
    ExchangeTransport,
    Gap,
    Hello,
    LinkClosedError,
    LinkFact,
    LinkPrice,
    LinkRefusedError,
    ManagerTransport,
    Place,
    Reply,
    Upward,
    Welcome,
)
from opensqt.rpc.auth import ClientSecurity, ServerSecurity
from opensqt.rpc.endpoint import Endpoint, UnixLocator
from opensqt.rpc.link_client import GrpcLink
from opensqt.rpc.link_server import Attach, link_service
from opensqt.rpc.server import RpcServer
from tests.fakes.reports import a_trade
from tests.fakes.waiting import PATIENCE_S
from tests.rpc.fakes import RecordingLog

AT = UnixMs(1_790_000_000_000)
SYMBOL = Symbol("BTCUSDT:perp")
HELLO = Hello(
    unit=UnitId(account=AccountName("paper"), symbol=SYMBOL),
    host="here",
    pid=1,
    epoch=3,
    build="test",
    session="",
    acked_seq=0,
    now_ms=AT,
    position=Decimal(0),
    capital=Decimal(1000),
)
WELCOME = Welcome(session="s1", resumed=False, account_epoch=1, now_ms=AT)
NAME = "exchange-paper"


def price(last: int) -> LinkPrice:
    update = PriceUpdate(
        symbol=SYMBOL,
        bid=Decimal(last - 1),
        ask=Decimal(last + 1),
        last=Decimal(last),
        venue_ms=AT,
        read_ms=AT,
    )
    return LinkPrice(price=update, age_ms=1)


def fact(seq: int) -> LinkFact:
    trade = a_trade(trade_id=TradeId(f"t{seq}"))
    return LinkFact(seq=seq, update=TradeUpdate(trade=trade))


def listing(kilobytes: int) -> Listing:
    update = fact(1).update
    assert isinstance(update, TradeUpdate)
    trade = replace(update.trade, client_order_id=ClientOrderId("q" * 1_000))
    return Listing(trades=(trade,) * kilobytes)


def place(request_id: int) -> Place:
    request = PlaceRequest(
        symbol=SYMBOL,
        client_order_id=ClientOrderId(f"q{request_id}"),
        side=Side.BUY,
        price=Decimal(60000),
        quantity=Decimal("0.001"),
        time_in_force=TimeInForce.GTX,
        reduce_only=False,
        deadline_ms=AT,
        symbol_epoch=3,
    )
    return Place(request_id=request_id, request=request, purpose="open")


@asynccontextmanager
async def serving(
    run_dir: Path, attach: Attach, *, security: ServerSecurity | None = None
) -> AsyncIterator[tuple[RpcServer, RecordingLog]]:
    log = RecordingLog()
    server = RpcServer([link_service(attach, log=log)], security=security)
    endpoint = Endpoint(run_dir, NAME)
    server.listen(endpoint)
    await server.start()
    try:
        yield server, log
    finally:
        await server.stop(grace_ms=50)


async def collect(
    transport: ManagerTransport | ExchangeTransport, until: Callable[[list[object]], bool]
) -> list[object]:
    """Receive until enough has come."""
    seen: list[object] = []
    async with asyncio.timeout(PATIENCE_S):
        while not until(seen):
            seen.extend(await transport.receive())
    return seen


async def echo(transport: ExchangeTransport) -> None:
    """Welcome, then accept every order."""
    while True:
        for message in await transport.receive():
            if isinstance(message, Hello):
                transport.send(WELCOME)
            elif isinstance(message, Place):
                outcome = Outcome(outcome=OutcomeClass.ACCEPTED)
                transport.send(Reply(request_id=message.request_id, outcome=outcome))


async def test_messages_travel_both_ways_in_order(run_dir: Path) -> None:
    async with serving(run_dir, echo):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        for number in range(1, 201):
            manager.send(place(number))

        seen = await collect(manager, lambda messages: len(messages) >= 201)
        await manager.close()

    assert seen[0] == WELCOME
    replies = [message.request_id for message in seen[1:] if isinstance(message, Reply)]
    assert replies == list(range(1, 201))


async def test_the_exchange_receives_what_was_sent(run_dir: Path) -> None:
    heard: list[Upward] = []
    complete = asyncio.Event()

    async def listen(transport: ExchangeTransport) -> None:
        while True:
            heard.extend(await transport.receive())
            if len(heard) >= 3:
                complete.set()

    async with serving(run_dir, listen):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        for message in (HELLO, place(1), Ack(seq=4)):
            manager.send(message)
        async with asyncio.timeout(PATIENCE_S):
            await complete.wait()
        await manager.close()

    assert heard == [HELLO, place(1), Ack(seq=4)]


async def test_prices_are_conflated_and_facts_are_not_while_nobody_reads(run_dir: Path) -> None:
    sent = asyncio.Event()
    count = 5_000

    async def flood(transport: ExchangeTransport) -> None:
        await transport.receive()
        for number in range(1, count + 1):
            transport.send(price(number + 1))
            transport.send(fact(number))
        sent.set()
        await transport.receive()

    async with serving(run_dir, flood):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        async with asyncio.timeout(20):
            await sent.wait()
        seen = await collect(
            manager, lambda messages: bool(messages) and messages[-1] == fact(count)
        )
        await manager.close()

    facts = [message.seq for message in seen if isinstance(message, LinkFact)]
    prices = [message for message in seen if isinstance(message, LinkPrice)]
    assert facts == list(range(1, count + 1))
    assert prices[-1] == price(count + 1)
    assert len(prices) < 100


async def test_a_newer_price_never_overtakes_an_older_fact(run_dir: Path) -> None:
    async def send(transport: ExchangeTransport) -> None:
        for message in (price(10), fact(1), price(11), fact(2)):
            transport.send(message)
        await transport.receive()

    async with serving(run_dir, send):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        seen = await collect(manager, lambda messages: fact(2) in messages)
        await manager.close()

    assert seen == [fact(1), price(11), fact(2)]


async def test_nobody_there_is_said_at_once(run_dir: Path) -> None:
    with pytest.raises(LinkClosedError, match="no server has published"):
        await GrpcLink(UnixLocator(run_dir, NAME)).connect()

    (run_dir / f"{NAME}.address").write_text(f"unix:{run_dir}/gone.sock")
    async with asyncio.timeout(0.9):
        with pytest.raises(LinkClosedError, match="no connection to"):
            await GrpcLink(UnixLocator(run_dir, NAME)).connect()


async def test_a_server_that_ends_is_noticed_and_found_again(run_dir: Path) -> None:
    link = GrpcLink(UnixLocator(run_dir, NAME))
    async with serving(run_dir, echo):
        first = await link.connect()
        first.send(HELLO)
        await first.receive()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(LinkClosedError):
            await first.receive()
    with pytest.raises(LinkClosedError):
        first.send(HELLO)
    await first.close()

    async with serving(run_dir, echo):
        second = await link.connect()
        second.send(HELLO)
        assert list(await second.receive()) == [WELCOME]
        await second.close()


async def test_a_refusal_arrives_after_everything_before_it(run_dir: Path) -> None:
    async def refuse(transport: ExchangeTransport) -> None:
        await transport.receive()
        transport.send(Gap(reason="because"))
        await transport.close(code="ErrStaleEpoch", message="epoch 3 is older than 4")

    async with serving(run_dir, refuse):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        seen = list(await manager.receive())
        with pytest.raises(LinkRefusedError, match="epoch 3 is older than 4") as refused:
            await manager.receive()
        await manager.close()

    assert seen == [Gap(reason="because")]
    assert refused.value.code == "ErrStaleEpoch"


async def test_the_exchange_notices_that_a_manager_is_gone(run_dir: Path) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    # A call given up before it reaches the exchange is one that it never hears of.
    greeted = asyncio.Event()

    async def wait(transport: ExchangeTransport) -> None:
        try:
            while True:
                await transport.receive()
                greeted.set()
        except LinkClosedError as error:
            ended.set_result(str(error))
            raise

    async with serving(run_dir, wait):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        async with asyncio.timeout(PATIENCE_S):
            await greeted.wait()
            await manager.close()
            assert await ended


async def test_work_that_is_under_way_outlives_its_manager(run_dir: Path) -> None:
    """An order that is being sent when the manager dies is finished, not torn in half."""
    begun, finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(transport: ExchangeTransport) -> None:
        await transport.receive()
        begun.set()
        await finish.wait()
        finished.set()

    async with serving(run_dir, work):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        async with asyncio.timeout(PATIENCE_S):
            await begun.wait()
            await manager.close()
            await asyncio.sleep(0.05)
            finish.set()
            await finished.wait()


async def test_a_failing_handler_ends_the_link_with_a_reason(run_dir: Path) -> None:
    async def fail(transport: ExchangeTransport) -> None:
        await transport.receive()
        raise ZeroDivisionError

    async with serving(run_dir, fail) as (_, log):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        with pytest.raises(LinkClosedError, match="failed to serve") as closed:
            await manager.receive()
        await manager.close()

    assert not isinstance(closed.value, LinkRefusedError)
    assert ("error", "link.failed") in log.events


async def test_an_answer_that_cannot_be_sent_becomes_a_failed_query(run_dir: Path) -> None:
    huge = Answer(request_id=9, listing=listing(5_000))

    async def answer(transport: ExchangeTransport) -> None:
        await transport.receive()
        transport.send(huge)
        transport.send(Gap(reason="still alive"))
        await transport.receive()

    async with serving(run_dir, answer):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        seen = await collect(manager, lambda messages: len(messages) >= 2)
        await manager.close()

    assert isinstance(seen[0], Answer)
    assert "at most" in seen[0].error
    assert seen[0].listing is None
    assert seen[1] == Gap(reason="still alive")


async def test_more_than_one_message_of_size_is_split(run_dir: Path) -> None:
    large = tuple(Answer(request_id=number, listing=listing(800)) for number in range(5))

    async def answer(transport: ExchangeTransport) -> None:
        await transport.receive()
        for one in large:
            transport.send(one)
        await transport.receive()

    async with serving(run_dir, answer):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        manager.send(HELLO)
        seen = await collect(manager, lambda messages: len(messages) >= 5)
        await manager.close()

    assert tuple(seen) == large


@pytest.mark.parametrize(
    ("token", "is_welcome"), [("a" * 32, True), ("b" * 32, False), ("", False)]
)
async def test_tcp_asks_for_the_token(run_dir: Path, token: str, is_welcome: bool) -> None:
    log = RecordingLog()
    server = RpcServer([link_service(echo, log=log)], security=ServerSecurity(token="a" * 32))
    port = server.listen_tcp("127.0.0.1:0")
    await server.start()
    link = GrpcLink(lambda: f"127.0.0.1:{port}", security=ClientSecurity(token=token))
    manager = await link.connect()
    manager.send(HELLO)

    if is_welcome:
        assert list(await manager.receive()) == [WELCOME]
    else:
        with pytest.raises(LinkRefusedError) as refused:
            await manager.receive()
        assert refused.value.code == "ErrAuthentication"

    await manager.close()
    await server.stop(grace_ms=50)


async def test_closing_is_idempotent_and_ends_a_waiting_receive(run_dir: Path) -> None:
    async with serving(run_dir, echo):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        waiting = asyncio.create_task(_receive(manager))
        await asyncio.sleep(0.05)
        await manager.close()
        await manager.close()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(LinkClosedError, match="closed by the manager"):
                await waiting


async def _receive(manager: ManagerTransport) -> list[Downward]:
    return list(await manager.receive())


async def test_a_receiver_that_gives_up_waiting_does_not_end_the_link(run_dir: Path) -> None:
    async with serving(run_dir, echo):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await manager.receive()
        manager.send(HELLO)
        assert list(await manager.receive()) == [WELCOME]
        await manager.close()


async def test_a_cancelled_receiver_is_cancelled(run_dir: Path) -> None:
    async with serving(run_dir, echo):
        manager = await GrpcLink(UnixLocator(run_dir, NAME)).connect()
        waiting = asyncio.create_task(_receive(manager))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await manager.close()
