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
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

import opensqt.bootstrap.connector
import opensqt.bootstrap.dialing
import opensqt.bootstrap.symbol
from opensqt.bootstrap.connector import Connector, ConnectorConfig
from opensqt.bootstrap.exchange import ExchangeProcess
from opensqt.bootstrap.runtime import Runtime
from opensqt.bootstrap.symbol import SymbolProcess
from opensqt.core import codec
from opensqt.core.facts import Fact, OrderReported
from opensqt.core.ids import UnitId
from opensqt.core.symbol import SymbolState
from opensqt.rpc.exchange_client import GrpcExchange
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
    """A fact's class name (its commit), also with its evidence (``OrderReported.reply``);
    ``place`` and ``cancel`` (the connector's call to the venue); ``forward`` (the exchange
    process's order to the connector)."""
    count: int = 1
    """Dies at this occurrence."""
    stops: bool = False
    """Whether the process is stopped there (SIGSTOP), to wake up later, instead of killed."""
    cuts: bool = False
    """Whether the process lives on and only loses its connections to the other ones."""


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
    engine: str = "dbos"
    store: str = ""
    """Address of a PostgreSQL server; empty = files in the data folder."""
    workflow_abi: str = ""
    crash: Crash | None = None
    connector_address: str = ""
    """Where the exchange process finds the connector; empty = in its own run directory."""


def main(spec: ProcessSpec, channel: socket.socket) -> None:
    """Be the process until the other end of the channel closes."""
    with Path(spec.log_file).open("a", encoding="utf-8") as stream:
        log.configure(level="debug", stream=stream, as_json=False)
        asyncio.run(_Host(spec).run(channel))
    os._exit(0)


class _Host:
    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._crashes: dict[tuple[str, str], Crash] = {}
        self._reached_count = 0
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
            case "adopt":
                assert self._symbol is not None
                return await self._symbol.adopt(request["wish"], dry_run=request["dry_run"])
            case "arm":
                self._arm(Crash(**request["crash"]))
            case "snapshot":
                return self._snapshot()
            case "reached":
                return self._reached_count
            case "cancel_orders":
                assert self._exchange is not None
                return list(await self._exchange.cancel_orders(self._spec.unit))
            case other:
                raise ValueError(f"unknown request {other!r}")
        return None

    # -- parts

    async def _start(self) -> None:
        spec = self._spec
        runtime = Runtime(
            data_dir=spec.data_dir,
            run_root=spec.run_root,
            store=spec.store,
            log_level="debug",
            engine=spec.engine,
            workflow_abi=spec.workflow_abi,
            connector_address=spec.connector_address,
        )
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
            self._exchange = ExchangeProcess(
                spec.unit.account,
                runtime,
                ended=_leave,
            )
            await _repeated(self._exchange.start)
        if SYMBOL in spec.parts:
            self._symbol = SymbolProcess(spec.unit, runtime, ended=_leave)
            await _repeated(self._symbol.start)

    def _snapshot(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"pid": os.getpid()}
        if self._exchange is not None:
            answer["exchange"] = self._exchange.snapshot()
            serving = self._exchange._serving
            hub = None if serving is None else serving.holder.hub
            price = None if hub is None else hub._prices.get(self._spec.unit.symbol)
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
        self._crashes[crash.moment, crash.what] = crash

    def _reached(self, moment: str, what: str) -> None:
        crash = self._crashes.pop((moment, what), None)
        if crash is None:
            return
        if crash.count > 1:
            self._arm(replace(crash, count=crash.count - 1))
            return
        self._reached_count += 1
        if crash.cuts:
            cut_connections()
            return
        os.kill(os.getpid(), signal.SIGSTOP if crash.stops else signal.SIGKILL)

    def _install_crash_points(self) -> None:
        def journal(*arguments: Any, **named: Any) -> SqlJournal:
            return _watched_journal(open_journal(*arguments, **named), self._reached)

        def venue(*arguments: Any, **named: Any) -> VenueAdapter:
            return _watched(
                build_venue(*arguments, **named), self._reached, place="place", cancel="cancel"
            )

        def connector(*arguments: Any, **named: Any) -> GrpcExchange:
            made = GrpcExchange(*arguments, **named)
            return _watched(made, self._reached, place="forward")

        # The composition roots find these by name.
        vars(opensqt.bootstrap.symbol)["open_journal"] = journal
        vars(opensqt.bootstrap.connector)["build_venue"] = venue
        vars(opensqt.bootstrap.dialing)["GrpcExchange"] = connector


def cut_connections() -> None:
    """Cut this process's connections by unix sockets that have a name: those between processes."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=os.dup(int(entry.name))) as one:
            names = (one.getpeername(), one.getsockname())
            if one.family == socket.AF_UNIX and any(str(name).endswith(".sock") for name in names):
                one.shutdown(socket.SHUT_RDWR)


Reached: TypeAlias = Callable[[str, str], None]
PortT = TypeVar("PortT")


def _watched_journal(journal: SqlJournal, reached: Reached) -> SqlJournal:
    commit = journal.commit

    async def watched(facts: Sequence[Fact], **named: Any) -> int:
        names = [name for fact in facts for name in _names(fact)]
        for name in names:
            reached("before", name)
        sequence = await commit(facts, **named)
        for name in names:
            reached("after", name)
        return sequence

    journal.commit = watched  # type: ignore[method-assign]  # the crash points of tests
    return journal


def _names(fact: Fact) -> tuple[str, ...]:
    name = type(fact).__name__
    return (name, f"{name}.{fact.evidence}") if isinstance(fact, OrderReported) else (name,)


def _watched(port: PortT, reached: Reached, **methods: str) -> PortT:
    """Put crash points, by these names, around methods of a port."""
    for method, name in methods.items():
        setattr(port, method, _around(getattr(port, method), reached, name))
    return port


def _around(call: Callable[..., Awaitable[Any]], reached: Reached, name: str) -> Any:
    async def watched(*arguments: Any, **named: Any) -> Any:
        reached("before", name)
        answer = await call(*arguments, **named)
        reached("after", name)
        return answer

    return watched


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
