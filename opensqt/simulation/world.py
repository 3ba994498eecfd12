"""One seed: the production orchestrator, engines, hub, gate and guard in a hostile world.

Nothing of the product is re-implemented here. The world supplies ports - a venue on a bad network,
a journal that may crash around a commit, links that are cut, processes that are started and
watched over an unreliable net - and treats processes badly: kills them (memory and everything
awaited is gone, while requests that were written still land), stops them, starts others in their
place and lets them go on. Safety is checked while it happens; then the faults stop, everything
must quote again, every unit is removed, and the books must agree.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Final

from opensqt.core.facts import Directive
from opensqt.core.grid.adopting import AdoptionWish
from opensqt.core.ids import Symbol, UnitId, deployment_tag
from opensqt.core.registry import Desire
from opensqt.engine.adopting import AdoptionError
from opensqt.market.types import AccountTerms, BookOrder, ClientIdRule, VenueOptions
from opensqt.market.venue import VenueModel
from opensqt.simulation.checker import Checker
from opensqt.simulation.cluster import Cluster
from opensqt.simulation.connector import Connector
from opensqt.simulation.control import Operator
from opensqt.simulation.control_store import ControlStore
from opensqt.simulation.crowd import Crowd, instrument
from opensqt.simulation.disasters import Disasters
from opensqt.simulation.faults import Faults
from opensqt.simulation.journal import JournalDisk
from opensqt.simulation.liquidator import Liquidator
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.manager import Home
from opensqt.simulation.scene import ACCOUNT, Scene
from opensqt.simulation.trace import Trace
from opensqt.simulation.venue import SimulatedVenue
from opensqt.simulation.witness import Witness

# H, V, two look-ups and their back-off, and the audit interval, twice.
LIVENESS_MS: Final = 150_000


class Dice(random.Random):
    """``random.Random`` with the same numbers, and less in between."""

    def randint(self, a: int, b: int) -> int:
        """Return one of the numbers from ``a`` to ``b``."""
        count = b - a + 1
        bits = count.bit_length()
        drawn = self.getrandbits(bits)
        while drawn >= count:
            drawn = self.getrandbits(bits)
        return a + drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What one seed did."""

    seed: int
    violation: str
    units: int
    crashes: int
    orders: int
    fills: int
    trace: Sequence[str]
    strikes: Mapping[str, int] = field(default_factory=dict)
    """How often what is rare has happened."""


class World:
    """One seed's run. Create inside nothing; ``run_seed`` drives it."""

    def __init__(
        self, seed: int, loop: VirtualLoop, *, faults: Faults | None, keep_trace: bool
    ) -> None:
        """Draw the world of ``seed``, with other ``faults`` if given."""
        rng = Dice(seed)
        clock = VirtualClock(loop)
        drawn = Faults.draw(rng)
        faults = drawn if faults is None else faults
        deployment = deployment_tag(rng.randbytes(4))
        self.homes = _homes(rng, faults)
        self._symbols = [home.unit.symbol for home in self.homes]
        self._violation: asyncio.Future[str] = loop.create_future()
        model = _model(rng, self._symbols)
        self.checker = _checker(self.homes, model, deployment)
        witness = Witness(self.checker, failed=self._fail)
        store = ControlStore(deployment=deployment)
        store.stored = witness.stored
        for home in self.homes:
            home.disk.written = partial(witness.committed, home.unit)
        venue = SimulatedVenue(
            model, account=ACCOUNT, faults=faults, rng=rng, clock=clock, accepted=self._on_accepted
        )
        venue.canceled = witness.canceled
        venue.denied = witness.denied
        self.scene = Scene(
            rng=rng,
            loop=loop,
            clock=clock,
            trace=Trace(clock, is_kept=keep_trace),
            deployment=deployment,
            venue=venue,
            liquidator=Liquidator(venue, deployment=deployment, rng=rng, clock=clock),
            store=store,
            witness=witness,
        )
        self._cluster = Cluster(self.scene, self.homes, Connector(self.scene))
        units = tuple(home.unit for home in self.homes)
        self._operator = Operator(self.scene, self._cluster, units)

    def _on_accepted(self, order: BookOrder) -> None:
        self.scene.witness.accepted(order, self._cluster.exposure_of(order.symbol))

    def _fail(self, text: str) -> None:
        self.scene.trace.say("VIOLATION", text)
        if not self._violation.done():
            self._violation.set_result(text)

    # -- the run

    async def run(self) -> str:
        """Return the first violation, empty when there was none."""
        scene = self.scene
        crowd = scene.loop.create_task(
            Crowd(scene.venue, self._symbols, clock=scene.clock, rng=scene.rng).run()
        )
        self._cluster.connector.start()
        await self._operator.start()
        disasters = Disasters(scene, self._cluster, self._operator, self.homes)
        tasks = disasters.start(until_ms=scene.faults.safety_ms)
        await asyncio.wait((self._violation,), timeout=scene.faults.safety_ms / 1_000)
        for task in tasks:
            task.cancel()
        if not self._violation.done():
            await self._heal()
        crowd.cancel()
        scene.trace.is_kept = False  # in which order the rest is cleared away is no story
        return self._violation.result() if self._violation.done() else ""

    async def _heal(self) -> None:
        """Stop the faults; everybody must quote again, then go, and the books must agree."""
        scene = self.scene
        await self._end_faults()
        for home in self.homes:
            await self._settle(home)
        # A crash loop of the last moments is noticed only now, and a human decides once more.
        await self._holds(lambda home: self._is_stuck(home) or self._is_converged(home))
        for home in filter(self._is_stuck, self.homes):
            await self._settle(home)
        if not await self._holds(self._is_converged):
            self._fail(f"I9: a unit does not quote again: {self._idle_reasons()}")
        await self._end_halts()
        await self._hold_i6()
        await self._remove_all()
        await self._hold_i6()
        self._check(self.checker.at_end())
        if scene.venue.touched_by_us:
            self._check("F29: an order of a human's was taken back")
        for last in filter(None, (home.last for home in self.homes)):
            self._check(self.checker.replay_problem(last.engine.state))

    async def _remove_all(self) -> None:
        self.scene.trace.say("world", "stop")
        for home in self.homes:
            await self._operator.remove(home.unit, self._way_out(home))
        # What a lie of the venue halts only now waits for a human, who keeps the position.
        await self._holds(lambda home: self._is_gone(home) or self._is_stuck(home))
        for home in filter(self._is_stuck, self.homes):
            await self._operator.remove(home.unit, Directive.CANCEL)
        if not await self._holds(self._is_at_rest):
            self._fail(f"I9: a unit does not stop: {self._idle_reasons()}")

    async def _end_faults(self) -> None:
        """Heal the network and let everything that goes on in the background come to its end."""
        scene = self.scene
        # What a venue has forgotten it never remembers.
        scene.venue.faults = Faults(forget_ms=scene.faults.forget_ms)
        scene.venue.silent_until_ms = scene.venue.banned_until_ms = 0
        scene.liquidator.end()
        scene.trace.say("world", "healed")
        if scene.works:
            _, late = await asyncio.wait(tuple(scene.works), timeout=LIVENESS_MS / 1_000)
            if late:
                self._fail(f"I9: a call to the orchestrator never ends: {late}")

    async def _hold_i6(self) -> None:
        """Give I6 the time in which a process that woke up learns that it was replaced."""
        await self._holds(lambda _: not self._i6_problem())
        self._check(self._i6_problem())

    def _check(self, problem: str) -> None:
        if problem and not self._violation.done():
            self._fail(problem)

    async def _settle(self, home: Home) -> None:
        """Have an operator undo what may rest: pauses, crash loops and removals."""
        row = self.scene.store.row(home.unit)
        if row is not None and row.desire is Desire.REMOVED:
            if row.quarantine:
                # It waits for a human, who has it tried again, or keeps the position.
                await self._operator.remove(home.unit, self._way_out(home))
            await self._holds(lambda one: one is not home or self._is_gone(home))
            row = self.scene.store.row(home.unit)
        if row is None or row.is_removed:
            # What happened to its orders without a process, the next one must find out.
            await self._operator.add(home.unit)
        elif row.desire is Desire.PAUSED or row.quarantine:
            await self._operator.resume(home.unit)

    def _way_out(self, home: Home) -> Directive:
        """Draw how a unit goes; what the venue has sold from under its levels they cannot sell."""
        mode = self.scene.rng.choice((Directive.CANCEL, Directive.FLATTEN))
        halts, symbol = self.checker.halts, home.unit.symbol
        is_whole = not halts.is_halted(symbol) and not halts.excess(symbol)
        return mode if is_whole else Directive.CANCEL

    async def _end_halts(self) -> None:
        """See that what the venue did or denied is known, and have a human end the halts."""
        if not await self._holds(lambda home: self.checker.knows_forced(home.unit)):
            self._fail("F27: an execution by the venue itself is never booked")
        if not await self._holds(lambda home: self.checker.knows_denied(home.unit)):
            self._fail("F10: an order that was answered as refused stays open")
        for home in self.homes:
            if self.checker.halts.is_halted(home.unit.symbol) and not self._violation.done():
                await self._release(home)
        if not await self._holds(self._is_converged):
            self._fail(f"I9: a unit does not quote after a halt: {self._idle_reasons()}")

    async def _release(self, home: Home) -> None:
        """Bring a halted unit back: its removal, if any, is carried out and it is added anew."""
        row = self.scene.store.row(home.unit)
        if row is not None and row.desire is Desire.REMOVED:
            await self._operator.remove(home.unit, Directive.CANCEL)
            await self._holds(lambda one: one is not home or self._is_gone(home))
            await self._operator.add(home.unit)
            await self._holds(lambda one: one is not home or self._is_converged(home))
        if self.scene.rng.random() < 1 / 2:
            await self._operator.pause(home.unit, Directive.CANCEL)
            await self._adopt(home)
        await self._operator.resume(home.unit)
        symbol = home.unit.symbol
        await self._holds(lambda one: one is not home or not self.checker.halts.is_halted(symbol))
        if self.checker.halts.is_halted(symbol):
            self._check(f"F27: {symbol} stays halted although a human has decided")

    async def _adopt(self, home: Home) -> None:
        """Take the venue's position over; asked again until the orders are taken back."""
        wish = AdoptionWish(operator="sim", reason="the venue has traded")
        for _ in range(LIVENESS_MS // 1_000):
            if home.process is not None:
                try:
                    found = await home.process.engine.adopting.ask(wish, dry_run=False)
                except AdoptionError as error:
                    self.scene.trace.say("operator", f"adopt: {error}")
                else:
                    self.scene.trace.say("operator", f"adopt: {found.refusal or found.steps}")
                    if not found.refusal:
                        return
            await self.scene.clock.sleep_ms(1_000)
        self._check(f"F27: {home.unit.symbol} cannot be adopted")

    async def _holds(self, claim: Callable[[Home], bool]) -> bool:
        for _ in range(LIVENESS_MS // 1_000):
            if self._violation.done() or all(claim(home) for home in self.homes):
                return True
            await asyncio.wait((self._violation,), timeout=1)
        return False

    def _is_stuck(self, home: Home) -> bool:
        row = self.scene.store.row(home.unit)
        return row is not None and not row.is_removed and bool(row.quarantine)

    def _is_converged(self, home: Home) -> bool:
        row, process = self.scene.store.row(home.unit), home.process
        if row is None or row.is_removed:
            return self._is_gone(home)
        if process is None or not process.engine.is_ready:
            return False
        if row.desire is Desire.REMOVED:  # drains, and waits for the market
            return not row.quarantine
        halts, symbol = self.checker.halts, home.unit.symbol
        if halts.is_halted(symbol) or halts.excess(symbol):
            return True  # it stands still, or its levels believe that they are full
        return self.checker.is_quoting(home.unit)

    def _is_at_rest(self, home: Home) -> bool:
        """Tell whether a unit is gone, or stands still for a human after a lie of the venue."""
        state = None if home.process is None else home.process.engine.state
        is_halted = self.checker.halts.is_halted(home.unit.symbol)
        return self._is_gone(home) or bool(is_halted and state is not None and state.quarantine)

    def _is_gone(self, home: Home) -> bool:
        row, exchange = self.scene.store.row(home.unit), self._cluster.exchange
        is_removed = row is None or row.is_removed
        hub = None if exchange is None else exchange.hub
        is_served = hub is None or home.unit in hub.sessions
        return is_removed and not home.is_spawned and not is_served

    def _idle_reasons(self) -> str:
        engines = [home.process.engine for home in self.homes if home.process is not None]
        rows = [row for row in self.scene.store.rows() if not row.is_removed]
        reasons = [engine.idle_reason for engine in engines] + [row.quarantine for row in rows]
        return ", ".join(filter(None, reasons))

    def _i6_problem(self) -> str:
        """I6: units that are registered = running processes with the newest epoch = subscribed."""
        store, exchange = self.scene.store, self._cluster.exchange
        registered = {row.unit for row in store.rows() if not row.is_removed}
        running = {
            home.unit
            for home in self.homes
            if home.process is not None and home.process.epoch == store.epoch(home.unit)
        }
        hub = None if exchange is None else exchange.hub
        if exchange is None or hub is None:
            return "I6: no exchange process"
        served = {
            unit
            for unit, session in hub.sessions.items()
            if session.is_attached and session.epoch == store.epoch(unit)
        }
        watched = {unit for unit in self._units() if unit.symbol in exchange.watched}
        if registered == running == served == watched:
            return ""
        sets = (registered, running, served, watched)
        names = ("registered", "running", "served", "subscribed")
        parts = (
            f"{name} {sorted(unit.symbol for unit in units)}"
            for name, units in zip(names, sets, strict=True)
        )
        return f"I6: {', '.join(parts)}"

    def _units(self) -> tuple[UnitId, ...]:
        return tuple(home.unit for home in self.homes)


def _homes(rng: random.Random, faults: Faults) -> tuple[Home, ...]:
    names = ("AAA", "BBB", "CCC")[: rng.choice((1, 1, 1, 2, 2, 3))]
    units = [UnitId(account=ACCOUNT, symbol=Symbol(f"{name}USDT:perp")) for name in names]
    skew_ms = faults.skew_ms_max
    return tuple(
        Home(unit=unit, disk=JournalDisk(unit=unit), skew_ms=rng.randint(-skew_ms, skew_ms))
        for unit in units
    )


def _model(rng: random.Random, symbols: Sequence[Symbol]) -> VenueModel:
    return VenueModel(
        instruments=[instrument(symbol) for symbol in symbols],
        accounts=[AccountTerms(name=ACCOUNT, balances={"USDT": Decimal(1_000_000)})],
        options=VenueOptions(client_id_rule=rng.choice(tuple(ClientIdRule))),
    )


def _checker(homes: Sequence[Home], model: VenueModel, deployment: str) -> Checker:
    return Checker(
        deployment=deployment,
        disks={home.unit.symbol: home.disk for home in homes},
        model=model,
        account=ACCOUNT,
    )


def run_seed(seed: int, *, faults: Faults | None = None, keep_trace: bool = False) -> SeedResult:
    """Run one seed to its end; deterministic. ``faults`` replaces what the seed would draw."""
    loop = VirtualLoop()
    world = World(seed, loop, faults=faults, keep_trace=keep_trace)
    violation = run_virtual(world.run(), loop)
    return SeedResult(
        seed=seed,
        violation=violation,
        units=len(world.homes),
        crashes=world.scene.crashes,
        orders=world.checker.orders,
        fills=world.checker.fills,
        trace=world.scene.trace.lines,
        strikes=world.scene.venue.strikes,
    )
