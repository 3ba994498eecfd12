"""A build whose workflows mean something else takes over with orders in flight.

Nothing of the old build's workflows is run again; what was in flight is found by the journal.
"""

import asyncio
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
from tests.e2e.processes import SYMBOL
from tests.e2e.setting import scenario

IN_FLIGHT = ("before-intent-commit", "after-intent-commit", "accepted-before-reply")
pytestmark = [pytest.mark.e2e, pytest.mark.crash]


def stored(data: Path) -> list[tuple[str, str]]:
    """Return version and status of every stored workflow, oldest first."""
    (file,) = data.glob("hosts/*/dbos.db")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute(
            "SELECT application_version, status FROM workflow_status ORDER BY created_at"
        ).fetchall()


async def test_an_upgrade_finds_what_was_in_flight(tmp_path: Path) -> None:
    async def play(folder: Path, name: str) -> None:
        boundary = BY_NAME[name]
        async with scenario(folder, layout=APART, patience_s=PATIENCE_S, engine="dbos") as flow:
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
    async with scenario(tmp_path, layout=APART, patience_s=PATIENCE_S, engine="dbos") as flow:
        await (await reach(flow, SYMBOL, OF_SYMBOL[1], stops=False)).end()
        flow.workflow_abi = "next"
        await flow.start(SYMBOL)
        await flow.expect(position="0.01", sells=("3000",), state="quoting")
        flow.workflow_abi = ""

        await flow.restart(SYMBOL)

        await trade_on(flow)
