"""Every order a unit ever placed can be explained, and decided again, from its journal alone."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from opensqt.core.facts import (
    CancelIntended,
    Fact,
    OrderIntended,
    OrderReported,
    TradeFilled,
)
from opensqt.core.ids import ClientOrderId
from opensqt.core.order_story import OrderStory, tell_order
from opensqt.core.orders import OrderStatus, Purpose
from opensqt.core.risk.limits import Limits
from opensqt.engine import hub
from tests.engine.stage import UNIT, Stage, play
from tests.fakes.lived import lived


def numbered(facts: list[Fact]) -> list[tuple[int, Fact]]:
    return list(enumerate(facts, start=1))


def told(facts: list[Fact], own: str) -> OrderStory:
    story = tell_order(UNIT, ClientOrderId(own), numbered(facts))
    assert story is not None
    return story


@pytest.fixture(scope="module")
def life() -> list[Fact]:
    return [*lived()]


def test_every_order_is_decided_again_the_same_way(life: list[Fact]) -> None:
    orders = [fact for fact in life if isinstance(fact, OrderIntended)]

    stories = [told(life, order.client_order_id) for order in orders]

    assert len(orders) > 15
    assert {order.purpose for order in orders} >= {Purpose.OPEN, Purpose.CLOSE}
    assert [one.order.client_order_id for one in stories if not one.judgement.is_repeated] == []
    assert all(one.workflow_id and one.config_version == 1 for one in stories)


def test_the_trigger_is_a_price_or_the_fact_that_came_last(life: list[Fact]) -> None:
    stories = [told(life, fact.client_order_id) for fact in life if isinstance(fact, OrderIntended)]

    assert {one.cause.trigger for one in stories} == {"price", "fact"}
    for one in stories:
        assert one.cause.sequence is not None
        newest = life[one.cause.sequence - 1]
        assert one.cause.kind == type(newest).__name__
        assert one.cause.sequence < one.intended_at
    closing = [one for one in stories if one.order.purpose is Purpose.CLOSE]
    assert {one.cause.kind for one in closing if one.cause.trigger == "fact"} <= {
        "TradeFilled",
        "OrderReported",
        "DirectiveGiven",
        "CancelIntended",
    }


def test_an_order_that_traded_shows_each_step_with_its_evidence(life: list[Fact]) -> None:
    trade = next(fact for fact in life if isinstance(fact, TradeFilled))

    story = told(life, trade.client_order_id)

    assert story.changes[0].fact == "OrderIntended"
    assert story.changes[0].was is None
    assert [one.sequence for one in story.changes] == sorted(one.sequence for one in story.changes)
    assert {one.evidence for one in story.changes} >= {"local", "reply", "trade"}
    assert story.order.status is OrderStatus.FILLED
    assert trade.trade_id in story.order.trade_ids
    assert story.settled_at == story.changes[-1].sequence
    assert f"trade {trade.trade_id}" in " ".join(one.detail for one in story.changes)


def test_a_canceled_order_shows_who_asked_and_when_it_ended(life: list[Fact]) -> None:
    canceled = next(
        fact
        for fact in life
        if isinstance(fact, OrderReported) and fact.status is OrderStatus.CANCELED
    )
    story = told(life, canceled.client_order_id)

    asked = [one for one in story.changes if one.fact == "CancelIntended"]

    assert asked
    assert story.order.status is OrderStatus.CANCELED
    end = next(one for one in story.changes if one.status is OrderStatus.CANCELED)
    assert end.was is OrderStatus.WORKING
    assert end.sequence > asked[0].sequence


def test_the_facts_after_the_intent_that_name_others_are_not_needed(life: list[Fact]) -> None:
    for fact in life:
        if not isinstance(fact, OrderIntended):
            continue
        own = fact.client_order_id
        whole = told(life, own)
        needed = [
            (sequence, one)
            for sequence, one in numbered(life)
            if sequence <= whole.intended_at or getattr(one, "client_order_id", None) == own
        ]

        assert tell_order(UNIT, own, needed) == whole


def test_a_report_that_comes_twice_is_late(life: list[Fact]) -> None:
    report = next(fact for fact in life if isinstance(fact, OrderReported))

    story = told([*life, report], report.client_order_id)

    assert [one.is_late for one in story.changes][-1]
    assert not story.changes[0].is_late


def test_a_journal_of_an_older_build_says_what_it_cannot_know(life: list[Fact]) -> None:
    old = [
        replace(fact, decided_at=None, trigger=None, seen=None)
        if isinstance(fact, OrderIntended)
        else fact
        for fact in life
    ]
    order = next(fact for fact in old if isinstance(fact, OrderIntended))

    story = told(old, order.client_order_id)

    assert (story.workflow_id, story.cause.trigger) == ("", "")
    assert story.judgement.is_repeated is None
    assert story.order.status.is_terminal


def test_an_order_nobody_would_place_is_not_said_to_be_repeated(life: list[Fact]) -> None:
    forged = [
        replace(fact, price=fact.price - Decimal(1), quantity=fact.quantity)
        if isinstance(fact, OrderIntended)
        else fact
        for fact in life
    ]
    order = next(fact for fact in forged if isinstance(fact, OrderIntended))

    story = told(forged, order.client_order_id)

    assert story.judgement.is_repeated is False
    assert story.judgement.note


def test_a_decision_that_was_begun_again_names_the_workflow_that_did_it(life: list[Fact]) -> None:
    again = [
        replace(fact, decision_attempt=3) if isinstance(fact, OrderIntended) else fact
        for fact in life
    ]
    order = next(fact for fact in again if isinstance(fact, OrderIntended))

    story = told(again, order.client_order_id)

    assert story.workflow_id == f"{UNIT.path}:1:{order.decided_at}:3"


def test_an_unknown_order_has_no_story(life: list[Fact]) -> None:
    stranger = ClientOrderId("q1abc00000000000000000000")

    assert tell_order(UNIT, stranger, numbered(life)) is None
    assert any(isinstance(fact, CancelIntended) for fact in life)


def test_what_the_gate_refused_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(capital: Decimal, *, venue_orders_open_max: int) -> Limits:
        limits = Limits.from_capital(capital, venue_orders_open_max=venue_orders_open_max)
        return replace(limits, order_notional_max=Decimal(1))

    async def story(stage: Stage) -> None:
        await stage.open()
        monkeypatch.setattr(hub, "Limits", SimpleNamespace(from_capital=strict))
        stage.quote("1003")
        await stage.until(lambda: bool(_not_sent(stage.disk.facts)))

        found = told(stage.disk.facts, _not_sent(stage.disk.facts)[0].client_order_id)

        assert found.judgement.verdict == "approved"
        assert found.judgement.final.startswith("refused: ErrRisk: order_notional")
        assert found.judgement.final.removeprefix("refused: ") in found.changes[-1].detail

    play(story)


def _not_sent(facts: list[Fact]) -> list[OrderReported]:
    return [
        fact
        for fact in facts
        if isinstance(fact, OrderReported) and fact.status is OrderStatus.NOT_SENT
    ]


def test_what_left_has_passed_the_gate(life: list[Fact]) -> None:
    stories = [told(life, fact.client_order_id) for fact in life if isinstance(fact, TradeFilled)]

    assert {one.judgement.final for one in stories} == {"passed"}
