"""What all parts of one world share."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Final

from opensqt.core.ids import AccountName
from opensqt.simulation.control_store import ControlStore
from opensqt.simulation.faults import Faults
from opensqt.simulation.liquidator import Liquidator
from opensqt.simulation.loop import VirtualClock, VirtualLoop
from opensqt.simulation.trace import Trace
from opensqt.simulation.venue import SimulatedVenue
from opensqt.simulation.witness import Witness

ACCOUNT: Final = AccountName("paper")
BUILD: Final = "sim"
RESTART_MS_MAX: Final = 3_000


@dataclass(slots=True, kw_only=True)
class Scene:
    """The clock, the dice, the venue, the store, and who watches."""

    rng: random.Random
    loop: VirtualLoop
    clock: VirtualClock
    trace: Trace
    deployment: str
    venue: SimulatedVenue
    liquidator: Liquidator
    store: ControlStore
    witness: Witness
    crashes: int = 0
    works: set[asyncio.Task[None]] = field(default_factory=set)
    """What goes on in the background and ends by itself, such as a restart."""
    graveyard: list[object] = field(default_factory=list)
    """Dead processes keep their frozen tasks: collecting them would only make noise."""

    @property
    def faults(self) -> Faults:
        """Return the faults of this moment."""
        return self.venue.faults

    def happens(self, probability: float) -> bool:
        """Draw whether a fault happens."""
        return probability > 0 and self.rng.random() < probability

    async def soon(self) -> None:
        """Let the time of a restart pass."""
        await self.clock.sleep_ms(self.rng.randint(10, RESTART_MS_MAX))

    def work(self, work: Coroutine[object, object, None]) -> None:
        """Do something in the background."""
        task = self.loop.create_task(work)
        self.works.add(task)
        task.add_done_callback(self.works.discard)
