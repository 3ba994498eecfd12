"""A venue that changes its rules is asked for them again by gate and manager, but not in a loop."""

from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import OrderIntended
from opensqt.core.ids import Symbol
from opensqt.core.instrument import Instrument
from opensqt.engine.hub import RULES_MS_MIN
from opensqt.ports.exchange import Outcome, OutcomeClass, PlaceRequest, VenueCode
from opensqt.simulation.venue import VenueConnection
from tests.engine.doubles import INSTRUMENT
from tests.engine.stage import CONFIG, Stage, play


class Changing(VenueConnection):
    """Trades in the lots of ``rules`` and refuses everything else."""

    rules = INSTRUMENT
    asked = 0

    async def instrument(self, symbol: Symbol) -> Instrument:
        _ = symbol
        self.asked += 1
        return self.rules

    async def place(self, request: PlaceRequest) -> Outcome:
        if request.quantity % self.rules.lot_size or request.quantity < self.rules.quantity_min:
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.INVALID_ORDER)
        return await super().place(request)


FINE = INSTRUMENT
COARSE = replace(INSTRUMENT, lot_size=Decimal("0.01"), quantity_min=Decimal("0.01"))
# 0.025 in fine lots, 0.02 in coarse ones.
KNOBS = {
    "venue_type": Changing,
    "config": replace(CONFIG, grid=replace(CONFIG.grid, order_quantity=Decimal("25.5"))),
}


async def change(stage: Stage, before: Instrument, after: Instrument) -> None:
    assert isinstance(stage.venue, Changing)
    stage.venue.rules = before
    await stage.open()
    stage.venue.rules = after


@pytest.mark.parametrize(("before", "after"), [(FINE, COARSE), (COARSE, FINE)])
def test_rules_that_the_manager_has_read_again_are_those_of_the_gate(
    before: Instrument, after: Instrument
) -> None:
    async def story(stage: Stage) -> None:
        await change(stage, before, after)
        await stage.until(lambda: stage.state.instrument == after, within_ms=90_000)
        refusals = dict(stage.gate.refusals)

        for price in ("1003", "1006", "1000"):
            stage.quote(price, size="1")
            await stage.sleep(20_000)

        assert stage.gate.refusals == refusals
        assert len(stage.open_orders) >= 3
        newest = stage.facts(OrderIntended)[-1]
        assert isinstance(newest, OrderIntended)
        assert newest.quantity % after.lot_size == 0

    play(story, **KNOBS)


def test_a_refusal_by_the_venue_s_rules_has_them_read_at_once() -> None:
    async def story(stage: Stage) -> None:
        await change(stage, FINE, COARSE)
        await stage.sleep(RULES_MS_MIN)
        stage.quote("998.9", size="1")

        await stage.until(lambda: stage.state.instrument == COARSE, within_ms=4_000)
        assert "hub.rules_changed" in stage.log.events

    play(story, **KNOBS)


def test_refusals_that_the_rules_do_not_explain_are_no_reason_to_ask_for_ever() -> None:
    class Refusing(Changing):
        async def place(self, request: PlaceRequest) -> Outcome:
            _ = request
            return Outcome(outcome=OutcomeClass.REJECTED, code=VenueCode.INVALID_ORDER)

    async def story(stage: Stage) -> None:
        assert isinstance(stage.venue, Refusing)
        stage.quote("1000")
        stage.tasks = []
        for work in (stage.hub.run(), stage._confirm(), stage._frames(), stage.engine.run()):
            stage.tasks.append(stage.loop.create_task(work))
        await stage.sleep(60_000)

        # Each full pass asks once (30 s), refusals at most once in ``RULES_MS_MIN``.
        assert stage.venue.asked <= 60_000 // RULES_MS_MIN + 4
        assert "hub.rules_changed" not in stage.log.events

    play(story, venue_type=Refusing)
