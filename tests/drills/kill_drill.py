"""Kill every kind of process of a live deployment, one after another, and count the seconds.

``python -m tests.drills.kill_drill --repeats 5``. Two symbols trade a 0.02 % grid on recorded
frames at a venue that drops a tenth of its replies. A symbol process, the exchange process, the
orchestrator and the connector are killed with SIGKILL, again and again. Recovery is the time from
the kill to the first order the venue accepts that was decided after the kill (and, for the
orchestrator, accepted after a new one answers). It includes the wait for a price that makes the
grid act, which is short only with ``--market crossing``: a level every half second. In the end both
symbols are removed with ``--mode flatten``, and the venue's ledger alone must show that nothing was
lost or done twice.

Ends by itself: every wait has a limit. Exit code 0 = correct (with ``--strict`` also fast enough),
1 = something is wrong, 2 = usage.
"""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.drills.crossing import Crossing
from tests.drills.deployment import (
    ACCOUNT,
    BALANCE,
    ROOT,
    Deployment,
    DrillError,
    Playing,
    deployment,
)
from tests.e2e.ledger import ZERO, earned

SYMBOLS = ("BTCUSDT", "ETHUSDT")
DATA = ROOT.parent / "shared" / "data"
RECORDINGS = tuple(DATA / f"usdm_{symbol.lower()}_20240808.gz" for symbol in SYMBOLS)
BUDGET_S = {"symbol": 6.0, "exchange": 8.0, "orchestrator": 15.0, "connector": 8.0}
RECOVERY_S_MAX = 60.0
QUIET_S = 5.0
_LOOK_S = 0.05
_BETWEEN_S = 3.0
_TOLERANCE = Decimal("0.00001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One kill."""

    what: str
    seconds: float
    """From SIGKILL to the first accepted order that was decided after it."""
    others_s: float
    """The same for whoever was not killed and must not notice."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a drill found."""

    started_s: float = 0.0
    recoveries: list[Recovery] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    dropped: int = 0
    problems: list[str] = field(default_factory=list)

    def of(self, what: str) -> list[float]:
        return [one.seconds for one in self.recoveries if one.what == what]

    @property
    def slow(self) -> list[str]:
        """Return the kinds whose 95th percentile is over budget."""
        return [what for what, limit in BUDGET_S.items() if percentile(self.of(what), 95) > limit]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that ``share`` percent of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share / 100) - 1] if ordered else 0.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def until(look: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Wait until something holds; raise ``DrillError`` when it does not."""
    give_up = time.monotonic() + within_s
    while not look():
        if time.monotonic() >= give_up:
            raise DrillError(f"{what}: not within {within_s:g} s")
        time.sleep(_LOOK_S)


def first_decided_after(running: Deployment, symbol: str, kill_ms: int) -> int | None:
    """Return when the venue accepted the first order a unit decided after a moment."""
    ledger = running.ledger(symbol, since_ms=kill_ms)
    if not ledger.orders:
        return None
    intents = running.intents(symbol, since_ms=kill_ms)
    times = [one.created_ms for one in ledger.orders if one.client_order_id in intents]
    return min(times, default=None)


def seconds_until_order(running: Deployment, symbol: str, kill_ms: int) -> float:
    """Return after how many seconds a unit's first order decided since then was accepted."""
    found: list[int] = []

    def look() -> bool:
        accepted_ms = first_decided_after(running, symbol, kill_ms)
        if accepted_ms is not None:
            found.append(accepted_ms)
        return bool(found)

    until(look, within_s=RECOVERY_S_MAX, what=f"an order of {symbol}")
    return (found[0] - kill_ms) / 1_000


def kill(running: Deployment, name: str) -> int:
    """End a process without warning; return the moment."""
    pid = running.pid(name)
    moment = now_ms()
    os.kill(pid, signal.SIGKILL)
    return moment


def kill_symbol(running: Deployment, number: int) -> Recovery:
    killed, other = SYMBOLS[number % 2], SYMBOLS[(number + 1) % 2]
    moment = kill(running, f"{killed}:perp")
    return Recovery(
        what="symbol",
        seconds=seconds_until_order(running, killed, moment),
        others_s=seconds_until_order(running, other, moment),
    )


def kill_shared(running: Deployment, what: str, name: str) -> Recovery:
    """Kill a process that all symbols need; the slowest of them counts."""
    moment = kill(running, name)
    waits = [seconds_until_order(running, symbol, moment) for symbol in SYMBOLS]
    return Recovery(what=what, seconds=max(waits), others_s=0.0)


def kill_orchestrator(running: Deployment) -> Recovery:
    """Kill the orchestrator: trading goes on, and a new one answers."""
    killed = running.pid("orchestrator")
    moment = now_ms()
    os.kill(killed, signal.SIGKILL)
    others = [seconds_until_order(running, symbol, moment) for symbol in SYMBOLS]

    def is_back() -> bool:
        try:
            return running.pid("orchestrator") != killed
        except DrillError:
            return False

    until(is_back, within_s=RECOVERY_S_MAX, what="a new orchestrator")
    back_ms = now_ms()
    after_s = min(seconds_until_order(running, symbol, back_ms) for symbol in SYMBOLS)
    seconds = (back_ms - moment) / 1_000 + after_s
    return Recovery(what="orchestrator", seconds=seconds, others_s=max(others))


def is_quoting(running: Deployment) -> bool:
    try:
        states = {one["symbol"]: one["state"] for one in running.status()["symbols"]}
    except DrillError:
        return False
    return all(states.get(f"{symbol}:perp") == "quoting" for symbol in SYMBOLS)


def kill_one(running: Deployment, what: str, number: int) -> Recovery:
    """Kill one process of a kind."""
    if what == "symbol":
        return kill_symbol(running, number)
    if what == "orchestrator":
        return kill_orchestrator(running)
    return kill_shared(running, what, f"{what}-{ACCOUNT}")


def kill_everything(running: Deployment, repeats: int, report: Report) -> None:
    """Kill each kind of process ``repeats`` times."""
    for number in range(repeats):
        for what in BUDGET_S:
            recovery = kill_one(running, what, number)
            report.recoveries.append(recovery)
            print(
                f"{number + 1:>3}/{repeats} {recovery.what:<13} {recovery.seconds:6.2f} s"
                f"   others {recovery.others_s:5.2f} s",
                flush=True,
            )
            until(lambda: is_quoting(running), within_s=RECOVERY_S_MAX, what="quoting again")
            time.sleep(_BETWEEN_S)


def remove_everything(running: Deployment, report: Report) -> None:
    """Remove each symbol with its position; note what the ledger says afterwards."""
    ends: dict[str, int] = {}
    for symbol in SYMBOLS:
        running.run("remove-symbol", symbol, "--mode", "flatten")
        ends[symbol] = now_ms()
    time.sleep(QUIET_S)
    total = ZERO
    for symbol, end_ms in ends.items():
        ledger = running.ledger(symbol)
        total += earned(ledger.fills)
        report.orders += len(ledger.orders)
        report.fills += len(ledger.fills)
        report.dropped += sum(one.outcome == "dropped_reply" for one in ledger.requests)
        late = [one.client_order_id for one in ledger.orders if one.created_ms > end_ms]
        found = ledger.problems()
        found += [f"{name} was accepted after the removal" for name in late]
        found += [f"{one.client_order_id} is still open" for one in ledger.open_orders]
        if ledger.position != ZERO:
            found.append(f"the position is {ledger.position} after flatten")
        if not ledger.fills:
            found.append("nothing was ever filled")
        report.problems += [f"{symbol}: {one}" for one in found]
    held = running.wallet()
    if abs(held - Decimal(BALANCE) - total) > _TOLERANCE:
        report.problems.append(f"the wallet holds {held}, the fills leave {BALANCE} + {total}")


def drill(repeats: int, playing: Playing, *, dropped: float) -> Report:
    """Run the whole drill; without recordings the market crosses a level every half second."""
    report = Report()
    with deployment() as running:
        report.started_s = running.start(SYMBOLS, playing)
        print(f"trading after {report.started_s:.1f} s", flush=True)
        running.fault(kind="drop_reply", route="/fapi/", probability=dropped)
        with nullcontext() if playing.files else Crossing(running, SYMBOLS):
            for symbol in SYMBOLS:
                seconds_until_order(running, symbol, now_ms())
            kill_everything(running, repeats, report)
        remove_everything(running, report)
    return report


def show(report: Report) -> None:
    """Print the table."""
    print(f"\n{'killed':<13} {'n':>3} {'p50':>7} {'p95':>7} {'max':>7} {'budget':>7}")
    for what, limit in BUDGET_S.items():
        times = report.of(what)
        print(
            f"{what:<13} {len(times):>3} {percentile(times, 50):>7.2f} "
            f"{percentile(times, 95):>7.2f} {max(times, default=0.0):>7.2f} {limit:>7.1f}"
            f"{'   over' if what in report.slow else ''}"
        )
    print(f"{report.orders} orders, {report.fills} fills, {report.dropped} replies dropped")
    for problem in report.problems:
        print(f"WRONG {problem}")
    print("the ledger balances" if not report.problems else "the ledger does not balance")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill from the command line."""
    parser = argparse.ArgumentParser(prog="kill_drill", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="kills of each kind")
    parser.add_argument("--market", choices=("replay", "crossing"), default="replay")
    parser.add_argument("--replay", type=Path, nargs="*", default=RECORDINGS, metavar="FILE")
    parser.add_argument("--speed", default="2", help="recorded seconds per second")
    parser.add_argument("--dropped", type=float, default=0.1, help="share of replies dropped")
    parser.add_argument("--strict", action="store_true", help="fail when over budget")
    parser.add_argument("--json", type=Path, help="write the report here")
    given = parser.parse_args(arguments)
    files = tuple(given.replay) if given.market == "replay" else ()
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        print(f"kill_drill: expected recordings, missing {missing}", file=sys.stderr)
        return 2
    playing = Playing(files=files, speed=given.speed)
    try:
        report = drill(given.repeats, playing, dropped=given.dropped)
    except DrillError as error:
        print(f"kill_drill: {error}", file=sys.stderr)
        return 1
    show(report)
    if given.json is not None:
        given.json.write_text(json.dumps(asdict(report), indent=2), "utf-8")
    return int(bool(report.problems) or (given.strict and bool(report.slow)))


if __name__ == "__main__":
    sys.exit(main())
