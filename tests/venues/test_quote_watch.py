"""A silent symbol is looked up: a quiet market keeps its price, a stalled stream loses it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from opensqt.core.ids import Symbol, UnixMs
from opensqt.ports.exchange import VenueUnavailableError
from opensqt.venues.native_stream import PriceBoard
from opensqt.venues.quote_watch import QuoteWatch
from tests.venues.socket_world import RecordingLog
from tests.venues.test_native_stream import BTC, ETH, quote, trade

SECOND_MS = 1_000


@dataclass
class Clock:
    ms: int = 1_000_000
    slept: Callable[[], None] = lambda: None
    """Called after every sleep."""

    def now_ms(self) -> UnixMs:
        return UnixMs(self.ms)

    def monotonic_ms(self) -> int:
        return self.ms

    async def sleep_ms(self, duration_ms: int) -> None:
        self.ms += duration_ms
        self.slept()


@dataclass
class World:
    """Two symbols; Bitcoin is silent after its first quote, Ether never is."""

    says: dict[Symbol, tuple[str, str]] = field(
        default_factory=lambda: {BTC: ("10", "11"), ETH: ("5", "6")}
    )
    is_down: bool = False
    asked: list[Symbol] = field(default_factory=list)
    renewed: list[Symbol] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock, self.log = Clock(), RecordingLog()
        self.board = PriceBoard(clock=self.clock, log=self.log, changed=lambda: None)
        self.board.watch(frozenset({BTC, ETH}))
        self.watch = QuoteWatch(
            self.board, ask=self._ask, renew=self._renew, clock=self.clock, log=self.log
        )

    async def _ask(self, symbol: Symbol) -> tuple[Decimal, Decimal]:
        self.asked.append(symbol)
        if self.is_down:
            raise VenueUnavailableError("down")
        bid, ask = self.says[symbol]
        return Decimal(bid), Decimal(ask)

    async def _renew(self, symbol: Symbol) -> None:
        self.renewed.append(symbol)

    def read(self, *frames: str) -> None:
        for frame in frames:
            self.board.read(frame.encode())

    def begin(self) -> None:
        self.read(quote("10", "11"), trade("10.5"), trade("5.5", name="ethusdt"))

    async def pass_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.ms += SECOND_MS
            self.read(quote("5", "6", name="ethusdt"))
            await self.watch.step()


async def test_a_quiet_market_is_asked_for_twice_a_minute_and_keeps_its_price() -> None:
    world = World()
    world.begin()

    await world.pass_by(300)

    assert world.asked == [BTC] * 9
    assert not world.board.stale
    assert not world.renewed
    assert {one.symbol for one in world.board.take()} == {BTC, ETH}


async def test_a_stream_that_has_stalled_loses_its_price_until_the_next_quote() -> None:
    world = World()
    world.begin()
    world.says[BTC] = ("9", "10")

    await world.pass_by(35)

    assert world.board.stale == {BTC}
    assert world.renewed == [BTC]
    assert "stream.quotes_stalled" in world.log.events()
    assert {one.symbol for one in world.board.take()} == {ETH}
    world.read(trade("9.5"))
    assert world.board.take() == ()
    world.read(quote("9", "10"))
    assert not world.board.stale
    assert {one.symbol for one in world.board.take()} == {BTC}


async def test_a_quote_that_is_on_its_way_is_waited_for() -> None:
    world = World()
    world.begin()
    world.says[BTC] = ("9", "10")
    world.clock.slept = lambda: world.read(quote("9", "10"))

    await world.pass_by(35)

    assert world.asked == [BTC]
    assert not world.board.stale
    assert not world.renewed


async def test_a_venue_that_does_not_answer_is_believed_for_a_while() -> None:
    world = World(is_down=True)
    world.begin()

    await world.pass_by(80)
    assert not world.board.stale
    await world.pass_by(20)

    assert world.board.stale == {BTC}


async def test_a_symbol_without_quotes_is_subscribed_again() -> None:
    world = World()

    await world.pass_by(95)

    assert world.renewed == [BTC] * 3
    assert not world.asked


async def test_a_symbol_nobody_watches_any_more_is_forgotten() -> None:
    world = World()
    world.begin()
    world.says[BTC] = ("9", "10")
    await world.pass_by(35)

    world.board.watch(frozenset({ETH}))
    await world.pass_by(60)

    assert world.asked == [BTC]
    assert not world.board.stale
