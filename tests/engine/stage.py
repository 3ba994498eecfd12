"""One unit with its exchange process on an honest venue, in virtual time.

The production engine, link, hub and gate run against the venue model of the simulation without
any fault but those a test asks for. ``play`` runs one story to its end.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from opensqt.core.facts import Directive, DirectiveGiven, Fact
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import AccountName, UnitId
from opensqt.core.orders import Order, Side
from opensqt.core.registry import KillRow
from opensqt.core.symbol import SymbolState
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.decider import Identity
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.engine.local_link import LocalLink, LocalManagerEnd
from opensqt.engine.symbol_engine import SymbolEngine
from opensqt.engine.workflow import DirectWorkflows
from opensqt.market.types import AccountTerms, Quote, VenueOptions
from opensqt.market.venue import VenueModel
from opensqt.ports.clock import ClockPort
from opensqt.ports.workflow import WorkflowPort
from opensqt.simulation.faults import Faults
from opensqt.simulation.journal import CommitHook, JournalDisk, MemoryJournal
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.registry import MemoryRegistry
from opensqt.simulation.venue import SimulatedVenue, VenueConnection, frame_age, price_update
from tests.engine.doubles import INSTRUMENT, SYMBOL, QuietLog, build_of

UNIT = UnitId(account=AccountName("paper"), symbol=SYMBOL)
TAG = "abc"
CONFIG = UnitConfig(
    capital=Decimal(10_000),
    grid=GridConfig(
        price_interval=Decimal(1),
        order_quantity=Decimal(20),
        buy_window_size=3,
        sell_window_size=5,
    ),
)


@dataclass
class Stage:
    """The parts, and short ways to say what happens."""

    loop: asyncio.AbstractEventLoop
    """A virtual one, unless a story needs threads."""
    hook: CommitHook | None = None
    disk: JournalDisk = field(default_factory=lambda: JournalDisk(unit=UNIT))
    log: QuietLog = field(default_factory=QuietLog)
    ends: list[LocalManagerEnd] = field(default_factory=list)
    kill: KillRow = field(default_factory=KillRow)
    has_prices: bool = True
    venue_type: type[VenueConnection] = VenueConnection
    config: UnitConfig = CONFIG
    faults: Faults = field(default_factory=lambda: Faults(latency_ms_max=2, event_delay_ms_max=2))
    workflows: Callable[[], WorkflowPort] = DirectWorkflows
    accepted: list[str] = field(default_factory=list)
    """Client order ids the venue has taken, in the order in which it did."""

    def __post_init__(self) -> None:
        self.clock = self.make_clock()
        self.model = VenueModel(
            instruments=[INSTRUMENT],
            accounts=[AccountTerms(name=UNIT.account, balances={"USDT": Decimal(1_000_000)})],
            options=VenueOptions(),
        )
        self.world = SimulatedVenue(
            self.model,
            account=UNIT.account,
            faults=self.faults,
            rng=random.Random(1),
            clock=self.clock,
            accepted=lambda order: self.accepted.append(order.client_order_id),
        )
        self.venue = self.venue_type(self.world, self.clock)
        self.registry = MemoryRegistry(deployment=TAG)
        self.gate = Gate(self.venue, clock=self.clock, log=self.log)
        self.hub = Hub(
            self.venue,
            self.gate,
            epoch_of=self.registry.symbol_epoch,
            build=build_of("t"),
            session_prefix="t",
            clock=self.clock,
            log=self.log,
        )
        self.link = LocalLink(self.hub.attach)
        self.engine = self.make_engine(epoch=1)

    def make_clock(self) -> ClockPort:
        return VirtualClock(self.loop)

    def set_clock_by(self, jump_ms: int) -> None:
        assert isinstance(self.clock, VirtualClock)
        self.clock.set_by(jump_ms)

    def make_engine(self, *, epoch: int) -> SymbolEngine:
        return SymbolEngine(
            Identity(unit=UNIT, deployment=TAG, epoch=epoch, build="t", host="t", pid=epoch),
            self.config,
            config_version=1,
            journal=MemoryJournal(self.disk, hook=self.hook),
            link=self,
            workflows=self.workflows(),
            clock=self.clock,
            log=self.log,
        )

    async def connect(self) -> LocalManagerEnd:
        self.ends.append(await self.link.connect())
        return self.ends[-1]

    async def open(self, *, price: str = "1000") -> None:
        """Start everything and wait until the unit quotes."""
        self.quote(price)
        self.tasks = [
            self.loop.create_task(self.hub.run()),
            self.loop.create_task(self._confirm()),
            self.loop.create_task(self._frames()),
            self.loop.create_task(self.engine.run()),
        ]
        await self.until(lambda: self.engine.is_ready and len(self.open_orders) >= 3)

    @property
    def running(self) -> "asyncio.Task[None]":
        return self.tasks[-1]

    async def _confirm(self) -> None:
        while True:
            self.gate.confirm(kill=self.kill, account_epoch=1)
            if self.gate.is_adrift:
                await self.gate.check_clock()
            await self.clock.sleep_ms(500)

    async def _frames(self) -> None:
        while True:
            self.world.tell(frame_age(self.clock.now_ms()))
            self._tell_price()
            await self.clock.sleep_ms(200)

    def _tell_price(self) -> None:
        update = price_update(self.world, SYMBOL, self.clock.now_ms())
        if update is not None and self.has_prices:
            self.world.tell(update)

    # -- what happens

    def quote(self, price: str, *, size: str = "0.001") -> None:
        """Move the market there; what it crosses is filled."""
        ask = Decimal(price)
        quantity = Decimal(size)
        quote = Quote(
            bid=ask - Decimal("0.1"), ask=ask, bid_quantity=quantity, ask_quantity=quantity
        )
        now_ms = self.clock.now_ms()
        self.world.publish(self.model.on_quote(SYMBOL, quote, now_ms))
        self.world.publish(self.model.on_trade(SYMBOL, quote.bid, quantity, Side.SELL, now_ms))
        self._tell_price()

    def direct(self, directive: Directive) -> None:
        self.engine.tell(
            DirectiveGiven(directive=directive, by="test", reason="test", at_ms=self.clock.now_ms())
        )

    async def cut_link(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            await end.close()

    # -- what is

    @property
    def state(self) -> SymbolState:
        return self.engine.state

    @property
    def open_orders(self) -> list[str]:
        return [o.client_order_id for o in self.model.open_orders(UNIT.account, SYMBOL)]

    @property
    def live(self) -> list[Order]:
        return list(self.state.live_orders)

    def facts(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.disk.facts if isinstance(fact, kind)]

    async def until(self, holds: Callable[[], bool], *, within_ms: int = 60_000) -> None:
        give_up_ms = self.clock.monotonic_ms() + within_ms
        while not holds():
            if self.running.done():
                self.running.result()
            assert self.clock.monotonic_ms() < give_up_ms, self.log.events[-20:]
            await self.clock.sleep_ms(10)

    async def sleep(self, duration_ms: int) -> None:
        await self.clock.sleep_ms(duration_ms)


def play(story: Callable[[Stage], Awaitable[None]], **knobs: object) -> None:
    """Run ``story`` on a fresh stage."""
    loop = VirtualLoop()

    async def main() -> None:
        await story(Stage(loop, **knobs))  # type: ignore[arg-type]

    run_virtual(main(), loop)
