"""The control store in memory, with the semantics of the real one."""

from opensqt.core.ids import AccountName, UnitId
from opensqt.core.registry import KillRow, UnitRecord
from opensqt.ports.registry import (
    AccountLease,
    LeaseHeldError,
    LeaseLostError,
    RegistryError,
    RevisionConflictError,
)


class MemoryRegistry:
    """Implements ``RegistryPort``; one instance stands for one store shared by all processes."""

    def __init__(self, *, deployment: str) -> None:
        self._deployment = deployment
        self._units: dict[UnitId, UnitRecord] = {}
        self._epochs: dict[UnitId, int] = {}
        self._leases: dict[AccountName, AccountLease] = {}
        self._kill = KillRow()

    async def deployment(self) -> str:
        return self._deployment

    async def units(self) -> tuple[UnitRecord, ...]:
        return tuple(self._units[unit] for unit in sorted(self._units))

    async def unit(self, unit: UnitId) -> UnitRecord | None:
        return self._units.get(unit)

    async def put_unit(self, record: UnitRecord, *, expected_revision: int) -> None:
        if record.revision != expected_revision + 1:
            raise RegistryError(
                f"expected revision {expected_revision + 1} of {record.unit.text}, "
                f"got {record.revision}"
            )
        stored = self._units.get(record.unit)
        revision = stored.revision if stored else 0
        if revision != expected_revision:
            raise RevisionConflictError(
                f"expected revision {expected_revision} of {record.unit.text}, found {revision}"
            )
        self._units[record.unit] = record

    async def next_symbol_epoch(self, unit: UnitId) -> int:
        epoch = self._epochs.get(unit, 0) + 1
        self._epochs[unit] = epoch
        return epoch

    async def symbol_epoch(self, unit: UnitId) -> int:
        return self._epochs.get(unit, 0)

    async def acquire_account(
        self, account: AccountName, *, holder: str, now_ms: int, ttl_ms: int, take_over: bool
    ) -> AccountLease:
        held = self._leases.get(account)
        if held is not None and not take_over and held.holder != holder:
            remaining_ms = held.expires_ms - now_ms
            if remaining_ms > 0:
                raise LeaseHeldError(
                    f"account {account} is held by {held.holder} for another {remaining_ms} ms"
                )
        lease = AccountLease(
            account=account,
            epoch=held.epoch + 1 if held else 1,
            holder=holder,
            expires_ms=now_ms + ttl_ms,
        )
        self._leases[account] = lease
        return lease

    async def renew_account(self, lease: AccountLease, *, now_ms: int, ttl_ms: int) -> AccountLease:
        held = self._leases.get(lease.account)
        if held is None or held.epoch != lease.epoch or held.holder != lease.holder:
            now_held = f"{held.holder} with epoch {held.epoch}" if held else "nobody"
            raise LeaseLostError(
                f"account {lease.account} is held by {now_held}, not with epoch {lease.epoch}"
            )
        renewed = AccountLease(
            account=lease.account,
            epoch=lease.epoch,
            holder=lease.holder,
            expires_ms=now_ms + ttl_ms,
        )
        self._leases[lease.account] = renewed
        return renewed

    async def account_lease(self, account: AccountName) -> AccountLease | None:
        return self._leases.get(account)

    async def kill_row(self) -> KillRow:
        return self._kill

    async def set_kill(self, row: KillRow, *, expected_epoch: int) -> None:
        if row.epoch <= expected_epoch:
            raise RegistryError(f"expected a kill epoch above {expected_epoch}, got {row.epoch}")
        if self._kill.epoch != expected_epoch:
            raise RevisionConflictError(
                f"expected kill epoch {expected_epoch}, found {self._kill.epoch}"
            )
        self._kill = row
