"""Every journal keeps the same promises: atomic, fenced, in sequence, never twice."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from opensqt.core.facts import Fact, PriceTicked
from opensqt.core.ids import ClientOrderId, TradeId, UnixMs, VenueOrderId
from opensqt.ports.journal import (
    DuplicateTradeError,
    JournalError,
    JournalPort,
    Recovered,
    SequenceConflictError,
    StaleEpochError,
)
from tests.storage.contract import (
    EMPTY,
    OTHER,
    ClosableJournal,
    JournalBench,
    at_sequence,
    intended,
    reported,
    started,
    state_after,
    traded,
)

PRICE = PriceTicked(
    bid=Decimal(1), ask=Decimal(2), last=Decimal(1), at_ms=UnixMs(1), read_ms=UnixMs(2)
)


@pytest.fixture
def journal(bench: JournalBench) -> ClosableJournal:
    return bench.open()


async def contents(journal: JournalPort) -> tuple[Fact, ...]:
    recovered = await journal.load()
    assert recovered.snapshot is None
    return recovered.facts


async def test_a_new_journal_is_empty(journal: ClosableJournal) -> None:
    assert await journal.load() == Recovered(snapshot=None, facts=())
    assert not await journal.has_trade(TradeId("1"))
    assert await journal.find_order(client_order_id=ClientOrderId("a")) is None


async def test_facts_are_read_back_in_order_by_another_connection(bench: JournalBench) -> None:
    facts = (started(), intended("a"), reported("a", venue_order_id="v"), traded("1"))
    first = bench.open()

    assert await first.commit(facts[:1], epoch=1, expected_sequence=0) == 1
    assert await first.commit(facts[1:], epoch=1, expected_sequence=1) == 4
    first.close()

    assert await contents(bench.open()) == facts


async def test_an_empty_commit_changes_only_the_fence(bench: JournalBench) -> None:
    journal = bench.open()

    assert await journal.commit([], epoch=5, expected_sequence=0) == 0

    with pytest.raises(StaleEpochError):
        await bench.open().commit([started()], epoch=4, expected_sequence=0)
    assert await contents(journal) == ()


async def test_a_snapshot_shortens_the_replay_and_forgets_the_price(
    journal: ClosableJournal,
) -> None:
    facts = (started(), intended("a"), reported("a"))
    state = replace(state_after(*facts[:2]), price=PRICE)
    await journal.commit(facts[:2], epoch=1, expected_sequence=0, snapshot=state)
    await journal.commit(facts[2:], epoch=1, expected_sequence=2)

    recovered = await journal.load()

    assert recovered.snapshot == replace(state, price=None)
    assert recovered.facts == facts[2:]


async def test_the_newest_snapshot_counts(journal: ClosableJournal) -> None:
    for sequence in range(5):
        snapshot = at_sequence(sequence + 1)
        await journal.commit([started()], epoch=1, expected_sequence=sequence, snapshot=snapshot)

    assert await journal.load() == Recovered(snapshot=at_sequence(5), facts=())


async def test_a_snapshot_may_follow_without_facts(journal: ClosableJournal) -> None:
    await journal.commit([started()], epoch=1, expected_sequence=0, snapshot=at_sequence(1))
    better = replace(at_sequence(1), quarantine="seen")

    await journal.commit([], epoch=1, expected_sequence=1, snapshot=better)

    assert (await journal.load()).snapshot == better


@pytest.mark.parametrize("snapshot", [at_sequence(0), at_sequence(2), replace(EMPTY, unit=OTHER)])
async def test_a_snapshot_of_another_moment_or_unit_is_refused(
    journal: ClosableJournal, snapshot: object
) -> None:
    with pytest.raises(JournalError, match="expected a snapshot of paper/BTCUSDT:perp at 1"):
        await journal.commit([started()], epoch=1, expected_sequence=0, snapshot=snapshot)  # type: ignore[arg-type]
    assert await contents(journal) == ()


@pytest.mark.parametrize("expected_sequence", [0, 2, 99])
async def test_a_commit_on_an_old_or_imagined_sequence_writes_nothing(
    journal: ClosableJournal, expected_sequence: int
) -> None:
    await journal.commit([started()], epoch=1, expected_sequence=0)

    with pytest.raises(SequenceConflictError, match=f"expected sequence {expected_sequence} of"):
        await journal.commit([intended("a")], epoch=9, expected_sequence=expected_sequence)

    assert await contents(journal) == (started(),)
    assert await journal.find_order(client_order_id=ClientOrderId("a")) is None
    # The fence did not move either: the refused commit left no trace at all.
    assert await journal.commit([started()], epoch=1, expected_sequence=1) == 2


async def test_an_old_epoch_never_writes_again(bench: JournalBench) -> None:
    old, new = bench.open(), bench.open()
    await old.commit([started(1)], epoch=1, expected_sequence=0)
    await new.commit([started(2)], epoch=2, expected_sequence=1)

    with pytest.raises(StaleEpochError, match="epoch 1 of paper/BTCUSDT:perp is over"):
        await old.commit([intended("a")], epoch=1, expected_sequence=2)

    assert await contents(old) == (started(1), started(2))


async def test_a_stale_process_learns_that_it_is_stale_rather_than_behind(
    bench: JournalBench,
) -> None:
    old, new = bench.open(), bench.open()
    await new.commit([started(2)], epoch=2, expected_sequence=0)

    with pytest.raises(StaleEpochError):
        await old.commit([started(1)], epoch=1, expected_sequence=0)


async def test_a_claim_shuts_out_the_old_process_before_it_is_read(bench: JournalBench) -> None:
    old, new = bench.open(), bench.open()
    await old.commit([started(1)], epoch=1, expected_sequence=0)

    await new.claim(2)
    await new.claim(2)

    with pytest.raises(StaleEpochError, match="epoch 1 of paper/BTCUSDT:perp is over"):
        await old.commit([started(1)], epoch=1, expected_sequence=1)
    with pytest.raises(StaleEpochError):
        await old.claim(1)
    assert await contents(new) == (started(1),)
    assert await new.commit([started(2)], epoch=2, expected_sequence=1) == 2


async def test_a_trade_moves_the_position_once(journal: ClosableJournal) -> None:
    await journal.commit([intended("a"), traded("1")], epoch=1, expected_sequence=0)

    with pytest.raises(DuplicateTradeError, match="trade 1 was committed before"):
        await journal.commit([started(), traded("1")], epoch=1, expected_sequence=2)

    assert await contents(journal) == (intended("a"), traded("1"))
    assert await journal.has_trade(TradeId("1"))
    assert not await journal.has_trade(TradeId("2"))


async def test_a_trade_is_in_a_batch_once(journal: ClosableJournal) -> None:
    with pytest.raises(DuplicateTradeError, match="trade 1 is in the batch twice"):
        await journal.commit([traded("1"), traded("1")], epoch=1, expected_sequence=0)
    assert await contents(journal) == ()


async def test_an_order_is_intended_once(journal: ClosableJournal) -> None:
    await journal.commit([intended("a")], epoch=1, expected_sequence=0)

    with pytest.raises(JournalError, match="order a was intended before"):
        await journal.commit([intended("a")], epoch=1, expected_sequence=1)
    with pytest.raises(JournalError, match="order b is intended twice"):
        await journal.commit([intended("b"), intended("b")], epoch=1, expected_sequence=1)

    assert await contents(journal) == (intended("a"),)


async def test_a_price_is_not_journaled(journal: ClosableJournal) -> None:
    with pytest.raises(JournalError, match="prices are not journaled"):
        await journal.commit([started(), PRICE], epoch=1, expected_sequence=0)
    assert await contents(journal) == ()


async def test_an_order_is_found_by_either_id(journal: ClosableJournal) -> None:
    batch = (
        intended("a"),
        intended("b", slot=2),
        reported("a", venue_order_id="v1"),
        traded("1", "b", venue_order_id="v2"),
        reported("stranger", venue_order_id="v3"),
    )
    await journal.commit(batch, epoch=1, expected_sequence=0)

    async def find(ours: str | None = None, theirs: str | None = None) -> str | None:
        return await journal.find_order(
            client_order_id=None if ours is None else ClientOrderId(ours),
            venue_order_id=None if theirs is None else VenueOrderId(theirs),
        )

    assert await find("a") == "a"
    assert await find(theirs="v1") == "a"
    assert await find(theirs="v2") == "b"
    assert await find("unknown", "v2") == "b"
    assert await find("stranger") is None
    assert await find(theirs="v3") is None
    assert await find() is None


async def test_the_first_venue_order_id_stays(journal: ClosableJournal) -> None:
    await journal.commit(
        [intended("a"), reported("a", venue_order_id="v1"), reported("a", venue_order_id="v2")],
        epoch=1,
        expected_sequence=0,
    )

    assert await journal.find_order(venue_order_id=VenueOrderId("v1")) == "a"
    assert await journal.find_order(venue_order_id=VenueOrderId("v2")) is None


async def test_a_closed_journal_refuses_every_call(bench: JournalBench) -> None:
    journal = bench.open()
    journal.close()

    with pytest.raises(JournalError):
        await journal.commit([started()], epoch=1, expected_sequence=0)
    with pytest.raises(JournalError):
        await journal.load()
    assert await contents(bench.open()) == ()


async def test_of_two_racing_commits_one_wins(bench: JournalBench) -> None:
    journals = [bench.open() for _ in range(2)]

    results = await asyncio.gather(
        *(journal.commit([started()], epoch=1, expected_sequence=0) for journal in journals),
        return_exceptions=True,
    )

    assert sorted(str(type(result).__name__) for result in results) == [
        "SequenceConflictError",
        "int",
    ]
    assert await contents(bench.open()) == (started(),)
