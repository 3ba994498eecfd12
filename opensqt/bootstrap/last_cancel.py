"""Taking back all orders of an account when orchestrator and exchange process are gone.

The account is taken over like by a new exchange process, so whatever wakes up late is refused by
the connector. Foreign and manual orders are never touched.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from opensqt.bootstrap.dialing import dial_connector
from opensqt.bootstrap.runtime import Runtime, fresh_bytes
from opensqt.core.codec import CodecError, decode
from opensqt.core.facts import ConfigApplied
from opensqt.core.ids import AccountName, ClientOrderId, UnitId
from opensqt.core.symbol import StateError
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.cancel_all import Sweep, arrives_until_ms
from opensqt.engine.gate import HORIZON_MS
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    CancelRequest,
    VenueOrder,
    VenuePort,
    VenuePosition,
    VenueUnavailableError,
)
from opensqt.ports.registry import LeaseHeldError, RegistryError
from opensqt.rpc.auth import SecurityError
from opensqt.storage.control import SqlControlStore, open_control
from opensqt.storage.database import DatabaseError
from opensqt.storage.location import Location
from opensqt.storage.reading import JournalReader, open_journals
from opensqt.storage.tags import tags_of_journals
from opensqt.system import process

LEASE_TTL_MS: Final = 10_000
LEASE_WAIT_MS: Final = LEASE_TTL_MS + 2_000
"""How long a lease is waited for whose holder cannot be proven dead."""
CANCEL_WAIT_MS: Final = 10_000
LOOK_MS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What the venue holds afterwards."""

    orders: tuple[ClientOrderId, ...]
    """Ours that are still open."""
    positions: tuple[VenuePosition, ...]
    """Of the registered symbols, without flat ones."""


class LastCancelError(Exception):
    """Nothing is known about our orders; the message says why."""


async def cancel_account(account: AccountName, runtime: Runtime, *, clock: ClockPort) -> Left:
    """Cancel every order of this deployment on the account; return what is left there.

    The control store is needed only to be fenced: where it is lost the journals tell what is ours,
    and positions are not known. Raise ``LastCancelError`` when somebody else holds the account, the
    venue was not seen, or nothing tells which orders are ours.
    """
    try:
        return await _cancel_as_holder(account, runtime, clock)
    except (LeaseHeldError, VenueUnavailableError) as error:
        raise LastCancelError(str(error)) from error
    except RegistryError as error:
        return await _cancel_without_store(account, runtime, clock, error)


async def known_accounts(runtime: Runtime) -> list[AccountName]:
    """Return the accounts of all registered symbols, or of the journals if their list is lost."""
    try:
        registry = await asyncio.to_thread(
            open_control, runtime.location, writer="last cancel", random_bytes=fresh_bytes()
        )
        return sorted({row.unit.account for row in await registry.units()})
    except RegistryError:
        return await asyncio.to_thread(_accounts_of_journals, runtime.location)


def _accounts_of_journals(location: Location) -> list[AccountName]:
    problems: list[str] = []
    try:
        with open_journals(location, refused=problems.append) as journals:
            return sorted({journal.unit.account for journal in journals})
    except DatabaseError:
        return []


@asynccontextmanager
async def _dialed(
    runtime: Runtime, account: AccountName, *, deployment: str = ""
) -> AsyncIterator[VenuePort]:
    try:
        venue = dial_connector(
            runtime, account, subscriber=f"last-cancel-{deployment}", deployment=deployment
        )
    except (SecurityError, OSError) as error:
        raise LastCancelError(str(error)) from error
    try:
        yield venue
    finally:
        await venue.close()


async def _cancel_as_holder(account: AccountName, runtime: Runtime, clock: ClockPort) -> Left:
    registry = await asyncio.to_thread(
        open_control,
        runtime.location,
        writer=f"last cancel {account}",
        random_bytes=fresh_bytes(),
    )
    epoch = await _take_over(registry, account, clock)
    kill = await registry.kill_row()
    rows = await registry.units()
    symbols = {row.unit.symbol for row in rows if row.unit.account == account}
    present = [row.unit for row in rows if row.unit.account == account and not row.is_removed]
    units = {unit for unit in present if await registry.claimed_epoch(unit)}
    deployment = await registry.deployment()
    async with _dialed(runtime, account, deployment=deployment) as venue:
        orders = await cancel_open(
            venue,
            deployment=deployment,
            epoch=epoch,
            kill_epoch=kill.epoch if kill.is_engaged else 0,
            arrives_until=partial(_arrives_until, runtime.location, account, clock, units),
            clock=clock,
        )
        positions = [await venue.position(symbol) for symbol in sorted(symbols)]
    return Left(orders=orders, positions=tuple(one for one in positions if one.quantity))


async def _cancel_without_store(
    account: AccountName, runtime: Runtime, clock: ClockPort, error: RegistryError
) -> Left:
    """Cancel what the journals call ours, under an epoch no lease ever had.

    The connector refuses everybody else from then on, which is why it must end next.
    """
    tags = await asyncio.to_thread(tags_of_journals, runtime.location)
    if not tags:
        raise LastCancelError(f"{error}; and no journal says which orders are ours") from error
    left: list[ClientOrderId] = []
    try:
        # By name, so that nobody else's connector heeds us; of several names one may be older.
        name = next(iter(tags)) if len(tags) == 1 else ""
        async with _dialed(runtime, account, deployment=name) as venue:
            for tag in sorted(tags):
                left += await cancel_open(
                    venue,
                    deployment=tag,
                    epoch=clock.now_ms(),
                    kill_epoch=0,
                    arrives_until=partial(_arrives_until, runtime.location, account, clock),
                    clock=clock,
                )
    except VenueUnavailableError as unavailable:
        raise LastCancelError(str(unavailable)) from unavailable
    return Left(orders=tuple(left), positions=())


async def _take_over(registry: SqlControlStore, account: AccountName, clock: ClockPort) -> int:
    give_up_ms = clock.monotonic_ms() + LEASE_WAIT_MS
    while True:
        held = await registry.account_lease(account)
        try:
            lease = await registry.acquire_account(
                account,
                holder=process.holder(),
                now_ms=clock.now_ms(),
                ttl_ms=LEASE_TTL_MS,
                take_over=held is not None and process.is_proven_dead(held.holder),
            )
        except RegistryError:
            if clock.monotonic_ms() >= give_up_ms:
                raise
            await clock.sleep_ms(LOOK_MS)
        else:
            return lease.epoch


async def _arrives_until(
    location: Location,
    account: AccountName,
    clock: ClockPort,
    units: AbstractSet[UnitId] = frozenset(),
) -> int:
    """Return until when an order of the account may still appear at the venue, wall time.

    ``units`` must have a journal. What no journal says may have been written a moment ago.
    """
    return await asyncio.to_thread(_read_arrivals, location, account, units, clock.now_ms())


def _read_arrivals(
    location: Location, account: AccountName, units: AbstractSet[UnitId], now_ms: int
) -> int:
    problems: list[str] = []
    until_ms = [0]
    try:
        with open_journals(location, refused=problems.append) as journals:
            ours = [one for one in journals if one.unit.account == account]
            until_ms += [_arrivals_of(journal) for journal in ours]
            problems += [unit.text for unit in units - {journal.unit for journal in ours}]
    except (DatabaseError, StateError) as error:
        problems.append(str(error))
    return max(*until_ms, now_ms + HORIZON_MS if problems else 0)


def _arrivals_of(journal: JournalReader) -> int:
    applied = journal.newest(ConfigApplied)
    horizon_ms = HORIZON_MS
    if isinstance(applied, ConfigApplied):
        with suppress(CodecError):
            horizon_ms = decode(applied.text, UnitConfig).horizon_ms
    return arrives_until_ms(journal.state(deployment=""), horizon_ms=horizon_ms)


async def cancel_open(
    venue: VenuePort,
    *,
    deployment: str,
    epoch: int,
    kill_epoch: int,
    arrives_until: Callable[[], Awaitable[int]],
    clock: ClockPort,
) -> tuple[ClientOrderId, ...]:
    """Cancel our orders under ``epoch``, as ``Sweep.run`` does for the whole account.

    ``arrives_until`` is asked once nothing new can be written any more: until which wall time an
    order that was written before may still appear.
    """
    await venue.fence(account_epoch=epoch, kill_epoch=kill_epoch)
    wait_ms = max(await arrives_until() - clock.now_ms(), 0)
    until_ms = clock.monotonic_ms() + wait_ms

    async def coming() -> str:
        # What is being written may still become an order, and so may what was.
        in_flight = await venue.fence(account_epoch=epoch, kill_epoch=kill_epoch)
        if in_flight:
            return f"still being written: {', '.join(in_flight)}"
        return "an order may still arrive" if clock.monotonic_ms() < until_ms else ""

    async def cancel(order: VenueOrder) -> object:
        return await venue.cancel(
            CancelRequest(
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                symbol_epoch=0,
                account_epoch=epoch,
            )
        )

    sweep = Sweep(
        venue=venue,
        clock=clock,
        deployment=deployment,
        symbol=None,
        wait_ms=CANCEL_WAIT_MS + wait_ms,
        coming=coming,
        cancel=cancel,
    )
    return await sweep.run()
