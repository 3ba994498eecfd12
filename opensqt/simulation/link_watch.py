"""Two laws of the link, watched from both of its ends.

* I7, the manager's side: a fill may be acknowledged only once it is committed, unless the unit
  knows that it lost something and compares itself with the venue before it goes on.
* The quiet band, the exchange's side: every fact that is sent drops the band, so each price after
  it must be passed on until the manager has sent a newer band.
"""

from collections.abc import Callable, Sequence

from opensqt.core.ids import TradeId, UnitId
from opensqt.ports.exchange import PriceUpdate, TradeUpdate
from opensqt.ports.link import Ack, Band, Downward, Hello, LinkFact, LinkPrice, Upward, Welcome


class AckWatch:
    """The facts of one session as the manager sees them, over all its connections."""

    def __init__(self, doubts: Callable[[], int]) -> None:
        """Ask ``doubts`` how often the unit has begun to compare itself with the venue."""
        self._doubts = doubts
        self._trades: dict[int, tuple[TradeId, int]] = {}
        self._last_seq = 0

    def received(self, messages: Sequence[Downward]) -> None:
        """Note the numbers of fills; what a resumed session repeats was received before."""
        for message in messages:
            if isinstance(message, Welcome) and not message.resumed:
                self._trades.clear()
                self._last_seq = 0
            if not isinstance(message, LinkFact) or message.seq <= self._last_seq:
                continue
            self._last_seq = message.seq
            if isinstance(message.update, TradeUpdate):
                self._trades[message.seq] = (message.update.trade.trade_id, self._doubts())

    def acknowledged(self, message: Upward) -> tuple[TradeId, ...]:
        """Return the fills that a message gives the exchange side leave to forget.

        A fill that was received before the latest doubt may have been given up with others.
        """
        if not isinstance(message, Ack):
            return ()
        numbers = [seq for seq in self._trades if seq <= message.seq]
        fills = [self._trades.pop(seq) for seq in numbers]
        return tuple(trade for trade, doubts in fills if doubts == self._doubts())


class BandWatch:
    """One connection as the exchange sees it."""

    def __init__(self) -> None:
        """Nobody has introduced himself yet."""
        self.unit: UnitId | None = None
        self._last_seq = 0
        self._has_band = False
        self._told: PriceUpdate | None = None

    def sent(self, message: Downward) -> None:
        """Note what ends a band."""
        match message:
            case LinkFact():
                self._last_seq = max(self._last_seq, message.seq)
                self._has_band = False
            case LinkPrice():
                self._told = message.price
                self._has_band = False
            case _:
                pass

    def received(self, message: Upward) -> None:
        """Note a band, and who speaks."""
        match message:
            case Hello():
                self.unit = message.unit
            case Band():
                self._has_band = message.after_seq >= self._last_seq
            case _:
                pass

    def withholds(self, price: PriceUpdate) -> bool:
        """Tell whether a price that the exchange has read did not reach the manager."""
        return not self._has_band and self._told is not price


AckCheck = Callable[[tuple[TradeId, ...]], None]
PriceCheck = Callable[[PriceUpdate], None]
