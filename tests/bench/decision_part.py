"""One process of the way of a decision: venue or symbol; `part` has connector and exchange.

`python -m tests.bench.decision_part venue FOLDER` or `… symbol FOLDER UNIT ENGINE TRIGGER`, where
only orders decided on TRIGGER count, all when it is empty. All of it is production code; what is
added stamps two moments of each order: when its process heard of what it decided on, and when the
venue had read the request. Stamps are wall nanoseconds of one machine and are written to the folder
when the process is told to end.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import uvloop

from opensqt.bootstrap.symbol import SymbolProcess
from opensqt.core.facts import OrderIntended
from opensqt.core.targets import unit_of_path
from opensqt.engine.decider import Decider
from opensqt.engine.executor import Executor
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.paper import control, server
from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.system import log
from tests.bench.part import PORT, runtime

CONTROL: Final = "control"
STAMPS: Final = "stamps"


def stamps_of(folder: Path) -> dict[str, int]:
    """Return the stamps all processes that have ended wrote under a kind of name."""
    found: dict[str, int] = {}
    for file in folder.glob("*.json"):
        found |= json.loads(file.read_text("utf-8"))
    return found


async def until_told_to_end() -> None:
    """Wait for SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


def write(folder: Path, name: str, stamps: Mapping[str, int]) -> None:
    """Keep stamps for the bench."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(stamps), "utf-8")


# -- venue


async def venue(folder: Path) -> None:
    """Serve a scripted paper venue; note when each order was read."""
    read: dict[str, int] = {}
    act, run_script = server.Dispatcher._act, vars(control)["run_script"]

    def stamped(self: server.Dispatcher, raw: Any, *arguments: Any, **named: Any) -> Any:
        if raw.method == "POST" and (name := raw.params().get("newClientOrderId")):
            read[name] = time.time_ns()
        return act(self, raw, *arguments, **named)

    def for_all(venue: Any, synthetic: Any, body: Mapping[str, Any]) -> Any:
        """Script many symbols in one go: ``{"all": {symbol: price}}``."""
        moves = body["all"]
        for symbol, price in moves.items():
            step = {"symbol": symbol, "move_to": price, "quantity": "1000000"}
            run_script(venue, synthetic, step)
        return {"symbols": len(moves)}

    setattr(server.Dispatcher, "_act", stamped)  # noqa: B010 - any arguments
    vars(control)["run_script"] = for_all

    def ready(endpoint: Endpoint) -> None:
        (folder / PORT).write_text(str(endpoint.port), encoding="utf-8")
        (folder / CONTROL).write_text(endpoint.control_url, encoding="utf-8")
        print("ready", flush=True)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.serve(PaperConfig(data_dir=folder, is_scripted=True), ready, stop)
    write(folder / "read", "venue", read)


# -- symbol


class Watch:
    """Stamps each order with the moment its process first heard of something after deciding."""

    def __init__(self, trigger: str) -> None:
        """Note nothing before ``install``, and then only orders decided on ``trigger``."""
        self._trigger = trigger
        self.decided: dict[str, int] = {}
        self._heard_ns = 0

    def install(self) -> None:
        """Stand between the production parts."""
        self._on_call("on_price")
        self._on_call("on_update")
        decide, place = Decider.decide, Executor.place

        async def deciding(decider: Decider, *, gate_open: bool) -> bool:
            try:
                return await decide(decider, gate_open=gate_open)
            finally:
                self._heard_ns = 0

        def placing(executor: Executor, intended: OrderIntended) -> "asyncio.Task[None]":
            if self._heard_ns and self._trigger in ("", intended.trigger):
                self.decided[intended.client_order_id] = self._heard_ns
            return place(executor, intended)

        setattr(Decider, "decide", deciding)  # noqa: B010 - a method of another signature
        setattr(Executor, "place", placing)  # noqa: B010 - as above

    def _on_call(self, name: str) -> None:
        original = getattr(SymbolEngine, name)

        def heard(*arguments: Any, **named: Any) -> None:
            self._heard_ns = self._heard_ns or time.time_ns()
            original(*arguments, **named)

        setattr(SymbolEngine, name, heard)


async def symbol(folder: Path, path: str, engine: str, trigger: str) -> None:
    """Run one unit's process; note when it heard of what its orders were decided on."""
    unit = unit_of_path(path)
    assert unit is not None, f"{path} names no unit"
    watch = Watch(trigger)
    watch.install()
    process = SymbolProcess(unit, runtime(folder, engine=engine), ended=sys.exit)
    await process.start()
    print("ready", flush=True)
    await until_told_to_end()
    write(folder / "heard", str(os.getpid()), watch.decided)
    os._exit(0)


def main(what: str, folder: Path, *arguments: str) -> None:
    """Be one of the processes."""
    log.configure(level="error")
    # All of them run on this loop in production too.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(venue(folder) if what == "venue" else symbol(folder, *arguments))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
