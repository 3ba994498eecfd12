"""What reaches the journal: news, each once; what is only late does no harm."""

from dataclasses import replace

import pytest

from opensqt.core.facts import Evidence
from opensqt.core.orders import OrderStatus
from opensqt.core.symbol import SymbolState, apply
from opensqt.engine.incoming import Intake
from opensqt.simulation.journal import JournalDisk, MemoryJournal
from tests.core.builders import UNIT, filled, reported
from tests.core.test_symbol import intent, with_order
from tests.engine.doubles import HandClock


async def test_an_answer_about_an_order_that_was_forgotten_since_is_only_late() -> None:
    order = intent()
    journal = MemoryJournal(JournalDisk(unit=UNIT))
    await journal.commit([order], epoch=1, expected_sequence=0)
    state = SymbolState(unit=UNIT, deployment="000")
    intake = Intake(journal, HandClock())

    batch = await intake.batch([reported(order.client_order_id, OrderStatus.FILLED)], state)

    assert batch.facts == []
    assert batch.late_reports == 1


async def test_an_answer_about_an_order_that_never_was_is_news() -> None:
    journal = MemoryJournal(JournalDisk(unit=UNIT))
    state = SymbolState(unit=UNIT, deployment="000")
    intake = Intake(journal, HandClock())
    strange = reported(intent().client_order_id, OrderStatus.FILLED)

    assert (await intake.batch([strange], state)).facts == [strange]


async def test_a_trade_of_a_forgotten_order_that_comes_twice_in_one_batch_is_booked_once() -> None:
    order = intent()
    journal = MemoryJournal(JournalDisk(unit=UNIT))
    await journal.commit([order], epoch=1, expected_sequence=0)
    state, known = with_order(SymbolState(unit=UNIT, deployment="000"), order)
    trade = filled(known, 1, trade_id="t1")
    intake = Intake(journal, HandClock())

    batch = await intake.batch([trade, trade], replace(state, orders={}))

    assert batch.facts == [trade]


@pytest.mark.parametrize(
    ("known", "told", "evidence", "is_suspect"),
    [
        (OrderStatus.REJECTED, OrderStatus.WORKING, Evidence.STREAM, True),
        (OrderStatus.WORKING, OrderStatus.REJECTED, Evidence.REPLY, True),
        (OrderStatus.WORKING, OrderStatus.REJECTED, Evidence.STREAM, False),
        (OrderStatus.CANCELED, OrderStatus.WORKING, Evidence.STREAM, False),
        (OrderStatus.UNKNOWN, OrderStatus.REJECTED, Evidence.REPLY, False),
    ],
)
async def test_an_order_that_is_open_and_was_refused_at_the_door_is_looked_into(
    known: OrderStatus, told: OrderStatus, evidence: Evidence, *, is_suspect: bool
) -> None:
    state, order = with_order(SymbolState(unit=UNIT, deployment="000"), intent())
    state = apply(state, reported(order.client_order_id, known))
    intake = Intake(MemoryJournal(JournalDisk(unit=UNIT)), HandClock())
    fact = replace(reported(order.client_order_id, told), evidence=evidence)

    assert (await intake.batch([fact], state)).is_suspect is is_suspect
