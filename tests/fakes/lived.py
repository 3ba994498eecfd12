"""Facts of a unit that has really lived: the production engine on a model venue, for readers."""

import asyncio
from functools import cache

from opensqt.core import codec
from opensqt.core.facts import Directive, Fact
from opensqt.core.ids import UnixMs
from opensqt.core.registry import Desire, UnitRecord
from opensqt.core.symbol import SymbolState
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from opensqt.storage.location import Location
from tests.engine.stage import CONFIG, UNIT, Stage, play


@cache
def lived() -> tuple[Fact, ...]:
    """Return what a unit journaled while prices moved, it was paused and went on."""
    facts: list[Fact] = []

    async def story(stage: Stage) -> None:
        await stage.open()
        for price in ("998.4", "1003.2", "996.9", "1001.5", "1008", "999.5"):
            stage.quote(price)
            await stage.sleep(700)
        stage.direct(Directive.CANCEL)
        await stage.until(lambda: stage.engine.is_stopped)
        stage.direct(Directive.RUN)
        await stage.until(lambda: len(stage.live) >= 3)
        stage.quote("997.2")
        await stage.sleep(2_000)
        facts.extend(stage.disk.facts)

    play(story)
    return tuple(facts)


def store_life(location: Location, *, snapshot: SymbolState | None = None) -> None:
    """Write a deployment with one unit and its journal where a test wants them."""
    asyncio.run(_store(location, lived(), snapshot))


async def _store(location: Location, facts: tuple[Fact, ...], snapshot: SymbolState | None) -> None:
    registry = open_control(location, writer="test", random_bytes=bytes(8), may_migrate=True)
    row = UnitRecord(
        unit=UNIT,
        desire=Desire.RUNNING,
        directive=Directive.RUN,
        config_text=codec.encode(CONFIG),
        config_version=1,
        revision=1,
        updated_ms=UnixMs(0),
    )
    await registry.put_unit(row, expected_revision=0)
    registry.close()
    journal = open_journal(location, UNIT, may_migrate=True)
    cut = 0 if snapshot is None else snapshot.sequence
    await journal.commit(facts[:cut], epoch=1, expected_sequence=0, snapshot=snapshot)
    await journal.commit(facts[cut:], epoch=1, expected_sequence=cut)
    journal.close()
