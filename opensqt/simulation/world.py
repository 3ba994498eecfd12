"""One seed: production engine, hub, gate and guard for several symbols, a hostile world, a checker.

Nothing of the product is re-implemented here. The world supplies ports - a venue on a bad network,
a journal that may crash around a commit, links that are cut - and treats processes badly: kills
them (memory and everything awaited is gone, while requests that were written still land), stops
them, starts others in their place and lets them go on. Safety is checked while it happens; then the
faults stop, everything must quote again, is told to cancel, and the books must agree.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Final

from opensqt.core.facts import Directive, DirectiveGiven, Fact
from opensqt.core.ids import AccountName, Symbol, TradeId, UnitId, deployment_tag
from opensqt.core.registry import KillRow
from opensqt.engine.decider import Identity
from opensqt.engine.local_link import LocalManagerEnd
from opensqt.engine.symbol_engine import StaleProcessError
from opensqt.market.types import AccountTerms, BookOrder, ClientIdRule, VenueOptions
from opensqt.market.venue import VenueModel
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import PlaceRequest
from opensqt.ports.journal import JournalError
from opensqt.ports.link import LinkClosedError
from opensqt.simulation.checker import Checker, Violation
from opensqt.simulation.connector import Connector
from opensqt.simulation.crowd import Crowd, instrument
from opensqt.simulation.exchange import ExchangeProcess
from opensqt.simulation.faults import Faults
from opensqt.simulation.journal import CommitHook, CommitPoint, JournalDisk
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.manager import ManagerProcess
from opensqt.simulation.registry import MemoryRegistry
from opensqt.simulation.trace import Trace
from opensqt.simulation.venue import SimulatedVenue
from opensqt.simulation.workflows import HostileWorkflows, WorkflowShelf

ACCOUNT: Final = AccountName("paper")
SAFETY_MS: Final = 60_000
# H, V, two look-ups and their back-off, and the audit interval, twice.
LIVENESS_MS: Final = 150_000
RESTART_MS_MAX: Final = 3_000
PAUSE_MS_MAX: Final = 15_000
SILENCE_MS_MAX: Final = 20_000
KILL_MS_MAX: Final = 10_000
BAN_MS_MAX: Final = 15_000
STALE_MS: Final = 900
"""Two of these stay below what a gate trusts its last look at the control store."""
_LOOK_MS: Final = 50


@dataclass(slots=True)
class _Unit:
    unit: UnitId
    disk: JournalDisk
    skew_ms: int
    shelf: WorkflowShelf = field(default_factory=WorkflowShelf)
    process: ManagerProcess | None = None
    zombies: list[ManagerProcess] = field(default_factory=list)


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
        """Draw the world of ``seed``, with other ``faults`` if given."""
        self._rng = random.Random(seed)
        self._loop = loop
        self._clock = VirtualClock(loop)
        drawn = Faults.draw(self._rng)
        self._faults = drawn if faults is None else faults
        self.trace = Trace(self._clock, is_kept=keep_trace)
        self._tag = deployment_tag(self._rng.randbytes(4))
        self._units = self._draw_units()
        symbols = [one.unit.symbol for one in self._units]
        model = VenueModel(
            instruments=[instrument(symbol) for symbol in symbols],
            accounts=[AccountTerms(name=ACCOUNT, balances={"USDT": Decimal(1_000_000)})],
            options=VenueOptions(client_id_rule=self._rng.choice(tuple(ClientIdRule))),
        )
        self.checker = Checker(
            deployment=self._tag,
            disks={one.unit.symbol: one.disk for one in self._units},
            model=model,
            account=ACCOUNT,
        )
        for one in self._units:
            one.disk.written = partial(self._on_committed, one.unit)
        self._venue = SimulatedVenue(
            model,
            account=ACCOUNT,
            faults=self._faults,
            rng=self._rng,
            clock=self._clock,
            accepted=self._on_accepted,
        )
        self._crowd = Crowd(self._venue, symbols, clock=self._clock, rng=self._rng)
        self._registry = MemoryRegistry(deployment=self._tag)
        self._connector = Connector(
            self._venue,
            account=ACCOUNT,
            registry=self._registry,
            clock=self._clock,
            loop=loop,
            written=self._on_written,
        )
        self._exchange: ExchangeProcess | None = None
        self._violation: asyncio.Future[str] = loop.create_future()
        self._works: set[asyncio.Task[None]] = set()
        # Dead processes keep their frozen tasks: collecting them would only make noise.
        self._graveyard: list[object] = []
        self.crashes = 0

    def _draw_units(self) -> list[_Unit]:
        names = ("AAA", "BBB", "CCC")[: self._rng.choice((1, 1, 2, 3))]
        skew_ms = self._faults.skew_ms_max
        units = [UnitId(account=ACCOUNT, symbol=Symbol(f"{name}USDT:perp")) for name in names]
        return [
            _Unit(
                unit=unit,
                disk=JournalDisk(unit=unit),
                skew_ms=self._rng.randint(-skew_ms, skew_ms) if skew_ms else 0,
            )
            for unit in units
        ]

    # -- the run

    async def run(self) -> str:
        """Return the first violation, empty when there was none."""
        crowd = self._loop.create_task(self._crowd.run())
        self._connector.start()
        await self._start_exchange()
        for one in self._units:
            await self._start_manager(one)
        disasters = [self._loop.create_task(self._disaster(kind)) for kind in self._schedule()]
        await asyncio.wait((self._violation,), timeout=SAFETY_MS / 1_000)
        for task in disasters:
            task.cancel()
        if not self._violation.done():
            await self._heal()
        crowd.cancel()
        return self._violation.result() if self._violation.done() else ""

    async def _heal(self) -> None:
        """Stop the faults; everybody must quote again, then stop, and the books must agree."""
        self._venue.faults = Faults()
        self._venue.silent_until_ms = self._venue.banned_until_ms = 0
        self.trace.say("world", "healed")
        while self._works:
            await asyncio.wait(tuple(self._works))
        if not await self._holds(self._is_quoting):
            self._fail(f"I9: a unit does not quote again: {self._idle_reasons()}")
        self.trace.say("world", "stop")
        self._tell_all(Directive.CANCEL)
        if not await self._holds(self._is_stopped):
            self._fail("I9: a unit does not stop")
        if not self._violation.done():
            states = [one.process.engine.state for one in self._units if one.process]
            problem = self.checker.at_end(states)
            if problem:
                self._fail(problem)

    async def _holds(self, claim: Callable[[_Unit], bool]) -> bool:
        for _ in range(LIVENESS_MS // 1_000):
            if self._violation.done() or all(claim(one) for one in self._units):
                return True
            await asyncio.wait((self._violation,), timeout=1)
        return False

    def _idle_reasons(self) -> str:
        engines = [one.process.engine for one in self._units if one.process is not None]
        return ", ".join(filter(None, (engine.idle_reason for engine in engines)))

    def _is_quoting(self, one: _Unit) -> bool:
        process = one.process
        return process is not None and process.engine.is_ready and self.checker.is_quoting(one.unit)

    def _is_stopped(self, one: _Unit) -> bool:
        return one.process is not None and one.process.engine.is_stopped

    def _tell_all(self, directive: Directive) -> None:
        for one in self._units:
            if one.process is not None:
                now_ms = self._clock.now_ms()
                one.process.engine.tell(
                    DirectiveGiven(directive=directive, by="sim", reason="end", at_ms=now_ms)
                )

    # -- judging

    def _fail(self, text: str) -> None:
        self.trace.say("VIOLATION", text)
        if not self._violation.done():
            self._violation.set_result(text)

    def _judge(self, check: Callable[[], None]) -> None:
        try:
            check()
        except Violation as violation:
            self._fail(str(violation))

    def _on_accepted(self, order: BookOrder) -> None:
        gate = None if self._exchange is None else self._exchange.gate_of(order.symbol)
        self._judge(lambda: self.checker.on_accepted(order, gate))

    def _on_written(self, request: PlaceRequest) -> None:
        self._judge(lambda: self.checker.on_written(request))

    def _on_sent(self, request: PlaceRequest) -> None:
        self._judge(lambda: self.checker.on_sent(request))

    def _on_committed(self, unit: UnitId, facts: Sequence[Fact]) -> None:
        self._judge(lambda: self.checker.on_committed(unit, facts))

    def _on_acknowledged(self, process: ManagerProcess, trades: Sequence[TradeId]) -> None:
        self._judge(lambda: self.checker.on_acknowledged(process.unit, trades))

    def _on_withheld(self, unit: UnitId) -> None:
        self._judge(lambda: self.checker.on_withheld(unit))

    # -- processes

    async def _start_exchange(self) -> None:
        exchange = ExchangeProcess(
            self._connector,
            account=ACCOUNT,
            registry=self._registry,
            log=self.trace.log("exchange"),
            sent=self._on_sent,
            fenced=self.checker.on_fenced,
            withheld=self._on_withheld,
        )
        await exchange.start()
        self._graveyard.append(exchange)
        self._exchange = exchange

    async def connect(self) -> LocalManagerEnd:
        """Connect a manager to whatever exchange process there is."""
        if self._exchange is None or self._exchange.link is None:
            message = "no exchange process"
            raise LinkClosedError(message)
        return await self._exchange.link.connect()

    async def _start_manager(self, one: _Unit) -> None:
        epoch = await self._registry.next_symbol_epoch(one.unit)
        process = ManagerProcess(
            Identity(
                unit=one.unit, deployment=self._tag, epoch=epoch, build="", host="", pid=epoch
            ),
            one.disk,
            connect=self.connect,
            hook=self._commit_hook(one, epoch),
            workflows=partial(self._workflows, one),
            log=self.trace.log(f"{one.unit.symbol[:3]}.{epoch}"),
            skew_ms=one.skew_ms,
            facts_max=self._faults.facts_max,
            acknowledged=self._on_acknowledged,
        )
        one.process = process
        process.task = self._loop.create_task(self._live(one, process))

    def _workflows(self, one: _Unit, clock: ClockPort) -> HostileWorkflows:
        return HostileWorkflows(
            one.shelf, faults=lambda: self._venue.faults, rng=self._rng, clock=clock
        )

    async def _live(self, one: _Unit, process: ManagerProcess) -> None:
        name = f"{one.unit.symbol[:3]}.{process.epoch}"
        try:
            await process.engine.run()
        except (StaleProcessError, JournalError) as error:
            self.trace.say(name, f"ended: {type(error).__name__} {error}")
            if one.process is process:
                self._after_death(one)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - any escape is a finding, whatever its class
            self._fail(f"{name} died: {type(error).__name__}: {error}")

    def _commit_hook(self, one: _Unit, epoch: int) -> CommitHook:
        async def hook(point: CommitPoint, facts: Sequence[Fact]) -> None:
            _ = facts
            is_current = one.process is not None and one.process.epoch == epoch
            faults = self._venue.faults
            if point is CommitPoint.BEFORE and faults.commit_ms_max:
                await self._clock.sleep_ms(self._rng.randint(0, faults.commit_ms_max))
            if is_current and self._venue.happens(faults.commit_crash):
                self.trace.say(one.unit.symbol, f"crash {point} commit")
                self._kill_manager(one)
                await self._loop.create_future()
            if point is CommitPoint.BEFORE and self._venue.happens(faults.commit_failure):
                message = "disk full"
                raise JournalError(message)
            if point is CommitPoint.AFTER and self._venue.happens(faults.commit_reply_lost):
                message = "reply lost"
                raise JournalError(message)

        return hook

    def _kill_manager(self, one: _Unit) -> None:
        process = one.process
        if process is None:
            return
        self.crashes += 1
        self._graveyard.append((process, process.task))
        one.process = None
        self._work(process.kill())
        self._after_death(one)

    def _after_death(self, one: _Unit) -> None:
        async def restart() -> None:
            await self._soon()
            await self._start_manager(one)

        one.process = None
        self._work(restart())

    async def _kill_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self.crashes += 1
            await exchange.kill()
            await self._soon()
            await self._start_exchange()

    async def _kill_connector(self) -> None:
        self._connector.kill()
        await self._soon()
        self._connector.start()

    async def _pause_manager(self, one: _Unit) -> None:
        """Stop a process; it goes on later, perhaps after another one has taken its place."""
        process = one.process
        if process is None:
            return
        process.freezer.freeze()
        if self._rng.random() < 1 / 2:
            await self._soon()
            if one.process is process:
                one.zombies.append(process)
                await self._start_manager(one)
        await self._clock.sleep_ms(self._rng.randint(10, PAUSE_MS_MAX))
        process.freezer.thaw()

    async def _pause_exchange(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        exchange.freezer.freeze()
        if self._rng.random() < 1 / 2:
            await self._clock.sleep_ms(self._rng.randint(10, STALE_MS))
            if self._exchange is exchange:
                await self._start_exchange()
        # A short pause is the more dangerous one: the gate does not notice it by itself.
        await self._clock.sleep_ms(
            self._rng.randint(10, self._rng.choice((STALE_MS, PAUSE_MS_MAX)))
        )
        exchange.freezer.thaw()

    async def _engage_kill(self) -> None:
        """Kill, wait for the acknowledgement, release: between the last two nothing may leave."""
        row = await self._registry.kill_row()
        if row.is_engaged:
            return
        killed = KillRow(epoch=row.epoch + 1, is_engaged=True, operator="sim")
        await self._registry.set_kill(killed, expected_epoch=row.epoch)
        release_ms = self._clock.monotonic_ms() + self._rng.randint(1_000, KILL_MS_MAX)
        for die in (self._kill_exchange, self._kill_connector):
            if self._rng.random() < 1 / 2:
                self._work(self._later(self._rng.randint(0, KILL_MS_MAX // 2), die))
        while self._clock.monotonic_ms() < release_ms:
            if not self.checker.is_killed and self._is_kill_confirmed(killed.epoch):
                self.trace.say("world", "kill acknowledged")
                self.checker.is_killed = True
            await self._clock.sleep_ms(_LOOK_MS)
        self.checker.is_killed = False
        released = replace(killed, epoch=killed.epoch + 1, is_engaged=False)
        await self._registry.set_kill(released, expected_epoch=killed.epoch)

    def _is_kill_confirmed(self, epoch: int) -> bool:
        exchange, guard = self._exchange, self._connector.guard
        is_shut = exchange is not None and exchange.confirmed_kill >= epoch
        return is_shut and guard is not None and guard.is_killed

    async def _later(self, wait_ms: int, work: Callable[[], Awaitable[None]]) -> None:
        await self._clock.sleep_ms(wait_ms)
        await work()

    async def _soon(self) -> None:
        await self._clock.sleep_ms(self._rng.randint(10, RESTART_MS_MAX))

    def _work(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    # -- disasters

    def _schedule(self) -> list[tuple[int, str]]:
        faults = self._faults
        kinds = (
            ["manager"] * faults.manager_crashes
            + ["exchange"] * faults.exchange_crashes
            + ["connector"] * faults.connector_crashes
            + ["pause"] * faults.manager_pauses
            + ["pause exchange"] * faults.exchange_pauses
            + ["stream"] * faults.stream_cuts
            + ["silence"] * faults.silences
            + ["ban"] * faults.bans
            + ["link"] * faults.link_cuts
            + ["kill"] * faults.kills
        )
        return [(self._rng.randint(500, SAFETY_MS - 2_000), kind) for kind in kinds]

    async def _disaster(self, planned: tuple[int, str]) -> None:
        at_ms, kind = planned
        await self._clock.sleep_ms(at_ms)
        one = self._rng.choice(self._units)
        self.trace.say("world", f"disaster {kind} {one.unit.symbol}")
        match kind:
            case "stream":
                self._venue.cut_streams()
            case "silence":
                silence_ms = self._rng.randint(1_000, SILENCE_MS_MAX)
                self._venue.silent_until_ms = self._clock.now_ms() + silence_ms
            case "ban":
                ban_ms = self._rng.randint(1_000, BAN_MS_MAX)
                self._venue.banned_until_ms = self._clock.now_ms() + ban_ms
            case "manager":
                self._kill_manager(one)
            case "link":
                if one.process is not None:
                    self._work(one.process.cut_links())
            case "pause":
                self._work(self._pause_manager(one))
            case _:
                self._work(self._shared_disaster(kind))

    async def _shared_disaster(self, kind: str) -> None:
        match kind:
            case "exchange":
                await self._kill_exchange()
            case "connector":
                await self._kill_connector()
            case "pause exchange":
                await self._pause_exchange()
            case _:
                await self._engage_kill()


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
