"""The server of the journals dies, or loses a connection at COMMIT: nothing twice, nothing lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from opensqt.core.facts import OrderIntended, ProcessStarted
from opensqt.core.ids import AccountName, Symbol, UnitId
from opensqt.ports.journal import JournalError, SequenceConflictError
from opensqt.ports.registry import RegistryError
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from tests.crash.cutting_proxy import Cut, CuttingProxy, cutting_proxy
from tests.crash.test_boundaries import APART
from tests.crash.together import together
from tests.e2e.child import SETTLE_S
from tests.e2e.harness import Scenario
from tests.e2e.processes import EXCHANGE
from tests.e2e.setting import scenario
from tests.fakes.postgres import PostgresServer, started_server
from tests.storage.contract import started

pytestmark = [pytest.mark.crash, pytest.mark.pg]

UNIT = UnitId(account=AccountName("paper"), symbol=Symbol("ETHUSDT:perp"))
PATIENCE_S = 6 * SETTLE_S
both_ways = pytest.mark.parametrize("commits", [False, True], ids=["lost", "reply-lost"])


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a server of our own, which the tests stop."""
    with started_server() as running:
        yield running


def through(port: int, database: str) -> str:
    """Return the address of a database on a way of its own."""
    parts = urlsplit(database)
    return parts._replace(netloc=f"{parts.username}@{parts.hostname}:{port}").geturl()


@asynccontextmanager
async def broken_way(
    server: PostgresServer, database: str, folder: Path
) -> AsyncIterator[tuple[CuttingProxy, Scenario]]:
    """Start a scenario whose processes reach the server through a proxy; the test does not."""
    with cutting_proxy(server.port) as proxy:
        async with scenario(
            folder,
            store=through(proxy.port, database),
            witness_store=database,
            patience_s=PATIENCE_S,
        ) as flow:
            yield proxy, flow


@both_ways
async def test_a_commit_that_loses_its_connection_is_read_again(
    server: PostgresServer, tmp_path: Path, commits: bool
) -> None:
    async def play(folder: Path, fact: str) -> None:
        name = await asyncio.to_thread(server.create, f"{fact}{commits}")
        async with broken_way(server, name, folder) as (proxy, flow):
            proxy.arm(Cut(marks=(fact.encode(),), commits=commits))

            await flow.price("2997.50")
            await flow.expect(position="0.01", sells=("3000",), state="quoting")
            await flow.price("3000.10")
            view = await flow.expect(position="0", sells=(), fills=2, state="quoting")

            assert proxy.cuts == 1
            intended = [one.client_order_id for one in view.of(OrderIntended)]
            assert len(set(intended)) == len(intended)

    await together(tmp_path, ("OrderIntended", "OrderReported", "TradeFilled"), play)


@both_ways
async def test_an_epoch_whose_commit_was_lost_is_never_given_twice(
    server: PostgresServer, database: str, commits: bool
) -> None:
    with cutting_proxy(server.port) as proxy:
        store = open_control(
            through(proxy.port, database), writer="t", random_bytes=b"e2e!", may_migrate=True
        )
        first = await store.next_symbol_epoch(UNIT)
        proxy.arm(Cut(marks=(b"symbol_epochs",), commits=commits))

        with pytest.raises(RegistryError, match="cannot use"):
            await store.next_symbol_epoch(UNIT)

        assert await store.symbol_epoch(UNIT) == first + commits
        assert await store.next_symbol_epoch(UNIT) == first + commits + 1
        store.close()


@both_ways
async def test_a_journal_tells_whether_a_lost_commit_was_one(
    server: PostgresServer, database: str, commits: bool
) -> None:
    with cutting_proxy(server.port) as proxy:
        journal = open_journal(through(proxy.port, database), UNIT, may_migrate=True)
        await journal.commit([started()], epoch=1, expected_sequence=0)
        proxy.arm(Cut(marks=(b"ProcessStarted",), commits=commits))

        with pytest.raises(JournalError, match="cannot use") as caught:
            await journal.commit([started(2)], epoch=1, expected_sequence=1)

        # Only the plain class leaves it open whether something was written.
        assert type(caught.value) is JournalError
        assert len((await journal.load()).facts) == 1 + commits
        if commits:
            with pytest.raises(SequenceConflictError):
                await journal.commit([started(2)], epoch=1, expected_sequence=1)
        else:
            assert await journal.commit([started(2)], epoch=1, expected_sequence=1) == 2
        journal.close()


async def test_the_server_crashes_and_returns_while_trading(
    server: PostgresServer, database: str, tmp_path: Path
) -> None:
    async with scenario(tmp_path, store=database, patience_s=PATIENCE_S) as flow:
        await asyncio.to_thread(server.stop)
        # Filled while nothing can be written: no new order may leave, no fill may be lost.
        requests = len((await flow.ledger()).requests)
        await flow.jump("2997.50", settle=False)
        await asyncio.sleep(1.0)
        assert len((await flow.ledger()).requests) == requests
        await asyncio.to_thread(server.start)

        await flow.expect(position="0.01", sells=("3000",), state="quoting")
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await flow.price("3000.10")
        await flow.expect(position="0", sells=(), fills=2, state="quoting")


async def test_cancels_need_no_server(
    server: PostgresServer, database: str, tmp_path: Path
) -> None:
    async with scenario(tmp_path, store=database, layout=APART, patience_s=PATIENCE_S) as flow:
        assert (await flow.ledger()).open_orders
        await asyncio.to_thread(server.stop)
        try:
            assert await flow.children[EXCHANGE].ask("cancel_orders") == []
            assert (await flow.ledger()).open_orders == ()
        finally:
            await asyncio.to_thread(server.start)


async def test_the_server_crashes_at_the_same_time_as_the_process(
    server: PostgresServer, database: str, tmp_path: Path
) -> None:
    async with scenario(tmp_path, store=database, patience_s=PATIENCE_S) as flow:
        await flow.jump("2997.50", settle=False)
        await asyncio.to_thread(server.stop)
        await flow.kill("symbol")
        await flow.start(*flow.children["symbol"].spec.parts)
        await asyncio.to_thread(server.start)

        view = await flow.expect(position="0.01", sells=("3000",), state="quoting")
        assert view.of(ProcessStarted)[-1].epoch > 1
        await flow.price("3000.10")
        await flow.expect(position="0", sells=(), fills=2, state="quoting")
