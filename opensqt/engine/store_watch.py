"""What a connector learns from the control store: who holds the account, and the kill switch.

An exchange process that was stopped and wakes up is refused by the process that signs, whatever it
believes itself.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from opensqt.core.ids import AccountName
from opensqt.engine.connector_guard import ConnectorGuard
from opensqt.ports.clock import ClockPort
from opensqt.ports.registry import RegistryError, RegistryPort
from opensqt.ports.telemetry import LogPort

OBSERVE_MS: Final = 500
CONFIRM_WITHIN_MS: Final = 2_000
"""Without a look at kill switch and lease for this long only orders that reduce risk pass."""


async def observe_forever(
    guard: ConnectorGuard,
    account: AccountName,
    *,
    opened: Callable[[], Awaitable[RegistryPort | None]],
    clock: ClockPort,
    log: LogPort,
) -> None:
    """Tell ``guard`` twice a second what the store says.

    ``opened`` returns the store, None while there is none yet; it is asked until there is one.
    """
    store: RegistryPort | None = None
    while True:
        try:
            store = store or await opened()
            if store is not None:
                await _observe(guard, account, store, clock)
        except RegistryError as error:
            # Opens are refused by the guard when this goes on.
            log.warning("connector.store_unavailable", error=str(error))
        await clock.sleep_ms(OBSERVE_MS)


async def _observe(
    guard: ConnectorGuard, account: AccountName, store: RegistryPort, clock: ClockPort
) -> None:
    asked_ms = clock.monotonic_ms()
    lease = await store.account_lease(account)
    kill = await store.kill_row()
    epoch = 0 if lease is None else lease.epoch
    guard.observe(account_epoch=epoch, kill=kill, asked_ms=asked_ms)
