"""What the journals say of orders that may still appear when nobody is left to ask."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt.bootstrap.last_cancel import _read_arrivals
from opensqt.core import codec
from opensqt.core.facts import ConfigApplied, Evidence, Fact, OrderIntended, OrderReported
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import AccountName, Symbol, UnitId, UnixMs, client_order_id
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.gate import HORIZON_MS
from opensqt.storage.journal import open_journal
from opensqt.storage.location import journal_path

ACCOUNT = AccountName("paper")
UNIT = UnitId(account=ACCOUNT, symbol=Symbol("BTCUSDT:perp"))
NOW = 1_700_000_000_000
LATE_MS = 60_000
CONFIG = UnitConfig(
    capital=Decimal(10_000),
    grid=GridConfig(price_interval=Decimal(1), order_quantity=Decimal(20)),
    horizon_ms=LATE_MS,
)
APPLIED = ConfigApplied(version=1, text=codec.encode(CONFIG), at_ms=UnixMs(NOW))
INTENT = OrderIntended(
    client_order_id=client_order_id(
        deployment="abc", unit=UNIT, slot=0, side=Side.BUY, generation=1, attempt=0
    ),
    slot=0,
    side=Side.BUY,
    purpose=Purpose.OPEN,
    generation=1,
    attempt=0,
    price=Decimal(100),
    quantity=Decimal(2),
    time_in_force=TimeInForce.GTX,
    reduce_only=False,
    epoch=1,
    deadline_ms=UnixMs(NOW + 3_000),
    at_ms=UnixMs(NOW),
)


def ended(status: OrderStatus) -> OrderReported:
    return OrderReported(
        client_order_id=INTENT.client_order_id,
        status=status,
        evidence=Evidence.REPLY,
        at_ms=UnixMs(NOW),
    )


async def write(folder: Path, *facts: Fact, unit: UnitId = UNIT) -> None:
    journal = open_journal(folder, unit, may_migrate=True)
    await journal.claim(1)
    if facts:
        await journal.commit(facts, epoch=1, expected_sequence=0)
    journal.close()


@pytest.mark.parametrize(
    ("facts", "until_ms"),
    [
        ((), 0),
        ((APPLIED, INTENT), NOW + 3_000 + LATE_MS),
        ((APPLIED, INTENT, ended(OrderStatus.UNKNOWN)), NOW + 3_000 + LATE_MS),
        ((APPLIED, INTENT, ended(OrderStatus.WORKING)), NOW + 3_000 + LATE_MS),
        ((APPLIED, INTENT, ended(OrderStatus.REJECTED)), 0),
        ((INTENT,), NOW + 3_000 + HORIZON_MS),
    ],
)
async def test_an_order_that_has_not_ended_may_appear_until_its_horizon(
    tmp_path: Path, facts: tuple[Fact, ...], until_ms: int
) -> None:
    await write(tmp_path, *facts)

    assert _read_arrivals(tmp_path, ACCOUNT, {UNIT}, NOW) == until_ms


async def test_a_journal_that_is_lost_or_broken_may_have_held_anything(tmp_path: Path) -> None:
    await write(tmp_path)
    other = replace(UNIT, symbol=Symbol("ETHUSDT:perp"))

    assert _read_arrivals(tmp_path, ACCOUNT, {UNIT, other}, NOW) == NOW + HORIZON_MS
    journal_path(tmp_path, UNIT).write_bytes(b"garbage")
    assert _read_arrivals(tmp_path, ACCOUNT, {UNIT}, NOW) == NOW + HORIZON_MS


async def test_other_accounts_keep_nobody_waiting(tmp_path: Path) -> None:
    other = replace(UNIT, account=AccountName("other"))
    await write(tmp_path, APPLIED, INTENT, unit=other)

    assert _read_arrivals(tmp_path, ACCOUNT, frozenset(), NOW) == 0
