"""What happens to a world besides its network: crashes, stops, bans, kill switches, operators."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Final

from opensqt.core.registry import KillRow
from opensqt.simulation.cluster import Cluster
from opensqt.simulation.control import Operator
from opensqt.simulation.faults import Faults
from opensqt.simulation.manager import Home
from opensqt.simulation.scene import Scene

PAUSE_MS_MAX: Final = 15_000
SILENCE_MS_MAX: Final = 20_000
KILL_MS_MAX: Final = 10_000
BAN_MS_MAX: Final = 15_000
OUTAGE_MS_MAX: Final = 8_000
STALE_MS: Final = 900
"""Two of these stay below what a gate trusts its last look at the control store."""
_LOOK_MS: Final = 50
JUMPS_MS: Final = (-3_600_000, -5_000, 5_000, 3_600_000)
JUMP_MS_MAX: Final = 20_000
FORCE_MS_MAX: Final = 15_000
_FORCE_LOOK_MS: Final = 500


def plan_of(faults: Faults) -> tuple[str, ...]:
    """Return the disasters a world's faults ask for."""
    counts = {
        "manager": faults.manager_crashes,
        "exchange": faults.exchange_crashes,
        "connector": faults.connector_crashes,
        "orchestrator": faults.orchestrator_crashes,
        "pause": faults.manager_pauses,
        "pause exchange": faults.exchange_pauses,
        "pause connector": faults.connector_pauses,
        "stream": faults.stream_cuts,
        "silence": faults.silences,
        "ban": faults.bans,
        "outage": faults.outages,
        "link": faults.link_cuts,
        "kill": faults.kills,
        "meddle": faults.operations,
        "human": faults.human_orders,
        "clock": faults.clock_jumps,
        "forced": faults.forced,
        "mass cancel": faults.mass_cancels,
        "cluster": faults.cluster_kills,
    }
    return tuple(kind for kind, count in counts.items() for _ in range(count))


class Disasters:
    """Brings them about."""

    def __init__(
        self, scene: Scene, cluster: Cluster, operator: Operator, homes: Sequence[Home]
    ) -> None:
        """Do nothing yet."""
        self._scene = scene
        self._cluster = cluster
        self._operator = operator
        self._homes = homes

    def start(self, *, until_ms: int) -> list[asyncio.Task[None]]:
        """Begin; each happens at a moment of its own."""
        rng, loop = self._scene.rng, self._scene.loop
        plan = [(rng.randint(500, until_ms - 2_000), kind) for kind in plan_of(self._scene.faults)]
        return [loop.create_task(self._happen(at_ms, kind)) for at_ms, kind in plan]

    async def _happen(self, at_ms: int, kind: str) -> None:
        await self._scene.clock.sleep_ms(at_ms)
        home = self._scene.rng.choice(self._homes)
        self._scene.trace.say("world", f"disaster {kind} {home.unit.symbol}")
        self._scene.venue.strikes[f"disaster {kind}"] += 1
        self._scene.work(self._works()[kind](home))

    def _works(self) -> dict[str, Callable[[Home], Coroutine[object, object, None]]]:
        return {
            "manager": self._kill_manager,
            "exchange": lambda _: self._cluster.kill_exchange(),
            "connector": lambda _: self._cluster.kill_connector(),
            "orchestrator": lambda _: self._operator.kill(),
            "pause": self._pause_manager,
            "pause exchange": lambda _: self._pause_exchange(),
            "pause connector": lambda _: self._pause_connector(),
            "stream": self._cut_streams,
            "silence": self._silence,
            "ban": self._ban,
            "outage": lambda _: self._lose_store(),
            "link": self._cut_links,
            "kill": lambda _: self._engage_kill(),
            "meddle": lambda home: self._operator.meddle(home.unit),
            "human": self._trade_by_hand,
            "clock": self._set_clock,
            "forced": self._force,
            "mass cancel": self._take_back,
            "cluster": lambda _: self._kill_cluster(),
        }

    def _soon_ms(self, longest_ms: int) -> int:
        return self._scene.clock.now_ms() + self._scene.rng.randint(1_000, longest_ms)

    async def _cut_streams(self, home: Home) -> None:
        _ = home
        self._scene.venue.cut_streams()

    async def _silence(self, home: Home) -> None:
        _ = home
        self._scene.venue.silent_until_ms = self._soon_ms(SILENCE_MS_MAX)

    async def _ban(self, home: Home) -> None:
        _ = home
        self._scene.venue.banned_until_ms = self._soon_ms(BAN_MS_MAX)

    async def _trade_by_hand(self, home: Home) -> None:
        self._scene.venue.trade_by_hand(home.unit.symbol)

    async def _force(self, home: Home) -> None:
        """Have the venue trade a position of a unit's by itself, as soon as there is one."""
        _ = home
        for _ in range(FORCE_MS_MAX // _FORCE_LOOK_MS):
            for one in self._homes:
                # Nobody watches a symbol that was removed.
                if one.is_spawned and self._scene.liquidator.sell(one.unit.symbol):
                    self._scene.trace.say("world", f"forced execution {one.unit.symbol}")
                    self._scene.venue.strikes["forced"] += 1
                    return
            if self._scene.liquidator.is_over:
                return
            await self._scene.clock.sleep_ms(_FORCE_LOOK_MS)

    async def _take_back(self, home: Home) -> None:
        """Have the venue take our orders back, as a dead-man timer or a delisting does."""
        if self._scene.liquidator.take_back(home.unit.symbol):
            self._scene.venue.strikes["mass cancel"] += 1

    async def _kill_cluster(self) -> None:
        """Have every process die at once: nobody remembers what the others might have known."""
        for home in self._homes:
            await self._kill_manager(home)
        for die in (
            self._cluster.kill_exchange,
            self._cluster.kill_connector,
            self._operator.kill,
        ):
            self._scene.work(die())

    async def _kill_manager(self, home: Home) -> None:
        if home.process is not None:
            self._cluster.kill_process(home.process)

    async def _set_clock(self, home: Home) -> None:
        """Set the clock of a manager's host, and set it right again later."""
        process, rng = home.process, self._scene.rng
        if process is not None:
            jump_ms = rng.choice(JUMPS_MS)
            process.set_clock_by(jump_ms)
            await self._scene.clock.sleep_ms(rng.randint(1_000, JUMP_MS_MAX))
            process.set_clock_by(-jump_ms)

    async def _cut_links(self, home: Home) -> None:
        if home.process is not None:
            await home.process.cut_links()

    async def _pause_manager(self, home: Home) -> None:
        """Stop a process; it goes on later, perhaps after another one has taken its place."""
        process, rng = home.process, self._scene.rng
        if process is None:
            return
        process.freezer.freeze()
        if rng.random() < 1 / 2:
            await self._scene.soon()
            await self._cluster.replace(process)
        await self._scene.clock.sleep_ms(rng.randint(10, PAUSE_MS_MAX))
        process.freezer.thaw()

    async def _pause_exchange(self) -> None:
        exchange, rng, clock = self._cluster.exchange, self._scene.rng, self._scene.clock
        if exchange is None:
            return
        exchange.freezer.freeze()
        if rng.random() < 1 / 2:
            await clock.sleep_ms(rng.randint(10, STALE_MS))
            await self._cluster.replace_exchange(exchange)
        # A short pause is the more dangerous one: the gate does not notice it by itself.
        await clock.sleep_ms(rng.randint(10, rng.choice((STALE_MS, PAUSE_MS_MAX))))
        exchange.freezer.thaw()

    async def _pause_connector(self) -> None:
        """Stop the connector; what it has not written yet is too late, or not, when it goes on."""
        freezer, rng = self._cluster.connector.freezer, self._scene.rng
        freezer.freeze()
        await self._scene.clock.sleep_ms(rng.randint(10, rng.choice((STALE_MS, PAUSE_MS_MAX))))
        freezer.thaw()

    async def _lose_store(self) -> None:
        """Have the control store answer nobody for a while."""
        self._scene.store.is_down = True
        await self._scene.clock.sleep_ms(self._scene.rng.randint(200, OUTAGE_MS_MAX))
        self._scene.store.is_down = False

    async def _engage_kill(self) -> None:
        """Kill, wait for the acknowledgement, release: between the last two nothing may leave."""
        scene, checker = self._scene, self._scene.witness.checker
        row = scene.store.kill
        if row.is_engaged:
            return
        killed = KillRow(epoch=row.epoch + 1, is_engaged=True, operator="sim")
        await self._store_kill(killed)
        release_ms = scene.clock.monotonic_ms() + scene.rng.randint(1_000, KILL_MS_MAX)
        for die in (self._cluster.kill_exchange, self._cluster.kill_connector):
            if scene.rng.random() < 1 / 2:
                scene.work(self._later(scene.rng.randint(0, KILL_MS_MAX // 2), die))
        while scene.clock.monotonic_ms() < release_ms:
            if not checker.is_killed and self._is_kill_confirmed(killed.epoch):
                scene.trace.say("world", "kill acknowledged")
                checker.is_killed = True
            await scene.clock.sleep_ms(_LOOK_MS)
        checker.is_killed = False
        await self._store_kill(replace(killed, epoch=killed.epoch + 1, is_engaged=False))

    async def _store_kill(self, row: KillRow) -> None:
        while self._scene.store.is_down:
            await self._scene.clock.sleep_ms(_LOOK_MS)
        await self._scene.store.set_kill(row, expected_epoch=row.epoch - 1)

    def _is_kill_confirmed(self, epoch: int) -> bool:
        exchange, guard = self._cluster.exchange, self._cluster.connector.guard
        is_shut = exchange is not None and exchange.confirmed_kill >= epoch
        return is_shut and guard is not None and guard.is_killed

    async def _later(self, wait_ms: int, work: Callable[[], Awaitable[None]]) -> None:
        await self._scene.clock.sleep_ms(wait_ms)
        await work()
