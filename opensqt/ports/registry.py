"""The control store: registry rows, epochs and the kill switch. Few and rare writers."""

from dataclasses import dataclass
from typing import Protocol

from opensqt.core.ids import AccountName, UnitId
from opensqt.core.registry import KillRow, UnitRecord


class RegistryError(Exception):
    """The control store cannot be used; nothing was changed."""


class RevisionConflictError(RegistryError):
    """The row changed since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLease:
    """Who may write to a venue account."""

    account: AccountName
    epoch: int
    holder: str
    """``host:pid:start`` of the exchange process."""
    expires_ms: int
    """Wall clock of the store's host."""


class RegistryPort(Protocol):
    """Durable, atomic, shared by all processes of a deployment."""

    async def deployment(self) -> str:
        """Return the deployment's tag; minted once, when the store was created."""

    async def units(self) -> tuple[UnitRecord, ...]:
        """Return all rows, removed ones included."""

    async def unit(self, unit: UnitId) -> UnitRecord | None:
        """Return one row."""

    async def put_unit(self, record: UnitRecord, *, expected_revision: int) -> None:
        """Store a row if its revision is still the expected one (0 = must not exist).

        Raise ``RevisionConflictError`` otherwise. ``record.revision`` must be expected + 1.
        """

    async def next_symbol_epoch(self, unit: UnitId) -> int:
        """Take the unit over: raise its epoch by one, durably, and return it."""

    async def symbol_epoch(self, unit: UnitId) -> int:
        """Return the unit's newest epoch; 0 if none was ever taken."""

    async def acquire_account(
        self, account: AccountName, *, holder: str, now_ms: int, ttl_ms: int, take_over: bool
    ) -> AccountLease:
        """Take the account's lease with a higher epoch; raise ``LeaseHeldError`` if held.

        ``take_over`` skips the wait for expiry and is allowed only when the holder is proven dead.
        """

    async def renew_account(self, lease: AccountLease, *, now_ms: int, ttl_ms: int) -> AccountLease:
        """Extend the lease; raise ``LeaseLostError`` if another epoch holds it."""

    async def account_lease(self, account: AccountName) -> AccountLease | None:
        """Return the newest lease of the account."""

    async def kill_row(self) -> KillRow:
        """Return the kill switch."""

    async def set_kill(self, row: KillRow, *, expected_epoch: int) -> None:
        """Store the kill switch; raise ``RevisionConflictError`` when the epoch has moved."""


class LeaseHeldError(RegistryError):
    """Another process holds the account; the message names it."""


class LeaseLostError(RegistryError):
    """Another process took the account over; this one must not write to the venue any more."""
