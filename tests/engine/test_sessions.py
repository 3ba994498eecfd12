"""A session loses no fact, repeats none that was acknowledged, and says so when it cannot know."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opensqt.core.ids import (
    AccountName,
    Symbol,
    TradeId,
    UnitId,
    UnixMs,
)
from opensqt.engine import sessions
from opensqt.engine.sessions import UnitSession, is_inside
from opensqt.ports.exchange import PriceUpdate, TradeUpdate
from opensqt.ports.link import (
    Band,
    Downward,
    Gap,
    LinkClosedError,
    LinkFact,
    LinkPrice,
    Upward,
    Welcome,
)
from tests.fakes.reports import a_trade

UNIT = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
NOW = 1_000


class Wire:
    """The exchange's end of a connection that may break at any message."""

    def __init__(self) -> None:
        self.sent: deque[Downward] = deque()
        self.is_closed = False

    def send(self, message: Downward) -> None:
        if self.is_closed:
            raise LinkClosedError("cut")
        self.sent.append(message)

    @property
    def pending_facts(self) -> int:
        return len(self.sent)

    async def receive(self) -> Sequence[Upward]:
        raise LinkClosedError("never asked")

    async def close(self, *, code: str = "", message: str = "") -> None:
        _ = code, message
        self.is_closed = True


def trade(number: int) -> TradeUpdate:
    return TradeUpdate(trade=a_trade(symbol=UNIT.symbol, trade_id=TradeId(str(number))))


def price(last: str) -> PriceUpdate:
    value = Decimal(last)
    return PriceUpdate(
        symbol=UNIT.symbol,
        bid=value,
        ask=value,
        last=value,
        venue_ms=UnixMs(NOW),
        read_ms=UnixMs(NOW),
    )


def band(low: str, high: str, *, after_seq: int = 0, until_ms: int = NOW + 10) -> Band:
    return Band(
        reference="last",
        low=Decimal(low),
        high=Decimal(high),
        valid_until_ms=UnixMs(until_ms),
        after_seq=after_seq,
    )


def attached(session: UnitSession, *, name: str = "", acked_seq: int = 0) -> Wire:
    wire = Wire()
    welcome = Welcome(session=name, resumed=False, account_epoch=1, now_ms=UnixMs(NOW))
    session.attach(wire, welcome=welcome, acked_seq=acked_seq, fresh_name=f"s{id(wire)}")
    return wire


class SessionMachine(RuleBasedStateMachine):
    """A manager that loses its connection, its memory, or is slow, against the true history."""

    def __init__(self) -> None:
        super().__init__()
        self.session = UnitSession(UNIT, name="")
        self.wire = attached(self.session)
        self.happened = 0
        # What the manager has committed: every fact up to here, or a reconciliation instead.
        self.covered = 0
        self.name = ""
        self.last_seq = 0
        self.acked = 0

    @rule(count=st.integers(1, 4))
    def something_happens(self, count: int) -> None:
        for _ in range(count):
            self.happened += 1
            self.session.push(trade(self.happened))

    @rule()
    def the_stream_has_a_gap(self) -> None:
        self.happened += 1
        self.session.gap("test")

    @rule()
    def the_manager_reads(self) -> None:
        while self.wire.sent:
            message = self.wire.sent.popleft()
            match message:
                case Welcome():
                    if not message.resumed:
                        self.name, self.last_seq, self.acked = message.session, 0, 0
                        self.reconcile()
                case LinkFact():
                    if message.seq > self.last_seq:
                        assert message.seq == self.last_seq + 1
                        self.last_seq = message.seq
                        number = int(message.update.trade.trade_id)  # type: ignore[union-attr]
                        assert number <= self.covered + 1, "a fact was lost"
                        self.covered = max(self.covered, number)
                case Gap():
                    self.reconcile()
                case _:
                    raise AssertionError(message)

    def reconcile(self) -> None:
        """Ask the venue, which knows everything that has happened."""
        self.covered = self.happened

    @precondition(lambda self: self.last_seq > self.acked)
    @rule()
    def the_manager_acknowledges(self) -> None:
        self.acked = self.last_seq
        if not self.wire.is_closed:
            self.session.acknowledge(self.acked)

    @rule()
    def the_connection_breaks(self) -> None:
        self.wire.is_closed = True
        self.wire.sent.clear()
        self.last_seq = self.acked
        self.wire = attached(self.session, name=self.name, acked_seq=self.acked)

    @rule()
    def the_manager_forgets_everything(self) -> None:
        self.wire.is_closed = True
        self.name, self.last_seq, self.acked = "", 0, 0
        self.wire = attached(self.session)

    @rule()
    def the_connection_is_gone_for_a_while(self) -> None:
        self.wire.is_closed = True
        self.session.detach(self.wire)

    @precondition(lambda self: self.wire.is_closed)
    @rule()
    def the_manager_comes_back(self) -> None:
        self.last_seq = self.acked
        self.wire = attached(self.session, name=self.name, acked_seq=self.acked)

    @invariant()
    def the_ring_is_bounded(self) -> None:
        assert self.session.unacknowledged <= sessions.RING_MAX

    def teardown(self) -> None:
        if self.wire.is_closed:
            self.the_manager_comes_back()
        self.the_manager_reads()
        assert self.covered == self.happened, "the manager believes in an older history"


SessionMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
test_the_manager_ends_up_knowing_everything = SessionMachine.TestCase


def test_a_full_ring_is_given_up_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    session = UnitSession(UNIT, name="")
    attached(session)
    monkeypatch.setattr(sessions, "RING_MAX", 3)
    pushed = [session.push(trade(number)) for number in range(4)]

    wire = attached(session, name=session.name)
    assert pushed == [True, True, True, False]
    assert session.overflows == 1
    assert isinstance(wire.sent[0], Welcome)
    assert not wire.sent[0].resumed


def test_a_band_keeps_prices_away_until_one_leaves_it() -> None:
    session = UnitSession(UNIT, name="")
    wire = attached(session)
    assert session.set_band(band("10", "20"), price("15"), now_ms=NOW)

    sent = [session.offer_price(price(p), now_ms=NOW, age_ms=0) for p in ("15", "19", "20", "15")]

    assert sent == [False, False, True, True], "the edge is outside, and outside ends the band"
    assert sum(isinstance(message, LinkPrice) for message in wire.sent) == 2


def test_a_band_ends_with_time_and_with_every_fact() -> None:
    session = UnitSession(UNIT, name="")
    attached(session)

    assert session.set_band(band("10", "20", until_ms=NOW + 5), None, now_ms=NOW)
    assert session.offer_price(price("15"), now_ms=NOW + 5, age_ms=0)
    assert session.set_band(band("10", "20"), None, now_ms=NOW)
    session.push(trade(1))
    assert session.offer_price(price("15"), now_ms=NOW, age_ms=0)


def test_a_band_older_than_the_last_fact_or_not_around_the_price_is_ignored() -> None:
    session = UnitSession(UNIT, name="")
    attached(session)
    session.push(trade(1))

    assert not session.set_band(band("10", "20", after_seq=0), price("15"), now_ms=NOW)
    assert not session.set_band(band("10", "20", after_seq=1), price("25"), now_ms=NOW)
    assert session.set_band(band("10", "20", after_seq=1), price("15"), now_ms=NOW)


def test_the_same_price_is_never_sent_twice_on_one_connection() -> None:
    session = UnitSession(UNIT, name="")
    attached(session)
    edge = price("20")

    assert session.offer_price(edge, now_ms=NOW, age_ms=0)
    assert not session.set_band(band("10", "20"), edge, now_ms=NOW)
    assert not session.offer_price(edge, now_ms=NOW, age_ms=0)
    attached(session)
    assert session.offer_price(edge, now_ms=NOW, age_ms=0)


def test_a_band_without_a_mark_price_never_holds() -> None:
    on_mark = Band(
        reference="mark", low=None, high=None, valid_until_ms=UnixMs(NOW + 1), after_seq=0
    )

    assert not is_inside(on_mark, price("15"), now_ms=NOW)
