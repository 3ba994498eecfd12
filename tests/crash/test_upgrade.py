"""A build whose workflows mean something else takes over with orders in flight.

Nothing of the old build's workflows is run again; what was in flight is found by the journal.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from opensqt.core.facts import OrderIntended
from tests.crash.test_boundaries import (
    ACCEPTED,
    APART,
    BY_NAME,
    OF_SYMBOL,
    PATIENCE_S,
    reach,
    trade_on,
)
from tests.crash.together import together
from tests.e2e.child import LOOK_S
from tests.e2e.processes import SYMBOL
from tests.e2e.setting import scenario

IN_FLIGHT = ("before-intent-commit", "after-intent-commit", "accepted-before-reply")
pytestmark = [pytest.mark.e2e, pytest.mark.crash]


def opened(data: Path) -> sqlite3.Connection:
    """Open the store of workflows."""
    (file,) = data.glob("hosts/*/dbos.db")
    return sqlite3.connect(file)


def stored(data: Path) -> list[tuple[str, str]]:
    """Return version and status of every stored workflow, oldest first."""
    with closing(opened(data)) as database:
        return database.execute(
            "SELECT application_version, status FROM workflow_status ORDER BY created_at"
        ).fetchall()


def copied(data: Path, copy: Path) -> set[str]:
    """Copy the store; return the workflows that wait in it to be run again: there are some."""
    with closing(opened(data)) as database, closing(sqlite3.connect(copy)) as target:
        database.backup(target)
        rows = database.execute(
            "SELECT workflow_uuid FROM workflow_status WHERE status = 'PENDING'"
        ).fetchall()
    assert rows
    return {name for (name,) in rows}


def put_back(data: Path, copy: Path) -> None:
    """Make the store what it was when it was copied."""
    with closing(sqlite3.connect(copy)) as source, closing(opened(data)) as database:
        source.backup(database)


def outputs(data: Path, names: set[str]) -> list[str]:
    """Return what those of the stored workflows said that have ended well."""
    with closing(opened(data)) as database:
        rows = database.execute(
            "SELECT workflow_uuid, ended.output FROM workflow_status JOIN workflow_output AS ended"
            " USING (workflow_uuid) WHERE status = 'SUCCESS'"
        ).fetchall()
    return [output for name, output in rows if name in names]


async def test_an_upgrade_finds_what_was_in_flight(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        boundary = BY_NAME[name]
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S) as flow:
            await (await reach(flow, SYMBOL, boundary, stops=False)).end()
            before = await asyncio.to_thread(stored, folder)
            unfinished = [version for version, status in before if status == "PENDING"]
            flow.workflow_abi = "next"

            await flow.start(SYMBOL)

            await trade_on(flow)
            after = await asyncio.to_thread(stored, folder)
            assert {version.partition("-")[0] for version, _ in after} >= {"next"}
            view = await flow.settle()
            intents = [one.client_order_id for one in view.of(OrderIntended)]
            assert len(set(intents)) == len(intents)
            # The old build was killed inside its decision, unless that had been made before.
            assert unfinished or boundary is ACCEPTED

    await together(tmp_path, IN_FLIGHT, play)


async def test_going_back_to_the_old_build_sends_nothing_again(tmp_path: Path) -> None:
    async with scenario(tmp_path, layout=APART, patience_s=PATIENCE_S) as flow:
        await (await reach(flow, SYMBOL, OF_SYMBOL[1], stops=False)).end()
        # The next build deletes what the old one left; a copy of the store brings it back.
        copy = tmp_path / "copy.db"
        left = await asyncio.to_thread(copied, tmp_path, copy)
        flow.workflow_abi = "next"
        await flow.start(SYMBOL)
        await flow.expect(position="0.01", sells=("3000",), state="quoting")
        await flow.children[SYMBOL].end()
        await asyncio.to_thread(put_back, tmp_path, copy)
        before = len((await flow.ledger()).requests)
        flow.workflow_abi = ""

        await flow.start(SYMBOL)

        await flow.expect(position="0.01", sells=("3000",), state="quoting")
        # The old decision is run again, to no effect.
        async with asyncio.timeout(PATIENCE_S):
            while len(said := await asyncio.to_thread(outputs, tmp_path, left)) < len(left):
                await asyncio.sleep(LOOK_S)
        assert {json.loads(text) for text in said} == {"stale"}
        assert len((await flow.ledger()).requests) == before
        await trade_on(flow)
