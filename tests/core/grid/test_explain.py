"""Every level can say why it has no order, and says what the planner and the review really do."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis.stateful import invariant, run_state_machine_as_test

from opensqt.core.facts import Directive, UnitQuarantined
from opensqt.core.grid import explain
from opensqt.core.grid.closing import Unoffered
from opensqt.core.grid.explain import (
    Explanation,
    Level,
    LevelReason,
    Obstacle,
    explain_levels,
)
from opensqt.core.grid.opening import Skip
from opensqt.core.grid.planner import plan
from opensqt.core.intents import PlaceOrder
from opensqt.core.orders import OrderStatus, Purpose
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import review
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import SymbolState, apply
from tests.core.builders import (
    GRID,
    WIDE,
    D,
    directed,
    filled,
    grid_state,
    ms,
    price,
    reported,
    without_price,
)
from tests.core.grid_builders import SMALL, record, working
from tests.core.grid_machine import GridMachine
from tests.core.test_grid_machine import machine_settings

R = LevelReason
ALWAYS_SEEN = {
    *(R.WORKING, R.WAITING_SETTLEMENT, R.WANTED, R.TOO_SMALL, R.OUT_OF_WINDOW, R.PAUSED),
    R.NO_FRESH_PRICE,
}


class ExplainedMachine(GridMachine):
    """The grid under all faults, explained after every step."""

    seen: ClassVar[Counter[LevelReason]] = Counter()

    @invariant()
    def every_level_is_explained(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        found = explain_levels(world.state, world.config, world.limits, now_ms=world.now_ms)
        self.seen.update(level.reason for level in found.levels)
        check(found, world.state, world.limits, self)


def check(
    found: Explanation, state: SymbolState, limits: Limits, machine: ExplainedMachine
) -> None:
    """Compare an explanation with what planner, review and orders say themselves."""
    world = machine.world
    by_index = {level.index: level for level in found.levels}
    assert len(by_index) == len(found.levels)
    assert R.UNEXPLAINED not in {level.reason for level in found.levels}, found
    assert state.slots.keys() <= by_index.keys()
    busy = {order.slot: order for order in state.unsettled_orders}
    for level in found.levels:
        order = busy.get(level.index)
        assert (level.client_order_id is None) == (order is None)
        assert (level.reason in {R.WORKING, R.WAITING_SETTLEMENT}) == (order is not None)
        if order is not None:
            is_at_venue = order.status is OrderStatus.WORKING
            assert (level.reason is R.WORKING) == is_at_venue
    wanted = plan(state, world.config, now_ms=world.now_ms)
    verdict = review(wanted.intents, view_of(state), limits, now_ms=world.now_ms)
    approved = {one.slot for one in verdict.approved if isinstance(one, PlaceOrder)}
    assert {one.index for one in found.levels if one.reason is R.WANTED} == approved
    refused = {one.intent.slot for one in verdict.refused}
    by_review = {R.EXPOSURE_LIMIT, R.REFUSED_BY_REVIEW, R.NO_FRESH_PRICE}
    assert all(by_index[index].reason in by_review for index in refused)


@pytest.mark.property
def test_no_order_of_faults_leaves_a_level_unexplained() -> None:
    ExplainedMachine.seen.clear()

    run_state_machine_as_test(
        ExplainedMachine, settings=machine_settings(examples=30, is_hunting=False)
    )

    assert ALWAYS_SEEN - ExplainedMachine.seen.keys() == set()


def levels(state: SymbolState, *, obstacle: Obstacle | None = None) -> dict[int, Level]:
    return {one.index: one for one in explained(state, obstacle=obstacle).levels}


def explained(state: SymbolState, *, obstacle: Obstacle | None = None) -> Explanation:
    return explain_levels(state, SMALL, WIDE, now_ms=0, obstacle=obstacle)


def test_orders_at_the_venue_are_named() -> None:
    state = working(grid_state(), SMALL, 3000)

    found = explained(state)

    assert found.reason is None
    assert found.top == -1
    assert [(one.index, one.reason, one.role) for one in found.levels] == [
        (-1, R.WORKING, Purpose.OPEN),
        (-2, R.WORKING, Purpose.OPEN),
    ]
    assert {one.client_order_id for one in found.levels} == set(state.orders)
    assert {one.price for one in found.levels} == {D(2998), D(2996)}


def test_an_order_of_unknown_outcome_is_waited_for_with_its_id() -> None:
    state = apply(grid_state(), price(3000))
    state = record(state, plan(state, SMALL, now_ms=0).intents)

    level = levels(state)[-1]

    assert level.reason is R.WAITING_SETTLEMENT
    assert str(level.client_order_id) in level.detail
    assert level.order_status is OrderStatus.INTENT


def test_a_filled_order_whose_trades_are_missing_says_how_much() -> None:
    state = working(grid_state(), SMALL, 3000)
    own = levels(state)[-1].client_order_id
    assert own is not None
    state = apply(state, reported(own, OrderStatus.FILLED))

    level = levels(state)[-1]

    assert level.reason is R.WAITING_SETTLEMENT
    assert "trades over 0.01 are missing" in level.detail


def test_what_a_human_decided_is_said_of_every_level() -> None:
    state = apply(apply(grid_state(), price(3000)), directed(Directive.CANCEL))

    assert {one.reason for one in explained(state).levels} == {R.PAUSED}

    state = apply(state, UnitQuarantined(reason="book 0, venue 1", at_ms=ms(0)))

    found = explained(state)
    assert {one.reason for one in found.levels} == {R.QUARANTINED}
    assert {one.detail for one in found.levels} == {found.detail} == {"book 0, venue 1"}


@pytest.mark.parametrize(
    ("directive", "reason"),
    [(Directive.DRAIN, R.DRAINING), (Directive.FLATTEN, R.FLATTENING)],
)
def test_a_unit_that_ends_opens_nothing_and_says_how_it_ends(
    directive: Directive, reason: LevelReason
) -> None:
    state = working(grid_state(), SMALL, 3000)
    own = levels(state)[-1].client_order_id
    assert own is not None
    order = state.orders[own]
    state = apply(state, filled(order, order.quantity, trade_id="t1"))
    state = apply(apply(state, directed(directive)), price(3000))

    found = levels(state)

    assert (found[-1].role, found[-1].reason) == (Purpose.CLOSE, R.WANTED)
    assert found[-2].reason is R.WORKING
    free = apply(state, reported(found[-2].client_order_id or own, OrderStatus.CANCELED))
    assert levels(free)[-2].reason is reason


def test_without_a_price_only_what_was_touched_is_listed() -> None:
    state = without_price(working(grid_state(), SMALL, 3000))

    found = explained(state)

    assert (found.reason, found.top) == (R.NO_FRESH_PRICE, None)
    assert [one.reason for one in found.levels] == [R.WORKING, R.WORKING]
    assert explained(without_price(grid_state())).levels == ()


def test_a_shut_gate_is_in_the_way_of_opening_orders_only() -> None:
    state = apply(grid_state(), price(3000))
    order = record(state, plan(state, SMALL, now_ms=0).intents[:1])
    own = next(iter(order.orders.values()))
    held = apply(order, filled(own, own.quantity, trade_id="t1"))
    gate = Obstacle(reason=R.GATE_SHUT, detail="kill", is_for_opens_only=True)

    found = levels(held, obstacle=gate)

    assert (found[-1].role, found[-1].reason) == (Purpose.CLOSE, R.WANTED)
    assert (found[-2].reason, found[-2].detail) == (R.GATE_SHUT, "kill")


def test_an_engine_that_is_not_ready_is_in_the_way_of_everything() -> None:
    state = apply(grid_state(), price(3000))

    found = explained(state, obstacle=Obstacle(reason=R.RECOVERING, detail="link: refused"))

    assert {(one.reason, one.detail) for one in found.levels} == {(R.RECOVERING, "link: refused")}


def test_going_down_explains_more_than_the_pause_it_made_but_not_a_quarantine() -> None:
    down = Obstacle(reason=R.DOWN, detail="the deployment is down")
    state = apply(apply(grid_state(), price(3000)), directed(Directive.CANCEL))

    assert explained(state, obstacle=down).reason is R.DOWN

    state = apply(state, UnitQuarantined(reason="lost", at_ms=ms(0)))
    assert explained(state, obstacle=down).reason is R.QUARANTINED


def test_a_refused_level_says_until_when_it_waits() -> None:
    state = working(grid_state(), SMALL, 3000)
    own = levels(state)[-1].client_order_id
    assert own is not None
    fact = replace(reported(own, OrderStatus.REJECTED), reason="ErrPostOnlyWouldCross")
    state = apply(state, fact)

    level = levels(state)[-1]

    assert level.reason is R.BACKING_OFF
    assert level.until_ms == fact.at_ms + GRID.retry_backoff_ms


def test_the_limit_of_the_review_is_named() -> None:
    state = apply(grid_state(), price(3000))
    tight = replace(WIDE, exposure_notional_max=D(40))

    found = explain_levels(state, SMALL, tight, now_ms=0)

    assert [one.reason for one in found.levels] == [R.WANTED, R.EXPOSURE_LIMIT]
    assert found.levels[1].detail.startswith("exposure: ")


def test_levels_too_small_for_the_venue_say_so() -> None:
    state = apply(grid_state(), price(3000))

    found = explain_levels(state, replace(SMALL, order_quantity=D(1)), WIDE, now_ms=0)

    assert {one.reason for one in found.levels} == {R.TOO_SMALL}


def test_every_reason_is_documented_and_no_other() -> None:
    page = Path(__file__).parents[3] / "docs" / "specs" / "explaining.md"
    rows = [line.split("|")[1] for line in page.read_text("utf-8").splitlines() if "| `" in line]

    assert [row.strip().strip("`") for row in rows] == [str(reason) for reason in LevelReason]


def test_every_reason_of_the_planner_has_a_name() -> None:
    assert set(explain._SKIPS) == set(Skip)
    assert set(explain._UNOFFERED) == set(Unoffered)
