"""Goal: what must arrive arrives in order; of what only counts last, only the last is kept."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.market_maker.v1 import link_pb2
from opensqt.rpc.batching import batches
from opensqt.rpc.outbox import Outbox, OutboxFullError
from tests.fakes.waiting import PATIENCE_S


@given(st.lists(st.tuples(st.sampled_from(("fact", "a", "b")), st.integers())))
def test_facts_keep_their_order_and_the_last_of_each_key_stays(
    sent: list[tuple[str, int]],
) -> None:
    outbox: Outbox[tuple[str, int]] = Outbox()
    for kind, number in sent:
        if kind == "fact":
            outbox.put((kind, number))
        else:
            outbox.put_latest(kind, (kind, number))
    waiting_facts = outbox.facts
    outbox.end()

    taken = asyncio.run(outbox.take())

    facts = [item for item in sent if item[0] == "fact"]
    assert [item for item in taken if item[0] == "fact"] == facts
    assert waiting_facts == len(facts)
    for key in ("a", "b"):
        all_ = [(place, item) for place, item in enumerate(sent) if item[0] == key]
        kept = [item for item in taken if item[0] == key]
        assert kept == ([all_[-1][1]] if all_ else [])
        if all_:
            # Nothing that was sent before the last value is behind it.
            before = sum(1 for item in sent[: all_[-1][0]] if item[0] == "fact")
            position = taken.index(kept[0])
            assert sum(1 for item in taken[:position] if item[0] == "fact") == before


async def test_taking_waits_for_something_or_for_the_end() -> None:
    outbox: Outbox[int] = Outbox()
    waiting = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not waiting.done()

    outbox.put(1)
    assert await waiting == [1]
    outbox.put(2)
    outbox.end()
    assert await outbox.take() == [2]
    assert await outbox.take() == []


def test_a_full_box_says_so_instead_of_dropping() -> None:
    outbox: Outbox[int] = Outbox(waiting_max=2)
    outbox.put(1)
    outbox.put(2)

    with pytest.raises(OutboxFullError):
        outbox.put(3)
    assert len(outbox) == 2


@given(st.lists(st.integers(min_value=0, max_value=40)))
def test_batches_hold_everything_in_order_within_the_size(sizes: list[int]) -> None:
    items = [link_pb2.Gap(reason="x" * size) for size in sizes]
    limit = 50
    groups: list[list[link_pb2.Gap]] = []

    def build(gathered: list[link_pb2.Gap]) -> link_pb2.Gap:
        groups.append(gathered)
        return link_pb2.Gap()

    made = list(batches(items, build, size_max=limit))

    assert len(made) == len(groups)
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert sum(item.ByteSize() for item in group) <= limit or len(group) == 1


async def test_a_patient_message_travels_with_one_that_is_not() -> None:
    outbox: Outbox[str] = Outbox()
    waiting = asyncio.create_task(outbox.take())
    outbox.put("declare", is_patient=True)
    outbox.put_latest("ack", "ack", is_patient=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()

    outbox.put("place")
    assert await waiting == ["declare", "ack", "place"]


async def test_a_patient_message_does_not_wait_for_ever() -> None:
    outbox: Outbox[int] = Outbox()
    for number in range(3):
        outbox.put(number, is_patient=True)
        async with asyncio.timeout(PATIENCE_S):
            assert await outbox.take() == [number]


async def test_what_was_patient_is_still_written_at_the_end() -> None:
    outbox: Outbox[int] = Outbox()
    outbox.put(1, is_patient=True)
    outbox.end()
    assert await outbox.take() == [1]
    assert await outbox.take() == []


async def test_a_patient_message_behind_a_taken_one_waits_for_its_own_moment() -> None:
    outbox: Outbox[int] = Outbox()
    outbox.put(1)
    assert await outbox.take() == [1]
    outbox.put(2, is_patient=True)
    waiting = asyncio.create_task(outbox.take())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    async with asyncio.timeout(PATIENCE_S):
        assert await waiting == [2]
