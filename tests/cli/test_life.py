"""A deployment from its start to its end, with everything real: venue, connector, Ray, actors."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from opensqt.cli.processes import family, mark_of, process_table, send
from opensqt.cli.supervisor import read_children, stop_children
from opensqt.system.clock import SystemClock
from opensqt.system.rundir import RunDir

pytestmark = [pytest.mark.ray, pytest.mark.crash, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    run = RunDir(tmp_path / "data", os.environ)
    supervisor = run.processes().get("supervisor")
    if supervisor is not None:
        send(supervisor, signal.SIGKILL)
    asyncio.run(stop_children(run, [*read_children(run)], clock=CLOCK, grace_ms=0))
    shutil.rmtree(run.path)


def call(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "opensqt.cli.main", *arguments],
        check=False,
        cwd=ROOT,
        env={**os.environ, "OPENSQT_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        timeout=250,
    )


def opensqt(data: Path, *arguments: str) -> str:
    answer = call(data, *arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def status(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(opensqt(data, "status", "--json"))
    return found


def ledger(base: str) -> dict[str, list[dict[str, Any]]]:
    with urllib.request.urlopen(f"{base}/paper/v1/ledger", timeout=10) as answer:
        found: dict[str, list[dict[str, Any]]] = json.load(answer)
    return found


def eventually(holds: Callable[[], bool], *, within_ms: int) -> None:
    async def wait() -> None:
        limit = CLOCK.monotonic_ms() + within_ms
        while not holds():
            assert CLOCK.monotonic_ms() < limit, "it did not happen in time"
            await CLOCK.sleep_ms(500)

    asyncio.run(wait())


def is_quoting(data: Path, *symbols: str) -> bool:
    states = {entry["symbol"]: entry["state"] for entry in status(data)["symbols"]}
    return all(states.get(f"{symbol}:perp") == "quoting" for symbol in symbols)


def test_the_whole_life_of_a_deployment(data: Path) -> None:
    opensqt(data, "up", "--detach")
    run = RunDir(data, os.environ)
    assert is_quoting(data, "BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert call(data, "up", "--detach").returncode == 5

    # The supervisor dies, trading goes on, the next one adopts what runs.
    before = {name: state.process for name, state in read_children(run).items() if state.pid}
    send(run.processes()["supervisor"], signal.SIGKILL)
    opensqt(data, "up", "--detach")
    after = {name: state.process for name, state in read_children(run).items() if state.pid}
    assert after == before
    assert is_quoting(data, "BTCUSDT", "ETHUSDT", "SOLUSDT")

    opensqt(data, "add-symbol", "XRPUSDT")
    opensqt(data, "remove-symbol", "BTCUSDT", "--mode", "flatten", "--timeout", "60")
    base = status(data)["endpoints"]["paper_control"]
    removed = ledger(base)
    assert open_orders(removed, "BTCUSDT") == []
    assert positions(removed).get("BTCUSDT", Decimal(0)) == 0
    eventually(lambda: is_quoting(data, "XRPUSDT", "ETHUSDT"), within_ms=60_000)
    assert open_orders(ledger(base), "ETHUSDT")
    accepted = [row for row in removed["orders"] if row["symbol"] == "BTCUSDT"]
    assert accepted
    assert [row for row in ledger(base)["orders"] if row["symbol"] == "BTCUSDT"] == accepted

    told = opensqt(data, "down")

    assert "no order of ours is left at the venue" in told
    assert family(process_table(), mark=mark_of(run.path), leaders=[]) == frozenset()
    assert run.live_processes() == {}
    assert left_at_the_venue(data) == []


def left_at_the_venue(data: Path) -> list[dict[str, Any]]:
    """Return the orders that still rest in the venue's durable book."""
    venue = subprocess.Popen(
        [sys.executable, "-m", "opensqt.cli.main", "serve", "paper-venue"],
        cwd=ROOT,
        env={**os.environ, "OPENSQT_DATA_DIR": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert venue.stdout is not None
    ready = venue.stdout.readline()
    found = ledger(ready.split()[-1].removesuffix("/paper/v1"))
    venue.terminate()
    venue.wait(20)
    venue.stdout.close()
    return open_orders(found, "")


def open_orders(found: dict[str, list[dict[str, Any]]], symbol: str) -> list[dict[str, Any]]:
    return [
        row
        for row in found["orders"]
        if row["status"] in {"NEW", "PARTIALLY_FILLED"} and symbol in row["symbol"]
    ]


def positions(found: dict[str, list[dict[str, Any]]]) -> dict[str, Decimal]:
    return {row["symbol"]: Decimal(row["quantity"]) for row in found["positions"]}
