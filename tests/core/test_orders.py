"""The join table is law: total, never downwards, indifferent to order where it promises so."""

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import ClientOrderId
from opensqt.core.orders import (
    JOIN,
    Anomaly,
    Order,
    OrderStatus,
    Purpose,
    Side,
    TimeInForce,
    join_report,
)
from tests.core.builders import ms

S = OrderStatus
RANK = {S.INTENT: 0, S.UNKNOWN: 1, S.WORKING: 2} | {s: 3 for s in S if s.is_terminal}
STATUSES = st.sampled_from(S)

# Two truths that exclude each other: whoever was heard first stays. Both end the order without a
# further fill, so nothing follows from the difference.
FIRST_HEARD_STAYS = {
    frozenset({S.CANCELED, S.EXPIRED}),
    frozenset({S.REJECTED, S.NOT_SENT}),
    frozenset({S.REJECTED, S.ABSENT}),
    frozenset({S.NOT_SENT, S.ABSENT}),
}
# Proven absent, then seen at work: the venue is right, and a human is called.
RESURRECTION = frozenset({S.WORKING, S.ABSENT})


def order(
    *, status: OrderStatus = S.INTENT, quantity: int = 10, cumulative: int = 0, applied: int = 0
) -> Order:
    return Order(
        client_order_id=ClientOrderId("q1"),
        slot=0,
        side=Side.BUY,
        purpose=Purpose.OPEN,
        generation=1,
        attempt=0,
        price=Decimal(100),
        quantity=Decimal(quantity),
        time_in_force=TimeInForce.GTX,
        reduce_only=False,
        epoch=1,
        created_ms=ms(0),
        deadline_ms=ms(1),
        status=status,
        cumulative_quantity=Decimal(cumulative),
        applied_quantity=Decimal(applied),
    )


def join(known: OrderStatus, told: OrderStatus) -> OrderStatus:
    return JOIN[known, told].status


def test_the_table_answers_every_pair() -> None:
    assert set(JOIN) == set(itertools.product(S, S))


@pytest.mark.parametrize("status", S)
def test_hearing_the_same_again_changes_nothing(status: OrderStatus) -> None:
    assert JOIN[status, status].status is status
    assert JOIN[status, status].anomaly is None


@pytest.mark.parametrize(("known", "told"), list(itertools.product(S, S)))
def test_knowledge_never_falls_except_by_resurrection(
    known: OrderStatus, told: OrderStatus
) -> None:
    joined = JOIN[known, told]

    is_resurrected = joined.anomaly in (Anomaly.RESURRECTED, Anomaly.IMPOSSIBLE)
    assert RANK[joined.status] >= RANK[known] or is_resurrected
    assert joined.status in (known, told)


@pytest.mark.parametrize(("left", "right"), list(itertools.combinations(S, 2)))
def test_two_reports_commute_but_for_the_named_pairs(left: OrderStatus, right: OrderStatus) -> None:
    is_named = {left, right} in FIRST_HEARD_STAYS or {left, right} == RESURRECTION

    assert (join(left, right) is join(right, left)) != is_named


def test_three_reports_associate_but_where_a_named_pair_meets_a_late_one() -> None:
    broken = {
        frozenset(triple)
        for triple in itertools.product(S, repeat=3)
        if join(join(triple[0], triple[1]), triple[2])
        is not join(triple[0], join(triple[1], triple[2]))
    }

    assert broken == {
        frozenset({S.WORKING, S.NOT_SENT, S.REJECTED}),
        frozenset({S.WORKING, S.NOT_SENT, S.ABSENT}),
        frozenset({S.WORKING, S.REJECTED, S.ABSENT}),
    }


@pytest.mark.parametrize(
    ("known", "told", "anomaly"),
    [
        (S.ABSENT, S.WORKING, Anomaly.RESURRECTED),
        (S.ABSENT, S.FILLED, Anomaly.RESURRECTED),
        (S.ABSENT, S.CANCELED, Anomaly.RESURRECTED),
        (S.ABSENT, S.EXPIRED, Anomaly.RESURRECTED),
        (S.REJECTED, S.FILLED, Anomaly.IMPOSSIBLE),
        (S.REJECTED, S.CANCELED, Anomaly.IMPOSSIBLE),
        (S.REJECTED, S.EXPIRED, Anomaly.IMPOSSIBLE),
        (S.NOT_SENT, S.WORKING, Anomaly.IMPOSSIBLE),
        (S.NOT_SENT, S.FILLED, Anomaly.IMPOSSIBLE),
        (S.NOT_SENT, S.CANCELED, Anomaly.IMPOSSIBLE),
        (S.NOT_SENT, S.EXPIRED, Anomaly.IMPOSSIBLE),
    ],
)
def test_the_impossible_is_believed_and_raised(
    known: OrderStatus, told: OrderStatus, anomaly: Anomaly
) -> None:
    assert JOIN[known, told].status is told
    assert JOIN[known, told].anomaly is anomaly


def test_no_other_pair_is_an_anomaly() -> None:
    assert sum(joined.anomaly is not None for joined in JOIN.values()) == 11


@given(st.lists(st.tuples(STATUSES, st.integers(0, 10)), max_size=6), st.data())
def test_what_an_honest_venue_says_can_be_heard_in_any_order(
    reports: list[tuple[OrderStatus, int]], data: st.DataObject
) -> None:
    honest = [report for report in reports if report[0] in (S.UNKNOWN, S.WORKING)]
    honest.append((S.CANCELED, 10 if not honest else max(done for _, done in honest)))
    shuffled = data.draw(st.permutations(honest + honest[:2]))

    in_order, out_of_order = order(), order()
    for status, done in honest:
        in_order = heard(in_order, status, done)
    for status, done in shuffled:
        out_of_order = heard(out_of_order, status, done)

    assert in_order == out_of_order


def heard(known: Order, status: OrderStatus, done: int) -> Order:
    joined, cumulative, anomaly = join_report(
        known, status=status, cumulative_quantity=Decimal(done)
    )
    assert anomaly is None
    return replace(known, status=joined, cumulative_quantity=cumulative)


@given(STATUSES, st.integers(0, 10), STATUSES, st.integers(0, 12))
def test_a_report_of_any_kind_is_total_and_executed_quantity_never_falls(
    known: OrderStatus, cumulative: int, told: OrderStatus, done: int
) -> None:
    before = order(status=known, cumulative=cumulative)

    status, after, anomaly = join_report(before, status=told, cumulative_quantity=Decimal(done))

    assert after >= max(cumulative, done)
    assert (anomaly is Anomaly.OVERFILLED) == (max(cumulative, done) > 10)
    if after >= before.quantity:
        assert status is S.FILLED


@given(
    STATUSES,
    st.integers(0, 10),
    st.lists(st.tuples(st.sampled_from((S.UNKNOWN, S.WORKING)), st.integers(0, 10)), max_size=6),
)
def test_no_report_but_a_proof_or_the_impossible_brings_an_ended_order_back(
    known: OrderStatus, cumulative: int, reports: list[tuple[OrderStatus, int]]
) -> None:
    now = order(status=known, cumulative=cumulative)
    for told, done in reports:
        status, executed, anomaly = join_report(now, status=told, cumulative_quantity=Decimal(done))
        assert RANK[status] >= RANK[now.status] or anomaly is not None
        now = replace(now, status=status, cumulative_quantity=executed)


@given(STATUSES, st.integers(0, 10), st.integers(0, 10))
def test_an_order_that_is_proven_open_works_whatever_was_known_of_it(
    known: OrderStatus, cumulative: int, done: int
) -> None:
    before = order(status=known, cumulative=cumulative)

    proven = join_report(
        before, status=S.WORKING, cumulative_quantity=Decimal(done), is_proven=True
    )

    if known.is_terminal:
        status, executed, anomaly = proven
        assert (status, executed) == (S.WORKING, Decimal(max(cumulative, done)))
        assert anomaly is (Anomaly.IMPOSSIBLE if known is S.NOT_SENT else Anomaly.RESURRECTED)
    else:
        assert proven == join_report(before, status=S.WORKING, cumulative_quantity=Decimal(done))


@pytest.mark.parametrize("status", sorted(set(S) - {S.WORKING}))
def test_a_proof_is_of_an_open_order_only(status: OrderStatus) -> None:
    for known in S:
        before = order(status=known)
        assert join_report(
            before, status=status, cumulative_quantity=Decimal(0), is_proven=True
        ) == join_report(before, status=status, cumulative_quantity=Decimal(0))


@pytest.mark.parametrize("done", [4, 10])
def test_an_order_that_was_refused_and_trades_exists_which_is_impossible(done: int) -> None:
    status, cumulative, anomaly = join_report(
        order(status=S.REJECTED), status=S.WORKING, cumulative_quantity=Decimal(done)
    )

    assert status is (S.FILLED if done == 10 else S.WORKING)
    assert (cumulative, anomaly) == (Decimal(done), Anomaly.IMPOSSIBLE)


def test_a_trade_a_refusal_already_told_of_is_only_late() -> None:
    known = order(status=S.REJECTED, cumulative=4)

    assert join_report(known, status=S.WORKING, cumulative_quantity=Decimal(4)) == (
        S.REJECTED,
        Decimal(4),
        None,
    )


def test_filled_means_all_of_it_whatever_quantity_is_told() -> None:
    status, cumulative, anomaly = join_report(
        order(status=S.WORKING), status=S.FILLED, cumulative_quantity=Decimal(0)
    )

    assert (status, cumulative, anomaly) == (S.FILLED, Decimal(10), None)


@pytest.mark.parametrize(
    ("status", "cumulative", "applied", "is_settled", "reserved"),
    [
        (S.INTENT, 0, 0, False, 10),
        (S.UNKNOWN, 0, 0, False, 10),
        (S.WORKING, 4, 3, False, 7),
        (S.CANCELED, 4, 3, False, 1),
        (S.CANCELED, 4, 4, True, 0),
        (S.CANCELED, 4, 5, True, 0),
        (S.FILLED, 10, 0, False, 10),
        (S.FILLED, 10, 10, True, 0),
        (S.REJECTED, 0, 0, True, 0),
        (S.ABSENT, 0, 0, True, 0),
    ],
)
def test_an_order_is_settled_once_ended_and_all_its_trades_are_booked(
    status: OrderStatus, cumulative: int, applied: int, is_settled: bool, reserved: int
) -> None:
    known = order(status=status, cumulative=cumulative, applied=applied)

    assert known.is_settled is is_settled
    assert known.reserved_quantity == reserved
