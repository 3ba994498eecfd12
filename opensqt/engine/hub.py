"""The hub: one venue account's streams, routed to the units that trade there.

One price stream and one order stream for all symbols. Prices are conflated, latest wins, and are
sent only to units whose quiet band they leave. Order and trade reports are numbered per unit and
kept until acknowledged; they are never conflated and never dropped one by one. Venues do not
replay: whatever interrupts the private stream becomes a gap for every unit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import Symbol, UnitId, UnixMs
from opensqt.core.instrument import Instrument
from opensqt.core.risk.limits import Limits
from opensqt.engine.builds import Build
from opensqt.engine.gate import Gate, Market
from opensqt.engine.hub_queries import answer
from opensqt.engine.private_watch import PrivateWatch
from opensqt.engine.sessions import UnitSession
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import (
    FrameAge,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    UnknownSymbolError,
    VenueCode,
    VenueEvent,
    VenuePort,
    VenueUnavailableError,
)
from opensqt.ports.link import (
    Ack,
    Answer,
    Band,
    Cancel,
    Declare,
    ExchangeTransport,
    Heartbeat,
    Hello,
    LinkClosedError,
    Place,
    Query,
    Reply,
    Upward,
    Welcome,
)
from opensqt.ports.telemetry import LogPort

HEARTBEAT_MS: Final = 1_000
RECONNECT_MS: Final = 100
FRAME_AGE_UNKNOWN_MS: Final = 3_600_000
"""Age of the newest frame before the first one."""
SKEW_MS_MAX: Final = 500
RULES_MS_MIN: Final = 5_000
"""Rules read so shortly before a refusal are not read again for it: they are not its reason."""
_BY_THE_RULES: Final = frozenset({VenueCode.RISK, VenueCode.INVALID_ORDER})
# A manager that falls this far behind loses its connection and reconciles; the others never wait.
PENDING_FACTS_MAX: Final = 5_000


@dataclass(slots=True)
class _Attached:
    session: UnitSession
    hello: Hello


class Hub:
    """Serves the managers of one account. ``attach`` is called once per connection."""

    def __init__(  # noqa: PLR0913 - collaborators, each used
        self,
        venue: VenuePort,
        gate: Gate,
        *,
        epoch_of: Callable[[UnitId], Awaitable[int]],
        build: Build,
        session_prefix: str,
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Route ``venue``; ``epoch_of`` reads a unit's newest epoch from the control store."""
        self._venue = venue
        self._gate = gate
        self._epoch_of = epoch_of
        self._build = build
        self.outdated = asyncio.Event()
        """Set when a process of a newer build has come: this one must make room for its like."""
        self._session_prefix = session_prefix
        self._clock = clock
        self._log = log
        self._sessions: Mapping[UnitId, UnitSession] = {}
        self._routes: Mapping[Symbol, tuple[UnitSession, ...]] = {}
        self._capital: dict[UnitId, Hello] = {}
        self._prices: dict[Symbol, PriceUpdate] = {}
        self._instruments: dict[Symbol, Instrument] = {}
        self._rules_ms: dict[Symbol, int] = {}
        """When the rules of a symbol were asked for last, monotonic time."""
        self._live = {StreamKind.PUBLIC: False, StreamKind.PRIVATE: False}
        self._frame_ms = clock.monotonic_ms() - FRAME_AGE_UNKNOWN_MS
        self._private = PrivateWatch()
        self._session_count = 0
        self._orders: set[asyncio.Task[None]] = set()
        self.foreign_reports = 0

    @property
    def sessions(self) -> Mapping[UnitId, UnitSession]:
        """Return the sessions by unit; an immutable table, swapped on change."""
        return self._sessions

    @property
    def frame_age_ms(self) -> int:
        """Return the age of the newest public frame, milliseconds."""
        # On the monotonic clock: a wall clock that is set back must not keep a dead price fresh.
        return max(self._clock.monotonic_ms() - self._frame_ms, 0)

    @property
    def is_live(self) -> bool:
        """Tell whether both streams are connected."""
        return all(self._live.values())

    async def run(self) -> None:
        """Pump events and heartbeats until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump())
            group.create_task(self._beat())

    # -- venue to managers

    async def _pump(self) -> None:
        while True:
            try:
                await self._venue.watch(frozenset(self._routes))
                async for batch in self._venue.events():
                    now_ms = self._clock.now_ms()
                    for event in batch:
                        self._on_event(event, now_ms)
            except (VenueUnavailableError, UnknownSymbolError) as error:
                self._log.warning("hub.stream_lost", reason=str(error))
            self._set_live(StreamKind.PUBLIC, is_live=False)
            self._set_live(StreamKind.PRIVATE, is_live=False)
            await self._clock.sleep_ms(RECONNECT_MS)

    def _on_event(self, event: VenueEvent, now_ms: int) -> None:
        match event:
            case PriceUpdate():
                self._on_price(event, now_ms)
            case OrderUpdate():
                self._private.heard(event.order.client_order_id)
                self._route(event.order.symbol, event, now_ms)
            case TradeUpdate():
                self._route(event.trade.symbol, event, now_ms)
            case FrameAge():
                self._note_frame(age_ms=event.public_ms)
                self._drop_stale(event)
            case StreamState():
                self._on_stream(event)

    def _on_price(self, price: PriceUpdate, now_ms: int) -> None:
        self._prices[price.symbol] = price
        self._note_frame(age_ms=max(now_ms - price.read_ms, 0))
        for session in self._routes.get(price.symbol, ()):
            session.offer_price(price, now_ms=now_ms, age_ms=max(now_ms - price.read_ms, 0))

    def _drop_stale(self, event: FrameAge) -> None:
        # Nothing is opened on a price that its own stream does not keep up.
        for symbol in event.stale:
            price = self._prices.get(symbol)
            if price is not None and price.read_ms <= event.at_ms:
                del self._prices[symbol]

    def _note_frame(self, *, age_ms: int) -> None:
        self._frame_ms = max(self._frame_ms, self._clock.monotonic_ms() - age_ms)

    def _route(self, symbol: Symbol, update: OrderUpdate | TradeUpdate, now_ms: int) -> None:
        sessions = self._routes.get(symbol, ())
        if not sessions:
            self.foreign_reports += 1
        for session in sessions:
            self._account(session.unit, update)
            price = self._prices.get(symbol)
            if not session.push(update, price=price, now_ms=now_ms):
                self._log.error("hub.ring_full", unit=session.unit.text)
                self._disconnect(session, "the fact ring is full")
            elif session.is_behind(PENDING_FACTS_MAX):
                session.break_off()
                self._disconnect(session, "the manager is too slow")

    def _account(self, unit: UnitId, update: OrderUpdate | TradeUpdate) -> None:
        exposure = self._gate.exposure_of(unit)
        if exposure is None:
            return
        if isinstance(update, OrderUpdate):
            exposure.on_order(update.order)
        else:
            exposure.on_trade(update.trade)

    def _offer(self, session: UnitSession, now_ms: int) -> bool:
        price = self._prices.get(session.unit.symbol)
        if price is None:
            return False
        age_ms = max(now_ms - price.read_ms, 0)
        return session.offer_price(price, now_ms=now_ms, age_ms=age_ms)

    def _on_stream(self, event: StreamState) -> None:
        self._log.info("hub.stream", kind=event.kind, phase=event.phase, reason=event.reason)
        if event.phase is not StreamPhase.GAP:
            self._set_live(event.kind, is_live=event.phase is StreamPhase.LIVE)
        elif event.kind is StreamKind.PRIVATE and self._live[event.kind]:
            # Something was missed, but the stream goes on; no LIVE follows.
            self._gap(event.reason)

    def _set_live(self, kind: StreamKind, *, is_live: bool) -> None:
        was_live, self._live[kind] = self._live[kind], is_live
        match kind:
            case StreamKind.PRIVATE if is_live and not was_live:
                self._gate.trust_key()
                # Only now: a comparison made while the stream is down would miss what follows it.
                self._gap("the private stream was interrupted")
            case StreamKind.PUBLIC if not is_live:
                # The frames after an outage say nothing about a symbol that is not among them.
                self._prices.clear()

    def _gap(self, reason: str) -> None:
        self._private.reset()
        for session in self._sessions.values():
            session.gap(reason)

    async def _beat(self) -> None:
        while True:
            if self._private.is_overdue(now_ms=self._clock.monotonic_ms()):
                self._log.error("hub.private_stream_silent")
                self._gap("an order was accepted and the private stream does not report it")
            for session in self._sessions.values():
                session.send(self._heartbeat(session))
            await self._clock.sleep_ms(HEARTBEAT_MS)

    def _heartbeat(self, session: UnitSession) -> Heartbeat:
        reason = self._gate.shut_reason
        if not reason and not self.is_live:
            reason = "a venue stream is down"
        return Heartbeat(
            price=self._prices.get(session.unit.symbol),
            public_live=self._live[StreamKind.PUBLIC],
            private_live=self._live[StreamKind.PRIVATE],
            frame_age_ms=self.frame_age_ms,
            last_seq=session.last_seq,
            gate_open=not reason,
            gate_reason=reason,
        )

    # -- managers to venue

    async def attach(self, transport: ExchangeTransport) -> None:
        """Serve one connection until it ends."""
        attached: _Attached | None = None
        try:
            while True:
                for message in await transport.receive():
                    if isinstance(message, Hello):
                        attached = await self._welcome(transport, message)
                    if attached is None:
                        await transport.close(code="", message="expected a Hello first")
                        return
                    await self._handle(attached.session, message, transport)
        except LinkClosedError as error:
            self._log.debug("hub.link_closed", reason=str(error))
        finally:
            if attached is not None:
                attached.session.detach(transport)
            await transport.close()

    async def _welcome(self, transport: ExchangeTransport, hello: Hello) -> _Attached | None:
        skew_ms = abs(self._clock.now_ms() - hello.now_ms)
        if skew_ms > SKEW_MS_MAX:
            await transport.close(code="ErrClockSkew", message=f"clocks differ by {skew_ms} ms")
            return None
        if hello.build != self._build.own:
            await self._refuse_build(transport, hello)
            return None
        newest = max(await self._epoch_of(hello.unit), self._gate.epoch_of(hello.unit))
        if hello.epoch < newest:
            await transport.close(
                code="ErrStaleEpoch", message=f"epoch {hello.epoch} is older than {newest}"
            )
            return None
        exposure = self._gate.admit(hello.unit, epoch=hello.epoch, horizon_ms=hello.horizon_ms)
        exposure.declare(hello)
        session = self._session_of(hello.unit)
        older, session.epoch = session.transport, hello.epoch
        if older is not None and older is not transport:
            # Not awaited: another connection of the unit may come while this one ends.
            self._spawn(older.close(message="a newer connection of the unit has taken over"))
        self._capital[hello.unit] = hello
        self._session_count += 1
        session.attach(
            transport,
            welcome=Welcome(
                session=hello.session,
                resumed=False,
                account_epoch=self._gate.account_epoch,
                now_ms=self._clock.now_ms(),
            ),
            acked_seq=hello.acked_seq,
            fresh_name=f"{self._session_prefix}-{self._session_count}",
        )
        session.send(self._heartbeat(session))
        self._log.info("hub.attached", unit=hello.unit.text, epoch=hello.epoch, pid=hello.pid)
        await self._watch()
        return _Attached(session=session, hello=hello)

    async def _refuse_build(self, transport: ExchangeTransport, hello: Hello) -> None:
        code, text = await self._build.refusal_of(hello)
        self._log.error("hub.build_differs", reason=text)
        if not code:
            self.outdated.set()
        await transport.close(code=code, message=text)

    def _session_of(self, unit: UnitId) -> UnitSession:
        session = self._sessions.get(unit)
        if session is None:
            session = UnitSession(unit, name="")
            self._sessions = {**self._sessions, unit: session}
            on_symbol = (*self._routes.get(unit.symbol, ()), session)
            self._routes = {**self._routes, unit.symbol: on_symbol}
        return session

    async def forget(self, unit: UnitId) -> None:
        """Stop routing to a unit that was removed."""
        gone = self._sessions.get(unit)
        if gone is None:
            return
        self._sessions = {key: one for key, one in self._sessions.items() if key != unit}
        left = tuple(one for one in self._routes[unit.symbol] if one is not gone)
        routes = {**self._routes, unit.symbol: left}
        self._routes = {symbol: ones for symbol, ones in routes.items() if ones}
        if gone.transport is not None:
            await gone.transport.close(message="the unit was removed")
        await self._watch()

    def expel(self, unit: UnitId, *, stored_epoch: int | None, horizon_ms: int = 0) -> int:
        """Serve the unit's present process no more, it ends itself; return the epoch above it.

        ``stored_epoch`` was taken for this, None when the store gave none: then no process can take
        a newer one either. Memory may be ahead of a store that failed for a while. ``horizon_ms``
        is what the unit would say of how late its orders appear, 0 = not known.
        """
        session = self._sessions.get(unit)
        served = 0 if session is None else session.epoch
        wanted = served + 1 if stored_epoch is None else stored_epoch
        epoch = max(wanted, self._gate.epoch_of(unit))
        self._gate.admit(unit, epoch=epoch, horizon_ms=horizon_ms)
        if session is not None and session.transport is not None and session.epoch < epoch:
            closing = session.transport.close(code="ErrStaleEpoch", message="the unit was stopped")
            self._spawn(closing)
        return epoch

    async def _watch(self) -> None:
        try:
            await self._venue.watch(frozenset(self._routes))
        except (VenueUnavailableError, UnknownSymbolError) as error:
            # The pump asks again as soon as the venue answers.
            self._log.debug("hub.watch_failed", reason=str(error))

    async def _handle(
        self, session: UnitSession, message: Upward, transport: ExchangeTransport
    ) -> None:
        match message:
            case Band():
                price = self._prices.get(session.unit.symbol)
                now_ms = self._clock.now_ms()
                if not session.set_band(message, price, now_ms=now_ms):
                    self._tell_price(session, now_ms)
            case Ack():
                session.acknowledge(message.seq)
            case Declare():
                exposure = self._gate.exposure_of(session.unit)
                if exposure is not None:
                    exposure.declare(message)
            case Place() | Cancel() | Query():
                self._spawn(self._serve(session, message, transport))
            case Hello():
                pass

    def _tell_price(self, session: UnitSession, now_ms: int) -> None:
        # A price that was sent before goes as a heartbeat, which does not end the manager's next
        # band: on the edge of a band the two would answer each other for ever.
        if not self._offer(session, now_ms):
            session.send(self._heartbeat(session))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _serve(
        self, session: UnitSession, message: Place | Cancel | Query, transport: ExchangeTransport
    ) -> None:
        reply: Reply | Answer
        match message:
            case Place():
                outcome = await self._place(session.unit, message)
                reply = Reply(request_id=message.request_id, outcome=outcome)
                if outcome.code in _BY_THE_RULES:
                    self._doubt_rules(session.unit.symbol)
            case Cancel():
                outcome = await self._gate.cancel(session.unit, message.request)
                reply = Reply(request_id=message.request_id, outcome=outcome)
            case Query():
                reply = await answer(message, self._venue)
                if reply.instrument is not None:
                    # What the manager goes by from now on, the gate goes by as well.
                    self._instruments[message.symbol] = reply.instrument
        try:
            transport.send(reply)
        except LinkClosedError as error:
            # The manager treats every unanswered request as unknown and looks it up.
            self._log.debug("hub.reply_lost", reason=str(error))

    async def _place(self, unit: UnitId, message: Place) -> Outcome:
        own = message.request.client_order_id
        limits, market = await self._market(unit)
        self._private.sending(own)
        is_accepted = False
        try:
            outcome = await self._gate.place(unit, message, market=market, limits=limits)
            is_accepted = outcome.outcome is OutcomeClass.ACCEPTED
        finally:
            now_ms = self._clock.monotonic_ms()
            self._private.answered(own, is_accepted=is_accepted, now_ms=now_ms)
        return outcome

    async def _market(self, unit: UnitId) -> tuple[Limits, Market]:
        instrument = await self._instrument(unit.symbol)
        orders_max = instrument.orders_open_max if instrument is not None else 0
        limits = Limits.from_capital(self._capital[unit].capital, venue_orders_open_max=orders_max)
        price = self._prices.get(unit.symbol)
        ticked = None
        if price is not None:
            ticked = PriceTicked(
                bid=price.bid,
                ask=price.ask,
                last=price.last,
                mark=price.mark,
                at_ms=price.venue_ms,
                read_ms=UnixMs(self._clock.now_ms() - self.frame_age_ms),
            )
        return limits, Market(instrument=instrument, price=ticked, is_live=self.is_live)

    async def _instrument(self, symbol: Symbol) -> Instrument | None:
        if symbol not in self._instruments:
            await self._read_rules(symbol)
        return self._instruments.get(symbol)

    async def _read_rules(self, symbol: Symbol) -> None:
        self._rules_ms[symbol] = self._clock.monotonic_ms()
        try:
            read = await self._venue.instrument(symbol)
        except (VenueUnavailableError, UnknownSymbolError) as error:
            self._log.warning("hub.no_instrument", symbol=symbol, reason=str(error))
            return
        known, self._instruments[symbol] = self._instruments.get(symbol), read
        if known is not None and known != read:
            self._log.warning("hub.rules_changed", symbol=symbol)
            for session in self._routes.get(symbol, ()):
                # Its manager reads them when it reconciles.
                session.gap("the venue's rules have changed")

    def _doubt_rules(self, symbol: Symbol) -> None:
        """Read the rules again after a refusal for which they may be too old."""
        read_ms = self._rules_ms.get(symbol)
        if read_ms is None or self._clock.monotonic_ms() - read_ms >= RULES_MS_MIN:
            self._spawn(self._read_rules(symbol))

    def _disconnect(self, session: UnitSession, reason: str) -> None:
        transport = session.transport
        if transport is not None:
            session.detach(transport)
            self._spawn(transport.close(message=reason))
