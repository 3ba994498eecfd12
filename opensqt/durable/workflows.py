"""``WorkflowPort`` on DBOS: a decision that was begun is run again after a crash, at least once.

One DBOS application per process, named by its host: DBOS recovers what belongs to a name, executor
and version, so all three are set by code and never shared between processes. The version is the
workflow ABI, raised by hand when the stored inputs change, never the hash of the source: an
upgrade must not orphan what is in flight. Nothing here is read to recover the unit - the journal
does that - so a workflow that runs again finds the journal ahead of it and sends nothing.

Inputs and results are JSON texts, and the serializer refuses anything else: the default one is
pickle, which would make write access to the database a way to run code.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._serialization import Serializer

from opensqt.ports.workflow import WorkflowHandler

WORKFLOW_ABI: Final = "1"
"""Raise by hand when the inputs of a registered handler change their meaning."""
_FINISHED: Final = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
ResultT = TypeVar("ResultT")


class WorkflowStoreError(Exception):
    """The workflow store cannot be used; nothing was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStore:
    """Where a host keeps its workflows."""

    host: str
    """Name of the process's role, unique in the deployment and stable over restarts."""
    location: str
    """A folder (SQLite file ``hosts/<host>/dbos.db`` in it) or a ``postgresql://`` URL."""
    keep_finished: int = 10_000
    """How many finished workflows survive pruning."""
    prune_every_ms: int = 60_000


class JsonSerializer(Serializer):
    """Plain JSON; an object that is not JSON is a bug and raises."""

    def serialize(self, data: Any) -> str:
        """Return the JSON text; exceptions become their text."""
        return json.dumps(data, default=_exception_text)

    def deserialize(self, serialized_data: str) -> Any:
        """Return the value of a JSON text, raising stored exceptions' texts as errors."""
        value = json.loads(serialized_data)
        if isinstance(value, dict) and set(value) == {"workflow_error"}:
            return WorkflowStoreError(value["workflow_error"])
        return value

    def name(self) -> str:
        """Return the name stored beside each value."""
        return "opensqt_json"


def application_name(host: str) -> str:
    """Return the name of a host's application: lower-case letters, digits and dashes only."""
    return f"opensqt-{hashlib.blake2b(host.encode(), digest_size=8).hexdigest()}"


def _exception_text(value: object) -> object:
    if isinstance(value, BaseException):
        return {"workflow_error": f"{type(value).__name__}: {value}"}
    message = f"expected JSON, got {type(value).__name__}"
    raise TypeError(message)


class DbosWorkflows:
    """Durable runs of registered handlers. One per process; handlers run on the owner's loop."""

    def __init__(self, store: WorkflowStore) -> None:
        """Keep the configuration; ``start`` opens the store."""
        self._store = store
        self._handlers: dict[str, WorkflowHandler] = {}
        # Synchronous DBOS calls refuse to run where an event loop runs, so they get a thread.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dbos")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workflow: Callable[[str, str], Any] | None = None
        self._engine: sa.Engine | None = None
        self._pruning: asyncio.Task[None] | None = None

    def register(self, name: str, handler: WorkflowHandler) -> None:
        """Bind a handler to a stored name; before ``start``."""
        self._handlers[name] = handler

    async def start(self) -> None:
        """Open the store and begin; unfinished runs of an earlier process run again from here."""
        self._loop = asyncio.get_running_loop()
        await self._on_thread(self._launch)
        self._pruning = self._loop.create_task(self._prune_for_ever())

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        """Run the handler under the id; a finished id returns its result without running."""
        if self._workflow is None:
            message = "the workflow store is not open"
            raise WorkflowStoreError(message)
        with SetWorkflowID(workflow_id):
            handle = await DBOS.start_workflow_async(self._workflow, name, inputs)
        return str(await handle.get_result())

    async def stop(self) -> None:
        """Stop without waiting for unfinished runs; the store keeps them."""
        if self._pruning is not None:
            self._pruning.cancel()
        if self._workflow is not None:
            await self._on_thread(lambda: DBOS.destroy(destroy_registry=True))
            self._workflow = None
        if self._engine is not None:
            self._engine.dispose()
        self._thread.shutdown(wait=False)

    async def prune(self) -> int:
        """Delete finished runs beyond the number kept; return how many were deleted."""
        return await self._on_thread(self._prune_some)

    # -- inside

    def _launch(self) -> None:
        self._engine = _engine(self._store)
        config: DBOSConfig = {
            "name": application_name(self._store.host),
            "executor_id": self._store.host,
            "application_version": f"{WORKFLOW_ABI}-{self._store.host}",
            "system_database_engine": self._engine,
            "serializer": JsonSerializer(),
            "enable_otlp": False,
            "log_level": "WARNING",
        }
        DBOS(config=config)

        @DBOS.step(name="run_handler")
        async def run_handler(name: str, inputs: str) -> str:
            return await self._handle(name, inputs)

        @DBOS.workflow(name="run")
        async def run(name: str, inputs: str) -> str:
            return await run_handler(name, inputs)

        self._workflow = run
        DBOS.launch()

    async def _handle(self, name: str, inputs: str) -> str:
        """Run a handler on its own loop: recovered workflows arrive on one of DBOS's."""
        assert self._loop is not None
        handler = self._handlers[name]
        if asyncio.get_running_loop() is self._loop:
            return await handler(inputs)

        async def call() -> str:
            return await handler(inputs)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._loop))

    async def _prune_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._store.prune_every_ms / 1_000)
            deleted = 1
            while deleted:
                deleted = await self.prune()

    def _prune_some(self) -> int:
        finished = DBOS.list_workflows(
            status=_FINISHED,
            sort_desc=True,
            offset=self._store.keep_finished,
            limit=500,
            load_input=False,
            load_output=False,
        )
        if finished:
            DBOS.delete_workflows([one.workflow_id for one in finished])
        return len(finished)

    async def _on_thread(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _engine(store: WorkflowStore) -> sa.Engine:
    if store.location.startswith("postgresql"):
        url = store.location.replace("postgresql://", "postgresql+psycopg://", 1)
        return sa.create_engine(url, pool_size=4)
    folder = Path(store.location) / "hosts" / store.host
    folder.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{folder / 'dbos.db'}")

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        _ = record
        # What DBOS sets for engines of its own, plus the write-ahead log and full durability.
        connection.isolation_level = None
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.isolation_level = "IMMEDIATE"

    return engine
