"""One seed: several symbols, the production engine, hub and gate, a hostile world, a checker.

Nothing of the product is re-implemented here. The world supplies ports - a venue on a bad network,
a journal that may crash around a commit, links that are cut - and kills processes: a manager or
the exchange process loses all memory and everything it was awaiting, while requests it had written
still land. Safety is checked while it happens; then the faults stop, everything is told to cancel,
and the books must agree.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from opensqt.core.facts import Directive, DirectiveGiven, Fact
from opensqt.core.grid.config import GridConfig
from opensqt.core.ids import AccountName, Symbol, UnitId, deployment_tag
from opensqt.core.instrument import Instrument
from opensqt.core.orders import Side
from opensqt.core.registry import KillRow
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.decider import Identity
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.engine.local_link import LocalLink, LocalManagerEnd
from opensqt.engine.symbol_engine import StaleProcessError, SymbolEngine
from opensqt.engine.workflow import DirectWorkflows
from opensqt.market.types import AccountTerms, BookOrder, Quote, VenueOptions
from opensqt.market.venue import VenueModel
from opensqt.ports.journal import JournalError
from opensqt.ports.link import LinkClosedError
from opensqt.simulation.checker import Checker, Violation
from opensqt.simulation.faults import Faults
from opensqt.simulation.journal import CommitHook, CommitPoint, JournalDisk, MemoryJournal
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.registry import MemoryRegistry
from opensqt.simulation.trace import Trace
from opensqt.simulation.venue import (
    SimulatedVenue,
    VenueConnection,
    frame_age,
    price_update,
)

ACCOUNT = AccountName("paper")
SAFETY_MS = 60_000
# H, V, two look-ups and their back-off, and the audit interval, twice.
LIVENESS_MS = 150_000
RESTART_MS_MAX = 3_000
CONFIRM_EVERY_MS = 500
STEP_MS_MAX = 800


class _CrashError(Exception):
    """The process dies at this point of a commit."""


@dataclass(slots=True)
class _Manager:
    unit: UnitId
    disk: JournalDisk
    engine: SymbolEngine | None = None
    task: "asyncio.Task[None] | None" = None
    journal: MemoryJournal | None = None
    ends: list[LocalManagerEnd] = field(default_factory=list)


@dataclass(slots=True)
class _Exchange:
    hub: Hub
    gate: Gate
    link: LocalLink
    venue: VenueConnection
    tasks: "list[asyncio.Task[None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What one seed did."""

    seed: int
    violation: str
    crashes: int
    orders: int
    fills: int
    trace: Sequence[str]


class World:
    """One seed's run. Create inside nothing; ``run_seed`` drives it."""

    def __init__(
        self, seed: int, loop: VirtualLoop, *, faults: Faults | None, keep_trace: bool
    ) -> None:
        """Draw the world of ``seed``."""
        self._rng = random.Random(seed)
        self.seed = seed
        self._loop = loop
        self._clock = VirtualClock(loop)
        drawn = Faults.draw(self._rng)
        self._faults = drawn if faults is None else faults
        self.trace = Trace(self._clock, is_kept=keep_trace)
        count = self._rng.choice((1, 1, 2, 3))
        units = [
            UnitId(account=ACCOUNT, symbol=Symbol(f"{name}USDT:perp"))
            for name in ("AAA", "BBB", "CCC")[:count]
        ]
        model = VenueModel(
            instruments=[_instrument(unit.symbol) for unit in units],
            accounts=[AccountTerms(name=ACCOUNT, balances={"USDT": Decimal(1_000_000)})],
            options=VenueOptions(),
        )
        self._tag = deployment_tag(self._rng.randbytes(4))
        self._managers = [_Manager(unit=unit, disk=JournalDisk(unit=unit)) for unit in units]
        self.checker = Checker(
            deployment=self._tag,
            disks={manager.unit.symbol: manager.disk for manager in self._managers},
            model=model,
            account=ACCOUNT,
        )
        self._venue = SimulatedVenue(
            model,
            account=ACCOUNT,
            faults=self._faults,
            rng=self._rng,
            clock=self._clock,
            accepted=self._on_accepted,
        )
        self._registry = MemoryRegistry(deployment=self._tag)
        self._exchange: _Exchange | None = None
        self._account_epoch = 0
        self._prices = {unit.symbol: Decimal(1_000) for unit in units}
        self._violation: asyncio.Future[str] = loop.create_future()
        self._restarts: set[asyncio.Task[None]] = set()
        # Dead processes keep their frozen tasks: collecting them would only make noise.
        self._graveyard: list[object] = []
        self._is_healed = False
        self.crashes = 0

    # -- the run

    async def run(self) -> str:
        """Return the first violation, empty when there was none."""
        self._quote_all()
        self._start_exchange()
        for manager in self._managers:
            await self._start_manager(manager)
        market = self._loop.create_task(self._market())
        disasters = [self._loop.create_task(self._disaster(kind)) for kind in self._schedule()]
        await asyncio.wait((self._violation,), timeout=SAFETY_MS / 1_000)
        for task in disasters:
            task.cancel()
        if not self._violation.done():
            await self._heal()
        market.cancel()
        return self._violation.result() if self._violation.done() else ""

    async def _heal(self) -> None:
        """Stop the faults, tell everybody to cancel, and compare the books at the end."""
        self._venue.faults = Faults()
        self._is_healed = True
        self.trace.say("world", "healed")
        if self._restarts:
            await asyncio.wait(tuple(self._restarts))
        for _ in range(LIVENESS_MS // 1_000):
            self._tell_all(Directive.CANCEL)
            await asyncio.wait((self._violation,), timeout=1)
            engines = [manager.engine for manager in self._managers]
            if self._violation.done() or all(one and one.is_stopped for one in engines):
                break
        if not self._violation.done():
            states = [manager.engine.state for manager in self._managers if manager.engine]
            problem = self.checker.at_end(states)
            if problem:
                self._violation.set_result(problem)

    def _tell_all(self, directive: Directive) -> None:
        for manager in self._managers:
            engine = manager.engine
            if engine is not None and engine.state.directive is not directive:
                engine.tell(
                    DirectiveGiven(
                        directive=directive,
                        by="simulation",
                        reason="end",
                        at_ms=self._clock.now_ms(),
                    )
                )

    def _fail(self, text: str) -> None:
        self.trace.say("VIOLATION", text)
        if not self._violation.done():
            self._violation.set_result(text)

    def _on_accepted(self, order: BookOrder) -> None:
        try:
            self.checker.on_accepted(order)
        except Violation as violation:
            self._fail(str(violation))

    # -- processes

    def _start_exchange(self) -> None:
        self._account_epoch += 1
        connection = VenueConnection(self._venue, self._clock)
        log = self.trace.log("exchange")
        gate = Gate(connection, clock=self._clock, log=log)
        hub = Hub(
            connection,
            gate,
            epoch_of=self._registry.symbol_epoch,
            session_prefix=f"e{self._account_epoch}",
            clock=self._clock,
            log=log,
        )
        link = LocalLink(hub.attach)
        epoch = self._account_epoch

        async def confirm() -> None:
            while True:
                gate.confirm(kill=KillRow(), account_epoch=epoch)
                await self._clock.sleep_ms(CONFIRM_EVERY_MS)

        tasks = [self._loop.create_task(confirm()), self._loop.create_task(hub.run())]
        self._exchange = _Exchange(hub=hub, gate=gate, link=link, venue=connection, tasks=tasks)

    async def connect(self) -> LocalManagerEnd:
        """Connect a manager to whatever exchange process there is (``LinkPort``)."""
        if self._exchange is None:
            message = "no exchange process"
            raise LinkClosedError(message)
        return await self._exchange.link.connect()

    async def _start_manager(self, manager: _Manager) -> None:
        epoch = await self._registry.next_symbol_epoch(manager.unit)
        manager.journal = MemoryJournal(manager.disk, hook=self._commit_hook(manager))
        engine = SymbolEngine(
            Identity(
                unit=manager.unit,
                deployment=self._tag,
                epoch=epoch,
                build="sim",
                host="sim",
                pid=epoch,
            ),
            _config(),
            config_version=1,
            journal=manager.journal,
            link=_ManagerDoor(self, manager),
            workflows=DirectWorkflows(),
            clock=self._clock,
            log=self.trace.log(manager.unit.symbol),
        )
        manager.engine = engine
        manager.task = self._loop.create_task(self._live(manager, engine))

    async def _live(self, manager: _Manager, engine: SymbolEngine) -> None:
        try:
            await engine.run()
        except (StaleProcessError, JournalError, _CrashError) as error:
            self.trace.say(manager.unit.symbol, f"ended: {type(error).__name__} {error}")
            self._after_death(manager)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - any escape is a finding, whatever its class
            self._fail(f"{manager.unit.symbol} died: {type(error).__name__}: {error}")

    def _commit_hook(self, manager: _Manager) -> CommitHook:
        async def hook(point: CommitPoint, facts: Sequence[Fact]) -> None:
            _ = facts
            if self._venue.happens(self._venue.faults.commit_crash):
                self.trace.say(manager.unit.symbol, f"crash {point} commit")
                self._kill_manager(manager)
                await self._loop.create_future()
            if point is CommitPoint.BEFORE and self._venue.happens(
                self._venue.faults.commit_failure
            ):
                message = "disk full"
                raise JournalError(message)

        return hook

    def _kill_manager(self, manager: _Manager) -> None:
        """SIGKILL: memory is gone, the connection breaks, nothing it awaited continues."""
        if manager.engine is None:
            return
        self.crashes += 1
        self._graveyard.append((manager.engine, manager.task))
        manager.engine = None
        if manager.journal is not None:
            manager.journal.kill()
        if manager.task is not None:
            manager.task.cancel()
        for end in manager.ends:
            self._spawn(end.close())
        manager.ends.clear()
        self._after_death(manager)

    def _after_death(self, manager: _Manager) -> None:
        async def restart() -> None:
            await self._clock.sleep_ms(self._rng.randint(10, RESTART_MS_MAX))
            await self._start_manager(manager)

        self._spawn(restart())

    def _kill_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        self.crashes += 1
        self._graveyard.append(exchange)
        exchange.venue.kill()
        for task in exchange.tasks:
            task.cancel()
        for manager in self._managers:
            for end in manager.ends:
                self._spawn(end.close())
            manager.ends.clear()

        async def restart() -> None:
            await self._clock.sleep_ms(self._rng.randint(10, RESTART_MS_MAX))
            self._start_exchange()

        self._spawn(restart())

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    # -- disasters

    def _schedule(self) -> list[tuple[int, str]]:
        faults = self._faults
        kinds = (
            ["manager"] * faults.manager_crashes
            + ["exchange"] * faults.exchange_crashes
            + ["stream"] * faults.stream_cuts
            + ["link"] * faults.link_cuts
        )
        return [(self._rng.randint(500, SAFETY_MS - 2_000), kind) for kind in kinds]

    async def _disaster(self, planned: tuple[int, str]) -> None:
        at_ms, kind = planned
        await self._clock.sleep_ms(at_ms)
        manager = self._rng.choice(self._managers)
        self.trace.say("world", f"disaster {kind} {manager.unit.symbol}")
        match kind:
            case "manager":
                self._kill_manager(manager)
            case "exchange":
                self._kill_exchange()
            case "stream":
                self._venue.cut_streams()
            case _:
                for end in manager.ends:
                    self._spawn(end.close())
                manager.ends.clear()

    # -- the market

    def _quote_all(self) -> None:
        for symbol in self._prices:
            self._move(symbol, 0)

    def _move(self, symbol: Symbol, ticks: int) -> None:
        tick = Decimal("0.1")
        price = max(self._prices[symbol] + ticks * tick, Decimal(500))
        self._prices[symbol] = price
        now_ms = self._clock.now_ms()
        model = self._venue.model
        size = Decimal(self._rng.randint(1, 30)) / 1_000
        quote = Quote(bid=price - tick, ask=price, bid_quantity=size, ask_quantity=size)
        self._venue.publish(model.on_quote(symbol, quote, now_ms))
        side = Side.SELL if ticks <= 0 else Side.BUY
        at = price if side is Side.BUY else price - tick
        self._venue.publish(model.on_trade(symbol, at, size, side, now_ms))
        update = price_update(self._venue, symbol, now_ms)
        if update is not None:
            self._venue.tell(update)

    async def _market(self) -> None:
        while True:
            await self._clock.sleep_ms(self._rng.randint(50, STEP_MS_MAX))
            symbol = self._rng.choice(tuple(self._prices))
            self._move(symbol, self._rng.choice((-15, -8, -3, 0, 3, 8, 15)))
            self._venue.tell(frame_age(self._clock.now_ms()))


class _ManagerDoor:
    """``LinkPort`` of one manager: remembers its connections so that they can be cut."""

    def __init__(self, world: World, manager: _Manager) -> None:
        self._world = world
        self._manager = manager

    async def connect(self) -> LocalManagerEnd:
        """Open a connection to the exchange process."""
        end = await self._world.connect()
        self._manager.ends.append(end)
        return end


def run_seed(seed: int, *, faults: Faults | None = None, keep_trace: bool = False) -> SeedResult:
    """Run one seed to its end; deterministic. ``faults`` replaces what the seed would draw."""
    loop = VirtualLoop()
    world = World(seed, loop, faults=faults, keep_trace=keep_trace)
    violation = run_virtual(world.run(), loop)
    return SeedResult(
        seed=seed,
        violation=violation,
        crashes=world.crashes,
        orders=world.checker.orders,
        fills=world.checker.fills,
        trace=world.trace.lines,
    )


def _instrument(symbol: Symbol) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue_symbol=symbol.split(":")[0],
        base_asset=symbol[:3],
        quote_asset="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        quantity_min=Decimal("0.001"),
        quantity_max=Decimal(1_000),
        notional_min=Decimal(5),
        contract_size=Decimal(1),
        orders_open_max=200,
        reduce_only_exempt=True,
        price_band=Decimal("0.3"),
    )


def _config() -> UnitConfig:
    return UnitConfig(
        capital=Decimal(10_000),
        grid=GridConfig(
            price_interval=Decimal(1),
            order_quantity=Decimal(20),
            buy_window_size=3,
            sell_window_size=5,
        ),
    )
