"""One process of the trading side, as a scenario starts, asks and kills it."""

import asyncio
import json
import multiprocessing
import os
import signal
import socket
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from tests.e2e.processes import ProcessSpec, main

SETTLE_S = 5.0
LOOK_S = 0.02
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["pytest", "tests.e2e.processes", "opensqt.durable.workflows"])


class ProcessGoneError(Exception):
    """The process has died."""


class Child:
    """One process of the trading side."""

    def __init__(self, spec: ProcessSpec) -> None:
        """Start the process."""
        self.spec = spec
        ours, theirs = socket.socketpair()
        self._socket = ours
        self.process: ForkServerProcess = _CONTEXT.Process(target=main, args=(spec, theirs))
        self.process.start()
        theirs.close()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._count = 0

    async def ask(self, do: str, **fields: object) -> Any:
        """Send a request and return the answer; raise ``ProcessGoneError``."""
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(
                sock=self._socket, limit=1 << 24
            )
        self._count += 1
        line = json.dumps({"id": self._count, "do": do, **fields}).encode() + b"\n"
        try:
            self._writer.write(line)
            await self._writer.drain()
            answer = await self._reader.readline()
        except ConnectionError as error:
            raise ProcessGoneError from error
        if not answer.endswith(b"\n"):
            raise ProcessGoneError
        return json.loads(answer)["answer"]

    async def ready(self) -> None:
        """Wait until the parts have started."""
        while not await self.ask("is_started"):
            await asyncio.sleep(LOOK_S)

    def pause(self) -> None:
        """Stop the process where it is."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    @property
    def is_paused(self) -> bool:
        """Tell whether the process is stopped where it is."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8")
        return stat.rpartition(")")[2].split()[0] == "T"

    def _signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    async def end(self, *, kill: bool = True) -> int:
        """End the process, or wait for its end; return its exit code. Idempotent."""
        if kill:
            self.process.kill()
        async with asyncio.timeout(SETTLE_S):
            await asyncio.to_thread(self.process.join)
        if self._writer is not None:
            self._writer.close()
        else:
            self._socket.close()
        assert self.process.exitcode is not None
        return self.process.exitcode
