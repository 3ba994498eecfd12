"""One suite for both kinds of workflows, and what only the durable kind promises."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from opensqt.durable.workflows import DbosWorkflows, JsonSerializer, WorkflowStore
from opensqt.engine.workflow import DirectWorkflows
from opensqt.ports.workflow import (
    WorkflowFailedError,
    WorkflowHandler,
    WorkflowPort,
    WorkflowStoreError,
)
from tests.engine.doubles import QuietLog
from tests.fakes import postgres

KINDS = ("direct", "dbos", pytest.param("dbos-postgresql", marks=pytest.mark.pg))
HOST = "paper-BTCUSDT-perp-grid"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where workflows are kept: a folder, or a database of its own."""
    kind = getattr(request.node, "callspec", None)
    if kind is not None and kind.params.get("kind") == "dbos-postgresql":
        return str(request.getfixturevalue("database"))
    return str(tmp_path)


@asynccontextmanager
async def opened(
    kind: str, place: str, handler: WorkflowHandler, *, host: str = HOST, keep: int = 100
) -> AsyncIterator[WorkflowPort]:
    store = WorkflowStore(host=host, location=place, keep_finished=keep)
    port: WorkflowPort = (
        DirectWorkflows() if kind == "direct" else DbosWorkflows(store, log=QuietLog())
    )
    port.register("place_batch", handler)
    await port.start()
    try:
        yield port
    finally:
        await port.stop()


def counting(calls: list[str]) -> WorkflowHandler:
    async def handler(inputs: str) -> str:
        calls.append(inputs)
        return f"done {inputs}"

    return handler


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_gets_its_inputs_and_its_result_comes_back(kind: str, place: str) -> None:
    calls: list[str] = []
    async with opened(kind, place, counting(calls)) as port:
        result = await port.run("place_batch", "unit:1:1", '{"a":1}')

    assert (result, calls) == ('done {"a":1}', ['{"a":1}'])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_finished_id_is_not_run_again(kind: str, place: str) -> None:
    calls: list[str] = []
    async with opened(kind, place, counting(calls)) as port:
        results = [await port.run("place_batch", "unit:1:1", "x") for _ in range(3)]

    assert (results, calls) == (["done x"] * 3, ["x"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_that_fails_fails_its_caller(kind: str, place: str) -> None:
    async def failing(inputs: str) -> str:
        raise ValueError(f"no {inputs}")

    async with opened(kind, place, failing) as port:
        with pytest.raises(ValueError, match="no x"):
            await port.run("place_batch", "unit:1:1", "x")


@pytest.mark.parametrize("kind", KINDS)
async def test_runs_overlap_and_none_waits_for_another(kind: str, place: str) -> None:
    gate = asyncio.Event()

    async def waiting(inputs: str) -> str:
        if inputs == "slow":
            await gate.wait()
        return inputs

    async with opened(kind, place, waiting) as port:
        slow = asyncio.create_task(port.run("place_batch", "unit:1:1", "slow"))
        fast: Awaitable[str] = port.run("place_batch", "unit:1:2", "fast")
        assert await asyncio.wait_for(fast, timeout=10) == "fast"
        gate.set()
        assert await asyncio.wait_for(slow, timeout=10) == "slow"


DURABLE = KINDS[1:]


@pytest.mark.parametrize("kind", DURABLE)
async def test_a_result_outlives_the_process_that_made_it(kind: str, place: str) -> None:
    calls: list[str] = []
    for _ in range(2):
        async with opened(kind, place, counting(calls)) as port:
            assert await port.run("place_batch", "unit:1:1", "x") == "done x"

    assert calls == ["x"]


@pytest.mark.parametrize("kind", DURABLE)
async def test_an_id_that_failed_is_told_from_a_store_that_is_not_there(
    kind: str, place: str
) -> None:
    async def failing(inputs: str) -> str:
        raise ValueError(f"no {inputs}")

    async with opened(kind, place, failing) as port:
        with pytest.raises(ValueError, match="no x"):
            await port.run("place_batch", "unit:1:1", "x")
    calls: list[str] = []
    async with opened(kind, place, counting(calls)) as port:
        with pytest.raises(WorkflowFailedError, match="ValueError: no x"):
            await port.run("place_batch", "unit:1:1", "x")
        assert await port.run("place_batch", "unit:1:1:2", "x") == "done x"

    assert calls == ["x"]


async def test_the_loop_outlives_its_workflows(place: str) -> None:
    async with opened("dbos", place, counting([])) as port:
        await port.run("place_batch", "unit:1:1", "x")

    assert await asyncio.to_thread(lambda: 7) == 7


async def test_finished_runs_are_pruned_down_to_the_number_kept(place: str) -> None:
    calls: list[str] = []
    async with opened("dbos", place, counting(calls), keep=3) as port:
        assert isinstance(port, DbosWorkflows)
        for number in range(10):
            await port.run("place_batch", f"unit:1:{number}", "x")
        deleted = [await port.prune(), await port.prune()]
        await port.run("place_batch", "unit:1:9", "x")

    assert deleted == [7, 0]
    assert len(calls) == 10, "the newest results are still known"


async def test_a_store_that_cannot_be_opened_says_so_and_may_be_opened_later(place: str) -> None:
    file = Path(place) / "hosts" / HOST / "dbos.db"
    file.parent.mkdir(parents=True)
    file.write_text("not a database, but a text of some length " * 50, "utf-8")
    calls: list[str] = []
    port = DbosWorkflows(WorkflowStore(host=HOST, location=place), log=QuietLog())
    port.register("place_batch", counting(calls))

    with pytest.raises(WorkflowStoreError, match="file is not a database") as caught:
        await port.start()
    with pytest.raises(WorkflowStoreError, match="not open"):
        await port.run("place_batch", "unit:1:1", "x")
    file.unlink()
    await port.start()
    result = await port.run("place_batch", "unit:1:1", "x")
    await port.stop()

    assert (result, calls) == ("done x", ["x"])
    assert "\n" not in str(caught.value)


async def test_a_server_that_is_not_there_is_no_store() -> None:
    store = WorkflowStore(host=HOST, location="postgresql://127.0.0.1:1/none")
    port = DbosWorkflows(store, log=QuietLog())

    with pytest.raises(WorkflowStoreError, match="postgresql"):
        await port.start()
    await port.stop()


@pytest.mark.pg
async def test_a_server_that_went_away_fails_the_run_and_serves_when_it_is_back() -> None:
    if not postgres.has_programs():
        pytest.skip("no PostgreSQL server programs")
    calls: list[str] = []
    with postgres.started_server() as server:
        store = WorkflowStore(host=HOST, location=f"{server.address}/postgres")
        port = DbosWorkflows(store, log=QuietLog())
        port.register("place_batch", counting(calls))
        await port.start()
        await port.run("place_batch", "unit:1:1", "x")

        await asyncio.to_thread(server.stop)
        async with asyncio.timeout(60):
            with pytest.raises(WorkflowStoreError):
                await port.run("place_batch", "unit:1:2", "x")
        await asyncio.to_thread(server.start)
        result = await port.run("place_batch", "unit:1:3", "y")
        await port.stop()

    assert (result, calls) == ("done y", ["x", "y"])


async def test_nothing_begins_after_the_stop(place: str) -> None:
    calls: list[str] = []
    async with opened("dbos", place, counting(calls)) as port:
        late = asyncio.create_task(port.run("place_batch", "unit:1:1", "x"))
        await asyncio.sleep(0)

    with pytest.raises(Exception, match=r"."):
        await late
    assert calls == []


CHILD = """
import asyncio, sys
from opensqt.durable.workflows import DbosWorkflows, WorkflowStore
from opensqt.system import log

async def handler(inputs):
    print("begun", inputs, flush=True)
    await asyncio.sleep(60)
    return inputs

async def main():
    store = WorkflowStore(host=sys.argv[2], location=sys.argv[1])
    port = DbosWorkflows(store, log=log.get("test"))
    port.register("place_batch", handler)
    await port.start()
    await port.run("place_batch", "unit:1:1", "x")

asyncio.run(main())
"""


def killed_in_the_middle(place: str, host: str) -> None:
    """Run a process that begins a workflow, and kill it there."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, place, host], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun x\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=10)
    child.stdout.close()


@pytest.mark.crash
async def test_a_run_cut_off_by_a_kill_is_run_again_by_its_own_host_only(place: str) -> None:
    await asyncio.to_thread(killed_in_the_middle, place, HOST)
    others: list[str] = []
    async with opened("dbos", place, counting(others), host="paper-ETHUSDT-perp-grid"):
        await asyncio.sleep(3)
    own: list[str] = []
    loops = []

    async def handler(inputs: str) -> str:
        own.append(inputs)
        loops.append(asyncio.get_running_loop())
        return inputs

    async with opened("dbos", place, handler):
        until = time.monotonic() + 20
        while not own and time.monotonic() < until:
            await asyncio.sleep(0.1)

    assert (others, own) == ([], ["x"])
    assert loops == [asyncio.get_running_loop()], "handlers run where the engine lives"


@pytest.mark.crash
async def test_what_another_version_left_unfinished_is_forgotten(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(killed_in_the_middle, place, HOST)
    monkeypatch.setattr("opensqt.durable.workflows.WORKFLOW_ABI", "next")
    calls: list[str] = []
    async with opened("dbos", place, counting(calls)) as port:
        # The id is free again: no row of the other version answers for it.
        assert await port.run("place_batch", "unit:1:1", "new") == "done new"

    assert calls == ["new"]


def test_nothing_but_json_is_stored() -> None:
    serializer = JsonSerializer()

    assert json.loads(serializer.serialize({"a": [1, "b"]})) == {"a": [1, "b"]}
    with pytest.raises(TypeError, match="expected JSON"):
        serializer.serialize(object())
