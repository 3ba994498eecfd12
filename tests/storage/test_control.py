"""What the control store keeps beyond its port: the trail of who did what, and its own safety."""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from opensqt.core.ids import UnixMs
from opensqt.ports.registry import RegistryError
from opensqt.storage.control import AuditRow, SqlControlStore, open_control
from opensqt.storage.location import control_path
from tests.storage.contract import RANDOM, UNIT
from tests.storage.test_registry_contract import ACCOUNT, KILLED, RECORD


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlControlStore]:
    opened = open_control(tmp_path, writer="orchestrator", random_bytes=RANDOM)
    yield opened
    opened.close()


async def test_every_change_leaves_a_row_with_its_author(store: SqlControlStore) -> None:
    await store.put_unit(RECORD, expected_revision=0)
    await store.acquire_account(ACCOUNT, holder="h:1:1", now_ms=7, ttl_ms=9, take_over=False)
    await store.set_kill(KILLED, expected_epoch=0)
    refused = AuditRow(at_ms=UnixMs(11), who="eve", what="order.refused", subject=UNIT.text)
    await store.record_audit(refused)

    rows = await store.audit(count_max=10)

    assert rows[0] == refused
    assert [(row.at_ms, row.who, row.what, row.subject) for row in rows[1:]] == [
        (9, "ann", "kill.engaged", ""),
        (7, "orchestrator", "account.acquired", "paper"),
        (5, "orchestrator", "unit.changed", "paper/BTCUSDT:perp"),
    ]
    assert rows[2].details == "epoch 1 by h:1:1"
    assert await store.audit(count_max=1) == (refused,)


async def test_a_refused_change_leaves_no_row(store: SqlControlStore) -> None:
    await store.put_unit(RECORD, expected_revision=0)

    with pytest.raises(RegistryError):
        await store.put_unit(RECORD, expected_revision=0)

    assert len(await store.audit(count_max=10)) == 1


async def test_a_row_that_cannot_be_stored_is_refused(store: SqlControlStore) -> None:
    with pytest.raises(RegistryError, match=r"cannot store: UnitRecord\.updated_ms: expected an"):
        await store.put_unit(replace(RECORD, updated_ms="5"), expected_revision=0)  # type: ignore[arg-type]
    assert await store.units() == ()


async def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, store: SqlControlStore) -> None:
    await store.put_unit(RECORD, expected_revision=0)
    store._database.query("UPDATE units SET body = '{}'")

    with pytest.raises(RegistryError, match="the row of paper/BTCUSDT:perp cannot be read"):
        await store.units()


async def test_a_store_somebody_blocks_is_an_error_in_bounded_time(tmp_path: Path) -> None:
    store = open_control(tmp_path, writer="t", random_bytes=RANDOM)
    store._database.query("PRAGMA busy_timeout = 20")
    blocker = sqlite3.connect(control_path(tmp_path), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(RegistryError, match="database is locked"):
        await store.next_symbol_epoch(UNIT)
    assert await store.symbol_epoch(UNIT) == 0  # reading is never blocked

    blocker.execute("ROLLBACK")
    blocker.close()
    assert await store.next_symbol_epoch(UNIT) == 1
    store.close()


def _take_epochs(folder: str, count: int) -> list[int]:
    async def take() -> list[int]:
        store = open_control(Path(folder), writer="t", random_bytes=RANDOM)
        epochs = [await store.next_symbol_epoch(UNIT) for _ in range(count)]
        store.close()
        return epochs

    return asyncio.run(take())


def test_processes_never_get_the_same_epoch(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        taken = [*pool.map(_take_epochs, [str(tmp_path)] * 3, [20] * 3)]

    assert sorted(epoch for epochs in taken for epoch in epochs) == list(range(1, 61))
