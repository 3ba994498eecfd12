"""A deployment from its start to its end, with everything real: venue, connector, Ray, actors."""

import signal

import pytest

from opensqt.cli.processes import send
from opensqt.cli.supervisor import read_children
from tests.drills.deployment import ACCOUNT, Deployment, deployment
from tests.drills.kill_drill import until
from tests.e2e.ledger import ZERO, parse

pytestmark = [pytest.mark.ray, pytest.mark.crash, pytest.mark.timeout(400)]

PATIENCE_S = 60.0


def is_quoting(running: Deployment, *symbols: str) -> bool:
    states = {entry["symbol"]: entry["state"] for entry in running.status()["symbols"]}
    return all(states.get(f"{symbol}:perp") == "quoting" for symbol in symbols)


def test_the_whole_life_of_a_deployment() -> None:
    with deployment() as running:
        running.up()
        run = running.run_dir
        assert is_quoting(running, "BTCUSDT", "ETHUSDT", "SOLUSDT")
        assert running.told("up", "--detach").returncode == 5

        # The supervisor dies, trading goes on, the next one adopts what runs.
        before = {name: state.process for name, state in read_children(run).items() if state.pid}
        send(run.processes()["supervisor"], signal.SIGKILL)
        running.up()
        after = {name: state.process for name, state in read_children(run).items() if state.pid}
        assert after == before
        assert is_quoting(running, "BTCUSDT", "ETHUSDT", "SOLUSDT")

        running.run("add-symbol", "XRPUSDT")
        running.run("remove-symbol", "BTCUSDT", "--mode", "flatten", "--timeout", "60")
        removed = running.ledger("BTCUSDT")
        assert removed.orders
        assert (removed.open_orders, removed.position) == ((), ZERO)
        until(
            lambda: is_quoting(running, "XRPUSDT", "ETHUSDT"),
            within_s=PATIENCE_S,
            what="quoting what was added and what stays",
        )
        assert running.ledger("ETHUSDT").open_orders
        assert running.ledger("BTCUSDT").orders == removed.orders

        told = running.run("down")

        assert "no order of ours is left at the venue" in told
        assert running.processes() == frozenset()
        assert run.live_processes() == {}
        book = running.book_at_rest()
        traded = {row["symbol"] for row in book["orders"]}
        assert len(traded) == 4
        for symbol in traded:
            assert parse(book, account=ACCOUNT, symbol=symbol).open_orders == ()
