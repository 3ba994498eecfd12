"""What a scenario begins with: a unit, its configuration, a venue, and the processes at rest."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp

from opensqt.core import codec
from opensqt.core.facts import Directive
from opensqt.core.grid.config import GridConfig, IntervalUnit
from opensqt.core.ids import Symbol, UnitId, UnixMs
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.unit_config import UnitConfig
from opensqt.paper.config import PaperConfig
from opensqt.paper.server import running
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from tests.e2e.child import SETTLE_S
from tests.e2e.harness import ACCOUNT, BALANCE, Scenario
from tests.e2e.processes import ALL, Crash


def grid(
    *,
    price_interval: str = "2",
    price_interval_unit: IntervalUnit = IntervalUnit.QUOTE,
    buy_window_size: int = 3,
    sell_window_size: int = 3,
) -> GridConfig:
    """Return a worked example's grid: 30 quote units every 2, with small windows."""
    return GridConfig(
        price_interval=Decimal(price_interval),
        price_interval_unit=price_interval_unit,
        order_quantity=Decimal(30),
        buy_window_size=buy_window_size,
        sell_window_size=sell_window_size,
        retry_backoff_ms=200,
    )


def unit_config(wanted: GridConfig) -> UnitConfig:
    """Return a configuration whose proofs of absence take two seconds instead of thirty."""
    return UnitConfig(
        capital=BALANCE, grid=wanted, order_ttl_ms=600, horizon_ms=100, visibility_ms=200
    )


def running_row(unit: UnitId, config: UnitConfig) -> UnitRecord:
    """Return the registry row of a unit that shall run."""
    return UnitRecord(
        unit=unit,
        desire=Desire.RUNNING,
        directive=Directive.RUN,
        config_text=codec.encode(config),
        config_version=1,
        revision=1,
        updated_ms=UnixMs(0),
    )


@asynccontextmanager
async def scenario(
    folder: Path,
    *,
    wanted: GridConfig | None = None,
    symbol: str = "ETHUSDT",
    price: str = "3000.00",
    layout: Iterable[tuple[str, ...]] = (ALL,),
    begin: bool = True,
    crashes: Sequence[Crash] = (),
    patience_s: float = SETTLE_S,
    engine: str = "dbos",
    store: str = "",
    witness_store: str = "",
) -> AsyncIterator[Scenario]:
    """Start a venue and (``begin``) the trading side; yield once it is at rest.

    ``store`` is the address of the database the processes use, ``witness_store`` the one the test
    reads it by, where that is another way to the same.
    """
    unit = UnitId(account=ACCOUNT, symbol=Symbol(f"{symbol}:perp"))
    config = unit_config(wanted or grid())
    async with AsyncExitStack() as stack:
        venue = PaperConfig(data_dir=folder, is_scripted=True)
        endpoint, _ = await stack.enter_async_context(running(venue))
        control = await stack.enter_async_context(aiohttp.ClientSession())
        # Paths of unix sockets are short; pytest's folders are not.
        run_root = tempfile.mkdtemp(prefix="e2e", dir="/tmp")
        stack.callback(shutil.rmtree, run_root, ignore_errors=True)
        location = witness_store or store or folder
        registry = open_control(location, writer="test", random_bytes=b"e2e!", may_migrate=True)
        stack.callback(registry.close)
        journal = open_journal(location, unit, may_migrate=True)
        stack.callback(journal.close)
        row = running_row(unit, config)
        await registry.put_unit(row, expected_revision=0)
        made = Scenario(
            folder=folder,
            run_root=run_root,
            endpoint=endpoint,
            control=control,
            registry=registry,
            journal=journal,
            deployment=await registry.deployment(),
            unit=unit,
            config=config,
            row=row,
            engine=engine,
            store=store,
            patience_s=patience_s,
        )
        stack.push_async_callback(made.close)
        await made.jump(price)
        if begin:
            first, made.crashes = next(iter(crashes), None), [*crashes[1:]]
            for parts in layout:
                await made.start(*parts, crash=first)
            await made.settle(within_s=max(patience_s, 2 * SETTLE_S))
        yield made
        await made.audit()
