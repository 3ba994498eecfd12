"""Exchange and symbol process over real sockets and a real store, in one loop, without Ray."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.bootstrap.exchange import ExchangeProcess
from opensqt.bootstrap.runtime import Runtime, connector_name
from opensqt.bootstrap.symbol import SymbolProcess
from opensqt.core import codec
from opensqt.core.facts import Directive
from opensqt.core.grid.config import GridConfig, IntervalUnit
from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId, UnixMs
from opensqt.core.orders import Side, TimeInForce
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.unit_config import UnitConfig
from opensqt.market.types import Accepted, OrderRequest
from opensqt.rpc.endpoint import EndpointTakenError, UnixLocator
from opensqt.storage.control import SqlControlStore, open_control
from tests.actors.venue_process import RecordedVenue, serving

ACCOUNT = AccountName("paper")
UNIT = UnitId(account=ACCOUNT, symbol=Symbol("BTCUSDT:perp"))
PATIENCE_S = 15.0
CONFIG = UnitConfig(
    capital=Decimal(10_000),
    grid=GridConfig(
        price_interval=Decimal("0.02"),
        price_interval_unit=IntervalUnit.PERCENT,
        order_quantity=Decimal(200),
        buy_window_size=3,
        sell_window_size=3,
    ),
)


@dataclass
class Place:
    """One deployment: a store, a venue, and processes as a test wants them."""

    runtime: Runtime
    registry: SqlControlStore
    venue: RecordedVenue
    stack: AsyncExitStack
    endings: list[str] = field(default_factory=list)

    async def exchange(self) -> ExchangeProcess:
        process = ExchangeProcess(ACCOUNT, self.runtime, ended=self.endings.append)
        self.stack.push_async_callback(process.stop)
        await process.start()
        return process

    async def symbol(self) -> SymbolProcess:
        process = SymbolProcess(UNIT, self.runtime, ended=self.endings.append)
        self.stack.push_async_callback(process.stop)
        await process.start()
        return process

    async def register(self, **changes: object) -> UnitRecord:
        row = await self.registry.unit(UNIT) or UnitRecord(
            unit=UNIT,
            desire=Desire.RUNNING,
            directive=Directive.RUN,
            config_text=codec.encode(CONFIG),
            config_version=1,
            revision=0,
            updated_ms=UnixMs(0),
        )
        revision = row.revision
        row = replace(row, revision=revision + 1, **changes)  # type: ignore[arg-type]
        await self.registry.put_unit(row, expected_revision=revision)
        return row

    @property
    def open_ids(self) -> set[str]:
        orders = self.venue.model.open_orders(ACCOUNT, UNIT.symbol)
        return {order.client_order_id for order in orders}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    runtime = Runtime(data_dir=str(tmp_path / "data"), run_root=str(tmp_path))
    registry = open_control(runtime.location, writer="test", random_bytes=b"12345678")
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(
            serving(runtime, tmp_path / "ledger.jsonl", ACCOUNT)
        )
        yield Place(runtime=runtime, registry=registry, venue=venue, stack=stack)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S * 50)):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came true")


async def reaches(process: SymbolProcess, state: str) -> None:
    await until(lambda: process.state == state)


async def test_a_unit_quotes_and_says_so(place: Place) -> None:
    await place.register()
    exchange = await place.exchange()

    symbol = await place.symbol()

    await reaches(symbol, "quoting")
    await until(lambda: len(place.open_ids) >= 3)
    snapshot = symbol.snapshot()
    assert (snapshot["epoch"], snapshot["revision"], snapshot["restarts"]) == (1, 1, 0)
    assert snapshot["facts_waiting"] == 0
    assert exchange.snapshot()["overflows"] == {UNIT.text: 0}
    assert Decimal(str(snapshot["price"])) > 0
    assert exchange.snapshot()["attached"] == [UNIT.text]
    assert exchange.state == "open"


async def test_a_connector_of_another_account_takes_no_orders(place: Place) -> None:
    # Its address is configured by hand: a wrong one must not trade on the wrong account.
    run = place.runtime.open_run_dir()
    address = UnixLocator(run.path, connector_name(ACCOUNT))()
    other = replace(UNIT, account=AccountName("other"))
    await place.register(unit=other)
    exchange = ExchangeProcess(
        other.account,
        replace(place.runtime, connector_address=address),
        ended=place.endings.append,
    )
    place.stack.push_async_callback(exchange.stop)
    await exchange.start()
    symbol = SymbolProcess(other, place.runtime, ended=place.endings.append)
    place.stack.push_async_callback(symbol.stop)
    await symbol.start()

    await until(lambda: exchange.snapshot().get("attached") == [other.text])
    await asyncio.sleep(3)

    assert place.open_ids == set()


async def test_a_held_unit_cancels_and_keeps_quiet_whatever_its_row_says(place: Place) -> None:
    await place.register()
    await place.exchange()
    symbol = await place.symbol()
    await until(lambda: len(place.open_ids) >= 3)

    symbol.hold(Directive.CANCEL)
    await reaches(symbol, "stopped")
    assert symbol.snapshot()["held"] == "cancel"
    row = await place.register(reason="touched")
    await symbol.tell(row.revision)
    await asyncio.sleep(1)

    assert place.open_ids == set()
    assert symbol.state == "stopped"


async def test_a_unit_follows_its_row(place: Place) -> None:
    await place.register()
    await place.exchange()
    symbol = await place.symbol()
    await until(lambda: len(place.open_ids) >= 3)

    row = await place.register(desire=Desire.PAUSED, directive=Directive.CANCEL)
    await symbol.tell(row.revision)
    await reaches(symbol, "paused")
    assert place.open_ids == set()
    assert symbol.snapshot()["revision"] == row.revision
    row = await place.register(desire=Desire.RUNNING, directive=Directive.RUN)
    await symbol.tell(row.revision)

    await until(lambda: len(place.open_ids) >= 3)


async def test_a_newer_process_ends_the_older_one(place: Place) -> None:
    await place.register()
    await place.exchange()
    older = await place.symbol()
    await reaches(older, "quoting")

    newer = await place.symbol()

    await reaches(newer, "quoting")
    await until(lambda: len(place.endings) == 1)
    assert older.state == "starting"
    assert newer.snapshot()["epoch"] == 2


@dataclass
class Disk:
    """What is installed: whatever starts is of that build."""

    build: str = "old"

    async def now(self) -> str:
        return self.build


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("opensqt.bootstrap.exchange.build_text", lambda: disk.build)
    monkeypatch.setattr("opensqt.bootstrap.symbol.build_text", lambda: disk.build)
    monkeypatch.setattr("opensqt.bootstrap.exchange.build_now", disk.now)
    return disk


async def test_an_old_process_is_refused_by_a_new_exchange_process_and_its_successor_quotes(
    place: Place, disk: Disk
) -> None:
    await place.register()
    exchange = await place.exchange()
    await reaches(await place.symbol(), "quoting")
    await exchange.stop()
    disk.build = "new"

    await place.exchange()

    await until(lambda: len(place.endings) == 1)
    assert "ErrBuild" in place.endings[0]
    assert "is of build old, the exchange process of new" in place.endings[0]
    await reaches(await place.symbol(), "quoting")


async def test_an_old_exchange_process_makes_room_for_the_build_of_a_new_process(
    place: Place, disk: Disk
) -> None:
    await place.register()
    exchange = await place.exchange()
    disk.build = "new"
    symbol = await place.symbol()

    await until(lambda: len(place.endings) == 1)
    assert "OutdatedBuildError" in place.endings[0]
    assert exchange.state == "shut"
    assert place.open_ids == set()
    await exchange.stop()
    await place.exchange()

    await reaches(symbol, "quoting")
    assert len(place.endings) == 1


async def test_a_unit_that_is_not_registered_ends_for_good(place: Place) -> None:
    await place.symbol()

    await until(lambda: len(place.endings) == 1)

    assert "not registered" in place.endings[0]
    assert await place.registry.symbol_epoch(UNIT) == 0


async def test_what_cannot_start_is_tried_again_under_a_new_epoch(place: Place) -> None:
    await place.register(config_text="{}")

    symbol = await place.symbol()

    for _ in range(300):
        if await place.registry.symbol_epoch(UNIT) >= 2:
            break
        await asyncio.sleep(0.02)
    assert await place.registry.symbol_epoch(UNIT) >= 2
    assert symbol.state == "starting"
    assert "CodecError" in str(symbol.snapshot()["idle_reason"])
    assert place.endings == []


async def test_the_exchange_process_cancels_for_a_unit_that_is_gone_and_spares_the_foreign(
    place: Place,
) -> None:
    await place.register()
    exchange = await place.exchange()
    symbol = await place.symbol()
    await until(lambda: len(place.open_ids) >= 3)
    foreign = place.venue.model.place(
        OrderRequest(
            account=ACCOUNT,
            symbol=UNIT.symbol,
            client_order_id=ClientOrderId("by-hand"),
            side=Side.BUY,
            price=Decimal(50_000),
            quantity=Decimal("0.01"),
            time_in_force=TimeInForce.GTC,
            reduce_only=False,
        ),
        UnixMs(0),
    )
    assert isinstance(foreign, Accepted)
    await symbol.stop()

    left = await exchange.cancel_orders(UNIT)

    assert left == ()
    assert place.open_ids == {"by-hand"}


async def test_one_process_at_a_time_holds_the_account(place: Place) -> None:
    first = await place.exchange()

    with pytest.raises(EndpointTakenError):
        await place.exchange()
    await first.stop()
    lease = await place.registry.account_lease(ACCOUNT)
    assert lease is not None
    second = await place.exchange()

    assert second.snapshot()["epoch"] == lease.epoch + 1


async def test_a_process_that_lost_the_account_shuts_and_ends(place: Place) -> None:
    exchange = await place.exchange()
    await until(lambda: exchange.state == "open")

    await place.registry.acquire_account(
        ACCOUNT, holder="other:1:1", now_ms=0, ttl_ms=1_000, take_over=True
    )

    await until(lambda: len(place.endings) == 1)
    assert exchange.state == "shut"
