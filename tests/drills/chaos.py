"""Kill a random process of a live deployment every few seconds, under a hostile venue; then judge.

``python -m tests.drills.chaos --minutes 5 --seed 1 --every 5``, or ``tests/drills/chaos.sh``. Two
symbols trade a market that crosses a level every half second, at a venue that drops a tenth of its
replies, delays others, lets orders land late, repeats and reorders its events and cuts its streams.
Symbol processes, exchange, connector, orchestrator, supervisor and, less often, Ray itself are
killed (SIGKILL), and sometimes frozen for a few seconds (SIGSTOP). Then the venue heals, the market
goes on until every symbol has traded again, and stops. In the end the venue's ledger and the
journals must tell one story: no id accepted or sent twice, no order outside a committed intent, no
level with two orders, every fill booked once, money and positions equal.

Ends by itself: every wait has a limit. Exit code 0 = correct, 1 = something is wrong, 2 = usage.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from opensqt.cli.children import RAY
from tests.drills.crossing import Crossing
from tests.drills.deployment import ROOT, Deployment, DrillError, Playing, deployment
from tests.drills.judge import doubles, verdict
from tests.drills.kill_drill import is_quoting, now_ms, seconds_until_order, until
from tests.drills.victims import SUPERVISOR, Victim, victims

SYMBOLS = ("BTCUSDT", "ETHUSDT")
WEIGHTS = {
    "symbol": 5.0,
    "exchange": 3.0,
    "connector": 3.0,
    "orchestrator": 2.0,
    SUPERVISOR: 1.0,
    RAY: 0.5,
}
FROZEN_SHARE = 0.2
"""How many of the strikes freeze instead of kill."""
FROZEN_S = (1.0, 8.0)
ORDERS = "/fapi/v1/order"
HOSTILE: tuple[dict[str, object], ...] = (
    {"kind": "drop_reply", "route": "/fapi/", "probability": 0.1},
    {"kind": "delay", "route": "/fapi/", "probability": 0.1, "delay_ms": 400},
    {"kind": "delay_reply", "route": f"POST {ORDERS}", "probability": 0.05, "delay_ms": 1_500},
    {"kind": "drop_request", "route": f"POST {ORDERS}", "probability": 0.03},
    {"kind": "land_late", "route": f"POST {ORDERS}", "probability": 0.03, "delay_ms": 2_000},
    {
        "kind": "error",
        "route": f"POST {ORDERS}",
        "probability": 0.03,
        "status": 502,
        "body": "<html>Bad Gateway</html>",
        "acts": True,
    },
    {"kind": "lag", "route": "GET", "probability": 0.1, "delay_ms": 1_500},
    {"kind": "duplicate", "route": "/private", "probability": 0.1},
    {"kind": "reorder", "route": "/private", "probability": 0.1, "delay_ms": 300},
)
DISCONNECT_SHARE = 0.3
"""How many strikes come with a cut of the venue's streams."""
RECOVERY_S_MAX = 240.0
QUIET_S_MAX = 120.0
_LOOK_S = 1.0


@dataclass(slots=True, kw_only=True)
class Report:
    """What a drill did and found."""

    seed: int
    strikes: dict[str, int] = field(default_factory=dict)
    recovery_s: float = 0.0
    """From the heal to the moment when every symbol had traded again."""
    orders: int = 0
    fills: int = 0
    dropped: int = 0
    problems: list[str] = field(default_factory=list)


class Chaos:
    """Strikes the processes of one deployment."""

    def __init__(self, running: Deployment, report: Report) -> None:
        """Draw from the report's seed."""
        self._running = running
        self._report = report
        self._rng = random.Random(report.seed)
        self._frozen: list[threading.Timer] = []
        self._up: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()

    def strike(self) -> None:
        """Kill or freeze one process, perhaps cut the streams, and have a supervisor again."""
        rng = self._rng
        found = victims(self._running)
        if not any(one.kind == "symbol" for one in found):
            # A cluster on its way up is left alone: struck all the time it would never trade.
            found = [one for one in found if one.kind == "connector"]
        kinds = sorted({one.kind for one in found})
        if kinds:
            kind = rng.choices(kinds, [WEIGHTS[one] for one in kinds])[0]
            self._hit(rng.choice([one for one in found if one.kind == kind]))
        if rng.random() < DISCONNECT_SHARE:
            self._running.fault(kind="disconnect")
            self._say("cut the streams")
        self.supervise()

    def _hit(self, victim: Victim) -> None:
        rng = self._rng
        if victim.kind not in (RAY, SUPERVISOR) and rng.random() < FROZEN_SHARE:
            seconds = rng.uniform(*FROZEN_S)
            victim.strike(signal.SIGSTOP)
            timer = threading.Timer(seconds, victim.strike, [signal.SIGCONT])
            self._frozen.append(timer)
            timer.start()
            self._say(f"SIGSTOP {victim.kind} {victim.process.pid} for {seconds:.1f} s")
            self._count(f"{victim.kind} frozen")
            return
        victim.strike(signal.SIGKILL)
        self._say(f"SIGKILL {victim.kind} {victim.process.pid}")
        self._count(f"{victim.kind} killed")

    def _count(self, what: str) -> None:
        self._report.strikes[what] = self._report.strikes.get(what, 0) + 1

    def supervise(self) -> None:
        """Do what systemd does: start a supervisor where there is none."""
        if self._up is not None and self._up.poll() is None:
            return
        supervisor = self._running.run_dir.processes().get(SUPERVISOR)
        if supervisor is not None and supervisor.is_alive:
            return
        config = str(self._running.folder / "drill.yaml")
        with (self._running.folder / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "opensqt.cli.main", "up", "--detach", "-c", config],
                cwd=ROOT,
                env=self._running.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._say("up --detach")

    def end(self) -> None:
        """Let everything run again."""
        for timer in self._frozen:
            timer.join()
        self.supervise()
        if self._up is not None:
            self._up.wait(RECOVERY_S_MAX)

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)


def rage(running: Deployment, report: Report, *, minutes: float, every_s: float) -> None:
    """Strike every so often for so long; look for doubled levels in between."""
    chaos = Chaos(running, report)
    for fault in HOSTILE:
        running.fault(**fault)
    ends = time.monotonic() + minutes * 60
    due = time.monotonic()
    while time.monotonic() < ends:
        chaos.strike()
        report.problems += doubles(running, SYMBOLS)
        due += every_s
        time.sleep(max(0.0, due - time.monotonic()))
    chaos.end()


def heal(running: Deployment, report: Report) -> None:
    """Lift the faults and wait until every symbol trades."""
    healed = time.monotonic()
    moment = now_ms()
    running.clear_faults()
    until(lambda: is_quoting(running), within_s=RECOVERY_S_MAX, what="quoting after the heal")
    for symbol in SYMBOLS:
        seconds_until_order(running, symbol, moment)
    report.recovery_s = time.monotonic() - healed


def rest(running: Deployment, report: Report) -> None:
    """Wait until journals and ledger agree; note what is still wrong when time is up."""
    give_up = time.monotonic() + QUIET_S_MAX
    problems = ["nothing was compared"]
    while problems and time.monotonic() < give_up:
        time.sleep(_LOOK_S)
        problems = verdict(running, SYMBOLS)
    report.problems += problems


def count(running: Deployment, report: Report) -> None:
    """Note how much was traded; too little proves nothing."""
    for symbol in SYMBOLS:
        ledger = running.ledger(symbol)
        report.orders += len(ledger.orders)
        report.fills += len(ledger.fills)
        report.dropped += sum(one.outcome.startswith("dropped") for one in ledger.requests)
        if not ledger.fills or not running.facts(symbol):
            report.problems.append(f"{symbol}: nothing was ever filled")


def drill(report: Report, *, minutes: float, every_s: float) -> None:
    """Run the whole drill."""
    with deployment() as running:
        seconds = running.start(SYMBOLS, Playing(files=(), speed="1"))
        print(f"trading after {seconds:.1f} s", flush=True)
        with Crossing(running, SYMBOLS):
            for symbol in SYMBOLS:
                seconds_until_order(running, symbol, now_ms())
            rage(running, report, minutes=minutes, every_s=every_s)
            heal(running, report)
        rest(running, report)
        count(running, report)
        if report.problems:
            running.keep()


def show(report: Report) -> None:
    """Print what was done and the verdict."""
    struck = ", ".join(f"{number} {what}" for what, number in sorted(report.strikes.items()))
    print(f"\n{sum(report.strikes.values())} strikes: {struck}")
    print(
        f"{report.orders} orders, {report.fills} fills, {report.dropped} requests or replies lost; "
        f"everything traded {report.recovery_s:.1f} s after the heal"
    )
    for problem in report.problems:
        print(f"WRONG {problem}")
    print(
        f"chaos, seed {report.seed}: {len(report.problems)} problems"
        if report.problems
        else f"chaos, seed {report.seed}: ledger = books, no client id twice, no order outside a "
        "committed intent"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill from the command line."""
    parser = argparse.ArgumentParser(prog="chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long processes are struck")
    parser.add_argument("--seed", type=int, default=1, help="decides who is struck and how")
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds between")
    parser.add_argument("--json", type=Path, help="write the report here")
    given = parser.parse_args(arguments)
    if given.minutes <= 0 or given.every <= 0:
        parser.error("--minutes and --every: expected more than 0")
    report = Report(seed=given.seed)
    try:
        drill(report, minutes=given.minutes, every_s=given.every)
    except DrillError as error:
        report.problems.append(str(error))
    show(report)
    if given.json is not None:
        given.json.write_text(json.dumps(asdict(report), indent=2), "utf-8")
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return int(bool(report.problems))


if __name__ == "__main__":
    sys.exit(main())
