"""Kill a whole cluster at once, start it again, and count the seconds until everything trades.

``python -m tests.drills.cluster_kill --symbols 10``. Every process of a live deployment but the
venue is killed with SIGKILL in one go: Ray with all its actors, connector, supervisor. Then
``opensqt up`` is run again, as an operator or systemd would. The figure is the time from the kill
to the moment when each symbol has had an order accepted that was decided after it, while the market
crosses a level every half second. In the end the venue's ledger must balance.

Exit code 0 = correct (with ``--strict`` also fast enough), 1 = something is wrong.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from opensqt.cli.processes import send
from opensqt.market.instruments import INSTRUMENTS
from tests.drills.crossing import Crossing
from tests.drills.deployment import Deployment, DrillError, Playing, deployment
from tests.drills.kill_drill import QUIET_S, first_decided_after, now_ms

BUDGET_S = 45.0
WAIT_S = 240.0
STEADY_S = 10.0
INTERVAL = "0.05"
"""Percent; at least a tick of every symbol."""


def kill_all(running: Deployment) -> int:
    """Kill every process but the venue; return the moment."""
    venue = running.pid("paper-venue")
    ours = running.processes(spared=[venue])
    moment = now_ms()
    for one in ours:
        send(one, signal.SIGKILL)
    print(f"killed {len(ours)} processes", flush=True)
    return moment


def seconds_until_all_trade(running: Deployment, symbols: Sequence[str], kill_ms: int) -> float:
    """Return after how many seconds every symbol has had a new order accepted."""
    waiting, latest = set(symbols), 0
    give_up = time.monotonic() + WAIT_S
    while waiting:
        for symbol in sorted(waiting):
            accepted_ms = first_decided_after(running, symbol, kill_ms)
            if accepted_ms is not None:
                latest = max(latest, accepted_ms)
                waiting.discard(symbol)
        if waiting and time.monotonic() >= give_up:
            raise DrillError(f"no order of {sorted(waiting)} within {WAIT_S:g} s")
        time.sleep(0.2)
    return (latest - kill_ms) / 1_000


def drill(symbols: Sequence[str]) -> tuple[float, list[str]]:
    """Return the seconds, and what the ledger says against the books."""
    with deployment() as running:
        started = running.start(symbols, Playing(files=(), speed="1"), interval=INTERVAL)
        print(f"{len(symbols)} symbols trade after {started:.1f} s", flush=True)
        with Crossing(running, symbols, interval=INTERVAL):
            seconds_until_all_trade(running, symbols, now_ms())
            time.sleep(STEADY_S)
            moment = kill_all(running)
            running.run("up", "--detach", "-c", str(running.folder / "drill.yaml"))
            seconds = seconds_until_all_trade(running, symbols, moment)
        problems = []
        for symbol in symbols:
            running.run("pause", symbol)
        time.sleep(QUIET_S)
        held = {one["symbol"]: one["position"] for one in running.status()["symbols"]}
        for symbol in symbols:
            ledger = running.ledger(symbol)
            found = ledger.problems()
            if str(ledger.position.normalize()) != held[f"{symbol}:perp"]:
                book = held[f"{symbol}:perp"]
                found.append(f"the venue holds {ledger.position}, the book {book}")
            problems += [f"{symbol}: {one}" for one in found]
    return seconds, problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill from the command line."""
    known = [symbol.removesuffix(":perp") for symbol in INSTRUMENTS]
    parser = argparse.ArgumentParser(
        prog="cluster_kill", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--symbols", type=int, default=10, choices=range(1, len(known) + 1))
    parser.add_argument("--strict", action="store_true", help="fail when over budget")
    given = parser.parse_args(arguments)
    try:
        seconds, problems = drill(known[: given.symbols])
    except DrillError as error:
        print(f"cluster_kill: {error}", file=sys.stderr)
        return 1
    for problem in problems:
        print(f"WRONG {problem}")
    print(
        f"{given.symbols} symbols trade {seconds:.1f} s after the whole cluster was killed"
        f" (budget {BUDGET_S:g} s, load {os.getloadavg()[0]:.1f});"
        f" the ledger {'does not balance' if problems else 'balances'}"
    )
    return int(bool(problems) or (given.strict and seconds > BUDGET_S))


if __name__ == "__main__":
    sys.exit(main())
