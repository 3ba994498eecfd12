"""One live deployment on Ray, struck in every part with orders on their way, to its very end.

The tests share the deployment and follow each other: processes killed and frozen, the whole
cluster killed and started again, the orchestrator killed in the middle of a removal, a journal
destroyed, at last the control store. The venue's ledger and the journals judge.
"""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opensqt.core.registry import Desire
from opensqt.storage.control import open_control
from opensqt.storage.location import control_path, journal_paths
from tests.crash.test_bad_stores import overwrite
from tests.drills.cluster_kill import kill_all
from tests.drills.crossing import Crossing
from tests.drills.deployment import (
    ACCOUNT,
    Deployment,
    DrillError,
    Playing,
    deployment,
)
from tests.drills.judge import at_rest, doubles
from tests.drills.kill_drill import now_ms, seconds_until_order, until
from tests.drills.victims import SUPERVISOR, victims
from tests.e2e.ledger import ZERO, parse

pytestmark = [pytest.mark.crash, pytest.mark.ray, pytest.mark.timeout(400)]

BTC, ETH = SYMBOLS = ("BTCUSDT", "ETHUSDT")
PATIENCE_S = 120.0
FROZEN_S = 1.5
STRIKES = (
    ("symbol", signal.SIGSTOP),
    ("exchange", signal.SIGSTOP),
    ("connector", signal.SIGSTOP),
    ("orchestrator", signal.SIGSTOP),
    (SUPERVISOR, signal.SIGSTOP),
    ("symbol", signal.SIGKILL),
    ("exchange", signal.SIGKILL),
    ("connector", signal.SIGKILL),
    ("orchestrator", signal.SIGKILL),
    (SUPERVISOR, signal.SIGKILL),
)
PLACE = "POST /fapi/v1/order"
ON_ITS_WAY_MS = 400


@pytest.fixture(scope="module")
def trading() -> Iterator[Deployment]:
    with deployment() as running:
        running.start(SYMBOLS, Playing(files=(), speed="1"))
        yield running


@contextmanager
def orders_on_their_way(running: Deployment) -> Iterator[None]:
    """Have the market act all the time, and every order wait for its reply."""
    running.fault(kind="delay_reply", route=PLACE, delay_ms=ON_ITS_WAY_MS)
    with Crossing(running, SYMBOLS):
        for symbol in SYMBOLS:
            seconds_until_order(running, symbol, now_ms())
        yield
    running.clear_faults()


def trades_on(running: Deployment, moment: int) -> None:
    for symbol in SYMBOLS:
        seconds_until_order(running, symbol, moment)
    assert doubles(running, SYMBOLS) == []


def row_of(running: Deployment, symbol: str) -> dict[str, Any]:
    rows = running.status()["symbols"]
    return next((one for one in rows if one["symbol"] == f"{symbol}:perp"), {})


def strike(running: Deployment, kind: str, number: signal.Signals) -> None:
    struck = next(one for one in victims(running) if one.kind == kind)
    struck.strike(number)
    if number is signal.SIGSTOP:
        time.sleep(FROZEN_S)
        struck.strike(signal.SIGCONT)


def test_each_process_dies_and_freezes_with_orders_on_their_way(trading: Deployment) -> None:
    with orders_on_their_way(trading):
        for kind, number in STRIKES:
            moment = now_ms()
            strike(trading, kind, number)
            trades_on(trading, moment)
        trading.run("up", "--detach", "-c", str(trading.folder / "drill.yaml"))
    at_rest(trading, SYMBOLS)


def test_the_whole_cluster_dies_with_orders_on_their_way_and_returns(trading: Deployment) -> None:
    with orders_on_their_way(trading):
        moment = kill_all(trading)
        trading.run("up", "--detach", "-c", str(trading.folder / "drill.yaml"))
        trades_on(trading, moment)
    at_rest(trading, SYMBOLS)


def test_the_orchestrator_dies_in_the_middle_of_a_removal(trading: Deployment) -> None:
    trading.run("remove-symbol", ETH, "--mode", "flatten", "--no-wait")
    strike(trading, "orchestrator", signal.SIGKILL)
    assert asyncio.run(is_being_removed(trading, ETH)), "it was removed before it was struck"

    until(lambda: row_of(trading, ETH) == {}, within_s=PATIENCE_S, what="the removal")

    ledger = trading.ledger(ETH)
    assert ledger.open_orders == ()
    assert ledger.position == ZERO
    strike(trading, "orchestrator", signal.SIGKILL)
    until(lambda: is_added(trading, ETH), within_s=PATIENCE_S, what="adding it again")
    seconds_until_order(trading, ETH, now_ms() - 1)
    at_rest(trading, SYMBOLS)


async def is_being_removed(running: Deployment, symbol: str) -> bool:
    """Read the registry itself: whether a removal was begun and has not completed."""
    registry = open_control(running.data, writer="test", random_bytes=b"test")
    try:
        rows = await registry.units()
    finally:
        registry.close()
    (row,) = (one for one in rows if one.unit.symbol.startswith(symbol))
    return row.desire is Desire.REMOVED and not row.is_removed


def is_added(running: Deployment, symbol: str) -> bool:
    try:
        running.run("add-symbol", symbol)
    except DrillError:
        return False
    return True


def test_a_destroyed_journal_stops_its_symbol_alone(trading: Deployment) -> None:
    assert trading.ledger(ETH).open_orders
    file = next(one for one in journal_paths(trading.data) if ETH in one.parent.name)
    eth = int(row_of(trading, ETH)["pid"])
    overwrite(file)
    next(one for one in victims(trading) if one.process.pid == eth).strike(signal.SIGKILL)

    until(
        lambda: "file is not a database" in json.dumps(row_of(trading, ETH)),
        within_s=PATIENCE_S,
        what="the reason",
    )

    assert row_of(trading, ETH)["state"] in {"starting", "quarantined"}
    with Crossing(trading, [BTC]):
        seconds_until_order(trading, BTC, now_ms())
    assert row_of(trading, BTC)["state"] == "quoting"


def test_down_takes_the_orders_back_without_control_store(trading: Deployment) -> None:
    assert trading.ledger(BTC).open_orders
    overwrite(control_path(trading.data))
    # The next one cannot open the store.
    strike(trading, "orchestrator", signal.SIGKILL)

    answer = trading.told("down")

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "canceled through the connector, no order of ours left" in answer.stdout
    book = parse(trading.book_at_rest(), account=ACCOUNT, symbol=BTC)
    assert book.open_orders == ()
