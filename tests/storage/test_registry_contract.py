"""Every control store keeps the same promises: compare and set, epochs only rise."""

import asyncio
from dataclasses import replace

import pytest

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, UnixMs
from opensqt.core.registry import Desire, KillRow, UnitRecord
from opensqt.ports.registry import (
    AccountLease,
    LeaseHeldError,
    LeaseLostError,
    RegistryError,
    RevisionConflictError,
)
from tests.storage.contract import OTHER, UNIT, ClosableRegistry, RegistryBench

ACCOUNT = AccountName("paper")
RECORD = UnitRecord(
    unit=UNIT,
    desire=Desire.RUNNING,
    directive=Directive.RUN,
    config_text='{"t":"UnitConfig"}',
    config_version=1,
    revision=1,
    updated_ms=UnixMs(5),
    reason="asked",
)
KILLED = KillRow(epoch=1, is_engaged=True, operator="ann", reason="test", at_ms=UnixMs(9))


@pytest.fixture
def registry(registry_bench: RegistryBench) -> ClosableRegistry:
    return registry_bench.open()


async def acquire(
    registry: ClosableRegistry, holder: str, *, now_ms: int, take_over: bool = False
) -> AccountLease:
    return await registry.acquire_account(
        ACCOUNT, holder=holder, now_ms=now_ms, ttl_ms=10, take_over=take_over
    )


async def test_a_new_store_is_empty_and_has_a_tag(registry: ClosableRegistry) -> None:
    assert len(await registry.deployment()) == 3
    assert await registry.units() == ()
    assert await registry.unit(UNIT) is None
    assert await registry.symbol_epoch(UNIT) == 0
    assert await registry.account_lease(ACCOUNT) is None
    assert await registry.kill_row() == KillRow()


async def test_the_tag_is_minted_once(registry_bench: RegistryBench) -> None:
    first, second = registry_bench.open(), registry_bench.open()

    assert await first.deployment() == await second.deployment()


async def test_rows_are_seen_by_everyone_in_order(registry_bench: RegistryBench) -> None:
    writer, reader = registry_bench.open(), registry_bench.open()
    other = replace(RECORD, unit=OTHER)

    await writer.put_unit(other, expected_revision=0)
    await writer.put_unit(RECORD, expected_revision=0)

    assert await reader.units() == (RECORD, other)
    assert await reader.unit(UNIT) == RECORD


async def test_a_row_changes_only_from_the_revision_that_was_read(
    registry: ClosableRegistry,
) -> None:
    second = replace(RECORD, revision=2, desire=Desire.PAUSED)
    await registry.put_unit(RECORD, expected_revision=0)
    await registry.put_unit(second, expected_revision=1)

    for record, expected in ((RECORD, 0), (second, 1), (replace(RECORD, revision=4), 3)):
        with pytest.raises(RevisionConflictError, match="found 2"):
            await registry.put_unit(record, expected_revision=expected)

    assert await registry.unit(UNIT) == second


async def test_a_row_must_be_the_next_revision(registry: ClosableRegistry) -> None:
    with pytest.raises(RegistryError, match="expected revision 1 of paper/BTCUSDT:perp, got 2"):
        await registry.put_unit(replace(RECORD, revision=2), expected_revision=0)
    assert await registry.units() == ()


async def test_every_process_start_gets_an_epoch_of_its_own(registry_bench: RegistryBench) -> None:
    stores = [registry_bench.open() for _ in range(3)]

    taken = await asyncio.gather(
        *(store.next_symbol_epoch(UNIT) for store in stores for _ in range(4))
    )

    assert sorted(taken) == list(range(1, 13))
    assert await stores[0].symbol_epoch(UNIT) == 12
    assert await stores[0].symbol_epoch(OTHER) == 0


async def test_an_account_has_one_holder(registry: ClosableRegistry) -> None:
    first = await acquire(registry, "host:1:1", now_ms=100)

    with pytest.raises(LeaseHeldError, match="held by host:1:1 for another 1 ms"):
        await acquire(registry, "host:2:2", now_ms=109)

    assert first == AccountLease(account=ACCOUNT, epoch=1, holder="host:1:1", expires_ms=110)
    assert await registry.account_lease(ACCOUNT) == first


async def test_an_expired_lease_goes_to_the_next_with_a_higher_epoch(
    registry: ClosableRegistry,
) -> None:
    first = await acquire(registry, "host:1:1", now_ms=100)
    second = await acquire(registry, "host:2:2", now_ms=110)

    assert second.epoch == first.epoch + 1
    with pytest.raises(LeaseLostError, match="held by host:2:2 with epoch 2, not with epoch 1"):
        await registry.renew_account(first, now_ms=111, ttl_ms=10)
    assert await registry.account_lease(ACCOUNT) == second


async def test_a_dead_holder_is_taken_over_at_once(registry: ClosableRegistry) -> None:
    await acquire(registry, "host:1:1", now_ms=100)

    taken = await acquire(registry, "host:2:2", now_ms=101, take_over=True)

    assert (taken.epoch, taken.holder) == (2, "host:2:2")


async def test_the_same_process_may_ask_again_and_gets_a_new_epoch(
    registry: ClosableRegistry,
) -> None:
    await acquire(registry, "host:1:1", now_ms=100)

    assert (await acquire(registry, "host:1:1", now_ms=101)).epoch == 2


async def test_renewing_keeps_the_epoch_even_when_it_is_late(registry: ClosableRegistry) -> None:
    lease = await acquire(registry, "host:1:1", now_ms=100)

    renewed = await registry.renew_account(lease, now_ms=500, ttl_ms=10)

    assert renewed == replace(lease, expires_ms=510)
    assert await registry.account_lease(ACCOUNT) == renewed


async def test_what_nobody_holds_cannot_be_renewed(registry: ClosableRegistry) -> None:
    lease = AccountLease(account=ACCOUNT, epoch=1, holder="host:1:1", expires_ms=1)

    with pytest.raises(LeaseLostError, match="held by nobody"):
        await registry.renew_account(lease, now_ms=1, ttl_ms=10)


async def test_of_two_racing_processes_one_gets_the_account(registry_bench: RegistryBench) -> None:
    stores = [registry_bench.open() for _ in range(4)]

    results = await asyncio.gather(
        *(acquire(store, f"host:{n}:1", now_ms=100) for n, store in enumerate(stores)),
        return_exceptions=True,
    )

    assert [type(result) for result in results].count(AccountLease) == 1
    assert [type(result) for result in results].count(LeaseHeldError) == 3


async def test_the_kill_switch_survives_and_only_rises(registry_bench: RegistryBench) -> None:
    registry = registry_bench.open()
    await registry.set_kill(KILLED, expected_epoch=0)

    for row, expected in ((KILLED, 0), (replace(KILLED, epoch=3), 2)):
        with pytest.raises(RevisionConflictError, match="found 1"):
            await registry.set_kill(row, expected_epoch=expected)
    with pytest.raises(RegistryError, match="expected a kill epoch above 1, got 1"):
        await registry.set_kill(replace(KILLED, is_engaged=False), expected_epoch=1)

    assert await registry_bench.open().kill_row() == KILLED
    released = KillRow(epoch=2, operator="bob", reason="ok", at_ms=UnixMs(10))
    await registry.set_kill(released, expected_epoch=1)
    assert await registry_bench.open().kill_row() == released
