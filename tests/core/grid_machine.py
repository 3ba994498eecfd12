"""The stateful test of a grid unit: every order of faults hypothesis can think of."""

from collections import Counter
from decimal import Decimal
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opensqt.core.facts import Directive
from opensqt.core.grid.config import GridConfig, QuantityUnit
from opensqt.core.instrument import Instrument
from opensqt.core.risk.limits import Limits
from tests.core.builders import ETH, WIDE, D
from tests.core.world import Arrival, World

PICK = st.integers(0, 50)


def machine_instrument(*, is_exempt: bool) -> Instrument:
    """Return rules under which partial fills easily leave too little to be offered."""
    return Instrument(
        symbol=ETH.symbol,
        venue_symbol=ETH.venue_symbol,
        base_asset="ETH",
        quote_asset="USDT",
        tick_size=D(1),
        lot_size=D(1),
        quantity_min=D(4),
        quantity_max=D(12),
        notional_min=D(4_000),
        contract_size=D(1),
        orders_open_max=50,
        reduce_only_exempt=is_exempt,
        price_band=D("0.05"),
    )


class GridMachine(RuleBasedStateMachine):
    """Rules are what the market, the network, the venue, the process and the operator may do."""

    visited: ClassVar[Counter[str]] = Counter()

    world: World

    @initialize(
        windows=st.tuples(st.integers(1, 4), st.integers(1, 4)),
        hysteresis=st.integers(0, 1),
        is_exempt=st.booleans(),
        exposure=st.sampled_from([15_000, 40_000, 10**9]),
    )
    def begin(
        self, windows: tuple[int, int], hysteresis: int, is_exempt: bool, exposure: int
    ) -> None:
        self.world = World(
            config=GridConfig(
                price_interval=D(10),
                order_quantity=D(10),
                order_quantity_unit=QuantityUnit.BASE,
                buy_window_size=windows[0],
                sell_window_size=windows[1],
                hysteresis=hysteresis,
                retry_backoff_ms=1_000,
            ),
            instrument=machine_instrument(is_exempt=is_exempt),
            limits=Limits(
                order_notional_max=WIDE.order_notional_max,
                exposure_notional_max=D(exposure),
                orders_open_max=12,
                crossing_collar=WIDE.crossing_collar,
                passive_band=WIDE.passive_band,
                price_age_ms_max=WIDE.price_age_ms_max,
            ),
        )
        self.world.start()
        self.world.cycle()

    @rule(ticks=st.integers(-25, 25), wait_ms=st.sampled_from([0, 1, 1_500, 5_000, 100_000]))
    def tick(self, ticks: int, wait_ms: int) -> None:
        self.world.tick(ticks, wait_ms=wait_ms)
        self.world.cycle()

    @rule(ticks=st.integers(-25, 25), quantity=st.sampled_from([None, 1, 3, 9]))
    def session(self, ticks: int, quantity: int | None) -> None:
        self.world.session(ticks, quantity=None if quantity is None else Decimal(quantity))

    @rule(ticks=st.lists(st.integers(-25, 25), max_size=4))
    def sessions(self, ticks: list[int]) -> None:
        for move in ticks:
            self.world.session(move, quantity=None)

    @rule(pick=PICK, quantity=st.integers(1, 3))
    def leave_dust(self, pick: int, quantity: int) -> None:
        self.world.fill(pick, Decimal(quantity))
        self.world.expire(pick)
        self.deliver_everything()

    @rule()
    def step_again(self) -> None:
        self.world.cycle()

    @rule(pick=PICK, arrival=st.sampled_from(Arrival))
    def arrive(self, pick: int, arrival: Arrival) -> None:
        self.world.arrive(pick, arrival)

    @rule(pick=PICK)
    def lose_the_reply_of_an_order_that_fills(self, pick: int) -> None:
        if self.world.places:
            self.world.arrive(pick, Arrival.REPLY_LOST)
            self.world.fill(-1, None)
            while self.world.reports:
                self.world.hear(len(self.world.reports) // 2)

    @rule()
    def arrive_all(self) -> None:
        while self.world.places:
            self.world.arrive(0, Arrival.ACCEPTED)

    @rule(pick=PICK, is_lost=st.booleans())
    def arrive_cancel(self, pick: int, is_lost: bool) -> None:
        self.world.arrive_cancel(pick, is_lost=is_lost)

    @rule(pick=PICK, quantity=st.integers(1, 9))
    def fill_part(self, pick: int, quantity: int) -> None:
        self.world.fill(pick, Decimal(quantity))

    @rule(pick=PICK)
    def fill_all(self, pick: int) -> None:
        self.world.fill(pick, None)

    @rule(pick=PICK)
    def expire(self, pick: int) -> None:
        self.world.expire(pick)

    @rule()
    def deliver_next(self) -> None:
        self.world.hear(0)

    @rule()
    def deliver_everything(self) -> None:
        while self.world.reports:
            self.world.hear(0)
        self.world.cycle()

    @rule(pick=PICK)
    def deliver_any(self, pick: int) -> None:
        self.world.hear(pick)

    @rule(pick=PICK)
    def deliver_twice(self, pick: int) -> None:
        self.world.hear(pick, is_kept=True)

    @rule(pick=PICK)
    def deliver_stale(self, pick: int) -> None:
        self.world.stale(pick)

    @rule(pick=PICK)
    def resolve(self, pick: int) -> None:
        self.world.resolve(pick)

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule(sent=st.integers(0, 2), ticks=st.integers(-15, 15))
    def crash_between_commit_and_send(self, sent: int, ticks: int) -> None:
        self.world.tick(ticks, wait_ms=1)
        self.world.cycle(sent=sent)
        self.world.crash()

    @rule(directive=st.sampled_from(Directive))
    def give(self, directive: Directive) -> None:
        self.world.give(directive)
        self.world.cycle()

    @rule()
    def run(self) -> None:
        self.world.give(Directive.RUN)
        self.world.cycle()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()
            self.world.flatten()
            self.world.settle()
            type(self).visited.update(self.world.seen)
