"""What the stateful tests of a market without network faults begin with and go on with."""

from typing import Generic, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opensqt.core.grid.config import GridConfig, QuantityUnit
from tests.core.builders import D
from tests.core.grid_machine import PICK
from tests.core.world import World

WorldT = TypeVar("WorldT", bound=World)


class MarketMachine(RuleBasedStateMachine, Generic[WorldT]):
    """A market that moves and fills; what else may happen, subclasses say."""

    world: WorldT

    def made(self, config: GridConfig) -> WorldT:
        """Return a world in which nothing has happened."""
        raise NotImplementedError

    @initialize(windows=st.tuples(st.integers(1, 4), st.integers(1, 4)))
    def begin(self, windows: tuple[int, int]) -> None:
        config = GridConfig(
            price_interval=D(10),
            order_quantity=D(10),
            order_quantity_unit=QuantityUnit.BASE,
            buy_window_size=windows[0],
            sell_window_size=windows[1],
        )
        self.world = self.made(config)
        self.world.start()
        self.world.cycle()

    @rule(ticks=st.integers(-25, 25), quantity=st.sampled_from([None, 3]))
    def session(self, ticks: int, quantity: int | None) -> None:
        self.world.session(ticks, quantity=None if quantity is None else D(quantity))

    @rule(pick=PICK, lots=st.integers(1, 9))
    def fill_and_say_nothing_yet(self, pick: int, lots: int) -> None:
        self.world.fill(pick, D(lots))

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.end()

    def end(self) -> None:
        """Bring everything to rest and assert that it has come to agree."""
        raise NotImplementedError
