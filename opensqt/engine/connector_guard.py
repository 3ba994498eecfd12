"""The last word before a venue: who may write, what is still allowed, and never twice.

The guard sits in the process that signs. It trusts no caller: an exchange process that was paused
and wakes up with an old epoch is refused here, a kill switch holds here even if the gate above was
deceived, and a call that is repeated because its answer was lost gets the first call's answer.

Invariants:

* a client order id reaches the venue at most once while it is remembered, and it is remembered for
  longer than any deadline the guard lets pass: a later repetition is refused for its deadline;
* what was disowned is never written;
* nothing is written before the guard was told, by a fence or by the control store, who may write:
  what it enforced in an earlier process it has forgotten;
* the enforced epochs only rise;
* a caller that goes away does not take its request back: the request runs to its end and its answer
  is kept.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, Protocol

from opensqt.core.ids import ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.registry import KillRow
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    EventSource,
    ExchangePort,
    Listing,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    VenueCode,
    VenueEvent,
    VenueOrder,
    VenuePosition,
)

MEMORY_MS: Final = 60_000
"""How long an id is remembered after its answer, and how far ahead a deadline may be."""


class GuardedVenue(ExchangePort, EventSource, Protocol):
    """What the guard stands in front of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardConfig:
    """How strict the guard is."""

    memory_ms: int = MEMORY_MS
    allow_unfenced: bool = False
    """Whether writes without an account epoch are let through."""
    confirm_within_ms: int | None = None
    """Opens are refused when ``observe`` was not called for this long; None = no control store."""


@dataclass(slots=True, kw_only=True)
class _Known:
    request: PlaceRequest
    answer: "asyncio.Future[Outcome]"
    answered_ms: int = 0


class ConnectorGuard:
    """A ``VenuePort`` in front of a venue adapter."""

    def __init__(self, venue: GuardedVenue, *, clock: ClockPort, config: GuardConfig) -> None:
        self._venue = venue
        self._clock = clock
        self._config = config
        self._is_told = False
        """Whether anybody has said who may write."""
        self._account_epoch = 0
        self._killed_epoch = 0
        self._released_epoch = 0
        self._confirmed_ms: int | None = None
        self._known: dict[ClientOrderId, _Known] = {}
        self._answered: deque[ClientOrderId] = deque()
        self._in_flight: dict[ClientOrderId, None] = {}
        self._started_ms = clock.monotonic_ms()
        self._disowned: dict[ClientOrderId, int] = {}
        """When each was disowned, of the monotonic clock; oldest first."""

    @property
    def account_epoch(self) -> int:
        """Return the lowest account epoch that may write."""
        return self._account_epoch

    @property
    def is_killed(self) -> bool:
        """Tell whether only orders that reduce risk are let through."""
        return self._killed_epoch > self._released_epoch

    @property
    def in_flight(self) -> tuple[ClientOrderId, ...]:
        """Return the ids of orders being written, oldest first."""
        return tuple(self._in_flight)

    # ------------------------------------------------------------------------------- fencing

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        """Refuse older account epochs, and opens while the kill of ``kill_epoch`` is engaged.

        ``kill_epoch`` 0 means that none is: where no control store is observed, the account's
        present holder releases the kill with it. Otherwise epochs below those enforced change
        nothing. Return the orders that are being written and can no longer be recalled.
        """
        is_holder = 0 < account_epoch >= self._account_epoch
        self._is_told = self._is_told or account_epoch > 0
        self._account_epoch = max(self._account_epoch, account_epoch)
        self._killed_epoch = max(self._killed_epoch, kill_epoch)
        if kill_epoch == 0 and is_holder and self._config.confirm_within_ms is None:
            self._released_epoch = self._killed_epoch
        return self.in_flight

    def observe(self, *, account_epoch: int, kill: KillRow, asked_ms: int | None = None) -> None:
        """Take over what the control store says; where there is one, only it releases a kill.

        ``asked_ms`` is the monotonic time of the question, by default now: an answer is as old as
        its question, also in a process that was stopped in between.
        """
        self._is_told = True
        self._account_epoch = max(self._account_epoch, account_epoch)
        if kill.is_engaged:
            self._killed_epoch = max(self._killed_epoch, kill.epoch)
        else:
            self._released_epoch = max(self._released_epoch, kill.epoch)
        self._confirmed_ms = self._clock.monotonic_ms() if asked_ms is None else asked_ms

    # -------------------------------------------------------------------------------- writes

    async def place(self, request: PlaceRequest) -> Outcome:
        """Send an order once; a repeated call gets the first call's answer."""
        self._forget()
        if request.client_order_id in self._disowned:
            return _not_sent(VenueCode.DEADLINE, "it was given up before it came")
        known = self._known.get(request.client_order_id)
        if known is None:
            known = self._admit(request)
        elif not _is_same_order(known.request, request):
            return Outcome(
                outcome=OutcomeClass.DUPLICATE,
                code=VenueCode.ALREADY_EXISTS,
                message="the id was used for another order",
            )
        # A caller that is cancelled must not cancel the write.
        return await asyncio.shield(known.answer)

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Ask for a cancel; kill and confirmation do not matter, the epoch does."""
        refusal = self._refuse_epoch(request.account_epoch)
        if refusal is not None:
            return refusal
        try:
            return await self._venue.cancel(request)
        except Exception as error:  # noqa: BLE001 - whatever failed, the request may have left
            return _unknown(error)

    async def disown(self, client_order_id: ClientOrderId, *, deadline_ms: UnixMs) -> int:
        """Never write an order from now on; return for how long it certainly was not written."""
        self._forget()
        if self._clock.now_ms() < deadline_ms or self._may_have_left(client_order_id):
            return 0
        now_ms = self._clock.monotonic_ms()
        self._disowned.pop(client_order_id, None)
        self._disowned[client_order_id] = now_ms
        return min(now_ms - self._started_ms, self._config.memory_ms)

    def _may_have_left(self, client_order_id: ClientOrderId) -> bool:
        known = self._known.get(client_order_id)
        if known is None:
            return False
        is_answered = client_order_id not in self._in_flight and known.answer.done()
        return not is_answered or known.answer.result().outcome is not OutcomeClass.NOT_SENT

    def _admit(self, request: PlaceRequest) -> _Known:
        refusal = self._refuse(request)
        if refusal is None:
            known = _Known(request=request, answer=asyncio.ensure_future(self._send(request)))
            # From here on, not from the task's first step: a fence must name it.
            self._in_flight[request.client_order_id] = None
        else:
            known = _Known(request=request, answer=asyncio.get_running_loop().create_future())
            known.answer.set_result(refusal)
        self._known[request.client_order_id] = known
        if refusal is not None:
            self._answer_kept(request.client_order_id)
        return known

    async def _send(self, request: PlaceRequest) -> Outcome:
        try:
            return await self._venue.place(request)
        except Exception as error:  # noqa: BLE001 - whatever failed, the request may have left
            return _unknown(error)
        finally:
            del self._in_flight[request.client_order_id]
            self._answer_kept(request.client_order_id)

    def _refuse(self, request: PlaceRequest) -> Outcome | None:
        refusal = self._refuse_epoch(request.account_epoch)
        if refusal is not None:
            return refusal
        now = self._clock.now_ms()
        if now >= request.deadline_ms:
            return _not_sent(VenueCode.DEADLINE, "deadline passed")
        if request.deadline_ms > now + self._config.memory_ms:
            return _not_sent(VenueCode.DEADLINE, "deadline is further ahead than ids are kept")
        if request.reduce_only:
            return None
        if self.is_killed:
            return _not_sent(VenueCode.KILLED, f"kill switch {self._killed_epoch} is engaged")
        if not self._is_confirmed():
            return _not_sent(VenueCode.GATE_SHUT, "the control store was not read in time")
        return None

    def _refuse_epoch(self, epoch: int) -> Outcome | None:
        if epoch == 0 and self._config.allow_unfenced:
            return None
        if epoch == 0 or epoch < self._account_epoch:
            return _not_sent(
                VenueCode.STALE_EPOCH, f"account epoch {epoch}, expected {self._account_epoch}"
            )
        if not self._is_told:
            return _not_sent(VenueCode.GATE_SHUT, "who holds the account is not known yet")
        self._account_epoch = epoch
        return None

    def _is_confirmed(self) -> bool:
        limit = self._config.confirm_within_ms
        if limit is None:
            return True
        confirmed = self._confirmed_ms
        return confirmed is not None and self._clock.monotonic_ms() - confirmed <= limit

    def _answer_kept(self, client_order_id: ClientOrderId) -> None:
        self._known[client_order_id].answered_ms = self._clock.monotonic_ms()
        self._answered.append(client_order_id)

    def _forget(self) -> None:
        oldest_ms = self._clock.monotonic_ms() - self._config.memory_ms
        while self._answered and self._known[self._answered[0]].answered_ms < oldest_ms:
            del self._known[self._answered.popleft()]
        # From a minute after its deadline on an id needs no memory to be refused.
        for client_order_id, disowned_ms in tuple(self._disowned.items()):
            if disowned_ms >= oldest_ms:
                break
            del self._disowned[client_order_id]

    # --------------------------------------------------------------------------------- reads

    async def instrument(self, symbol: Symbol) -> Instrument:
        return await self._venue.instrument(symbol)

    async def find_order(
        self,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> VenueOrder | None:
        return await self._venue.find_order(
            symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
        )

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        return await self._venue.open_orders(symbol)

    async def trades(self, symbol: Symbol, *, since_ms: UnixMs) -> Listing:
        return await self._venue.trades(symbol, since_ms=since_ms)

    async def position(self, symbol: Symbol) -> VenuePosition:
        return await self._venue.position(symbol)

    async def balances(self) -> tuple[Balance, ...]:
        return await self._venue.balances()

    async def server_time_ms(self) -> UnixMs:
        return await self._venue.server_time_ms()

    def events(self) -> AsyncIterator[tuple[VenueEvent, ...]]:
        return self._venue.events()

    async def watch(self, symbols: frozenset[Symbol]) -> None:
        await self._venue.watch(symbols)


def _is_same_order(first: PlaceRequest, second: PlaceRequest) -> bool:
    # Deadlines and epochs belong to the call, not to the order.
    return first == replace(
        second,
        deadline_ms=first.deadline_ms,
        symbol_epoch=first.symbol_epoch,
        account_epoch=first.account_epoch,
    )


def _not_sent(code: VenueCode, message: str) -> Outcome:
    return Outcome(outcome=OutcomeClass.NOT_SENT, code=code, message=message)


def _unknown(error: Exception) -> Outcome:
    return Outcome(
        outcome=OutcomeClass.UNKNOWN,
        code=VenueCode.UNKNOWN_STATE,
        message=f"{type(error).__name__}: {error}",
    )
