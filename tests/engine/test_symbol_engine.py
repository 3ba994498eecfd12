"""The loop of one unit: what it does when its journal, its link or its venue does not."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

import pytest

from opensqt.core.facts import CancelIntended, Directive, DirectiveGiven, Fact, OrderIntended
from opensqt.core.ids import ClientOrderId, Symbol, VenueOrderId
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.engine.local_link import LocalManagerEnd
from opensqt.engine.workflow import DirectWorkflows
from opensqt.market.types import OrderRequest
from opensqt.ports.exchange import OrderUpdate, VenueOrder, VenueUnavailableError
from opensqt.ports.journal import JournalError, SequenceConflictError
from opensqt.ports.link import Band
from opensqt.simulation.faults import Faults
from opensqt.simulation.journal import CommitPoint
from opensqt.simulation.venue import VenueConnection, venue_order
from tests.engine.doubles import SYMBOL
from tests.engine.stage import CONFIG, TAG, UNIT, Stage, play


class Disk:
    """A commit hook that fails while it is full, or once after the write."""

    def __init__(self) -> None:
        self.is_full = False
        self.loses_reply_of: type[Fact] | None = None
        self.attempts = 0

    async def __call__(self, point: CommitPoint, facts: Sequence[Fact]) -> None:
        if point is CommitPoint.BEFORE:
            self.attempts += 1
            if self.is_full:
                raise JournalError("disk full")
        elif self.loses_reply_of and any(isinstance(f, self.loses_reply_of) for f in facts):
            self.loses_reply_of = None
            raise JournalError("connection lost")


def test_a_directive_survives_a_full_disk() -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stage.open()
        disk.is_full = True
        stage.direct(Directive.CANCEL)
        await stage.sleep(3_000)
        disk.is_full = False

        await stage.until(lambda: stage.engine.is_stopped, within_ms=15_000)

        assert stage.open_orders == []
        assert len(stage.facts(DirectiveGiven)) == 1

    play(story, hook=disk)


def test_a_stop_takes_the_orders_back_although_the_disk_is_full() -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stage.open()
        disk.is_full = True
        stage.direct(Directive.CANCEL)

        await stage.until(lambda: stage.open_orders == [], within_ms=3_000)
        assert not stage.engine.is_stopped
        disk.is_full = False
        await stage.until(lambda: stage.engine.is_stopped, within_ms=15_000)

    play(story, hook=disk)


def test_a_full_disk_is_tried_again_with_pauses() -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stage.open()
        disk.is_full = True
        stage.quote("1003")  # wants other levels than those that are open
        before = disk.attempts
        await stage.sleep(10_000)

        # One for each price and each second, and a few of the audit.
        assert disk.attempts - before <= 80
        assert stage.engine.idle_reason == "journal: disk full"
        disk.is_full = False
        sent = len(stage.facts(OrderIntended))
        await stage.until(lambda: len(stage.facts(OrderIntended)) > sent, within_ms=5_000)
        assert "journal" not in stage.engine.idle_reason

    play(story, hook=disk)


@pytest.mark.parametrize("lost", [OrderIntended, CancelIntended])
def test_a_decision_whose_commit_is_in_doubt_ends_the_incarnation(lost: type[Fact]) -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stage.open()
        disk.loses_reply_of = lost
        stage.quote("1010")
        with pytest.raises(SequenceConflictError):
            await stage.until(lambda: False, within_ms=10_000)

    play(story, hook=disk)


def test_a_link_that_fails_in_an_unknown_way_ends_the_incarnation() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()

        async def broken() -> LocalManagerEnd:
            raise ValueError("never seen before")

        stage.connect = broken  # type: ignore[method-assign]
        await stage.cut_link()
        with pytest.raises(ValueError, match="never seen"):
            await stage.until(lambda: False)

    play(story)


class Mute(VenueConnection):
    """Takes orders and cancels but answers no question once it is mute."""

    is_mute = False

    async def _query(self) -> None:
        if self.is_mute:
            raise VenueUnavailableError("mute")
        await super()._query()


def test_a_stop_does_not_wait_for_a_venue_that_answers_no_questions() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.venue.is_mute = True  # type: ignore[attr-defined]
        await stage.cut_link()
        stage.hub.sessions[UNIT].break_off()
        await stage.sleep(1_000)
        assert not stage.engine.is_ready
        stage.direct(Directive.CANCEL)

        await stage.until(lambda: stage.open_orders == [], within_ms=2_000)
        assert not stage.engine.is_stopped, "nobody has seen that yet"
        stage.venue.is_mute = False  # type: ignore[attr-defined]
        await stage.until(lambda: stage.engine.is_stopped, within_ms=10_000)

    play(story, venue_type=Mute)


def test_the_newest_band_is_always_one_of_the_present_state() -> None:
    async def story(stage: Stage) -> None:
        sequences: list[int] = []
        link = stage.engine._link
        tell = link.set_band

        def note(band: Band) -> None:
            sequences.append(stage.state.sequence)
            tell(band)

        link.set_band = note  # type: ignore[method-assign]
        await stage.open()
        await stage.sleep(5_000)

        assert sequences[-1] == stage.state.sequence

    play(story)


class Forgetful(VenueConnection):
    """Knows nothing of orders that ended."""

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        found = await super().find_order(
            symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
        )
        return found if found is None or found.status is OrderStatus.WORKING else None


def test_an_order_that_ended_unseen_and_is_forgotten_does_not_block_its_level_for_ever() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        gone = stage.live[0]
        now_ms = stage.clock.now_ms()
        stage.model.cancel(
            UNIT.account, SYMBOL, now_ms=now_ms, client_order_id=gone.client_order_id
        )

        await stage.until(lambda: len(stage.open_orders) >= 3, within_ms=60_000)

        assert stage.state.orders[gone.client_order_id].status is OrderStatus.ABSENT
        assert not stage.state.quarantine

    play(story, venue_type=Forgetful)


def test_a_wall_clock_that_is_set_forward_proves_no_absence() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.world.faults = Faults(drop_request=1.0)
        stage.quote("1003")
        await stage.until(lambda: any(o.status is OrderStatus.UNKNOWN for o in stage.live))
        stage.set_clock_by(3_600_000)
        await stage.sleep(CONFIG.horizon_ms - 1_000)

        assert any(o.status is OrderStatus.UNKNOWN for o in stage.live)
        stage.world.faults = Faults()
        await stage.until(lambda: not any(o.is_doubtful for o in stage.live), within_ms=30_000)

    play(story)


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
def test_a_wall_clock_that_jumps_shuts_the_gate_to_opens_for_a_while(jump_ms: int) -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.set_clock_by(jump_ms)
        await stage.sleep(600)
        assert stage.gate.shut_reason == "the clock has jumped"

        await stage.until(lambda: not stage.gate.shut_reason, within_ms=30_000)
        stage.quote("1005")
        sent = len(stage.facts(OrderIntended))
        await stage.until(lambda: len(stage.facts(OrderIntended)) > sent, within_ms=10_000)

    play(story)


def test_a_wall_clock_that_is_set_back_does_not_keep_a_dead_price_fresh() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.tasks[2].cancel()  # no more frames
        stage.set_clock_by(-3_600_000)
        await stage.sleep(5_000)

        assert stage.hub.frame_age_ms >= 4_500
        price = stage.state.price
        assert price is not None
        assert stage.clock.now_ms() - price.read_ms >= 4_000

    play(story)


def orphan(side: Side, price: str) -> OrderRequest:
    return OrderRequest(
        account=UNIT.account,
        symbol=SYMBOL,
        client_order_id=ClientOrderId(f"q1{TAG}" + "0" * 20),
        side=side,
        price=Decimal(price),
        quantity=Decimal("0.02"),
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
    )


def test_an_order_of_ours_that_the_journal_does_not_know_is_canceled_and_reported() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        lost = orphan(Side.BUY, "900")
        stage.model.place(lost, stage.clock.now_ms())  # before the journal was restored

        await stage.until(lambda: bool(stage.state.quarantine))
        await stage.until(lambda: lost.client_order_id not in stage.open_orders)

    play(story)


def test_a_fill_of_an_order_the_journal_does_not_know_moves_the_position_once() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        placed = stage.model.place(orphan(Side.BUY, "1005"), stage.clock.now_ms())
        stage.world.publish(placed.events)  # type: ignore[union-attr]
        await stage.until(lambda: bool(stage.state.quarantine))
        await stage.sleep(35_000)  # the audit sees it again

        venue = stage.model.position(UNIT.account, SYMBOL).quantity
        assert stage.state.position.quantity == venue != 0
        assert "order.orphaned" in stage.log.events

    play(story)


def test_a_late_report_of_a_forgotten_order_makes_the_unit_look_and_nothing_else() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        settled = [stage.live[0].client_order_id]
        report = venue_order(
            stage.model.order(UNIT.account, SYMBOL, client_order_id=settled[0])  # type: ignore[arg-type]
        )
        price = 1000
        while settled[0] in stage.state.orders:
            price = 1000 if price == 1010 else 1010
            stage.quote(str(price))
            await stage.sleep(2_500)
        stage.world.tell(OrderUpdate(order=report))
        await stage.sleep(1_000)

        assert not stage.state.quarantine
        assert stage.log.events.count("reconcile.wanted") >= 2
        assert stage.engine.is_ready

    play(story)


class Hanging(DirectWorkflows):
    """A store that takes no run any more, and says nothing."""

    is_hanging: ClassVar[bool] = False

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        if self.is_hanging:
            await asyncio.get_running_loop().create_future()
        return await super().run(name, workflow_id, inputs)


def test_a_stop_does_not_wait_for_a_store_of_workflows_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        monkeypatch.setattr(Hanging, "is_hanging", True)
        stage.direct(Directive.CANCEL)

        # Less than the time in which a decision must have begun.
        await stage.until(lambda: stage.open_orders == [], within_ms=1_000)

    play(story, workflows=Hanging)


class SlowToFail(DirectWorkflows):
    """A store that cannot write down that a run has failed: it is locked."""

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        try:
            return await super().run(name, workflow_id, inputs)
        except Exception:
            await asyncio.get_running_loop().create_future()
            raise


def test_a_journal_that_fails_stops_no_loop_whatever_the_store_of_workflows_does() -> None:
    disk = Disk()

    async def story(stage: Stage) -> None:
        await stage.open()
        disk.is_full = True
        stage.quote("1003")  # wants another level
        await stage.sleep(1_000)
        assert disk.attempts
        disk.is_full = False
        stage.direct(Directive.CANCEL)

        await stage.until(lambda: stage.engine.is_stopped, within_ms=15_000)

    play(story, hook=disk, workflows=SlowToFail)
