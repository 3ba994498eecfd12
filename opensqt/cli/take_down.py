"""Ending a deployment: orders first, then exactly the processes that were started."""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from opensqt.cli.children import ACTORS, RAY, forget_ports
from opensqt.cli.control import ANSWER_S, connected
from opensqt.cli.exits import Exit
from opensqt.cli.supervisor import read_children, stop_children, stop_marked
from opensqt.core.ids import AccountName
from opensqt.ports.clock import ClockPort
from opensqt.ports.control import Answer, ControlError
from opensqt.system.rundir import RunDir

ORDERS_WAIT_MS: Final = 20_000
GRACE_MS: Final = 5_000
RAY_GRACE_MS: Final = 1_500
"""Once trading has ended nothing in the cluster is worth waiting for."""
_CONNECTOR: Final = "connector-"
# What processes of a deployment write below its data directory.
_FOLDERS: Final = ("symbols", "hosts", "paper")
_LOG_FILES: Final = ("logs/*.log", "logs/*.log.1", "logs/*.out")
_FILES: Final = ("control.db*", "store", "down", ".down.*", *_LOG_FILES)

Say = Callable[[str], None]


async def take_down(run: RunDir, data: Path, *, orders: str, clock: ClockPort, say: Say) -> Exit:
    """End trading and every process of the deployment; desired state is kept.

    Our orders are canceled (or, with ``orders="keep"``, left); positions are kept and printed.
    """
    names = [*read_children(run)]
    answer = await _stand_down(run, orders=orders, say=say)
    # Nothing may place an order any more before anybody else cancels.
    await stop_children(run, [ACTORS, RAY], clock=clock, grace_ms=RAY_GRACE_MS)
    is_clean = orders == "keep"
    if answer is not None:
        is_clean = is_clean or bool(answer.get("orders_empty"))
        _print_answer(answer, orders=orders, say=say)
    if not is_clean:
        is_clean = await _cancel_without_orchestrator(data, names, clock=clock, say=say)
    await stop_children(run, names, clock=clock, grace_ms=GRACE_MS)
    left = await stop_marked(run, clock=clock, grace_ms=GRACE_MS)
    for process in left:
        say(f"process {process.pid} would not end")
    _clear(run)
    say("all processes have ended" if not left else f"{len(left)} processes are left")
    return Exit.OK if is_clean and not left else Exit.PARTLY


async def stand_down(run: RunDir, *, orders: str, say: Say) -> Exit:
    """End trading of a deployment that a Ray job has launched; its cluster is not ours to end."""
    try:
        async with asyncio.timeout(ANSWER_S), connected(run) as control:
            await control.list_symbols()
    except (ControlError, TimeoutError):
        say("nothing is running")
        return Exit.OK
    answer = await _stand_down(run, orders=orders, say=say)
    if answer is None:
        return Exit.PARTLY
    _print_answer(answer, orders=orders, say=say)
    say("trading has ended; the Ray cluster was not started by `up` and runs on")
    return Exit.OK if orders == "keep" or answer.get("orders_empty") else Exit.PARTLY


def purge(data: Path, run: RunDir | None, *, say: Say) -> None:
    """Delete what a paper deployment has stored in ``data``, and nothing else that lies there."""
    if not data.is_dir():
        say(f"{data} is no folder: nothing to delete")
        return
    has_traded = any(any(data.glob(pattern)) for pattern in ("control.db", "paper/*.lock"))
    for name in _FOLDERS if has_traded else ():
        shutil.rmtree(data / name, ignore_errors=True)
    for pattern in _FILES if has_traded else _LOG_FILES:
        for file in data.glob(pattern):
            file.unlink(missing_ok=True)
    for folder in (data / "logs", data):
        # Not empty: it holds what is not ours.
        with suppress(OSError):
            folder.rmdir()
    if data.exists():
        say(f"kept {data}: not everything in it is ours")
    else:
        say(f"deleted {data}")
    if run is not None:
        shutil.rmtree(run.path / "ray", ignore_errors=True)


async def _stand_down(run: RunDir, *, orders: str, say: Say) -> Answer | None:
    say("canceling our orders" if orders == "cancel" else "keeping our orders")
    try:
        async with asyncio.timeout(ORDERS_WAIT_MS / 1000 + 10), connected(run) as control:
            return await control.shutdown(orders=orders, wait_ms=ORDERS_WAIT_MS)
    except (ControlError, TimeoutError) as error:
        said = error.message if isinstance(error, ControlError) else "no answer in time"
        say(f"the orchestrator could not do it: {said}")
        return None


def _print_answer(answer: Answer, *, orders: str, say: Say) -> None:
    positions = answer.get("positions")
    listed = positions if isinstance(positions, list) else []
    for position in (one for one in listed if one["quantity"] != "0"):
        say(f"position kept: {position['account']}/{position['symbol']} {position['quantity']}")
    left = answer.get("open_orders")
    if answer.get("orders_empty"):
        say("no order of ours is left at the venue")
    elif orders == "cancel":
        names = ", ".join(map(str, left)) if isinstance(left, list) and left else "unknown"
        say(f"orders may be left at the venue: {names}")


async def _cancel_without_orchestrator(
    data: Path, names: list[str], *, clock: ClockPort, say: Say
) -> bool:
    from opensqt.bootstrap.last_cancel import LastCancelError, cancel_account, known_accounts
    from opensqt.bootstrap.runtime import remembered_runtime

    runtime = remembered_runtime(data, run_root=os.environ.get("XDG_RUNTIME_DIR", ""))
    served = (name.removeprefix(_CONNECTOR) for name in names if name.startswith(_CONNECTOR))
    accounts = [AccountName(name) for name in served]
    if runtime.connector_address:
        accounts = await known_accounts(runtime)
    if not accounts:
        say("no connector runs: our orders could not be canceled")
        return False
    is_clean = True
    for account in accounts:
        try:
            left = await cancel_account(account, runtime, clock=clock)
        except LastCancelError as error:
            say(f"{account}: our orders could not be canceled: {error}")
            is_clean = False
            continue
        is_clean = is_clean and not left.orders
        for position in left.positions:
            say(f"position kept: {account}/{position.symbol} {position.quantity}")
        said = f"{len(left.orders)} orders" if left.orders else "no order"
        say(f"{account}: canceled through the connector, {said} of ours left")
    return is_clean


def _clear(run: RunDir) -> None:
    for name in run.endpoints():
        run.set_endpoint(name, None)
    for pattern in ("*.address", "*.sock"):
        for stale in run.path.glob(pattern):
            stale.unlink(missing_ok=True)
    forget_ports(run)
