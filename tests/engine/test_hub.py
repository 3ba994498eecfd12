"""Hub and manager link together, over a link that can be cut at any moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import AccountName, UnitId, UnixMs
from opensqt.core.orders import OrderStatus, Purpose
from opensqt.core.registry import KillRow
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.engine.local_link import LocalLink, LocalManagerEnd
from opensqt.engine.manager_link import SILENCE_MS_MAX, ManagerLink
from opensqt.ports.exchange import (
    FrameAge,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    UnknownSymbolError,
    VenueCode,
    VenueUnavailableError,
)
from opensqt.ports.link import (
    Band,
    ExchangeTransport,
    Heartbeat,
    Hello,
    LinkClosedError,
    LinkRefusedError,
)
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from tests.engine.doubles import (
    SYMBOL,
    HandClock,
    ObedientVenue,
    QuietLog,
    build_of,
    order_of,
    request_of,
)
from tests.fakes.waiting import PATIENCE_S, until

UNIT = UnitId(account=AccountName("paper"), symbol=SYMBOL)


@dataclass
class Owner:
    """A manager that only listens."""

    clock: HandClock
    epoch: int = 1
    build: str = "test"
    heard: list[str] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    prices: list[Decimal] = field(default_factory=list)
    beats: list[Heartbeat] = field(default_factory=list)

    def hello(self, *, session: str, acked_seq: int) -> Hello:
        return Hello(
            unit=UNIT,
            host="test",
            pid=1,
            epoch=self.epoch,
            build=self.build,
            session=session,
            acked_seq=acked_seq,
            now_ms=self.clock.now_ms(),
            position=Decimal(0),
            capital=Decimal(10_000),
        )

    def on_attached(self, *, resumed: bool) -> None:
        self.heard.append("resumed" if resumed else "attached")

    def on_detached(self, reason: str) -> None:
        self.heard.append("detached")

    def on_refused(self, error: LinkRefusedError) -> None:
        self.heard.append(error.code)

    def on_gap(self, reason: str) -> None:
        self.heard.append("gap")

    def on_update(self, seq: int, update: OrderUpdate | TradeUpdate) -> None:
        _ = update
        self.seqs.append(seq)

    def on_price(self, price: PriceTicked) -> None:
        self.prices.append(price.last)

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        self.beats.append(heartbeat)


class Door:
    """A link that can be cut."""

    def __init__(self, link: LocalLink) -> None:
        self.link = link
        self.ends: list[LocalManagerEnd] = []
        self.is_shut = False

    async def connect(self) -> LocalManagerEnd:
        if self.is_shut:
            raise LinkClosedError("nobody there")
        self.ends.append(await self.link.connect())
        return self.ends[-1]


class Stage:
    """One hub and one manager."""

    def __init__(self, *, epoch: int = 1, installed: str = "") -> None:
        self.clock = HandClock()
        self.venue = ObedientVenue()
        self.log = QuietLog()
        self.gate = Gate(self.venue, clock=self.clock, log=QuietLog())
        self.gate.confirm(kill=KillRow(), account_epoch=3)
        self.newest_epoch = epoch
        self.hub = Hub(
            self.venue,
            self.gate,
            epoch_of=self._epoch_of,
            build=build_of("test", installed=installed),
            session_prefix="t",
            clock=self.clock,
            log=self.log,
        )
        self.door = Door(LocalLink(self.hub.attach))
        self.owner = Owner(self.clock, epoch=epoch)
        self.manager = ManagerLink(self.door, owner=self.owner, clock=self.clock, log=QuietLog())

    async def _epoch_of(self, unit: UnitId) -> int:
        _ = unit
        return self.newest_epoch

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stage"]:
        tasks = [asyncio.create_task(self.hub.run()), asyncio.create_task(self.manager.run())]
        try:
            await until(lambda: self.manager.is_attached and self.hub.is_live)
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def price(self, last: str) -> None:
        value = Decimal(last)
        self.venue.feed.put_nowait(
            (
                PriceUpdate(
                    symbol=SYMBOL,
                    bid=value,
                    ask=value + Decimal("0.1"),
                    last=value,
                    venue_ms=UnixMs(self.clock.ms),
                    read_ms=UnixMs(self.clock.ms),
                ),
            )
        )

    def report(self, number: int = 1) -> None:
        order = order_of(request_of(number), OrderStatus.WORKING)
        self.venue.feed.put_nowait((OrderUpdate(order=order),))


async def test_facts_arrive_in_order_and_survive_a_cut_that_came_before_the_acknowledgement() -> (
    None
):
    async with Stage().running() as stage:
        for number in range(3):
            stage.report(number)
        await until(lambda: stage.owner.seqs == [1, 2, 3])
        stage.manager.acknowledge(2)
        await stage.door.ends[-1].close()
        await until(lambda: stage.owner.heard[-1] == "resumed")

        stage.report(4)
        await until(lambda: len(stage.owner.seqs) == 4)

    assert stage.owner.seqs == [1, 2, 3, 4], "fact 3 came again and was known already"
    assert stage.owner.heard == ["attached", "detached", "resumed"]


async def test_an_acknowledgement_of_an_ended_session_releases_no_fact_of_the_next() -> None:
    async with Stage().running() as stage:
        for number in range(2):
            stage.report(number)
        await until(lambda: stage.owner.seqs == [1, 2])
        gap = StreamState(
            kind=StreamKind.PRIVATE, phase=StreamPhase.GAP, reason="", at_ms=UnixMs(1)
        )
        stage.venue.feed.put_nowait((gap,))
        await until(lambda: "gap" in stage.owner.heard)
        await stage.door.ends[-1].close()
        await until(lambda: stage.owner.heard.count("attached") == 2)
        stage.report(2)
        await until(lambda: stage.owner.seqs == [1, 2, 3])

        stage.manager.acknowledge(2)  # they took their time to be committed
        await asyncio.sleep(0.05)
        assert stage.hub.sessions[UNIT].unacknowledged == 1
        stage.manager.acknowledge(3)
        await until(lambda: stage.hub.sessions[UNIT].unacknowledged == 0)


async def test_what_interrupts_the_private_stream_is_a_gap_once_it_is_back() -> None:
    async with Stage().running() as stage:
        for phase in (StreamPhase.DOWN, StreamPhase.LIVE):
            state = StreamState(
                kind=StreamKind.PRIVATE, phase=phase, reason="test", at_ms=UnixMs(1)
            )
            stage.venue.feed.put_nowait((state,))

        await until(lambda: "gap" in stage.owner.heard)
        assert stage.hub.is_live


async def test_a_report_that_was_missed_on_a_live_stream_is_a_gap_and_shuts_nothing() -> None:
    async with Stage().running() as stage:
        state = StreamState(
            kind=StreamKind.PRIVATE, phase=StreamPhase.GAP, reason="garbage", at_ms=UnixMs(1)
        )
        stage.venue.feed.put_nowait((state,))

        await until(lambda: "gap" in stage.owner.heard)
        assert stage.hub.is_live


async def test_a_price_from_before_an_outage_is_not_made_fresh_by_other_frames() -> None:
    async with Stage().running() as stage:
        stage.price("15")
        await until(lambda: bool(stage.owner.prices))
        for phase in (StreamPhase.DOWN, StreamPhase.LIVE):
            state = StreamState(kind=StreamKind.PUBLIC, phase=phase, reason="", at_ms=UnixMs(1))
            stage.venue.feed.put_nowait((state,))
        stage.venue.feed.put_nowait((FrameAge(public_ms=0, private_ms=0, at_ms=UnixMs(1)),))
        await until(lambda: len(stage.owner.beats) > 1 and stage.hub.is_live)
        await until(lambda: stage.owner.beats[-1].gate_open)

        assert stage.owner.beats[-1].price is None
        assert (await stage.manager.place(request_of(price="14"))).code is VenueCode.RISK


async def test_a_price_its_own_stream_does_not_keep_up_opens_nothing() -> None:
    async with Stage().running() as stage:
        stage.price("15")
        await until(lambda: bool(stage.owner.prices))
        codes = []
        for number, later_ms in ((1, -1), (2, 1)):
            at_ms = UnixMs(stage.clock.now_ms() + later_ms)
            age = FrameAge(public_ms=0, private_ms=0, at_ms=at_ms, stale=(SYMBOL,))
            stage.venue.feed.put_nowait((age,))
            await until(stage.venue.feed.empty)
            codes.append((await stage.manager.place(request_of(number, price="14"))).code)

        assert codes == [VenueCode.NONE, VenueCode.RISK]


async def test_a_symbol_the_venue_does_not_know_ends_no_link() -> None:
    stage = Stage()

    async def refuse(symbols: object) -> None:
        raise UnknownSymbolError(str(symbols))

    stage.venue.watch = refuse  # type: ignore[method-assign]
    tasks = [asyncio.create_task(stage.hub.run()), asyncio.create_task(stage.manager.run())]

    await until(lambda: stage.manager.is_attached)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()


async def test_prices_inside_the_band_stay_away_and_the_first_one_outside_comes() -> None:
    async with Stage().running() as stage:
        stage.price("15")
        await until(lambda: stage.owner.prices == [Decimal(15)])
        stage.manager.set_band(
            Band(
                reference="last",
                low=Decimal(10),
                high=Decimal(20),
                valid_until_ms=UnixMs(stage.clock.ms + 60_000),
                after_seq=0,
            )
        )
        await asyncio.sleep(0.05)
        for last in ("16", "19", "21"):
            stage.price(last)
        await until(lambda: Decimal(21) in stage.owner.prices)

    assert stage.owner.prices == [Decimal(15), Decimal(21)]


async def test_a_fact_brings_the_newest_price_with_it() -> None:
    async with Stage().running() as stage:
        stage.price("15")
        await until(lambda: bool(stage.owner.prices))
        band = Band(
            reference="last",
            low=None,
            high=None,
            valid_until_ms=UnixMs(stage.clock.ms + 60_000),
            after_seq=0,
        )
        stage.manager.set_band(band)
        await asyncio.sleep(0.05)
        stage.price("16")
        stage.report()
        await until(lambda: stage.owner.seqs == [1])

    assert stage.owner.prices[-1] == Decimal(16)


async def test_an_old_process_is_refused_for_good() -> None:
    stage = Stage(epoch=1)
    stage.newest_epoch = 2

    async with asyncio.timeout(PATIENCE_S):
        await stage.manager.run()

    assert stage.owner.heard == ["ErrStaleEpoch"]


async def test_a_newer_process_closes_the_connection_of_the_older_one() -> None:
    async with Stage().running() as stage:
        newer = Owner(stage.clock, epoch=2)
        link = ManagerLink(stage.door, owner=newer, clock=stage.clock, log=QuietLog())
        stage.newest_epoch = 2
        task = asyncio.create_task(link.run())
        await until(lambda: link.is_attached)
        await until(lambda: "ErrStaleEpoch" in stage.owner.heard)
        outcome = await link.place(request_of(epoch=2, quantity="1"))
        task.cancel()

    assert stage.owner.heard[-1] == "ErrStaleEpoch"
    assert outcome.code is VenueCode.RISK, "no price yet, but the epoch passed"


async def test_a_clock_far_off_is_refused_until_it_is_right_again() -> None:
    stage = Stage()
    stage.owner.clock = HandClock(stage.clock.ms - 10_000)
    task = asyncio.create_task(stage.manager.run())

    await until(lambda: "clocks differ" in stage.manager.problem)
    assert stage.owner.heard == []
    # A Hello that waited for a busy machine looks the same: it must not end the process.
    stage.owner.clock = stage.clock
    await until(lambda: stage.manager.is_attached)
    task.cancel()


def test_a_connection_on_which_nothing_is_heard_is_given_up() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop)
    connections: list[ExchangeTransport] = []

    async def hang(transport: ExchangeTransport) -> None:
        connections.append(transport)
        await loop.create_future()

    async def story() -> None:
        link = LocalLink(hang)
        manager = ManagerLink(link, owner=Owner(HandClock()), clock=clock, log=QuietLog())
        task = loop.create_task(manager.run())
        await clock.sleep_ms(SILENCE_MS_MAX * 2)
        task.cancel()

    run_virtual(story(), loop)

    assert len(connections) == 2


async def test_an_order_goes_through_the_gate_and_back() -> None:
    async with Stage().running() as stage:
        stage.price("100")
        await until(lambda: bool(stage.owner.prices))

        outcome = await stage.manager.place(request_of(price="99"), purpose=Purpose.OPEN)

    assert outcome.outcome is OutcomeClass.ACCEPTED
    assert [one.account_epoch for one in stage.venue.placed] == [3]


async def test_an_answer_lost_with_the_link_is_unknown_and_nothing_is_sent_again() -> None:
    async with Stage().running() as stage:
        stage.price("100")
        await until(lambda: bool(stage.owner.prices))
        slow: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        async def never(request: object) -> Outcome:
            stage.venue.placed.append(request)  # type: ignore[arg-type]
            return await slow

        stage.venue.place = never  # type: ignore[method-assign]
        waiting = asyncio.create_task(stage.manager.place(request_of(price="99")))
        await until(lambda: bool(stage.venue.placed))
        await stage.door.ends[-1].close()
        outcome = await asyncio.wait_for(waiting, timeout=2)
        await until(lambda: stage.owner.heard[-1] == "resumed")
        slow.cancel()

    assert outcome.outcome is OutcomeClass.UNKNOWN
    assert len(stage.venue.placed) == 1


async def test_without_a_link_an_order_was_not_sent_and_a_question_has_no_answer() -> None:
    stage = Stage()

    outcome = await stage.manager.place(request_of())
    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, VenueCode.LINK_DOWN)
    try:
        await stage.manager.open_orders(SYMBOL)
    except VenueUnavailableError:
        return
    raise AssertionError("an unasked venue answered")


async def test_heartbeats_say_why_the_gate_is_shut() -> None:
    async with Stage().running() as stage:
        stage.gate.confirm(kill=KillRow(epoch=1, is_engaged=True, reason="enough"), account_epoch=3)
        await until(lambda: bool(stage.owner.beats) and not stage.owner.beats[-1].gate_open)

    assert "enough" in stage.owner.beats[-1].gate_reason


async def test_a_removed_unit_is_no_longer_routed() -> None:
    async with Stage().running() as stage:
        stage.door.is_shut = True
        await stage.hub.forget(UNIT)
        stage.report()
        await until(lambda: stage.hub.foreign_reports == 1)

    assert UNIT not in stage.hub.sessions


async def test_without_a_store_each_fence_is_above_the_process_and_none_runs_ahead() -> None:
    async with Stage().running() as stage:
        await until(lambda: UNIT in stage.hub.sessions)

        found = [stage.hub.expel(UNIT, stored_epoch=None) for _ in range(3)]

        assert found == [2, 2, 2]
        # The store came back and has not caught up: cancels must not be refused for that.
        assert stage.hub.expel(UNIT, stored_epoch=1) == 2
        assert stage.hub.expel(UNIT, stored_epoch=5) == 5


@pytest.mark.parametrize("stored_epoch", [2, None])
async def test_an_expelled_process_is_told_so_and_may_write_nothing_more(
    stored_epoch: int | None,
) -> None:
    async with Stage().running() as stage:
        stage.price("100")
        await until(lambda: bool(stage.owner.prices))
        stage.hub.expel(UNIT, stored_epoch=stored_epoch)
        outcome = await stage.manager.place(request_of(price="99"))
        await until(lambda: "ErrStaleEpoch" in stage.owner.heard)

    assert stage.venue.placed == []
    assert outcome.outcome is not OutcomeClass.ACCEPTED
