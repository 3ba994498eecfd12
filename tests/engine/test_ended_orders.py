"""Orders the venue shows open although the book says that they have ended: late news, or alive."""

from dataclasses import replace
from typing import ClassVar

import pytest

from opensqt.core.facts import Directive, Evidence, OrderReported, UnitQuarantined
from opensqt.core.ids import ClientOrderId, Symbol, VenueOrderId
from opensqt.core.orders import Anomaly, OrderStatus
from opensqt.ports.exchange import (
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    VenueCode,
    VenueOrder,
)
from opensqt.simulation.venue import VenueConnection, venue_order
from tests.engine.doubles import SYMBOL
from tests.engine.stage import UNIT, Stage, play

AUDIT_MS = 45_000
"""One audit interval, and the wait for what is visible."""


class Lying(VenueConnection):
    """Takes one order, once it is told to lie, and answers that it was refused."""

    is_armed: ClassVar[bool] = False
    lied: ClassVar[list[ClientOrderId]] = []

    async def place(self, request: PlaceRequest) -> Outcome:
        outcome = await super().place(request)
        if not self.is_armed or self.lied:
            return outcome
        self.lied.append(request.client_order_id)
        return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.UPSTREAM_REJECTED)


class Outdated(VenueConnection):
    """Shows orders open that are not, in its list or to look-ups as well."""

    in_list: ClassVar[list[VenueOrder]] = []
    lookups_agree: ClassVar[bool] = False
    is_forgetful: ClassVar[bool] = False
    """Whether look-ups find no order that has ended."""
    delay_ms: ClassVar[int] = 0
    """How long a list is on its way."""

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        listing = await super().open_orders(symbol)
        shown = {order.client_order_id: order for order in (*listing.orders, *self.in_list)}
        await self._clock.sleep_ms(self.delay_ms)
        return replace(listing, orders=tuple(shown.values()))

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        for order in self.in_list:
            if self.lookups_agree and order.client_order_id == client_order_id:
                return order
        found = await super().find_order(
            symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
        )
        is_gone = found is not None and found.status.is_terminal and self.is_forgetful
        return None if is_gone else found


@pytest.fixture(autouse=True)
def _honest_again() -> None:
    Lying.is_armed = False
    Lying.lied.clear()
    Outdated.in_list.clear()
    Outdated.lookups_agree, Outdated.is_forgetful, Outdated.delay_ms = False, False, 0


def shown(stage: Stage, own: str) -> VenueOrder:
    order = stage.model.order(UNIT.account, SYMBOL, client_order_id=ClientOrderId(own))
    assert order is not None
    return venue_order(order)


async def lied_to(stage: Stage) -> ClientOrderId:
    """Have the venue take an order and deny it; return which."""
    await stage.open()
    Lying.is_armed = True
    stage.quote("1003")
    await stage.until(lambda: bool(Lying.lied))
    return Lying.lied[0]


def proofs(stage: Stage) -> list[ClientOrderId]:
    return [
        fact.client_order_id
        for fact in stage.facts(OrderReported)
        if isinstance(fact, OrderReported) and fact.evidence is Evidence.AUDIT
    ]


@pytest.mark.parametrize("is_heard", [True, False])
def test_an_order_that_was_taken_and_answered_as_refused_is_found_and_taken_back(
    *, is_heard: bool
) -> None:
    async def story(stage: Stage) -> None:
        stage.world.silent_until_ms = 0 if is_heard else 10**15
        own = await lied_to(stage)

        await stage.until(lambda: bool(stage.state.quarantine))
        await stage.until(lambda: own not in stage.open_orders)

        assert proofs(stage) == [own]
        assert stage.state.quarantine == f"{Anomaly.RESURRECTED}: {own}"
        stage.direct(Directive.CANCEL)
        await stage.until(lambda: stage.engine.is_stopped)
        assert stage.open_orders == []
        assert stage.state.is_quiescent

    play(story, venue_type=Lying)


def test_a_report_that_a_refused_order_works_is_looked_into_at_once() -> None:
    async def story(stage: Stage) -> None:
        own = await lied_to(stage)
        began_ms = stage.clock.monotonic_ms()

        await stage.until(lambda: bool(stage.state.quarantine))

        assert proofs(stage) == [own]
        assert stage.clock.monotonic_ms() - began_ms < 10_000

    play(story, venue_type=Lying)


def test_a_stop_finds_what_lives_without_waiting_for_the_next_audit() -> None:
    async def story(stage: Stage) -> None:
        stage.world.silent_until_ms = 10**15
        own = await lied_to(stage)

        stage.direct(Directive.CANCEL)
        await stage.until(lambda: stage.engine.is_stopped, within_ms=20_000)

        assert proofs(stage) == [own]
        assert stage.open_orders == []

    play(story, venue_type=Lying)


def test_a_list_that_left_the_venue_before_the_end_was_known_proves_nothing() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        Outdated.delay_ms, Outdated.is_forgetful = 9_000, True
        own = stage.live[0].client_order_id
        await stage.sleep(AUDIT_MS - 15_000)  # the next list is on its way
        stage.quote("1010")  # out of the window: its cancel is confirmed meanwhile
        await stage.until(lambda: own not in [one.client_order_id for one in stage.live])
        await stage.sleep(AUDIT_MS)

        assert "order.listed_after_its_end" not in stage.log.events
        assert not stage.facts(UnitQuarantined)
        assert not stage.state.quarantine

    play(story, venue_type=Outdated)


@pytest.mark.parametrize(("lookups_agree", "lasts_ms"), [(True, 4_000), (False, 200_000)])
def test_a_venue_that_lags_or_a_look_up_that_says_otherwise_proves_nothing(
    lookups_agree: bool, lasts_ms: int
) -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        Outdated.lookups_agree = lookups_agree
        own = stage.live[0].client_order_id
        Outdated.in_list.append(shown(stage, own))
        stage.quote("1010")
        await stage.until(lambda: stage.state.orders[own].status.is_terminal)

        stage.engine.on_gap("test")
        await stage.sleep(lasts_ms)
        Outdated.in_list.clear()
        await stage.until(lambda: stage.engine.is_ready)

        assert not proofs(stage)
        assert not stage.state.quarantine

    play(story, venue_type=Outdated)


def test_an_order_shown_open_by_list_and_look_up_for_longer_than_any_lag_is_believed() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        Outdated.lookups_agree = True
        own = stage.live[0].client_order_id
        Outdated.in_list.append(shown(stage, own))
        stage.quote("1010")
        await stage.until(lambda: stage.state.orders[own].status.is_terminal)

        await stage.until(lambda: bool(stage.state.quarantine))

        assert stage.state.quarantine == f"{Anomaly.RESURRECTED}: {own}"
        assert stage.state.orders[own].status is OrderStatus.WORKING

    play(story, venue_type=Outdated)


def test_a_late_report_of_a_canceled_order_is_no_news() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        own = stage.live[0].client_order_id
        late = shown(stage, own)
        stage.quote("1010")
        await stage.until(lambda: stage.state.orders[own].status.is_terminal)
        wanted = stage.log.events.count("reconcile.wanted")

        stage.world.tell(OrderUpdate(order=late))
        await stage.sleep(1_000)

        assert stage.log.events.count("reconcile.wanted") == wanted
        assert stage.state.orders[own].status.is_terminal

    play(story, venue_type=Outdated)
