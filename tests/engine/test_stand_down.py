"""Going down ends every process, whenever it appears, and looks at the venue after that."""

from dataclasses import dataclass, field

from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId
from opensqt.engine.stand_down import StandDown
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from tests.engine.doubles import QuietLog

FIRST = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
LATE = UnitId(account=AccountName("paper"), symbol=Symbol("ETHUSDT:perp"))


@dataclass
class Spawn:
    """Two units; the start of the second one succeeds while the first is being ended."""

    running: set[UnitId] = field(default_factory=lambda: {FIRST})
    held: set[UnitId] = field(default_factory=set)
    looked_at: list[UnitId] = field(default_factory=list)

    async def running_units(self) -> frozenset[UnitId]:
        return frozenset(self.running)

    async def unit_snapshot(self, unit: UnitId) -> dict[str, object]:
        return {"state": "stopped", "held": "cancel" if unit in self.held else ""}

    async def hold_unit(self, unit: UnitId, directive: Directive) -> None:
        assert directive is Directive.CANCEL
        self.held.add(unit)

    async def stop_unit(self, unit: UnitId) -> None:
        self.running.discard(unit)
        if unit == FIRST:
            self.running.add(LATE)

    async def cancel_unit_orders(self, unit: UnitId) -> tuple[ClientOrderId, ...]:
        assert unit not in self.running
        self.looked_at.append(unit)
        return ()


def test_a_unit_whose_start_came_through_late_has_its_orders_canceled_too() -> None:
    loop = VirtualLoop()
    spawn = Spawn()

    async def story() -> None:
        stand_down = StandDown(
            spawn=spawn,  # type: ignore[arg-type]
            clock=VirtualClock(loop),
            log=QuietLog(),
            cancel=True,
            call_timeout_ms=1_000,
            wait_ms=30_000,
        )
        ends = await stand_down.run({FIRST: None, LATE: None})

        assert [(end.unit, end.open_orders) for end in ends] == [(FIRST, ()), (LATE, ())]

    run_virtual(story(), loop)

    assert spawn.held == {FIRST, LATE}
    assert spawn.looked_at[-1] == LATE
    assert spawn.running == set()
