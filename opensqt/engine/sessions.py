"""What the exchange process remembers of one unit: facts not yet acknowledged, band, connection.

Facts are numbered per session and kept until the manager acknowledges them, which it does after
they are committed. A manager that comes back to the same session gets the rest; when the ring is
full or the stream itself had a gap, the session is given up as a whole and the manager reconciles.
"""

from collections import deque
from decimal import Decimal
from typing import Final

from opensqt.core.ids import UnitId
from opensqt.ports.exchange import OrderUpdate, PriceUpdate, TradeUpdate
from opensqt.ports.link import (
    Band,
    Downward,
    ExchangeTransport,
    Gap,
    LinkClosedError,
    LinkFact,
    LinkPrice,
    Welcome,
)

RING_MAX: Final = 10_000


def reference_price(price: PriceUpdate, reference: str) -> Decimal | None:
    """Return the named price: ``last``, ``mid`` or ``mark`` (None when the venue gives none)."""
    match reference:
        case "mid":
            return (price.bid + price.ask) / 2
        case "mark":
            return price.mark
        case _:
            return price.last


def is_inside(band: Band, price: PriceUpdate, *, now_ms: int) -> bool:
    """Tell whether the manager of ``band`` has nothing to do at this price and time."""
    value = reference_price(price, band.reference)
    if value is None or now_ms >= band.valid_until_ms:
        return False
    above = band.low is None or value > band.low
    return above and (band.high is None or value < band.high)


class UnitSession:
    """One unit's side of the hub. Never waits."""

    def __init__(self, unit: UnitId, *, name: str) -> None:
        """Start a session without a connection."""
        self.unit = unit
        self.name = name
        self.epoch = 0
        self.overflows = 0
        self._ring: deque[LinkFact] = deque()
        self._last_seq = 0
        self._acked_seq = 0
        self._broken = False
        self._band: Band | None = None
        self._offered: PriceUpdate | None = None
        self._transport: ExchangeTransport | None = None

    @property
    def is_attached(self) -> bool:
        """Tell whether a manager is connected."""
        return self._transport is not None

    @property
    def last_seq(self) -> int:
        """Return the number of the last fact."""
        return self._last_seq

    @property
    def unacknowledged(self) -> int:
        """Return how many facts are kept: the ring gauge."""
        return len(self._ring)

    def attach(
        self, transport: ExchangeTransport, *, welcome: Welcome, acked_seq: int, fresh_name: str
    ) -> None:
        """Connect a manager: resume when it knows this session, otherwise begin a new one."""
        self._transport = transport
        self._band = None
        self._offered = None
        known = bool(self.name) and not self._broken and welcome.session == self.name
        resumed = known and self._acked_seq <= acked_seq <= self._last_seq
        if not resumed:
            self.name = fresh_name
            self._ring.clear()
            self._last_seq = self._acked_seq = 0
            self._broken = False
        else:
            self.acknowledge(acked_seq)
        self._send(
            Welcome(
                session=self.name,
                resumed=resumed,
                account_epoch=welcome.account_epoch,
                now_ms=welcome.now_ms,
            )
        )
        for fact in tuple(self._ring):
            self._send(fact)

    def detach(self, transport: ExchangeTransport) -> None:
        """Forget a connection that ended, unless a newer one has replaced it."""
        if self._transport is transport:
            self._transport = None
            self._band = None

    @property
    def transport(self) -> ExchangeTransport | None:
        """Return the live connection."""
        return self._transport

    def is_behind(self, pending_max: int) -> bool:
        """Tell whether more facts than that wait to be written to the manager."""
        return self._transport is not None and self._transport.pending_facts > pending_max

    def acknowledge(self, seq: int) -> None:
        """Forget facts the manager has committed."""
        self._acked_seq = max(self._acked_seq, min(seq, self._last_seq))
        while self._ring and self._ring[0].seq <= self._acked_seq:
            self._ring.popleft()

    def set_band(self, band: Band, price: PriceUpdate | None, *, now_ms: int) -> bool:
        """Keep a band unless it is older than the last fact; return whether it holds now."""
        if band.after_seq < self._last_seq:
            return False
        if price is not None and not is_inside(band, price, now_ms=now_ms):
            return False
        self._band = band
        return True

    def offer_price(self, price: PriceUpdate, *, now_ms: int, age_ms: int) -> bool:
        """Send a price unless it was sent before or the band says that it does not matter.

        A price on the very edge of a band is outside, and the manager has nothing to do there
        either: without a look at what was sent the two would answer each other for ever.
        """
        if self._transport is None or price is self._offered:
            return False
        if self._band is not None:
            if is_inside(self._band, price, now_ms=now_ms):
                return False
            self._band = None
        self._offered = price
        return self._send(LinkPrice(price=price, age_ms=age_ms))

    def push(
        self,
        update: OrderUpdate | TradeUpdate,
        *,
        price: PriceUpdate | None = None,
        now_ms: int = 0,
    ) -> bool:
        """Number, keep and send a fact; return False when the ring overflowed and was given up.

        The newest price goes first: the band may have kept it back, and the fact lets the manager
        decide at once.
        """
        if len(self._ring) >= RING_MAX:
            self.break_off()
            return False
        self._last_seq += 1
        self._band = None
        if price is not None:
            self.offer_price(price, now_ms=now_ms, age_ms=max(now_ms - price.read_ms, 0))
        fact = LinkFact(seq=self._last_seq, update=update)
        self._ring.append(fact)
        self._send(fact)
        return True

    def gap(self, reason: str) -> None:
        """Tell the manager that facts may be missing, now and when it comes back.

        The message may be lost with the connection, so a later attach never resumes across a gap.
        """
        self._band = None
        self._broken = True
        self._send(Gap(reason=reason))

    def break_off(self) -> None:
        """Give the whole session up: its manager reconciles when it attaches again."""
        self.overflows += 1
        self._broken = True
        self._ring.clear()
        self._band = None

    def send(self, message: Downward) -> bool:
        """Send a message that is not a fact; return whether there was a connection."""
        return self._send(message)

    def _send(self, message: Downward) -> bool:
        if self._transport is None:
            return False
        try:
            self._transport.send(message)
        except LinkClosedError:
            # The serving task of this connection sees the same end and detaches; whatever was
            # kept in the ring is sent again after the next attach.
            self._transport = None
            return False
        return True
