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
from opensqt.ports.workflow import WorkflowHandler, WorkflowPort

KINDS = ("direct", "dbos")
HOST = "paper-BTCUSDT-perp-grid"


@asynccontextmanager
async def opened(
    kind: str, folder: Path, handler: WorkflowHandler, *, host: str = HOST, keep: int = 100
) -> AsyncIterator[WorkflowPort]:
    store = WorkflowStore(host=host, location=str(folder), keep_finished=keep)
    port: WorkflowPort = DirectWorkflows() if kind == "direct" else DbosWorkflows(store)
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
async def test_a_handler_gets_its_inputs_and_its_result_comes_back(
    kind: str, tmp_path: Path
) -> None:
    calls: list[str] = []
    async with opened(kind, tmp_path, counting(calls)) as port:
        result = await port.run("place_batch", "unit:1:1", '{"a":1}')

    assert (result, calls) == ('done {"a":1}', ['{"a":1}'])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_finished_id_is_not_run_again(kind: str, tmp_path: Path) -> None:
    calls: list[str] = []
    async with opened(kind, tmp_path, counting(calls)) as port:
        results = [await port.run("place_batch", "unit:1:1", "x") for _ in range(3)]

    assert (results, calls) == (["done x"] * 3, ["x"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_that_fails_fails_its_caller(kind: str, tmp_path: Path) -> None:
    async def failing(inputs: str) -> str:
        raise ValueError(f"no {inputs}")

    async with opened(kind, tmp_path, failing) as port:
        with pytest.raises(ValueError, match="no x"):
            await port.run("place_batch", "unit:1:1", "x")


@pytest.mark.parametrize("kind", KINDS)
async def test_runs_overlap_and_none_waits_for_another(kind: str, tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def waiting(inputs: str) -> str:
        if inputs == "slow":
            await gate.wait()
        return inputs

    async with opened(kind, tmp_path, waiting) as port:
        slow = asyncio.create_task(port.run("place_batch", "unit:1:1", "slow"))
        fast: Awaitable[str] = port.run("place_batch", "unit:1:2", "fast")
        assert await asyncio.wait_for(fast, timeout=10) == "fast"
        gate.set()
        assert await asyncio.wait_for(slow, timeout=10) == "slow"


async def test_a_result_outlives_the_process_that_made_it(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        async with opened("dbos", tmp_path, counting(calls)) as port:
            assert await port.run("place_batch", "unit:1:1", "x") == "done x"

    assert calls == ["x"]


async def test_finished_runs_are_pruned_down_to_the_number_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    async with opened("dbos", tmp_path, counting(calls), keep=3) as port:
        assert isinstance(port, DbosWorkflows)
        for number in range(10):
            await port.run("place_batch", f"unit:1:{number}", "x")
        deleted = [await port.prune(), await port.prune()]
        await port.run("place_batch", "unit:1:9", "x")

    assert deleted == [7, 0]
    assert len(calls) == 10, "the newest results are still known"


CHILD = """
import asyncio, sys
from opensqt.durable.workflows import DbosWorkflows, WorkflowStore

async def handler(inputs):
    print("begun", inputs, flush=True)
    await asyncio.sleep(60)
    return inputs

async def main():
    port = DbosWorkflows(WorkflowStore(host=sys.argv[2], location=sys.argv[1]))
    port.register("place_batch", handler)
    await port.start()
    await port.run("place_batch", "unit:1:1", "x")

asyncio.run(main())
"""


def killed_in_the_middle(folder: Path, host: str) -> None:
    """Run a process that begins a workflow, and kill it there."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), host], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun x\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=10)
    child.stdout.close()


@pytest.mark.crash
async def test_a_run_cut_off_by_a_kill_is_run_again_by_its_own_host_only(tmp_path: Path) -> None:
    await asyncio.to_thread(killed_in_the_middle, tmp_path, HOST)
    others: list[str] = []
    async with opened("dbos", tmp_path, counting(others), host="paper-ETHUSDT-perp-grid"):
        await asyncio.sleep(3)
    own: list[str] = []
    loops = []

    async def handler(inputs: str) -> str:
        own.append(inputs)
        loops.append(asyncio.get_running_loop())
        return inputs

    async with opened("dbos", tmp_path, handler):
        until = time.monotonic() + 20
        while not own and time.monotonic() < until:
            await asyncio.sleep(0.1)

    assert (others, own) == ([], ["x"])
    assert loops == [asyncio.get_running_loop()], "handlers run where the engine lives"


def test_nothing_but_json_is_stored() -> None:
    serializer = JsonSerializer()

    assert json.loads(serializer.serialize({"a": [1, "b"]})) == {"a": [1, "b"]}
    with pytest.raises(TypeError, match="expected JSON"):
        serializer.serialize(object())
