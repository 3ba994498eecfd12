"""When to compare the book with the venue, and what a comparison allows.

A unit may decide only after a complete pass that began after the last reason to doubt (attach,
gap, overflow, orphan). Passes are numbered by those reasons: the result of an older pass brings
facts, but not permission.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from opensqt.core.facts import UnitQuarantined
from opensqt.core.ids import is_forced
from opensqt.engine.incoming import Reconciled, TradesFound
from opensqt.engine.reconciler import Findings, Reconciler
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import UnknownSymbolError, VenueOrder, VenueUnavailableError
from opensqt.ports.telemetry import LogPort

AUDIT_EVERY_MS: Final = 30_000
"""Open orders, trades and position together."""
TRADES_EVERY_MS: Final = 15_000
DELISTED_MS: Final = 60_000
"""A symbol the venue has not known for so long is not traded there any more."""
_JITTER: Final = 10
"""Largest part of an interval, per cent, by which it is shorter: units must not ask in step."""
RETRY_MS: Final = 500
TRADES_PAUSE_MS: Final = 500


class ReconcileJob:
    """Runs passes one at a time and reports their results as mail."""

    def __init__(
        self,
        reconciler: Reconciler,
        *,
        name: str,
        deliver: Callable[[Reconciled | TradesFound | UnitQuarantined], None],
        ended: Callable[[], None],
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Hand the results of ``reconciler`` to ``deliver``; call ``ended`` after each pass.

        ``name`` spreads the passes of different units over time.
        """
        self._reconciler = reconciler
        self._deliver = deliver
        self._ended = ended
        self._clock = clock
        self._log = log
        self._wanted = 0
        self._done = 0
        self._name = name
        self._rounds = 0
        self._audited_ms = self._traded_ms = 0
        self._unlisted_ms: int | None = None
        """Since when the venue has not known the symbol, monotonic time."""
        self._not_before_ms = 0
        self._task: asyncio.Task[None] | None = None
        self._trades_task: asyncio.Task[None] | None = None
        self.problem = ""
        self.foreign: tuple[VenueOrder, ...] = ()
        """Orders of others on our symbol, as last seen."""

    @property
    def is_done(self) -> bool:
        """Tell whether the newest reason to doubt has been answered."""
        return self._done >= self._wanted

    def want(self, reason: str) -> None:
        """Ask for a fresh pass; nothing may be decided until it is complete."""
        self._wanted += 1
        self._log.info("reconcile.wanted", reason=reason, number=self._wanted)

    def complete(self, number: int) -> None:
        """Note that the facts of a pass are committed and nothing speaks against quoting."""
        self._done = max(self._done, number)
        self._audited_ms = self._clock.monotonic_ms()

    def booked(self, findings: Findings) -> None:
        """Note that the facts of a pass are committed."""
        self._reconciler.booked(findings)

    def try_again(self, *, in_ms: int) -> None:
        """Repeat the pass later: what it found may still explain itself."""
        self._not_before_ms = self._clock.monotonic_ms() + in_ms

    def step(self, *, is_attached: bool) -> None:
        """Start what is wanted or due: a pass, or between two passes a look at the trades."""
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._not_before_ms or not is_attached:
            return
        if self._task is not None and not self._task.done():
            return
        age_ms = now_ms - self._audited_ms
        if not self.is_done or age_ms >= self._shortened(AUDIT_EVERY_MS):
            self._audited_ms = now_ms
            self._rounds += 1
            self._task = asyncio.get_running_loop().create_task(self._pass(self._wanted))
            self._task.add_done_callback(self._noted)
        elif min(age_ms, now_ms - self._traded_ms) >= self._shortened(TRADES_EVERY_MS):
            self._traded_ms = now_ms
            self.fetch_trades()

    def _shortened(self, interval_ms: int) -> int:
        """Return an interval, a little shorter by name and round."""
        part = zlib.crc32(f"{self._name}/{self._rounds}".encode()) % (_JITTER + 1)
        return interval_ms - interval_ms * part // 100

    @property
    def due_ms(self) -> int | None:
        """Return the monotonic time of a pass that was put off, None when there is none."""
        return None if self.is_done else self._not_before_ms

    def _noted(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problem = f"{type(error).__name__}: {error}"
            self._log.error("reconcile.broken", reason=self.problem)
        self._ended()

    def fetch_trades(self) -> None:
        """Ask for trades soon; calls while one is under way are answered by it."""
        if self._trades_task is None or self._trades_task.done():
            self._trades_task = asyncio.get_running_loop().create_task(self._trades())

    def abandon(self) -> None:
        """Stop asking."""
        for task in (self._task, self._trades_task):
            if task is not None:
                task.cancel()

    async def _pass(self, number: int) -> None:
        try:
            findings = await self._reconciler.full()
        except (VenueUnavailableError, UnknownSymbolError) as error:
            self.problem = str(error) or type(error).__name__
            self._log.warning("reconcile.failed", reason=self.problem, number=number)
            self._note_unlisted(is_unlisted=isinstance(error, UnknownSymbolError))
            await self._clock.sleep_ms(RETRY_MS)
            return
        self.problem = ""
        self._unlisted_ms = None
        self._note_foreign(tuple(findings.foreign))
        self._deliver(Reconciled(findings=findings, number=number))

    def _note_unlisted(self, *, is_unlisted: bool) -> None:
        """Call a human when the venue does not trade the symbol any more; it may be settled."""
        now_ms = self._clock.monotonic_ms()
        if not is_unlisted:
            self._unlisted_ms = None
        elif self._unlisted_ms is None:
            self._unlisted_ms = now_ms
        elif now_ms - self._unlisted_ms >= DELISTED_MS:
            reason = f"delisted: {self.problem}"
            self._deliver(UnitQuarantined(reason=reason, at_ms=self._clock.now_ms()))

    def _note_foreign(self, found: tuple[VenueOrder, ...]) -> None:
        known = {order.venue_order_id for order in self.foreign}
        self.foreign = found
        for order in found:
            if order.venue_order_id not in known:
                self._log.error(
                    "unit.foreign_order",
                    venue_order_id=order.venue_order_id,
                    side=order.side,
                    price=order.price,
                    quantity=order.quantity,
                    forced=is_forced(order.client_order_id),
                )

    async def _trades(self) -> None:
        findings = Findings()
        try:
            await self._reconciler.add_trades(findings)
        except VenueUnavailableError as error:
            self._log.debug("trades.failed", reason=str(error))
        else:
            if findings.facts or findings.orphans:
                self._deliver(TradesFound(findings=findings))
        # A trade may become visible late: the resolver asks again as long as a sum is short.
        await self._clock.sleep_ms(TRADES_PAUSE_MS)
