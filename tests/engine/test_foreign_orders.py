"""Orders and fills that are not ours: never touched, told apart, said aloud."""

from dataclasses import replace
from decimal import Decimal
from typing import ClassVar

import pytest

from opensqt.core.facts import Directive, TradeFilled
from opensqt.core.ids import ClientOrderId
from opensqt.core.orders import Side, TimeInForce
from opensqt.market.types import OrderRequest
from opensqt.ports.exchange import CancelRequest, Outcome
from opensqt.simulation.venue import VenueConnection
from tests.engine.doubles import SYMBOL
from tests.engine.stage import CONFIG, UNIT, Stage, play

RESERVED = replace(CONFIG, reserve=Decimal("0.02"))
FAR_ABOVE = "1049"
FAR_BELOW = "951"
"""Limits that take whatever is offered, or bid."""


class Watched(VenueConnection):
    """Remembers whose orders were asked to be canceled."""

    canceled: ClassVar[list[str]] = []

    async def cancel(self, request: CancelRequest) -> Outcome:
        self.canceled.append(request.client_order_id)
        return await super().cancel(request)


def request(name: str, side: Side, price: str, *, reduce_only: bool = False) -> OrderRequest:
    return OrderRequest(
        account=UNIT.account,
        symbol=SYMBOL,
        client_order_id=ClientOrderId(name),
        side=side,
        price=Decimal(price),
        quantity=Decimal("0.02"),
        time_in_force=TimeInForce.GTC,
        reduce_only=reduce_only,
    )


def test_an_order_of_a_human_is_counted_said_once_and_left_alone() -> None:
    async def story(stage: Stage) -> None:
        await stage.open()
        stage.model.place(request("by-hand", Side.BUY, "900"), stage.clock.now_ms())

        await stage.until(lambda: stage.engine.foreign_orders == 1)
        await stage.sleep(65_000)  # two more audits

        assert stage.log.events.count("unit.foreign_order") == 1
        assert "by-hand" in stage.open_orders
        assert not stage.state.quarantine
        assert len(stage.live) >= 3

    play(story)


async def _open_beside_a_human(stage: Stage) -> None:
    stage.quote("1000")
    stage.model.place(request("by-hand", Side.BUY, FAR_ABOVE), stage.clock.now_ms())
    await stage.open()


def test_what_is_reserved_is_neither_a_difference_nor_ever_sold() -> None:
    async def story(stage: Stage) -> None:
        await _open_beside_a_human(stage)
        stage.quote("990", size="1")
        await stage.until(lambda: stage.state.position.quantity > 0)
        await stage.sleep(65_000)  # two audits
        assert not stage.state.quarantine
        assert stage.engine.is_ready

        stage.direct(Directive.FLATTEN)
        await stage.until(lambda: stage.engine.is_stopped)

        assert stage.state.position.quantity == 0
        assert stage.model.position(UNIT.account, SYMBOL).quantity == RESERVED.reserve
        assert not stage.state.quarantine

    play(story, config=RESERVED)


def test_a_reserve_that_is_gone_stops_the_unit() -> None:
    async def story(stage: Stage) -> None:
        await _open_beside_a_human(stage)
        await stage.sleep(35_000)
        assert not stage.state.quarantine

        stage.model.place(request("out", Side.SELL, FAR_BELOW), stage.clock.now_ms())

        await stage.until(lambda: bool(stage.state.quarantine), within_ms=120_000)

    play(story, config=RESERVED)


async def _bought(stage: Stage) -> None:
    await stage.open()
    stage.quote("990", size="1")
    await stage.until(lambda: stage.state.position.quantity > 0)
    await stage.until(lambda: stage.engine.is_ready)


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_forced_fill_is_booked_once_and_halts_the_symbol(is_heard: bool) -> None:
    async def story(stage: Stage) -> None:
        await _bought(stage)
        before = stage.state.position.quantity
        placed = stage.model.place(
            request("forced-17", Side.SELL, FAR_BELOW, reduce_only=True), stage.clock.now_ms()
        )
        if is_heard:
            stage.world.publish(placed.events)  # type: ignore[union-attr]

        await stage.until(lambda: bool(stage.state.quarantine))
        await stage.sleep(35_000)  # an audit sees it again

        venue = stage.model.position(UNIT.account, SYMBOL).quantity
        assert stage.state.position.quantity == venue < before
        assert stage.state.quarantine == "venue_forced: forced-17"
        forced = [
            fact
            for fact in stage.facts(TradeFilled)
            if isinstance(fact, TradeFilled) and fact.client_order_id == "forced-17"
        ]
        assert len({fact.trade_id for fact in forced}) == len(forced) >= 1
        assert "forced-17" not in Watched.canceled

    Watched.canceled.clear()
    play(story, venue_type=Watched)
