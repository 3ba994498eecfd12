"""Stores that cannot be trusted or written: one clear line, no order leaves, cancels still work."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import pytest

from opensqt.bootstrap.last_cancel import LastCancelError, cancel_account
from opensqt.bootstrap.runtime import Runtime
from opensqt.core.facts import Directive
from opensqt.core.ids import UnixMs
from opensqt.ports.registry import RegistryError
from opensqt.storage.control import AuditRow, SqlControlStore
from opensqt.storage.journal import JOURNAL
from opensqt.storage.location import control_path, journal_path
from opensqt.system.clock import SystemClock
from tests.crash.test_boundaries import APART, PATIENCE_S
from tests.crash.together import together
from tests.e2e.child import LOOK_S
from tests.e2e.harness import ACCOUNT, Scenario
from tests.e2e.processes import EXCHANGE, SYMBOL
from tests.e2e.setting import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.crash]

GARBAGE = b"not a database at all. " * 500
# The gate shuts two seconds after the last look at the control store, which comes twice a second.
_SHUT_S = 3.0


def logs_of(file: Path) -> tuple[Path, Path]:
    """Return the files that belong to a database file in use."""
    return file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")


def fill_with_garbage(file: Path) -> str:
    overwrite(file)
    return "file is not a database"


def overwrite(file: Path) -> None:
    for log in logs_of(file):
        log.unlink(missing_ok=True)
    file.write_bytes(GARBAGE)


def break_pages(registry: SqlControlStore, file: Path) -> None:
    """Damage every page but the first, in place, while processes use the file."""
    registry._database.query("PRAGMA wal_checkpoint(TRUNCATE)")
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xa5" * (size - 4096))


def empty(file: Path) -> str:
    for log in logs_of(file):
        log.unlink(missing_ok=True)
    file.write_bytes(b"")
    return f"{file} is empty although epoch 1 of paper/ETHUSDT:perp wrote to it; restore it"


def delete(file: Path) -> str:
    for one in (file, *logs_of(file)):
        one.unlink(missing_ok=True)
    return (
        f"the journal of paper/ETHUSDT:perp is missing in {file.parents[2]} although epoch 1 wrote "
        "to it; restore it"
    )


def make_newer(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
        database.commit()
    return (
        f"{file} was written by a newer build: schema 99, this one knows {JOURNAL.version}; "
        "upgrade this build"
    )


def go_back(file: Path) -> str:
    """Put a copy there that was made before the last process wrote."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE fence SET epoch = 0")
        database.execute("DELETE FROM facts")
        database.execute("DELETE FROM orders")
        database.execute("DELETE FROM trades")
        database.commit()
    return (
        f"{file} is an older copy: it ends with epoch 0, epoch 1 of paper/ETHUSDT:perp wrote to "
        "it; restore the newest one"
    )


def make_folder(file: Path) -> str:
    for one in (file, *logs_of(file)):
        one.unlink(missing_ok=True)
    file.mkdir()
    return f"cannot use {file}: unable to open database file"


DAMAGES: dict[str, Callable[[Path], str]] = {
    one.__name__: one
    for one in (fill_with_garbage, empty, delete, make_newer, go_back, make_folder)
}


async def problem_of(flow: Scenario) -> str:
    """Wait until the symbol process says why it cannot start."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said = (await flow.children[SYMBOL].ask("snapshot"))["symbol"]
            if said["idle_reason"]:
                assert said["state"] == "starting"
                return str(said["idle_reason"])
            await asyncio.sleep(LOOK_S)


async def sent(flow: Scenario) -> int:
    return sum(one.is_order for one in (await flow.ledger()).requests)


@asynccontextmanager
async def stopped(folder: Path) -> AsyncIterator[Scenario]:
    """Start a scenario and kill its symbol process: its orders rest at the venue."""
    async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
        await flow.kill(SYMBOL)
        flow.journal.close()
        yield flow


async def takes_its_orders_back(flow: Scenario) -> None:
    assert (await flow.ledger()).open_orders
    assert await flow.children[EXCHANGE].ask("cancel_orders") == []
    assert (await flow.ledger()).open_orders == ()


async def test_a_journal_that_cannot_be_trusted_stops_its_unit(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        async with stopped(folder) as flow:
            before = await sent(flow)
            expected = DAMAGES[name](journal_path(folder, flow.unit))
            await flow.start(SYMBOL)
            await flow.jump("2997.50", settle=False)

            problem = await problem_of(flow)

            assert expected in problem
            assert "\n" not in problem
            assert await sent(flow) == before
            await takes_its_orders_back(flow)

    await together(tmp_path, DAMAGES, play)


async def test_a_copy_that_knows_the_last_process_is_taken(tmp_path: Path) -> None:
    async with stopped(tmp_path) as flow:
        file = journal_path(tmp_path, flow.unit)
        with (
            closing(sqlite3.connect(file)) as source,
            closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
        ):
            source.backup(copy)
        delete(file)
        shutil.copy(tmp_path / "copy.db", file)

        await flow.start(SYMBOL)

        async with asyncio.timeout(PATIENCE_S):
            while not (await flow.children[SYMBOL].ask("snapshot"))["is_ready"]:
                await asyncio.sleep(LOOK_S)


async def test_a_control_store_that_breaks_shuts_the_gate_to_orders(tmp_path: Path) -> None:
    async with scenario(tmp_path, layout=APART, patience_s=PATIENCE_S) as flow:
        break_pages(flow.registry, control_path(tmp_path))
        # Others look at the pages anew once somebody has tried to write.
        with suppress(RegistryError):
            row = AuditRow(at_ms=UnixMs(1), who="t", what="t", subject="")
            await flow.registry.record_audit(row)
        await asyncio.sleep(_SHUT_S)
        before = await sent(flow)

        await flow.jump("2997.50", settle=False)
        await asyncio.sleep(1.0)

        assert await sent(flow) == before
        said = (await flow.children[EXCHANGE].ask("snapshot"))["exchange"]
        assert said["state"] == "shut"
        await takes_its_orders_back(flow)


async def test_the_last_cancel_needs_no_control_store(tmp_path: Path) -> None:
    damages: dict[str, Callable[[Path], object]] = {
        one.__name__: one for one in (overwrite, delete, make_newer)
    }

    async def play(folder: Path, name: str) -> None:
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
            for part in (SYMBOL, EXCHANGE):
                await flow.kill(part)
            flow.registry.close()
            damages[name](control_path(folder))
            runtime = Runtime(data_dir=str(folder), run_root=flow.run_root)

            left = await cancel_account(ACCOUNT, runtime, clock=SystemClock())

            assert left.orders == ()
            assert (await flow.ledger()).open_orders == ()

    await together(tmp_path, damages, play)


async def test_the_last_cancel_takes_no_account_from_a_living_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensqt.bootstrap.last_cancel.LEASE_WAIT_MS", 500)
    async with scenario(tmp_path, layout=APART, patience_s=PATIENCE_S) as flow:
        runtime = Runtime(data_dir=str(tmp_path), run_root=flow.run_root)

        with pytest.raises(LastCancelError, match="is held by"):
            await cancel_account(ACCOUNT, runtime, clock=SystemClock())

        assert len((await flow.ledger()).open_orders) == 3


# --------------------------------------------------------------------------------- disks, as root
@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount a small disk on a folder; skip where that is not possible."""
    if os.getuid() != 0:
        pytest.skip("needs root: a disk of its own cannot be mounted")
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs mount: {tried.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def forbid_writing(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk of a folder to the last byte; return the file to delete."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass  # full: what is wanted
    return filler


async def test_a_full_disk_stops_orders_and_no_cancel(tmp_path: Path) -> None:
    with mounted(tmp_path / "symbols", "-o", "size=1m"):
        async with scenario(tmp_path, layout=APART, patience_s=PATIENCE_S) as flow:
            filler = fill(tmp_path / "symbols")
            before = await sent(flow)
            await flow.jump("2997.50", settle=False)
            await asyncio.sleep(1.5)
            assert await sent(flow) == before

            await flow.direct(Directive.CANCEL, settle=False)
            async with asyncio.timeout(PATIENCE_S):
                while (await flow.ledger()).open_orders:
                    await asyncio.sleep(LOOK_S)
            filler.unlink()

            await flow.direct(Directive.RUN, settle=False)
            await flow.expect(position="0.01", sells=("3000",), state="quoting")


async def test_a_read_only_disk_starts_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "symbols"):
        async with stopped(tmp_path) as flow:
            forbid_writing(tmp_path / "symbols")
            before = await sent(flow)
            await flow.start(SYMBOL)
            await flow.jump("2997.50", settle=False)

            problem = await problem_of(flow)

            assert "journal.db" in problem
            assert "read" in problem.lower()
            assert "\n" not in problem
            assert await sent(flow) == before
            await takes_its_orders_back(flow)
