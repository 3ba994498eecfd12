"""Starting and watching the processes of units and accounts (Ray actors, or tasks in tests)."""

from collections.abc import Mapping
from typing import Protocol

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, UnitId


class SpawnError(Exception):
    """The call failed or was not answered in time; whether it happened is not known."""


class SpawnPort(Protocol):
    """All calls are idempotent and end within seconds, at the latest with ``SpawnError``."""

    async def ensure_exchange(self, account: AccountName, *, epoch: int) -> None:
        """Start the exchange process of the account unless it is there.

        ``epoch`` is the newest one in the store: what comes after the next one is a restart.
        """

    async def ensure_unit(self, unit: UnitId, *, epoch: int) -> None:
        """Start the unit's process unless it is there; ``epoch`` as above."""

    async def stop_unit(self, unit: UnitId) -> None:
        """End the unit's process for good."""

    async def unit_snapshot(self, unit: UnitId) -> Mapping[str, object] | None:
        """Return the process's own status, or None when it does not answer.

        Always there: ``state`` (a ``UnitPhase``), ``revision`` of the row it acts on, ``epoch``,
        ``pid``, ``restarts``, ``held`` (directive that replaces the row's, or empty),
        ``open_orders``. Once
        known, decimals as strings: ``idle_reason``, ``position``, ``fills``, ``realized_pnl``,
        ``unrealized_pnl``, ``fees``, ``price``, ``price_age_ms``, ``capital``, ``memory_mb``.
        """

    async def unit_explanation(self, unit: UnitId) -> Mapping[str, object] | None:
        """Return the process's own answer to ``ControlPort.explain``, or None when it has none.

        Without ``target`` and ``state``.
        """

    async def adopt_unit(
        self, unit: UnitId, wish: Mapping[str, str | None], *, dry_run: bool
    ) -> Mapping[str, object]:
        """Have the process adopt; ``wish`` has the parameters of ``ControlPort.adopt`` as texts.

        Return its answer without ``target`` and ``state``, or ``{"refused": why}`` (the state does
        not allow it) or ``{"problem": why}`` (ask again later); nothing was changed then.
        """

    async def tell_unit(self, unit: UnitId, revision: int) -> None:
        """Ask the process to read its registry row again (at least up to ``revision``)."""

    async def hold_unit(self, unit: UnitId, directive: Directive) -> None:
        """Make the process follow ``directive`` instead of its row until it ends."""

    async def cancel_unit_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        """Have the exchange process cancel all orders of the unit; return those still open.

        For units that have no process. Raise ``SpawnError`` when the venue was not seen.
        """

    async def running_units(self) -> frozenset[UnitId]:
        """Return the units that have a process, however it feels."""

    async def exchange_snapshot(self, account: AccountName) -> Mapping[str, object] | None:
        """Return the exchange process's own status, or None when it does not answer.

        Keys: ``pid``, ``memory_mb``, ``restarts``.
        """

    async def stop_exchange(self, account: AccountName) -> None:
        """End the exchange process of the account for good."""
