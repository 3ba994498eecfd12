"""A whole deployment under measurement: started by `opensqt up`, read from the venue's ledger.

What counts is what the venue booked: an order is *accepted* when it stands in the ledger, and it
was *decided* when its intent was committed to the unit's journal. Both stamps are wall time of this
machine.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count, cycle, pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from opensqt.cli import control, view
from opensqt.cli.place import existing_run
from opensqt.ports.control import Answer, ControlError
from opensqt.system import process
from opensqt.system.rundir import RunDir

CHECKOUT: Final = Path(__file__).parents[2]
PAPER_CONFIG: Final = CHECKOUT / "configs" / "paper.yaml"
CROSS_EVERY_S: Final = 0.5
LOOK_S: Final = 0.05
GIVE_UP_S: Final = 120.0
_LEVELS_CROSSED: Final = 5
_RAY_STARTED: Final = "Ray runtime started."
_WORKER: Final = b"ray::"

Order: TypeAlias = dict[str, Any]
T = TypeVar("T")


class MeasureError(Exception):
    """What should be measured did not happen."""


def now_ms() -> int:
    """Return wall time."""
    return time.time_ns() // 1_000_000


def wait_for(look: Callable[[], T | None], what: str, *, within_s: float = GIVE_UP_S) -> T:
    """Return the first answer that is not None; raise ``MeasureError`` when none comes."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(LOOK_S)
    raise MeasureError(f"{what} did not happen within {within_s:g} s")


def p95(values: Sequence[float]) -> float:
    """Return the value that 95 of 100 do not exceed: the largest one of fewer than twenty.

    >>> p95([3.0, 1.0, 2.0]), p95([float(n) for n in range(1, 21)])
    (3.0, 19.0)
    """
    ranked = sorted(values)
    return ranked[-(-95 * len(ranked) // 100) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One process killed."""

    name: str
    millis: int
    """From SIGKILL to the acceptance of an order that was decided later, in the slowest unit."""
    gap_ms: int = 0
    """Longest time without an accepted order in the units that had nothing to do with it."""


class Deployment:
    """A running deployment on a data directory of its own."""

    def __init__(self, data_dir: Path, *, config: Path = PAPER_CONFIG) -> None:
        """Start nothing yet."""
        self.data_dir = data_dir
        self._config = config
        self._run: RunDir | None = None
        self._paper = ""

    # -- life

    def up(self, *arguments: str) -> float:
        """Start it and wait until it quotes; return the seconds that took."""
        begun = time.monotonic()
        self._opensqt("up", "--detach", "-c", str(self._config), *arguments)
        took = time.monotonic() - begun
        self._paper = self.run.endpoints()["paper_control"]
        return took

    def down(self) -> None:
        """End everything `up` started."""
        self._opensqt("down")

    def _opensqt(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "opensqt.cli.main", command, *arguments),
                *("--data-dir", str(self.data_dir)),
            ],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise MeasureError(f"opensqt {command}: {done.stdout[-1_000:]}{done.stderr[-1_000:]}")

    @property
    def run(self) -> RunDir:
        """Return its run directory."""
        if self._run is None:
            self._run = existing_run(self.data_dir)
        if self._run is None:
            raise MeasureError(f"{self.data_dir} has no run directory")
        return self._run

    # -- what it says of itself

    def status(self) -> Answer:
        """Return what `status --json` prints, as soon as there is an orchestrator to say it."""

        def told() -> Answer | None:
            with suppress(ControlError):
                return view.status(self.run)
            return None

        return wait_for(told, "an answer of the orchestrator")

    def symbols(self) -> list[str]:
        """Return the venue's names of the units that shall quote."""
        told = self.status()["symbols"]
        assert isinstance(told, list)
        return [str(unit["symbol"]).partition(":")[0] for unit in told]

    def state(self, symbol: str) -> str:
        """Return the phase of a unit (``BTCUSDT``)."""
        told = self.status()["symbols"]
        assert isinstance(told, list)
        return next(str(one["state"]) for one in told if one["symbol"].startswith(f"{symbol}:"))

    def pid(self, name: str) -> int:
        """Return the process of a unit (``BTCUSDT``), or of what `processes` lists."""
        told = self.status()
        units, others = told["symbols"], told["processes"]
        assert isinstance(units, list)
        assert isinstance(others, list)
        for unit in units:
            if str(unit["symbol"]).startswith(f"{name}:") and unit["pid"]:
                return int(unit["pid"])
        for other in others:
            if other["name"] == name and other["pid"]:
                return int(other["pid"])
        raise MeasureError(f"no process of {name}")

    def _does(self, request: Callable[[Any], Any]) -> bool | None:
        """Tell whether the orchestrator has done what was asked; None: it did not answer."""
        with suppress(ControlError):
            control.ask(self.run, request)
            return True
        return None

    def ray_started_ms(self) -> int:
        """Return when `ray start` had done its work."""
        for line in (self.data_dir / "logs" / "ray.log").read_text("utf-8").splitlines():
            if _RAY_STARTED in line:
                stamp = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f")  # noqa: DTZ007 - local
                return int(stamp.timestamp() * 1_000)
        raise MeasureError("ray start has not returned")

    # -- what the venue and the journals know

    def orders(self, since_ms: int = 0) -> list[Order]:
        """Return the orders accepted since a moment, oldest first."""
        with urllib.request.urlopen(
            f"{self._paper}/paper/v1/ledger?since_ms={since_ms}", timeout=10
        ) as answer:
            listed = json.load(answer)["orders"]
        newer = [order for order in listed if order["created_ms"] >= since_ms]
        return sorted(newer, key=lambda order: int(order["created_ms"]))

    def first_orders(self) -> dict[str, int]:
        """Return when each symbol's first order was accepted."""
        found: dict[str, int] = {}
        for order in self.orders():
            found.setdefault(order["symbol"], order["created_ms"])
        return found

    def decided(self, symbol: str, since_ms: int) -> set[str]:
        """Return the orders whose intent was committed after a moment, from the unit's journal."""
        (journal,) = self.data_dir.glob(f"symbols/*-{symbol}-*/journal.db")
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=5)) as store:
            rows = store.execute(
                "SELECT body FROM facts WHERE kind = 'OrderIntended' AND at_ms > ?", (since_ms,)
            ).fetchall()
        return {json.loads(body)["client_order_id"] for (body,) in rows}

    def accepted_ms(self, symbol: str, since_ms: int) -> int | None:
        """Return when the first order decided after a moment was accepted, None if none was."""
        orders = [one for one in self.orders(since_ms) if one["symbol"] == symbol]
        if not orders:
            return None
        decided = self.decided(symbol, since_ms)
        stamps = [int(o["created_ms"]) for o in orders if o["client_order_id"] in decided]
        return min(stamps, default=None)

    def script(self, symbol: str, **event: str) -> None:
        """Script the market of a symbol."""
        body = json.dumps({"symbol": symbol, **event}).encode()
        request = urllib.request.Request(f"{self._paper}/paper/v1/market", data=body, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    # -- a market that gives everybody something to do

    @contextmanager
    def crossing(self, symbols: Sequence[str]) -> Iterator[None]:
        """Let the price of each symbol cross a level of its grid every half second."""
        paths = {symbol: self._path(symbol) for symbol in symbols}
        ended = threading.Event()
        problems: list[Exception] = []

        def move() -> None:
            due = time.monotonic()
            while not ended.wait(max(0.0, due - time.monotonic())):
                due += CROSS_EVERY_S
                try:
                    for symbol, path in paths.items():
                        self.script(symbol, move_to=next(path))
                except OSError as error:
                    problems.append(error)
                    return

        thread = threading.Thread(target=move, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        if problems:
            raise MeasureError(f"the market stopped: {problems[0]}")

    def _path(self, symbol: str) -> Iterator[str]:
        """Yield prices between the levels, up and down, one level further each time."""
        prices = sorted({Decimal(o["price"]) for o in self.orders() if o["symbol"] == symbol})
        if len(prices) < 2:
            raise MeasureError(f"{symbol} has no grid yet")
        step = min(high - low for low, high in pairwise(prices))
        lowest = prices[-1] - step / 2
        tick = step.copy_abs().normalize().as_tuple().exponent
        assert isinstance(tick, int)
        unit = Decimal(1).scaleb(min(tick, 0))
        up = range(_LEVELS_CROSSED)
        there_and_back = [*up, *reversed(up[1:-1])]
        return (str((lowest - step * level).quantize(unit)) for level in cycle(there_and_back))

    # -- kills

    def kill(self, name: str, *, affected: Sequence[str]) -> Recovery:
        """SIGKILL a process; return when every affected unit had a new order accepted."""
        pid = self.pid(name)
        killed_ms = now_ms()
        os.kill(pid, signal.SIGKILL)
        accepted = [
            wait_for(
                lambda symbol=symbol: self.accepted_ms(symbol, killed_ms),  # type: ignore[misc]
                f"a new order of {symbol} after the end of {name}",
            )
            for symbol in affected
        ]
        return Recovery(name=name, millis=max(accepted) - killed_ms)

    def kill_orchestrator(self, *, changed: str, others: Sequence[str]) -> Recovery:
        """SIGKILL the orchestrator; return when a unit resumed meanwhile had an order accepted."""
        target = f"{changed}:perp"
        wait_for(lambda: self._does(lambda service: service.pause(target, "cancel")), "a pause")
        wait_for(lambda: self.state(changed) == "paused" or None, f"the pause of {changed}")
        pid = self.pid("orchestrator")
        killed_ms = now_ms()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self._does(lambda service: service.resume(target)), "a resume")
        accepted_ms = wait_for(
            lambda: self.accepted_ms(changed, killed_ms), f"a new order of {changed}"
        )
        orders = self.orders(killed_ms - 2_000)
        gaps = [
            later - earlier
            for symbol in others
            for earlier, later in pairwise(
                [o["created_ms"] for o in orders if o["symbol"] == symbol] + [accepted_ms]
            )
        ]
        return Recovery(
            name="orchestrator", millis=accepted_ms - killed_ms, gap_ms=max(gaps, default=0)
        )

    def settle(self, symbols: Sequence[str]) -> None:
        """Wait until everybody quotes and has just had an order accepted."""
        wait_for(self._is_quoting, "quoting again")
        since_ms = now_ms()
        for symbol in symbols:
            wait_for(
                lambda symbol=symbol: self.accepted_ms(symbol, since_ms),  # type: ignore[misc]
                f"an order of {symbol}",
            )

    def _is_quoting(self) -> bool | None:
        told = self.status()["symbols"]
        assert isinstance(told, list)
        return all(unit["state"] == "quoting" for unit in told) or None


class CpuSampler:
    """Follows the processor time of every Ray worker of one deployment, from its birth."""

    def __init__(self, data_dir: Path) -> None:
        """Follow the workers that carry this data directory in their environment."""
        self._mark = f"OPENSQT_DATA_DIR={data_dir}".encode()
        self._seen: dict[int, list[tuple[int, int]]] = {}
        self._foreign: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "CpuSampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def cpu_s(self, pid: int, at_ms: int) -> float:
        """Return the processor time a worker had used at a moment, between two samples."""
        samples = self._seen.get(pid, [])
        place = bisect_left(samples, (at_ms, 0))
        if not 0 < place < len(samples):
            raise MeasureError(f"process {pid} was not followed at that moment")
        (before_ms, before), (after_ms, after) = samples[place - 1], samples[place]
        share = (at_ms - before_ms) / max(after_ms - before_ms, 1)
        return (before + (after - before) * share) / 1_000

    def _follow(self) -> None:
        for number in count():
            if self._ended.wait(LOOK_S):
                return
            if number % 5 == 0:
                self._look_around()
            for pid, samples in self._seen.items():
                used_ms = process.cpu_ms(pid)
                if used_ms is not None:
                    samples.append((now_ms(), used_ms))

    def _look_around(self) -> None:
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal() or int(folder.name) in self._seen:
                continue
            with suppress(OSError):
                is_worker = (folder / "cmdline").read_bytes().startswith(_WORKER)
                if is_worker and self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    self._seen[int(folder.name)] = []
