"""A process that commits until it dies: ``python -m tests.storage.writer DATA EPOCH``.

Prints each acknowledged sequence. Every batch is an intended order, its trade and a report, so that
a torn commit would show as a count that is no multiple of three. Exits 17 when its epoch is over.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from opensqt.core.facts import Fact
from opensqt.core.symbol import replay
from opensqt.ports.journal import SequenceConflictError, StaleEpochError
from opensqt.storage.journal import open_journal
from tests.storage.contract import EMPTY, UNIT, intended, reported, traded

BATCH: Final = 3
SNAPSHOT_EVERY: Final = 10
EXIT_STALE: Final = 17


def batch(number: int, epoch: int, *, generation: int) -> tuple[Fact, ...]:
    name = f"order-{epoch}-{number}"
    return (
        replace(intended(name, slot=generation, epoch=epoch), generation=generation),
        traded(f"trade-{epoch}-{number}", name, venue_order_id=f"venue-{epoch}-{number}"),
        reported(name, venue_order_id=f"venue-{epoch}-{number}"),
    )


async def write_forever(data: Path, epoch: int) -> None:
    journal = open_journal(data, UNIT)
    recovered = await journal.load()
    state = replay(recovered.snapshot or EMPTY, recovered.facts)
    number = 0
    while True:
        number += 1
        facts = batch(number, epoch, generation=state.generation_next)
        after = replay(state, facts)
        sequence = await journal.commit(
            facts,
            epoch=epoch,
            expected_sequence=state.sequence,
            snapshot=after if number % SNAPSHOT_EVERY == 0 else None,
        )
        state = after
        print(sequence, flush=True)


def main(data: str, epoch: str) -> int:
    try:
        asyncio.run(write_forever(Path(data), int(epoch)))
    except (StaleEpochError, SequenceConflictError) as error:
        print(type(error).__name__, error, flush=True)
        return EXIT_STALE
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
