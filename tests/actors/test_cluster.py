"""The actors on a real cluster: control through Ray, kill -9 of each process, launching again.

The tests run in order on one deployment; each leaves two symbols trading.
"""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from opensqt.system.process import private_bytes
from tests.actors.cluster import Cluster, StuckError, kill, until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
BTC, ETH, SOL = "BTCUSDT:perp", "ETHUSDT:perp", "SOLUSDT:perp"
# Recovery budgets on two idle cores, seconds from SIGKILL to the next accepted order. The tests
# allow twice as much, because the machine that runs them is rarely idle.
SYMBOL_S, EXCHANGE_S, ORCHESTRATOR_S = 6.0, 8.0, 15.0
SLACK = 2.0


def is_in(cluster: Cluster, symbol: str, state: str) -> bool:
    return bool(cluster.symbol(symbol)["state"] == state)


def test_the_launcher_is_idempotent(trading: Cluster) -> None:
    pids = [trading.pid(name) for name in ("orchestrator", "exchange-paper")]

    answer = trading.run("--config", str(trading.config))

    assert answer.returncode == 0, answer.stderr
    assert "runs already" in answer.stdout
    assert [trading.pid(name) for name in ("orchestrator", "exchange-paper")] == pids


def test_a_submitted_job_finds_what_runs_and_leaves_it_running(trading: Cluster) -> None:
    pids = [trading.pid(name) for name in ("orchestrator", "paper-BTCUSDT-perp-grid")]

    answer = trading.submit("python", "-m", "actors", "--config", str(trading.config))

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "runs already" in answer.stdout
    assert [trading.pid(name) for name in ("orchestrator", "paper-BTCUSDT-perp-grid")] == pids


def test_the_dashboard_shows_names_classes_and_units(trading: Cluster) -> None:
    with urllib.request.urlopen(f"{trading.dashboard}/logical/actors", timeout=10) as reply:
        actors = json.load(reply)["data"]["actors"].values()

    shown = {one["name"]: (one["actorClass"], one["reprName"]) for one in actors}
    assert shown["orchestrator"][0] == "Orchestrator"
    assert shown["exchange-paper"][0] == "Exchange"
    kind, words = shown["paper-BTCUSDT-perp-grid"]
    assert kind == "SymbolManager"
    assert words.startswith("SymbolManager(paper-BTCUSDT-perp-grid ")


def test_status_names_every_process(trading: Cluster) -> None:
    status = trading.call("status")

    names = {one["name"] for one in status["processes"]}
    assert names == {
        "orchestrator",
        "exchange-paper",
        "paper-BTCUSDT-perp-grid",
        "paper-ETHUSDT-perp-grid",
    }
    assert {one["state"] for one in status["symbols"]} == {"quoting"}
    assert status["endpoints"]["control"].startswith("unix:")
    for one in status["symbols"]:
        assert Path(f"/proc/{one['pid']}/cmdline").read_text().startswith("ray::SymbolManager")


def test_a_symbol_process_is_small(trading: Cluster) -> None:
    size = private_bytes(trading.symbol(BTC)["pid"])

    assert size is not None
    assert size <= 130_000_000  # with durable workflows; 95 MB without


def test_a_symbol_is_added_once_and_removed_without_a_trace(trading: Cluster) -> None:
    first = trading.call("add_symbol", SOL)
    again = trading.call("add_symbol", SOL)
    trading.trades_again(SOL, after_ms=0)
    removed = trading.call("remove_symbol", SOL, "flatten")

    assert (first["ok"], first["created"]) == (True, True)
    assert (again["ok"], again["created"]) == (True, False)
    assert (removed["ok"], removed["done"], removed["position"]) == (True, True, "0")
    assert trading.open_orders(SOL) == set()
    assert SOL not in {one["symbol"] for one in trading.call("status")["symbols"]}
    count = len(trading.accepted(SOL))
    with pytest.raises(StuckError):
        until(lambda: len(trading.accepted(SOL)) > count or None, patience_s=3)


def test_what_is_refused_is_an_answer(trading: Cluster) -> None:
    conflict = trading.call("add_symbol", BTC, {"order_quantity": "100"})
    absent = trading.call("pause", "DOGEUSDT")
    wrong = trading.call("add_symbol", BTC, {"order_quantty": "100"})

    assert [one["ok"] for one in (conflict, absent, wrong)] == [False] * 3
    assert [one["code"] for one in (conflict, absent, wrong)] == [
        "conflict",
        "not_found",
        "invalid",
    ]
    assert "order_quantity" in wrong["message"]


def test_a_symbol_explains_itself_and_has_nothing_to_adopt(trading: Cluster) -> None:
    told = trading.call("explain", BTC)
    shown = until(lambda: _adopted(trading, BTC))
    refused = trading.call("adopt", BTC, "ann", " ")

    reasons = {level["reason"] for level in told["levels"]}
    assert "working" in reasons
    assert told["target"] == "paper/BTCUSDT:perp"
    assert (shown["adopted"], shown["steps"], shown["difference"]) == (False, [], "0")
    assert (refused["ok"], refused["code"]) == (False, "invalid")


def _adopted(cluster: Cluster, symbol: str) -> dict[str, Any] | None:
    """Ask for an adoption; a trade on its way is waited for."""
    answer = cluster.call("adopt", symbol, "ann", "drill")
    return answer if answer["ok"] else None


def test_pause_cancels_and_resume_quotes_again(trading: Cluster) -> None:
    trading.call("pause", ETH)
    until(lambda: is_in(trading, ETH, "paused") or None)
    assert trading.open_orders(ETH) == set()

    trading.call("resume", ETH)

    until(lambda: is_in(trading, ETH, "quoting") or None)
    until(lambda: trading.open_orders(ETH) or None)


def test_a_killed_symbol_trades_again_and_the_other_never_notices(trading: Cluster) -> None:
    other = trading.symbol(ETH)["pid"]

    killed_ms = kill(trading.symbol(BTC)["pid"])

    outage_s = trading.trades_again(BTC, after_ms=killed_ms)
    assert outage_s < SYMBOL_S * SLACK
    assert trading.trades_again(ETH, after_ms=killed_ms) < outage_s
    until(lambda: trading.symbol(BTC)["restarts"] == 1 or None)
    assert trading.symbol(ETH)["pid"] == other


def test_a_killed_exchange_process_comes_back_and_its_symbols_trade(trading: Cluster) -> None:
    symbols = [trading.symbol(name)["pid"] for name in (BTC, ETH)]

    killed_ms = kill(trading.pid("exchange-paper"))

    assert trading.trades_again(BTC, after_ms=killed_ms + 50) < EXCHANGE_S * SLACK
    assert trading.trades_again(ETH, after_ms=killed_ms + 50) < EXCHANGE_S * SLACK
    assert [trading.symbol(name)["pid"] for name in (BTC, ETH)] == symbols


def test_symbols_trade_on_while_the_orchestrator_is_dead(trading: Cluster) -> None:
    symbols = [trading.symbol(name)["pid"] for name in (BTC, ETH)]

    killed_ms = kill(trading.pid("orchestrator"))

    assert trading.trades_again(BTC, after_ms=killed_ms) < SYMBOL_S
    added = until(lambda: _added(trading, SOL), patience_s=ORCHESTRATOR_S * SLACK)
    assert added["ok"]
    assert trading.trades_again(SOL, after_ms=killed_ms) < ORCHESTRATOR_S * SLACK
    assert [trading.symbol(name)["pid"] for name in (BTC, ETH)] == symbols
    assert trading.call("remove_symbol", SOL, "cancel")["done"]


def _added(cluster: Cluster, symbol: str) -> dict[str, object] | None:
    answer = cluster.call("add_symbol", symbol, timeout_s=5)
    return answer if answer["ok"] else None


def test_ctl_asks_the_same_orchestrator(trading: Cluster) -> None:
    listed = trading.run("ctl", "list")
    refused = trading.run("ctl", "pause", "DOGEUSDT")
    told = trading.run("ctl", "explain", ETH)
    shown = trading.run("ctl", "adopt", ETH, "--operator=ann", "--reason= ", "--dry-run")

    assert listed.returncode == 0
    targets = [one["target"] for one in json.loads(listed.stdout)["symbols"]]
    assert targets == ["paper/BTCUSDT:perp", "paper/ETHUSDT:perp"]
    assert refused.returncode == 5
    assert json.loads(told.stdout)["levels"]
    assert shown.returncode == 2


def test_a_wrong_configuration_is_refused_before_anything_happens(trading: Cluster) -> None:
    wrong = trading.folder / "wrong.yaml"
    wrong.write_text(trading.config.read_text("utf-8").replace("grid_mode", "gridmode"), "utf-8")

    answer = trading.run("--config", str(wrong))

    assert answer.returncode == 2
    assert "grid_mode" in answer.stderr


def test_no_client_order_id_was_ever_accepted_twice(trading: Cluster) -> None:
    ids = [one.client_order_id for name in (BTC, ETH, SOL) for one in trading.accepted(name)]

    assert len(ids) > 20
    assert len(set(ids)) == len(ids)


def test_shutdown_leaves_no_order_and_launching_again_brings_everything_back(
    trading: Cluster,
) -> None:
    answer = trading.call("shutdown")

    assert (answer["ok"], answer["orders_empty"], answer["open_orders"]) == (True, True, [])
    assert {one["symbol"] for one in answer["positions"]} == {BTC, ETH}
    assert trading.open_orders(BTC) | trading.open_orders(ETH) == set()
    kill(trading.pid("orchestrator"))
    count = len(trading.accepted(BTC))
    with pytest.raises(StuckError):
        until(lambda: len(trading.accepted(BTC)) > count or None, patience_s=6)

    launched = trading.run("--config", str(trading.config))

    assert launched.returncode == 0, launched.stderr
    until(lambda: len(trading.accepted(BTC)) > count or None)
