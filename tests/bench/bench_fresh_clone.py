"""A stranger's first two minutes: clone, `make run`, first fill. Opt-in: builds an environment."""

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from opensqt.cli.place import existing_run
from tests.bench.measure import CHECKOUT, MeasureError
from tests.bench.plan import Plan
from tests.bench.row import Row

GIVE_UP_S = 900.0
LOOK_S = 0.2
# What belongs to this checkout must not reach the clone.
_OWN = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "OPENSQT_DATA_DIR")


def run(_: Plan) -> list[Row]:
    """Clone the committed state into an empty folder and wait for the first fill."""
    with tempfile.TemporaryDirectory(prefix="opensqt-fresh-") as folder:
        clone = Path(folder) / "clone"
        begun = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
        environment = {name: text for name, text in os.environ.items() if name not in _OWN}
        with (Path(folder) / "make.log").open("wb") as output:
            make = subprocess.Popen(
                ["make", "run"],
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            took = _first_fill(clone / "data", make) - begun
        finally:
            # What Ctrl-C does in a terminal.
            os.killpg(make.pid, signal.SIGINT)
            make.wait(timeout=120)
    return [Row(name="fresh_clone.first_fill", value=took, unit="s", budget=120)]


def _first_fill(data: Path, make: subprocess.Popen[bytes]) -> float:
    until = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until and make.poll() is None:
        run_dir = existing_run(data)
        address = None if run_dir is None else run_dir.endpoints().get("paper_control")
        if address and _has_fill(address):
            return time.monotonic()
        time.sleep(LOOK_S)
    raise MeasureError(f"no fill; make ended with {make.poll()}")


def _has_fill(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/paper/v1/ledger", timeout=5) as answer:
            return bool(json.load(answer)["fills"])
    except OSError:
        return False
