"""The gate: the last thing before a request leaves, and the only way for one to leave.

Every order of an account passes here. Refusals are sure (nothing was written), and each has a
stable code. The order of the checks is from "must never" to "not now": epoch, kill, control
confirmation, deadline, streams and price age, review, rate. Cancels are refused only for a stale
epoch and for want of a rate token, of which they have a share of their own.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Final

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import ClientOrderId, UnitId, UnixMs
from opensqt.core.instrument import Instrument
from opensqt.core.intents import PlaceOrder
from opensqt.core.orders import Purpose
from opensqt.core.registry import KillRow
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import review
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.limiter import Limiter, Rate
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    CancelRequest,
    ExchangePort,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    VenueCode,
)
from opensqt.ports.link import Place
from opensqt.ports.telemetry import LogPort

# Without a confirmed look at kill switch and lease for this long the gate shuts to cancels only.
CONTROL_AGE_MS_MAX: Final = 2_000
HORIZON_MS: Final = 23_000
"""How long after a write an order may still appear, of units that do not say: expiry and H."""
WRITTEN_KEPT: Final = 4_000
"""Ids remembered per unit: those of minutes at the highest rate, deadlines are seconds ahead."""
JUMP_MS_MAX: Final = 1_000
"""How far the wall clock may get away from the monotonic one, in steps of any size."""
VENUE_CLOCK_MS_MAX: Final = 500
"""How far the wall clock may be from the venue's to be trusted anew."""
KEY_PROBE_MS: Final = 60_000
"""How long a key that the venue has refused is not used for orders."""
# For how long nothing is placed after a refusal that does not say how long.
PAUSE_MS: Final = 1_000
# USD-M futures allow 300 orders per 10 s and account; a third stays in reserve.
DEFAULT_RATE: Final = Rate(burst=100, per_second=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the gate knows of a symbol's market."""

    instrument: Instrument | None
    price: PriceTicked | None
    """``read_ms`` is the time of the newest frame of the stream, not of the last change."""
    is_live: bool
    """Whether public and private stream are connected without a gap."""


@dataclass(slots=True)
class _Unit:
    epoch: int
    exposure: UnitExposure
    writing: int = 0
    """Orders being written at this moment."""
    written_ms: int | None = None
    """Monotonic time of the newest write."""
    horizon_ms: int = 0
    """How long after a write an order of the unit may still appear; 0 = it never said."""
    written: OrderedDict[ClientOrderId, None] = field(default_factory=OrderedDict)
    """Orders that were let go, oldest first: none leaves twice."""
    halted_epoch: int = 0
    """Epoch up to which the unit's processes have shown that they cannot be trusted."""


class Gate:
    """One account's gate. Calls for different orders may overlap; each is checked on its own."""

    def __init__(
        self,
        venue: ExchangePort,
        *,
        clock: ClockPort,
        log: LogPort,
        rate: Rate = DEFAULT_RATE,
    ) -> None:
        """Start shut: nothing opens before the control store was read once."""
        self._venue = venue
        self._clock = clock
        self._log = log
        self._limiter = Limiter(rate, now_ms=clock.monotonic_ms())
        self._units: dict[UnitId, _Unit] = {}
        self._confirmed_ms: int | None = None
        self._held_since_ms: int | None = None
        """When others could write to the account for the last time."""
        self._kill = KillRow()
        self._account_epoch = 0
        self._is_lost = False
        self._offset_ms = clock.now_ms() - clock.monotonic_ms()
        """Wall minus monotonic time when the wall clock was last trusted."""
        self.is_adrift = False
        """Whether the wall clock was set since, and no other clock has confirmed it."""
        self._jumped_until_ms = clock.monotonic_ms()
        self._is_closing = False
        self._key_refusal = ""
        """In which words the venue has refused our key; empty while it takes it."""
        self._key_probe_ms = 0
        self.in_flight: set[ClientOrderId] = set()
        self.refusals: dict[VenueCode, int] = {}

    # -- what shuts the gate

    def confirm(self, *, kill: KillRow, account_epoch: int, asked_ms: int | None = None) -> None:
        """Note a successful look at the control store.

        ``asked_ms`` is the monotonic time of the question, by default now: an answer is as old as
        its question, also in a process that was stopped in between.
        """
        self._notice_jump()
        if self._held_since_ms is None:
            self._held_since_ms = self._clock.monotonic_ms()
        self._confirmed_ms = self._clock.monotonic_ms() if asked_ms is None else asked_ms
        if kill.epoch >= self._kill.epoch:
            self._kill = kill
        self._account_epoch = max(self._account_epoch, account_epoch)

    def _notice_jump(self) -> None:
        # Deadlines and the ages of prices are wall time: after a step the old ones mean nothing.
        monotonic_ms = self._clock.monotonic_ms()
        drift_ms = self._clock.now_ms() - monotonic_ms - self._offset_ms
        was_adrift, self.is_adrift = self.is_adrift, abs(drift_ms) > JUMP_MS_MAX
        if self.is_adrift is not was_adrift:
            self._log.error("gate.clock_jumped", by_ms=drift_ms)
            self._jumped_until_ms = monotonic_ms + HORIZON_MS

    async def check_clock(self) -> None:
        """Trust a wall clock that was set if the venue's says the same.

        Raise ``VenueUnavailableError`` when the venue was not heard.
        """
        asked_ms = self._clock.now_ms()
        venue_ms = await self._venue.server_time_ms()
        latest_ms = self._clock.now_ms() + VENUE_CLOCK_MS_MAX
        if asked_ms - VENUE_CLOCK_MS_MAX <= venue_ms <= latest_ms:
            self._offset_ms = self._clock.now_ms() - self._clock.monotonic_ms()
            self.is_adrift = False
            self._log.info("gate.clock_trusted", venue_ms=venue_ms)

    def lose(self) -> None:
        """Shut for good: another process holds the account."""
        self._is_lost = True

    def trust_key(self) -> None:
        """Let orders try again: a fresh private stream shows that the venue takes our key."""
        self._key_refusal = ""

    def close_down(self, *, is_closing: bool = True) -> None:
        """Shut to everything but cancels and reducing orders, for an orderly end."""
        self._is_closing = is_closing

    @property
    def account_epoch(self) -> int:
        """Return the epoch that every request carries."""
        return self._account_epoch

    @property
    def shut_reason(self) -> str:
        """Return why no order may pass now, empty when the gate is open."""
        code = self._shut_code(Purpose.OPEN)
        return "" if code is None else code[1]

    def _shut_code(self, purpose: Purpose) -> tuple[VenueCode, str] | None:
        if self._is_lost:
            return VenueCode.STALE_EPOCH, "another process holds the account"
        if self._kill.is_engaged and purpose is not Purpose.FLATTEN:
            return VenueCode.KILLED, f"kill {self._kill.epoch}: {self._kill.reason}"
        if self._key_refusal and self._clock.monotonic_ms() < self._key_probe_ms:
            return VenueCode.GATE_SHUT, f"the venue refuses our key: {self._key_refusal}"
        if purpose is Purpose.OPEN and self._closed_to_opens:
            return VenueCode.GATE_SHUT, self._closed_to_opens
        age_ms = (
            None if self._confirmed_ms is None else self._clock.monotonic_ms() - self._confirmed_ms
        )
        if age_ms is None or age_ms > CONTROL_AGE_MS_MAX:
            return VenueCode.GATE_SHUT, "the control store does not answer"
        return None

    @property
    def _closed_to_opens(self) -> str:
        if self._is_closing:
            return "shutting down"
        if self.is_adrift:
            return "the clock was set, and the venue's says another time"
        if self._clock.monotonic_ms() < self._jumped_until_ms:
            return "the clock has jumped"
        is_blocked = self._limiter.is_blocked(now_ms=self._clock.monotonic_ms())
        return "the venue asks for a pause" if is_blocked else ""

    # -- units

    def admit(self, unit: UnitId, *, epoch: int, horizon_ms: int = 0) -> UnitExposure:
        """Let a unit's process in; an older epoch of the same unit is refused from now on.

        ``horizon_ms`` is how long after a write an order of it may still appear, 0 = not known.
        """
        known = self._units.get(unit)
        if known is None:
            known = self._units[unit] = _Unit(epoch=epoch, exposure=UnitExposure())
        known.epoch = max(known.epoch, epoch)
        known.horizon_ms = max(known.horizon_ms, horizon_ms)
        return known.exposure

    def epoch_of(self, unit: UnitId) -> int:
        """Return the highest epoch seen of a unit."""
        known = self._units.get(unit)
        return 0 if known is None else known.epoch

    def exposure_of(self, unit: UnitId) -> UnitExposure | None:
        """Return the account of a unit that was admitted."""
        known = self._units.get(unit)
        return None if known is None else known.exposure

    def is_quiet(self, unit: UnitId) -> bool:
        """Tell whether nothing that was ever written for the unit can still become an order.

        What the unit has not accounted for to this gate must have had the time to show at the
        venue. That holds for what an earlier exchange process has written, too.
        """
        known = self._units.get(unit)
        if self._held_since_ms is None or (known is not None and known.writing):
            return False
        if known is not None and known.exposure.is_declared and not known.exposure.has_live:
            return True
        newest_ms, horizon_ms = self._held_since_ms, HORIZON_MS
        if known is not None:
            newest_ms = max(newest_ms, known.written_ms or newest_ms)
            horizon_ms = known.horizon_ms or HORIZON_MS
        return self._clock.monotonic_ms() - newest_ms >= horizon_ms

    # -- requests

    async def place(
        self, unit: UnitId, message: Place, *, market: Market, limits: Limits
    ) -> Outcome:
        """Check, reserve, write once, classify.

        An order that was let go before is never NOT_SENT, which would end it: whoever hands it over
        again learns nothing and is halted (more requests than intents: invariant I10).
        """
        request = message.request
        if self._is_repeated(unit, request):
            return self._halt(unit, request)
        purpose = Purpose(message.purpose)
        refusal = self._refusal(unit, message, purpose, market, limits)
        if refusal is not None:
            return self._refused(refusal[0], refusal[1], request.client_order_id)
        known = self._units[unit]
        exposure = known.exposure
        exposure.reserve(request)
        outcome = await self._write(known, replace(request, account_epoch=self._account_epoch))
        if outcome.outcome in (OutcomeClass.REJECTED, OutcomeClass.NOT_SENT):
            exposure.release(request.client_order_id)
        if outcome.order is not None:
            exposure.on_order(outcome.order)
        self._heed(outcome)
        return outcome

    async def cancel(self, unit: UnitId, request: CancelRequest) -> Outcome:
        """Check the epoch, take a token of the cancels' own share, write once."""
        if request.symbol_epoch < self.epoch_of(unit):
            return self._refused(
                VenueCode.STALE_EPOCH, "a newer process owns the unit", request.client_order_id
            )
        if not self._take(is_cancel=True):
            return self._refused(VenueCode.RATE_LIMITED, "no token", request.client_order_id)
        outcome = await self._venue.cancel(replace(request, account_epoch=self._account_epoch))
        self._heed(outcome)
        known = self._units.get(unit)
        if known is not None and outcome.order is not None:
            known.exposure.on_order(outcome.order)
        return outcome

    def _heed(self, outcome: Outcome) -> None:
        """Place nothing for as long as the venue wants none of it; cancels still try."""
        is_refused = outcome.outcome is OutcomeClass.REJECTED
        if is_refused and outcome.code is VenueCode.AUTHENTICATION:
            # A person must look. Now and then an order tries whether somebody has.
            if not self._key_refusal:
                self._log.error("gate.key_refused", reason=outcome.message or str(outcome.code))
            self._key_refusal = outcome.message or str(outcome.code)
            self._key_probe_ms = self._clock.monotonic_ms() + KEY_PROBE_MS
        if outcome.outcome is OutcomeClass.ACCEPTED:
            self._key_refusal = ""
        if outcome.code is VenueCode.RATE_LIMITED:
            pause_ms = outcome.retry_after_ms or PAUSE_MS
            self._limiter.block(until_ms=self._clock.monotonic_ms() + pause_ms)

    async def _write(self, known: _Unit, request: PlaceRequest) -> Outcome:
        self.in_flight.add(request.client_order_id)
        known.writing += 1
        known.written[request.client_order_id] = None
        if len(known.written) > WRITTEN_KEPT:
            known.written.popitem(last=False)
        known.written_ms = self._clock.monotonic_ms()
        try:
            return await self._venue.place(request)
        finally:
            known.writing -= 1
            self.in_flight.discard(request.client_order_id)

    def _is_repeated(self, unit: UnitId, request: PlaceRequest) -> bool:
        known = self._units.get(unit)
        return known is not None and request.client_order_id in known.written

    def _halt(self, unit: UnitId, request: PlaceRequest) -> Outcome:
        known = self._units[unit]
        known.halted_epoch = max(known.halted_epoch, known.epoch)
        code, own = VenueCode.SENT_TWICE, request.client_order_id
        self.refusals[code] = self.refusals.get(code, 0) + 1
        self._log.error("gate.sent_twice", unit=unit.text, client_order_id=own)
        return Outcome(
            outcome=OutcomeClass.DUPLICATE, code=code, message="the order had left before"
        )

    def _refusal(
        self, unit: UnitId, message: Place, purpose: Purpose, market: Market, limits: Limits
    ) -> tuple[VenueCode, str] | None:
        request = message.request
        known = self._units.get(unit)
        if known is None or request.symbol_epoch != known.epoch:
            return VenueCode.STALE_EPOCH, "a newer process owns the unit"
        if request.symbol_epoch <= known.halted_epoch and purpose is not Purpose.FLATTEN:
            return VenueCode.SENT_TWICE, "the unit has sent an order twice"
        shut = self._shut_code(purpose)
        if shut is not None:
            return shut
        if self._clock.now_ms() > request.deadline_ms:
            return VenueCode.DEADLINE, "the deadline has passed"
        if purpose is Purpose.OPEN and not market.is_live:
            return VenueCode.GATE_SHUT, "a venue stream is down"
        view = known.exposure.view(
            request.client_order_id,
            side=request.side,
            instrument=market.instrument,
            price=market.price,
        )
        intent = PlaceOrder(
            client_order_id=request.client_order_id,
            slot=0,
            side=request.side,
            purpose=purpose,
            generation=0,
            attempt=0,
            price=request.price,
            quantity=request.quantity,
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only,
        )
        verdict = review([intent], view, limits, now_ms=UnixMs(self._clock.now_ms()))
        if verdict.refused:
            refused = verdict.refused[0]
            return VenueCode.RISK, f"{refused.reason}: {refused.detail}"
        if not self._take(is_cancel=False):
            return VenueCode.RATE_LIMITED, "no token"
        return None

    def _take(self, *, is_cancel: bool) -> bool:
        return self._limiter.take(now_ms=self._clock.monotonic_ms(), is_cancel=is_cancel)

    def _refused(self, code: VenueCode, message: str, client_order_id: ClientOrderId) -> Outcome:
        self.refusals[code] = self.refusals.get(code, 0) + 1
        self._log.warning(
            "gate.refused", client_order_id=client_order_id, code=code, reason=message
        )
        return Outcome(outcome=OutcomeClass.NOT_SENT, code=code, message=message)
