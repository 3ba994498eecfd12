"""A live paper deployment in a folder of its own: started, asked, killed in parts, ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from opensqt.cli.processes import family, mark_of, process_table, send
from opensqt.core import codec
from opensqt.core.facts import Fact, OrderIntended
from opensqt.storage.database import Parameter
from opensqt.storage.location import Location
from opensqt.storage.reading import open_journals
from opensqt.system.process import ProcessName, start_ticks
from opensqt.system.rundir import RunDir
from tests.e2e.ledger import Ledger, parse, wallet

ROOT = Path(__file__).parents[2]
ACCOUNT = "paper"
BALANCE = "10000"
COMMAND_S = 250.0
STATUS_S = 30.0
CONFIG = """
app:
  mode: paper
  current_exchange: remote
  timezone: UTC
  data_dir: {data}
  store: "{store}"
accounts:
  paper:
    venue: paper
    capital: "{balance}"
    api_key: ${{OPENSQT_PAPER_KEY:-paper}}
    secret_key: ${{OPENSQT_PAPER_SECRET:-paper}}
paper: {{maker_fee: "0", taker_fee: "0.0005", balance: "{balance}"}}
trading:
  grid_mode: long
  price_interval: "{interval}"
  price_interval_unit: percent
  order_quantity: "100"
  order_quantity_unit: quote
  buy_window_size: 5
  sell_window_size: 5
symbols:
{symbols}
"""


class DrillError(Exception):
    """The deployment did not do what it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """What moves the market."""

    files: tuple[Path, ...]
    speed: str


class Deployment:
    """One deployment; everything it starts is known by pid and start time."""

    def __init__(self, folder: Path, *, store: str = "") -> None:
        """Keep journals in a database when ``store`` is the address of one."""
        self.folder = folder
        self.data = folder / "data"
        self.store = store
        self._known: set[ProcessName] = set()
        self._control = ""
        self.is_kept = False

    def start(self, symbols: Sequence[str], playing: Playing, *, interval: str = "0.02") -> float:
        """Start trading and return after how many seconds everything quoted.

        ``interval`` is the distance of two levels in percent.
        """
        config = self.folder / "drill.yaml"
        rows = "\n".join(f"  - target: {symbol}:perp" for symbol in symbols)
        text = CONFIG.format(
            data=self.data, store=self.store, balance=BALANCE, symbols=rows, interval=interval
        )
        config.write_text(text, "utf-8")
        begun = time.monotonic()
        recordings = [str(file) for file in playing.files]
        self.up(
            *("-c", str(config)),
            *(["--replay", *recordings, "--loop"] if recordings else []),
            *(["--speed", playing.speed] if recordings else []),
        )
        return time.monotonic() - begun

    def up(self, *arguments: str) -> None:
        """Start what the command says, the shipped configuration when it names none."""
        self.run("up", "--detach", *arguments)
        self._control = f"{self.status()['endpoints']['paper_control']}/paper/v1"

    @property
    def environment(self) -> dict[str, str]:
        """Return what the commands of the deployment's operator see."""
        return {
            **os.environ,
            "OPENSQT_DATA_DIR": str(self.data),
            "XDG_RUNTIME_DIR": str(self.folder),
        }

    def keep(self) -> None:
        """Have folder and logs stay for whoever wants to know what went wrong."""
        self.is_kept = True

    @property
    def run_dir(self) -> RunDir:
        """Return the directory of its sockets and announcements."""
        return RunDir(self.data, {"XDG_RUNTIME_DIR": str(self.folder)})

    @property
    def location(self) -> Location:
        """Return where registry and journals are."""
        return self.store or self.data

    def run(self, *arguments: str) -> str:
        """Run a command as an operator does; raise ``DrillError`` unless it succeeds."""
        answer = self.told(*arguments)
        if answer.returncode:
            said = (answer.stdout + answer.stderr)[-2_000:]
            raise DrillError(f"{arguments[0]} ended with {answer.returncode}: {said}")
        return answer.stdout

    def told(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as an operator does, however it ends."""
        return subprocess.run(
            [sys.executable, "-m", "opensqt.cli.main", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """Return ``status --json``; ask again for a while, as a busy machine answers late."""
        found = self._asked()
        for one in (*found["processes"], *found["symbols"]):
            ticks = start_ticks(one["pid"]) if one["pid"] else None
            if ticks is not None:
                self._known.add(ProcessName(pid=one["pid"], start=ticks))
        return found

    def _asked(self) -> dict[str, Any]:
        give_up = time.monotonic() + STATUS_S
        while True:
            try:
                found: dict[str, Any] = json.loads(self.run("status", "--json"))
            except DrillError:
                if time.monotonic() >= give_up:
                    raise
            else:
                return found

    def pid(self, name: str) -> int:
        """Return the process that ``status`` calls by a name, or that trades a symbol."""
        found = self.status()
        for one in (*found["processes"], *found["symbols"]):
            if name in (one.get("name"), one.get("symbol")) and one["pid"]:
                return int(one["pid"])
        raise DrillError(f"no process is called {name}")

    def fault(self, **fault: object) -> None:
        """Let something go wrong at the venue from now on."""
        self._post("faults", fault)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        request = urllib.request.Request(f"{self._control}/faults", method="DELETE")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def script(self, symbol: str, price: Decimal) -> None:
        """Let the market of a symbol be at a price; its own movement stops."""
        self._post("market", {"symbol": symbol, "move_to": str(price)})

    def last_price(self, symbol: str) -> Decimal:
        """Return the last price of a symbol at the venue."""
        with urllib.request.urlopen(f"{self._control}/state", timeout=10) as answer:
            found = json.load(answer)["symbols"]
        return next(Decimal(one["last"]) for one in found if one["symbol"] == symbol)

    def _post(self, route: str, body: Mapping[str, object]) -> None:
        request = urllib.request.Request(
            f"{self._control}/{route}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def ledger(self, symbol: str, *, since_ms: int = 0) -> Ledger:
        """Return the venue's ledger of one symbol."""
        return parse(self._raw(since_ms), account=ACCOUNT, symbol=symbol)

    def wallet(self) -> Any:
        """Return what the account holds."""
        return wallet(self._raw(int(time.time() * 1_000)), account=ACCOUNT)

    def _raw(self, since_ms: int) -> dict[str, Any]:
        url = f"{self._control}/ledger?since_ms={since_ms}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def intents(self, symbol: str, *, since_ms: int) -> dict[str, OrderIntended]:
        """Return the orders a unit has decided since then, from its journal."""
        where = "at_ms > ? AND kind = ?"
        facts = self.facts(symbol, where=where, values=(since_ms, OrderIntended.__name__))
        return {f.client_order_id: f for f in facts if isinstance(f, OrderIntended)}

    def facts(
        self, symbol: str, *, where: str = "sequence > ?", values: tuple[Parameter, ...] = (0,)
    ) -> tuple[Fact, ...]:
        """Return facts of a symbol's journal, oldest first; journals of others may be damaged."""
        with open_journals(self.location, refused=_left_out) as journals:
            for journal in journals:
                if journal.unit.symbol == f"{symbol}:perp":
                    statement = f"SELECT body FROM facts WHERE {where} ORDER BY sequence"
                    rows = journal.store.query(statement, values)
                    return tuple(codec.decode_fact(str(row[0])) for row in rows)
        raise DrillError(f"{symbol} has no journal in {self.location}")

    def book_at_rest(self) -> dict[str, Any]:
        """Return the ledger in the venue's durable book, once nothing runs any more."""
        venue = subprocess.Popen(
            [sys.executable, "-m", "opensqt.cli.main", "serve", "paper-venue"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with venue:
            assert venue.stdout is not None
            self._control = venue.stdout.readline().split()[-1]
            found = self._raw(0)
            venue.terminate()
        return found

    def end(self) -> list[int]:
        """End everything; return the processes of ours that had to be killed."""
        try:
            self.run("down")
        finally:
            left = self.processes() | {one for one in self._known if one.is_alive}
            for one in left:
                send(one, signal.SIGKILL)
        return [one.pid for one in left]

    def processes(self, *, spared: Sequence[int] = ()) -> frozenset[ProcessName]:
        """Return everything of ours that runs, found without asking any of it."""
        supervisor = self.run_dir.processes().get("supervisor")
        leaders = [] if supervisor is None else [supervisor]
        return family(
            process_table(), mark=mark_of(self.run_dir.path), leaders=leaders, spared=spared
        )


def _left_out(_: str) -> None:
    """Say nothing about a journal that cannot be read."""


@contextmanager
def deployment(*, store: str = "") -> Iterator[Deployment]:
    """Make a deployment in a new short folder; end it, and keep the folder if something failed."""
    folder = Path(tempfile.mkdtemp(prefix="drill", dir="/tmp"))
    made = Deployment(folder, store=store)
    try:
        yield made
    except BaseException:
        print(f"logs are kept in {folder}", file=sys.stderr)
        made.end()
        raise
    left = made.end()
    if left:
        raise DrillError(f"processes were left after down: {left}")
    if made.is_kept:
        print(f"logs are kept in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
