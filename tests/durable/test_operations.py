"""Additions and removals whose orchestrator's process is killed, on a real store of workflows."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from opensqt.core.ids import AccountName, Symbol, UnitId
from opensqt.storage.control import open_control

BTC = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
PROCESS = "tests.durable.orchestrator_process"
PATIENCE_S = 120


def ask(folder: Path, what: str, moment: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", PROCESS, str(folder), what, str(moment)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def records(folder: Path) -> dict[str, tuple[str, str]]:
    """Return state and answer of every workflow of the orchestrator, by its id."""
    file = folder / "hosts" / "orchestrator" / "dbos.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        rows = store.execute(
            "SELECT s.workflow_uuid, s.status, o.output FROM workflow_status s"
            " LEFT JOIN workflow_output o USING (workflow_uuid)"
        ).fetchall()
    return {name: (status, answer) for name, status, answer in rows}


@pytest.mark.crash
@pytest.mark.parametrize(
    ("what", "moment"), [("add", 6), ("drain", 8), ("cancel", 14), ("flatten", 20)]
)
def test_an_operation_whose_orchestrator_is_killed_is_completed_and_recorded_once(
    what: str, moment: int, tmp_path: Path
) -> None:
    killed = ask(tmp_path, what, moment)
    seen_through = ask(tmp_path, what, 0)

    assert killed.returncode == -9, killed.stdout + killed.stderr
    verb, revision = ("add_symbol", 1) if what == "add" else ("remove_symbol", 2)
    name = f"{verb}:{BTC.path}:{revision}"
    assert seen_through.stdout == f"{name} done\n", seen_through.stderr
    assert set(records(tmp_path).values()) == {("SUCCESS", '"done"')}
    registry = open_control(tmp_path, writer="test", random_bytes=b"12345678")
    row = asyncio.run(registry.unit(BTC))
    registry.close()
    assert row is not None
    assert row.is_removed == (what != "add")
