"""``WorkflowPort`` on DBOS: a decision that was begun is run again after a crash, at least once.

One DBOS application per process, named by its host: DBOS recovers what belongs to a name, executor
and version, so all three are set by code and never shared between processes. The version is the
workflow ABI, raised by hand when the stored inputs change, never the hash of the source: an
upgrade must not orphan what is in flight. Nothing here is read to recover the unit - the journal
does that - so a workflow that runs again finds the journal ahead of it and sends nothing.

The handler is the body of the workflow, not a step of it: whatever runs again must look before it
acts in any case, so a checkpoint between the end of the handler and the end of the workflow would
only be a third commit per decision. What is stored is the beginning with its inputs, and the end.

Inputs and results are JSON texts, and the serializer refuses anything else: the default one is
pickle, which would make write access to the database a way to run code.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._dbos import _get_dbos_instance
from dbos._error import DBOSException, MaxRecoveryAttemptsExceededError
from dbos._serialization import Serializer

from opensqt.durable.database import compact, open_engine
from opensqt.ports.telemetry import LogPort
from opensqt.ports.workflow import WorkflowFailedError, WorkflowHandler, WorkflowStoreError

WORKFLOW_ABI: Final = "1"
"""Raise by hand when the inputs of a registered handler change their meaning."""
_FINISHED: Final = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_UNFINISHED: Final = ["PENDING", "ENQUEUED", "DELAYED"]
# Deleting holds the one writer of the store, so it is done in pieces a decision can wait for.
_PRUNED_AT_ONCE: Final = 100
_PAUSE_S: Final = 0.02
# Schedules and events are not used. The one looks into the store, so as rarely as it may; the other
# only wakes up, and is waited for at the end.
_SCHEDULES_EVERY_S: Final = 3_600.0
_EVENTS_EVERY_S: Final = 0.25
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStore:
    """Where a host keeps its workflows."""

    host: str
    """Name of the process's role, unique in the deployment and stable over restarts."""
    location: str
    """A folder (SQLite file ``hosts/<host>/dbos.db`` in it) or a ``postgresql://`` URL."""
    abi: str = ""
    """What the stored inputs mean: a run stored under another one is not run again; empty = now."""
    keep_finished: int = 2_000
    """How many finished workflows survive pruning; the journal is what explains an order."""
    prune_every_ms: int = 60_000
    prune_every_runs: int = 2_000
    """Pruning does not wait for its time once so many workflows have run."""

    @property
    def version(self) -> str:
        """Return what DBOS calls the version of the application."""
        return f"{self.abi or WORKFLOW_ABI}-{self.host}"


class JsonSerializer(Serializer):
    """Plain JSON; an object that is not JSON is a bug and raises."""

    def serialize(self, data: Any) -> str:
        """Return the JSON text; exceptions become their text."""
        return json.dumps(data, default=_exception_text)

    def deserialize(self, serialized_data: str) -> Any:
        """Return the value of a JSON text, raising stored exceptions' texts as errors."""
        value = json.loads(serialized_data)
        if isinstance(value, dict) and set(value) == {"workflow_error"}:
            return WorkflowFailedError(value["workflow_error"])
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

    def __init__(self, store: WorkflowStore, *, log: LogPort) -> None:
        """Keep the configuration; ``start`` opens the store."""
        self._store = store
        self._log = log
        self._handlers: dict[str, WorkflowHandler] = {}
        # Synchronous DBOS calls refuse to run where an event loop runs, so they get a thread.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dbos")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workflow: Callable[[str, str], Any] | None = None
        self._engine: sa.Engine | None = None
        self._pruning: asyncio.Task[None] | None = None
        self._runs_since_pruning = 0
        self._many_runs = asyncio.Event()
        self._is_stopped = False

    def register(self, name: str, handler: WorkflowHandler) -> None:
        """Bind a handler to a stored name; before ``start``."""
        self._handlers[name] = handler

    async def start(self) -> None:
        """Open the store and begin; unfinished runs of an earlier process run again from here.

        Raise ``WorkflowStoreError``; starting again is allowed then.
        """
        self._loop = asyncio.get_running_loop()
        self._is_stopped = False
        try:
            self._workflow = await self._on_thread(self._launch)
        except (sa.exc.SQLAlchemyError, DBOSException, OSError, SystemExit) as error:
            place = self._place
            await self._on_thread(self._close)
            raise WorkflowStoreError(f"{place}: {_line(error)}") from error
        self._pruning = self._loop.create_task(self._prune_for_ever())

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        """Run the handler under the id; a finished id returns its result without running.

        Raise ``WorkflowStoreError`` when the store could not take the run: it has not begun. What
        the handler raised, or ``WorkflowFailedError`` from the store, is the answer of the id.
        """
        if self._workflow is None:
            raise WorkflowStoreError(f"{self._place} is not open")
        try:
            with SetWorkflowID(workflow_id):
                handle = await DBOS.start_workflow_async(self._workflow, name, inputs)
        except MaxRecoveryAttemptsExceededError as error:
            raise WorkflowFailedError(_line(error)) from error
        except (sa.exc.SQLAlchemyError, DBOSException, OSError) as error:
            raise WorkflowStoreError(f"{self._place}: {_line(error)}") from error
        self._runs_since_pruning += 1
        if self._runs_since_pruning >= self._store.prune_every_runs:
            self._many_runs.set()
        return str(await handle.get_result())

    async def stop(self) -> None:
        """Stop without waiting for unfinished runs; the store keeps them."""
        self._is_stopped = True
        self._workflow = None
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
            self._pruning = None
        # DBOS has made its own threads those of the whole loop, and they end with it.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        await self._on_thread(self._close)
        self._thread.shutdown(wait=False)

    async def prune(self) -> int:
        """Delete finished runs beyond the number kept; return how many were deleted."""
        total = 0
        while deleted := await self._on_thread(self._prune_some):
            total += deleted
            await asyncio.sleep(_PAUSE_S)
        if total and self._engine is not None:
            await self._on_thread(lambda: compact(self._engine))
        return total

    # -- inside

    @property
    def _place(self) -> str:
        if self._engine is None:
            return f"the workflow store of {self._store.host}"
        return f"the workflow store {self._engine.url.render_as_string(hide_password=True)}"

    def _launch(self) -> Callable[[str, str], Any]:
        self._engine = open_engine(self._store.location, self._store.host)
        config: DBOSConfig = {
            "name": application_name(self._store.host),
            "executor_id": self._store.host,
            "application_version": self._store.version,
            "system_database_engine": self._engine,
            "serializer": JsonSerializer(),
            "use_listen_notify": False,
            "scheduler_polling_interval_sec": _SCHEDULES_EVERY_S,
            "notification_listener_polling_interval_sec": _EVENTS_EVERY_S,
            "enable_otlp": False,
            # What fails here is raised, and told in one line by who asked for it.
            "log_level": "CRITICAL",
        }
        DBOS(config=config)

        @DBOS.workflow(name="run")
        async def run(name: str, inputs: str) -> str:
            return await self._handle(name, inputs)

        DBOS.launch()
        # A store that is gone fails the run at once; waiting for it would hold up what follows.
        _system_database()._retry_connection_errors = False  # noqa: SLF001 - no option for it
        self._forget_other_versions()
        return run

    def _close(self) -> None:
        DBOS.destroy(destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    async def _handle(self, name: str, inputs: str) -> str:
        """Run a handler on its own loop: recovered workflows arrive on one of DBOS's."""
        assert self._loop is not None
        handler = self._handlers[name]
        if asyncio.get_running_loop() is self._loop:
            return await self._call(handler, inputs)
        call = asyncio.run_coroutine_threadsafe(self._call(handler, inputs), self._loop)
        return await asyncio.wrap_future(call)

    async def _call(self, handler: WorkflowHandler, inputs: str) -> str:
        if self._is_stopped:
            raise WorkflowStoreError("stopped before the run began")
        return await handler(inputs)

    async def _prune_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._store.prune_every_ms / 1_000):
                    await self._many_runs.wait()
            except TimeoutError:
                pass
            self._many_runs.clear()
            self._runs_since_pruning = 0
            try:
                await self.prune()
            except Exception as error:  # noqa: BLE001 - the outermost loop: pruning goes on later
                self._log.warning("workflows.not_pruned", reason=_line(error))

    def _prune_some(self) -> int:
        finished = DBOS.list_workflows(
            status=_FINISHED,
            executor_id=self._store.host,
            sort_desc=True,
            offset=self._store.keep_finished,
            limit=_PRUNED_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if finished:
            DBOS.delete_workflows([one.workflow_id for one in finished])
        return len(finished)

    def _forget_other_versions(self) -> None:
        """Delete what no build with our ABI will ever finish; the journal knows what became."""
        left = DBOS.list_workflows(
            status=_UNFINISHED, executor_id=self._store.host, load_input=False, load_output=False
        )
        own = self._store.version
        foreign = [one.workflow_id for one in left if one.app_version != own]
        if foreign:
            DBOS.delete_workflows(foreign)

    async def _on_thread(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _system_database() -> Any:
    return _get_dbos_instance()._sys_db  # noqa: SLF001 - no public way


def _line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(f"{type(cause).__name__}: {cause}".split())
