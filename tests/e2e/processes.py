"""One process of a deployment without Ray: connector, exchange process, symbol process, or several.

The parts are the production ones; what Ray's actors would call comes through a socket instead, one
JSON object per line. The process kills itself where a crash point says so: really, with SIGKILL.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import opensqt.bootstrap.connector
import opensqt.bootstrap.symbol
from opensqt.bootstrap.connector import Connector, ConnectorConfig
from opensqt.bootstrap.exchange import ExchangeProcess
from opensqt.bootstrap.runtime import Runtime
from opensqt.bootstrap.symbol import SymbolProcess
from opensqt.core import codec
from opensqt.core.facts import Fact
from opensqt.core.ids import UnitId
from opensqt.core.symbol import SymbolState
from opensqt.ports.exchange import CancelRequest, Outcome, PlaceRequest
from opensqt.storage.journal import SqlJournal, open_journal
from opensqt.system import log
from opensqt.venues.factory import VenueAdapter, build_venue
from opensqt.venues.session import LocalEndpoint
from opensqt.venues.slim_ccxt import exchange_class
from opensqt.venues.transport import Credentials

# The fork server imports this module once; its children must not pay for ccxt again.
exchange_class("binanceusdm")

CONNECTOR, EXCHANGE, SYMBOL = "connector", "exchange", "symbol"
ALL = (CONNECTOR, EXCHANGE, SYMBOL)
ENDED = 3
"""Exit code of a process that ended by its own will: a newer one owns its work."""
_RETRY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """Where a process dies."""

    moment: str
    """``before`` or ``after``."""
    what: str
    """A fact's class name (its commit), or ``place`` and ``cancel`` (the call to the venue)."""
    count: int = 1
    """Dies at this occurrence."""

    @property
    def text(self) -> str:
        return f"{self.moment} {self.what}" + (f" #{self.count}" if self.count > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What a process is and where its world lies."""

    parts: tuple[str, ...]
    data_dir: str
    run_root: str
    unit: UnitId
    port: int
    ca_file: str
    log_file: str
    crash: Crash | None = None


def main(spec: ProcessSpec, channel: socket.socket) -> None:
    """Be the process until the other end of the channel closes."""
    with Path(spec.log_file).open("a", encoding="utf-8") as stream:
        log.configure(level="debug", stream=stream, as_json=False)
        asyncio.run(_Host(spec).run(channel))
    os._exit(0)


class _Host:
    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._crashes: dict[tuple[str, str], int] = {}
        self._connector: Connector | None = None
        self._exchange: ExchangeProcess | None = None
        self._symbol: SymbolProcess | None = None
        if spec.crash is not None:
            self._arm(spec.crash)

    async def run(self, channel: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=channel)
        self._install_crash_points()
        starting = asyncio.create_task(self._start())
        while line := await reader.readline():
            request = json.loads(line)
            answer = {"id": request["id"], "answer": await self._answer(request, starting)}
            writer.write(json.dumps(answer).encode() + b"\n")
        os._exit(0)

    async def _answer(self, request: dict[str, Any], starting: "asyncio.Task[None]") -> Any:
        match request["do"]:
            case "is_started":
                if starting.done():
                    await starting
                return starting.done()
            case "tell":
                assert self._symbol is not None
                await self._symbol.tell(request["revision"])
            case "arm":
                self._arm(Crash(**request["crash"]))
            case "snapshot":
                return self._snapshot()
            case other:
                raise ValueError(f"unknown request {other!r}")
        return None

    # -- parts

    async def _start(self) -> None:
        spec = self._spec
        runtime = Runtime(data_dir=spec.data_dir, run_root=spec.run_root, log_level="debug")
        if CONNECTOR in spec.parts:
            self._connector = Connector(
                ConnectorConfig(
                    venue="paper",
                    account=spec.unit.account,
                    keys=lambda: Credentials(api_key="paper", secret="paper"),
                    runtime=runtime,
                    paper=LocalEndpoint(port=spec.port, ca_file=Path(spec.ca_file)),
                )
            )
            await self._connector.start()
        if EXCHANGE in spec.parts:
            self._exchange = ExchangeProcess(spec.unit.account, runtime, ended=_leave)
            await _repeated(self._exchange.start)
        if SYMBOL in spec.parts:
            self._symbol = SymbolProcess(spec.unit, runtime, ended=_leave)
            await _repeated(self._symbol.start)

    def _snapshot(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"pid": os.getpid()}
        if self._exchange is not None:
            answer["exchange"] = self._exchange.snapshot()
            serving = self._exchange._serving
            price = None if serving is None else serving.hub._prices.get(self._spec.unit.symbol)
            if price is not None:
                answer["price"] = [str(value) for value in (price.bid, price.ask, price.last)]
        if self._symbol is not None:
            answer["symbol"] = self._symbol.snapshot()
            incarnation = self._symbol._incarnation
            engine = None if incarnation is None else incarnation.engine
            is_loaded = engine is not None and engine.is_loaded
            answer["is_ready"] = engine is not None and engine.is_ready
            answer["is_stopped"] = engine is not None and engine.is_stopped
            answer["state"] = encoded(engine.state) if engine is not None and is_loaded else None
        return answer

    # -- crash points

    def _arm(self, crash: Crash) -> None:
        self._crashes[crash.moment, crash.what] = crash.count

    def _reached(self, moment: str, what: str) -> None:
        left = self._crashes.get((moment, what))
        if left is None:
            return
        self._crashes[moment, what] = left - 1
        if left == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def _install_crash_points(self) -> None:
        def journal(*arguments: Any, **named: Any) -> SqlJournal:
            return _watched_journal(open_journal(*arguments, **named), self._reached)

        def venue(*arguments: Any, **named: Any) -> VenueAdapter:
            return _watched_venue(build_venue(*arguments, **named), self._reached)

        # The composition roots find these by name.
        vars(opensqt.bootstrap.symbol)["open_journal"] = journal
        vars(opensqt.bootstrap.connector)["build_venue"] = venue


Reached = Callable[[str, str], None]


def _watched_journal(journal: SqlJournal, reached: Reached) -> SqlJournal:
    commit = journal.commit

    async def watched(facts: Sequence[Fact], **named: Any) -> int:
        names = [type(fact).__name__ for fact in facts]
        for name in names:
            reached("before", name)
        sequence = await commit(facts, **named)
        for name in names:
            reached("after", name)
        return sequence

    journal.commit = watched  # type: ignore[method-assign]  # the crash points of tests
    return journal


def _watched_venue(venue: VenueAdapter, reached: Reached) -> VenueAdapter:
    place, cancel = venue.place, venue.cancel

    async def watched_place(request: PlaceRequest) -> Outcome:
        reached("before", "place")
        outcome = await place(request)
        reached("after", "place")
        return outcome

    async def watched_cancel(request: CancelRequest) -> Outcome:
        reached("before", "cancel")
        outcome = await cancel(request)
        reached("after", "cancel")
        return outcome

    venue.place = watched_place  # type: ignore[method-assign]  # the crash points of tests
    venue.cancel = watched_cancel  # type: ignore[method-assign]  # the crash points of tests
    return venue


async def _repeated(start: Callable[[], Awaitable[None]]) -> None:
    """Start as an actor does: never given up."""
    while True:
        try:
            return await start()
        except Exception as error:  # noqa: BLE001 - as in actors.starting
            log.get("opensqt.e2e").warning(
                "start_failed", reason=f"{type(error).__name__}: {error}"
            )
            await asyncio.sleep(_RETRY_S)


def _leave(reason: str) -> NoReturn:
    log.get("opensqt.e2e").warning("process.leaves", reason=reason)
    os._exit(ENDED)


def encoded(state: SymbolState) -> str:
    """Return a state as text, without its price."""
    return codec.encode(replace(state, price=None))
