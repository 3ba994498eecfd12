"""What cost users of other bots money, as stories: R1 to R6, each named by its public report.

The venue of each story really does the thing; afterwards it is healthy again, and book and venue
must agree: no order twice on a level, none forgotten, no fill lost.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

import pytest

from opensqt.core.facts import OrderReported
from opensqt.core.ids import ClientOrderId, Symbol, VenueOrderId
from opensqt.core.orders import OrderStatus
from opensqt.ports.exchange import Outcome, PlaceRequest, VenueOrder
from opensqt.simulation.faults import Faults
from opensqt.simulation.venue import VenueConnection
from tests.engine.doubles import SYMBOL
from tests.engine.stage import UNIT, Stage, play

HEALTHY = Faults(latency_ms_max=2, event_delay_ms_max=2)
UNHEARD = {"drop_reply": 1.0, "drop_event": 1.0}
"""Orders are taken, and nobody says so."""
LONG_MS = 120_000


class Witness(VenueConnection):
    """Counts what is written, and does not find an order the first times it is asked for it."""

    written: ClassVar[Counter[ClientOrderId]] = Counter()
    looked_up: ClassVar[Counter[ClientOrderId | None]] = Counter()
    not_found_first: ClassVar[int] = 0

    async def place(self, request: PlaceRequest) -> Outcome:
        self.written[request.client_order_id] += 1
        return await super().place(request)

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        self.looked_up[client_order_id] += 1
        if self.looked_up[client_order_id] <= self.not_found_first:
            return None
        return await super().find_order(
            symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
        )


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    Witness.written.clear()
    Witness.looked_up.clear()
    Witness.not_found_first = 0


def tell(story: Callable[[Stage], Awaitable[None]]) -> None:
    play(story, venue_type=Witness, faults=HEALTHY)


def trouble(stage: Stage, **faults: float) -> None:
    stage.world.faults = replace(HEALTHY, **faults)  # type: ignore[arg-type]


def unknown(stage: Stage) -> list[ClientOrderId]:
    return [one.client_order_id for one in stage.live if one.status is OrderStatus.UNKNOWN]


def doubted(stage: Stage) -> list[ClientOrderId]:
    """Return the orders that were ever in doubt."""
    reports = (fact for fact in stage.disk.facts if isinstance(fact, OrderReported))
    return [fact.client_order_id for fact in reports if fact.status is OrderStatus.UNKNOWN]


async def placed_unheard(stage: Stage, **faults: float) -> list[ClientOrderId]:
    """Have orders placed whose answers are lost; return those that are in doubt."""
    await stage.open()
    trouble(stage, **UNHEARD, **faults)
    stage.quote("1003")
    await stage.until(lambda: bool(doubted(stage)))
    return doubted(stage)


async def agrees(stage: Stage) -> None:
    """Heal the venue; wait until nothing is in doubt, and compare."""
    trouble(stage)
    await stage.until(
        lambda: (
            not unknown(stage)
            and {one.client_order_id for one in stage.live} == set(stage.open_orders)
        ),
        within_ms=LONG_MS,
    )
    orders = stage.model.open_orders(UNIT.account, SYMBOL)
    assert len({order.price for order in orders}) == len(orders)
    assert max(Witness.written.values()) == 1
    assert stage.state.position.quantity == stage.model.position(UNIT.account, SYMBOL).quantity
    assert not stage.state.quarantine


def test_r1_a_time_out_is_no_failure_hummingbot_493() -> None:
    async def story(stage: Stage) -> None:
        names = await placed_unheard(stage)

        await agrees(stage)

        assert set(names) <= set(stage.open_orders)

    tell(story)


def test_r2_not_found_right_after_the_order_was_taken_is_no_failure_hummingbot_601() -> None:
    async def story(stage: Stage) -> None:
        names = await placed_unheard(stage, lookup_lag_ms_max=4_000)
        await stage.sleep(10_000)

        await agrees(stage)

        assert set(names) <= set(stage.open_orders)
        assert all(Witness.looked_up[own] for own in names)

    tell(story)


def test_r3_a_buy_in_doubt_that_fills_is_booked_hummingbot_3374() -> None:
    async def story(stage: Stage) -> None:
        names = await placed_unheard(stage, query_failure=1.0)

        stage.quote("1000")
        await stage.sleep(5_000)

        filled = [
            own
            for own in names
            if (order := stage.model.order(UNIT.account, SYMBOL, client_order_id=own)) is not None
            and order.status is OrderStatus.FILLED
        ]
        assert filled
        await agrees(stage)
        assert stage.state.position.fills >= len(filled)

    tell(story)


def test_r4_an_outage_of_the_name_service_forgets_no_order_hummingbot_8457() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        before = set(stage.open_orders)
        trouble(stage, drop_request=1.0, query_failure=1.0, drop_event=1.0)
        stage.has_prices = False
        await stage.cut_link()
        await stage.sleep(90_000)
        stage.has_prices = True

        await agrees(stage)

        assert set(stage.open_orders) == before
        assert set(stage.accepted) == before

    tell(story)


def test_r5_five_look_ups_that_find_nothing_prove_nothing_freqtrade_4403() -> None:
    async def story(stage: Stage) -> None:
        Witness.not_found_first = 5
        names = await placed_unheard(stage, partial_list=1.0)
        await stage.until(
            lambda: all(Witness.looked_up[own] > 5 for own in names), within_ms=LONG_MS
        )

        await agrees(stage)

        assert set(names) <= set(stage.open_orders)

    tell(story)


def test_r6_a_time_out_places_nothing_again_catalyst_317() -> None:
    async def story(stage: Stage) -> None:
        await placed_unheard(stage, query_failure=1.0)
        await stage.sleep(5_000)
        names, written = unknown(stage), len(Witness.written)

        await stage.sleep(LONG_MS)

        assert names
        assert unknown(stage) == names
        assert len(Witness.written) == written
        await agrees(stage)

    tell(story)
