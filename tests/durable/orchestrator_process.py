"""An orchestrator in a process of its own: registry and workflows on disk, units in memory.

`python -m tests.durable.orchestrator_process FOLDER WHAT MOMENT` asks for WHAT (`add`, or the mode
of a removal) and kills itself at the MOMENT-th step towards it, counted over the calls to registry
and processes; 0 lets it live. Prints the end of the operation once it is recorded.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from opensqt.durable.workflows import DbosWorkflows, WorkflowStore
from opensqt.engine.orchestrator import Orchestrator, OrchestratorPorts, OrchestratorSettings
from opensqt.engine.status_report import Surroundings
from opensqt.engine.unit_tender import TenderSettings
from opensqt.storage.control import open_control
from opensqt.system import log
from tests.engine.fleet import Catalog, FastClock, Fleet, Mark

GIVE_UP_S = 60.0


class Deadly:
    """A port whose calls are counted; the process kills itself at the chosen one."""

    def __init__(self, inner: object, steps: list[int]) -> None:
        self._inner, self._steps = inner, steps

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._inner, name)

        async def call(*arguments: object, **named: object) -> object:
            self._step()
            answer = await method(*arguments, **named)
            self._step()
            return answer

        return call

    def _step(self) -> None:
        self._steps[0] -= 1
        if self._steps[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Ends:
    """A log that keeps the ends of operations."""

    def __init__(self) -> None:
        self.found: asyncio.Queue[str] = asyncio.Queue()

    def debug(self, event: str, **fields: object) -> None:
        if event == "operation.ended":
            self.found.put_nowait(f"{fields['operation']} {fields['end']}")

    info = warning = error = debug


async def main(folder: Path, what: str, moment: int) -> None:
    """Ask for it, and die or see it through."""
    registry = open_control(folder, writer="test", random_bytes=b"12345678", may_migrate=True)
    ends, steps = Ends(), [0]
    ports: Any = [Deadly(registry, steps), Deadly(Fleet(registry=registry), steps)]  # type: ignore[arg-type]
    store = WorkflowStore(host="orchestrator", location=str(folder))
    orchestrator = Orchestrator(
        ports=OrchestratorPorts(
            registry=ports[0],
            spawn=ports[1],
            clock=FastClock(),
            log=ends,
            down=Mark(),
            surroundings=lambda: Surroundings(pid=1, memory_mb=1, endpoints={}),
            ended=lambda: asyncio.sleep(0),
            workflows=DbosWorkflows(store, log=log.get("test")),
        ),
        catalog=Catalog(),
        settings=OrchestratorSettings(wave_max=1, tender=TenderSettings()),
    )
    await orchestrator.start()
    if what != "add":
        await orchestrator.add_symbol("BTCUSDT") if moment else None
        while moment and not (await ends.found.get()).startswith("add_symbol"):
            pass
    steps[0] = moment
    if what == "add":
        await orchestrator.add_symbol("BTCUSDT")
    else:
        await orchestrator.remove_symbol("BTCUSDT", what)
    async with asyncio.timeout(GIVE_UP_S):
        print(await ends.found.get(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
