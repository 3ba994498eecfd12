from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import TradeId, UnixMs
from opensqt.ports.exchange import VenueTrade
from opensqt.venues import trade_history
from opensqt.venues.trade_history import KEPT_MS, read_history
from tests.fakes.reports import a_trade

DAY_MS = 86_400_000
NOW_MS = 1_700_000_000_000


def trade(number: int, at_ms: int) -> VenueTrade:
    return a_trade(trade_id=TradeId(str(number)), at_ms=UnixMs(at_ms))


@dataclass
class History:
    """Serves pages under the venue's rules; refuses what the venue refuses."""

    trades: list[VenueTrade]
    asked: list[Mapping[str, int]] = field(default_factory=list)

    async def page(self, span: Mapping[str, int]) -> tuple[VenueTrade, ...]:
        self.asked.append(span)
        if "fromId" in span:
            assert set(span) == {"fromId"}
            found = [one for one in self.trades if int(one.trade_id) >= span["fromId"]]
        else:
            assert 0 <= span["endTime"] - span["startTime"] < 7 * DAY_MS
            found = [
                one for one in self.trades if span["startTime"] <= one.at_ms <= span["endTime"]
            ]
        return tuple(found[: trade_history.PAGE_SIZE])


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_history, "PAGE_SIZE", 3)


@pytest.mark.property
@given(
    ages=st.lists(st.integers(0, 30 * DAY_MS), max_size=15),
    since_age=st.integers(0, 30 * DAY_MS),
)
async def test_nothing_since_the_moment_is_missing_or_doubled(
    ages: list[int], since_age: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trade_history, "PAGE_SIZE", 3)
        times = sorted(NOW_MS - age for age in ages)
        history = History([trade(number, at) for number, at in enumerate(times, start=5)])
        since = NOW_MS - since_age

        listing = await read_history(history.page, since_ms=since, now_ms=NOW_MS)

    assert list(listing.trades) == [one for one in history.trades if one.at_ms >= since]
    assert listing.is_complete


@pytest.mark.usefixtures("small_pages")
async def test_a_recent_moment_takes_one_request() -> None:
    history = History([trade(1, NOW_MS - 5), trade(2, NOW_MS)])

    await read_history(history.page, since_ms=NOW_MS - 10, now_ms=NOW_MS)

    assert history.asked == [
        {"startTime": NOW_MS - 10, "endTime": NOW_MS - 10 + 7 * DAY_MS - 1},
    ]


async def test_the_beginning_means_as_far_as_the_history_is_read() -> None:
    history = History([trade(1, NOW_MS - KEPT_MS - 1), trade(2, NOW_MS - KEPT_MS)])

    everything = await read_history(history.page, since_ms=0, now_ms=NOW_MS)
    too_old = await read_history(history.page, since_ms=NOW_MS - KEPT_MS - 2, now_ms=NOW_MS)

    assert [one.trade_id for one in everything.trades] == ["2"]
    assert (everything.is_complete, too_old.is_complete) == (True, False)


@pytest.mark.usefixtures("small_pages")
async def test_too_many_pages_are_an_incomplete_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_history, "_PAGES_MAX", 2)
    history = History([trade(number, NOW_MS - 10) for number in range(20)])

    listing = await read_history(history.page, since_ms=NOW_MS - 20, now_ms=NOW_MS)

    assert not listing.is_complete
    assert len(listing.trades) == 6
