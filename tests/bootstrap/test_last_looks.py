"""An empty list of open orders proves nothing while an order may still arrive."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.bootstrap.last_cancel import cancel_open
from opensqt.core.facts import PriceTicked
from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnitId, UnixMs
from opensqt.core.orders import OrderStatus
from opensqt.core.registry import KillRow
from opensqt.core.risk.limits import Limits
from opensqt.engine import cancel_all as unit_cancel
from opensqt.engine.gate import HORIZON_MS, Gate, Market
from opensqt.ports.exchange import (
    CancelRequest,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    VenueUnavailableError,
)
from opensqt.ports.link import Declare, Place
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from tests.engine.doubles import INSTRUMENT, SYMBOL, ObedientVenue, QuietLog, order_of, request_of

UNIT = UnitId(account=AccountName("paper"), symbol=SYMBOL)
OTHER = replace(UNIT, symbol=Symbol("ETHUSDT:perp"))
DEPLOYMENT = "aaa"


class SlowVenue(ObedientVenue):
    """Shows an order as soon as it has landed, which takes a while."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.landing_ms = 2_000
        self.is_lost = False
        self.fences = 0
        self.open: list[PlaceRequest] = []
        self.writing: list[ClientOrderId] = []

    async def place(self, request: PlaceRequest) -> Outcome:
        self.writing.append(request.client_order_id)
        if self.is_lost:
            return Outcome(outcome=OutcomeClass.UNKNOWN)
        await self.clock.sleep_ms(self.landing_ms)
        self.writing.remove(request.client_order_id)
        self.open.append(request)
        return Outcome(outcome=OutcomeClass.ACCEPTED, order=order_of(request, OrderStatus.WORKING))

    async def cancel(self, request: CancelRequest) -> Outcome:
        gone = next(o for o in self.open if o.client_order_id == request.client_order_id)
        self.open.remove(gone)
        outcome = await super().cancel(request)
        return replace(outcome, order=order_of(gone, OrderStatus.CANCELED))

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        return Listing(orders=tuple(order_of(one, OrderStatus.WORKING) for one in self.open))

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        self.fences += 1
        return tuple(self.writing)

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        return 0


class Scene:
    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.venue = SlowVenue(self.clock)
        self.gate = Gate(self.venue, clock=self.clock, log=QuietLog())
        self.gate.confirm(kill=KillRow(), account_epoch=1)
        self.exposure = self.gate.admit(UNIT, epoch=1)
        self.exposure.declare(Declare(position=Decimal(0), reserved=()))

    def place(self, unit: UnitId = UNIT) -> "asyncio.Task[Outcome]":
        now_ms = self.clock.now_ms()
        self.gate.confirm(kill=KillRow(), account_epoch=1)
        self.gate.admit(unit, epoch=1)
        price = PriceTicked(
            bid=Decimal(100),
            ask=Decimal(101),
            last=Decimal(100),
            at_ms=UnixMs(now_ms),
            read_ms=UnixMs(now_ms),
        )
        request = request_of(deadline_ms=now_ms + 3_000)
        return asyncio.ensure_future(
            self.gate.place(
                unit,
                Place(request_id=1, request=request, purpose="open"),
                market=Market(instrument=INSTRUMENT, price=price, is_live=True),
                limits=Limits.from_capital(Decimal(10_000), venue_orders_open_max=200),
            )
        )

    async def cancel_all(self) -> tuple[ClientOrderId, ...]:
        return await unit_cancel.cancel_all(
            UNIT,
            venue=self.venue,
            gate=self.gate,
            deployment=DEPLOYMENT,
            epoch=1,
            clock=self.clock,
        )


def test_an_order_that_is_being_written_is_waited_for_and_canceled() -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        placing = scene.place()
        await asyncio.sleep(0)
        left = await scene.cancel_all()
        await placing

        assert left == ()
        assert len(scene.venue.canceled) == 1

    run_virtual(story(), loop)


def test_a_list_that_was_never_proven_empty_is_no_empty_list() -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        scene.venue.landing_ms = 60_000
        placing = scene.place()
        await asyncio.sleep(0)
        with pytest.raises(VenueUnavailableError, match="may still arrive"):
            await scene.cancel_all()
        placing.cancel()

    run_virtual(story(), loop)


def test_orders_of_other_units_keep_nobody_waiting() -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        scene.venue.landing_ms = 60_000
        placing = scene.place(OTHER)
        await asyncio.sleep(0)

        assert await scene.cancel_all() == ()
        placing.cancel()

    run_virtual(story(), loop)


@pytest.mark.parametrize("is_accounted_for", [True, False])
def test_an_order_of_unknown_outcome_is_waited_for_unless_its_unit_knows_better(
    is_accounted_for: bool,
) -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        scene.venue.is_lost = True
        await scene.place()
        if is_accounted_for:
            scene.exposure.declare(Declare(position=Decimal(0), reserved=()))
        else:
            with pytest.raises(VenueUnavailableError):
                await scene.cancel_all()
            await scene.clock.sleep_ms(HORIZON_MS)

        assert await scene.cancel_all() == ()

    run_virtual(story(), loop)


def test_what_an_earlier_exchange_process_wrote_may_still_land() -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        # The process that wrote it has died, and the unit has none that could say so.
        scene.gate = Gate(scene.venue, clock=scene.clock, log=QuietLog())
        scene.gate.confirm(kill=KillRow(), account_epoch=2)

        async def land() -> None:
            await scene.clock.sleep_ms(9_000)
            scene.venue.open.append(request_of())

        landing = asyncio.ensure_future(land())
        with pytest.raises(VenueUnavailableError, match="may still arrive"):
            await scene.cancel_all()
        await landing
        await scene.clock.sleep_ms(HORIZON_MS)

        assert await scene.cancel_all() == ()
        assert len(scene.venue.canceled) == 1

    run_virtual(story(), loop)


async def nothing_comes() -> int:
    return 0


def test_the_last_cancel_waits_for_what_the_journals_call_under_way() -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        asked_at: list[int] = []

        async def until() -> int:
            asked_at.append(scene.venue.fences)
            return scene.clock.now_ms() + HORIZON_MS

        async def land() -> None:
            await scene.clock.sleep_ms(19_000)
            scene.venue.open.append(request_of())

        landing = asyncio.ensure_future(land())
        began_ms = scene.clock.monotonic_ms()
        left = await cancel_open(
            scene.venue,
            deployment=DEPLOYMENT,
            epoch=2,
            kill_epoch=0,
            arrives_until=until,
            clock=scene.clock,
        )

        assert left == ()
        assert len(scene.venue.canceled) == 1
        assert scene.clock.monotonic_ms() - began_ms >= HORIZON_MS
        assert asked_at == [1], "asked once, and only behind a fence"
        await landing

    run_virtual(story(), loop)


@pytest.mark.parametrize("landing_ms", [2_000, 60_000])
def test_the_last_cancel_waits_for_what_the_connector_is_writing(landing_ms: int) -> None:
    loop = VirtualLoop()

    async def story() -> None:
        scene = Scene(loop)
        scene.venue.landing_ms = landing_ms
        placing = scene.place()
        await asyncio.sleep(0)
        last = cancel_open(
            scene.venue,
            deployment=DEPLOYMENT,
            epoch=2,
            kill_epoch=0,
            arrives_until=nothing_comes,
            clock=scene.clock,
        )
        if landing_ms > 10_000:
            with pytest.raises(VenueUnavailableError, match="still being written"):
                await last
        else:
            assert await last == ()
            assert len(scene.venue.canceled) == 1
        placing.cancel()

    run_virtual(story(), loop)
