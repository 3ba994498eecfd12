"""A deployment whose stores are on a database server, from its start to its end, struck meanwhile.

Everything is real: venue, connector, Ray, actors, PostgreSQL, decisions as durable workflows. The
venue's own ledger judges.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.drills.crossing import Crossing
from tests.drills.deployment import ACCOUNT, Deployment, Playing, deployment
from tests.drills.judge import at_rest
from tests.drills.kill_drill import kill, now_ms, seconds_until_order, until
from tests.e2e.ledger import ZERO, Ledger, parse
from tests.fakes.postgres import PostgresServer, started_server

pytestmark = [pytest.mark.ray, pytest.mark.pg, pytest.mark.crash, pytest.mark.timeout(600)]

BTC, ETH = SYMBOLS = ("BTCUSDT", "ETHUSDT")
PATIENCE_S = 120.0


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Return a server of our own, which crashes while it is used."""
    with started_server() as running:
        yield running


def test_the_whole_life_of_a_deployment_on_a_server(
    server: PostgresServer, database: str, tmp_path: Path
) -> None:
    with deployment(store=database) as running:
        running.start(SYMBOLS, Playing(files=(), speed="1"))
        with Crossing(running, SYMBOLS):
            trade_on(running, now_ms())
            trade_on(running, kill(running, f"{BTC}:perp"))

            server.stop()
            server.start()

            trade_on(running, now_ms())
            running.run("remove-symbol", ETH, "--mode", "flatten", "--timeout", "120")
            removed = running.ledger(ETH)
            assert (removed.open_orders, removed.position) == ((), ZERO)
            trade_on(running, now_ms(), [BTC])
        at_rest(running, SYMBOLS)
        assert running.ledger(ETH).orders == removed.orders
        explains_what_has_filled(running)
        backs_up(running, tmp_path / "b.tar")

        told = running.run("down")

        assert "no order of ours is left at the venue" in told
        assert not stored_in_files(running)
        assert running.processes() == frozenset()
        book = running.book_at_rest()
        for symbol in SYMBOLS:
            judged(parse(book, account=ACCOUNT, symbol=symbol))


def trade_on(running: Deployment, moment: int, symbols: Sequence[str] = SYMBOLS) -> None:
    """Wait until each symbol has decided an order since then, and traded."""
    for symbol in symbols:
        seconds_until_order(running, symbol, moment)
        fills_since(running, symbol, moment)


def fills_since(running: Deployment, symbol: str, moment: int) -> None:
    until(
        lambda: bool(running.ledger(symbol, since_ms=moment).fills),
        within_s=PATIENCE_S,
        what=f"a fill of {symbol}",
    )


def explains_what_has_filled(running: Deployment) -> None:
    order = next(one for one in running.ledger(BTC).orders if one.status == "FILLED")

    answer = json.loads(running.run("explain", order.client_order_id, "--json"))

    assert (answer["status"], answer["filled"]) == ("filled", f"{order.quantity.normalize():f}")
    assert answer["review"]["verdict"] == "approved"


def backs_up(running: Deployment, file: Path) -> None:
    answer = json.loads(running.run("backup", str(file), "--json"))

    assert answer["journals"] == len(SYMBOLS)
    assert answer["facts"] >= len(running.facts(BTC))
    assert answer["bytes"] == file.stat().st_size > 0


def judged(ledger: Ledger) -> None:
    assert ledger.problems() == []
    assert ledger.open_orders == ()
    assert ledger.fills


def stored_in_files(running: Deployment) -> list[Path]:
    """Return registries, journals and workflows below the data directory."""
    return [one for name in ("control.db", "symbols", "hosts") for one in running.data.glob(name)]
