"""What a complete pass over the venue allows: begin, go on, look again, or wait for a human.

The facts of the pass are committed before it is judged here, in the unit's loop.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from opensqt.core.facts import PositionIgnored
from opensqt.core.grid.config import StartingPosition
from opensqt.core.grid.starting import starting_position
from opensqt.core.money import ZERO, to_text
from opensqt.core.reconcile import PositionVerdict, compare_position
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.incoming import Reconciled
from opensqt.engine.reconcile_job import ReconcileJob
from opensqt.engine.reconciler import Findings, venue_position
from opensqt.engine.recorder import Recorder
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import VenuePosition
from opensqt.ports.telemetry import LogPort

# How many passes, V apart, may disagree about the position before a human must look.
POSITION_PASSES: Final = 3
# The first price is on its way.
PRICE_WAIT_MS: Final = 100


class Comparing:
    """One unit's judgement of its passes. Called from its loop only."""

    def __init__(
        self,
        recorder: Recorder,
        reconciling: ReconcileJob,
        config: Callable[[], UnitConfig],
        *,
        quarantine: Callable[[str], Awaitable[None]],
        clock: ClockPort,
        log: LogPort,
    ) -> None:
        """Book through ``recorder``, ask ``reconciling`` for further passes."""
        self._recorder = recorder
        self._reconciling = reconciling
        self._config = config
        self._quarantine = quarantine
        self._clock = clock
        self._log = log
        self._passes = 0
        self._difference = ZERO

    async def judge(self, reconciled: Reconciled) -> None:
        """Decide whether a complete pass allows quoting; raise what the journal raises."""
        findings = reconciled.findings
        if findings.siblings:
            await self._quarantine("another deployment has orders on this symbol")
        position = venue_position(findings, reserve=self._config().reserve)
        if not await self._take_over(position):
            self._reconciling.try_again(in_ms=PRICE_WAIT_MS)
            return
        if findings.suspects:
            self._log.error("order.listed_after_its_end", client_order_ids=findings.suspects)
            self._look_again("an order that has ended is listed as open")
        elif await self._agrees(position, findings):
            self._reconciling.complete(reconciled.number)

    async def _agrees(self, position: VenuePosition, findings: Findings) -> bool:
        """Tell whether the book and the venue hold the same, or a human was called."""
        state = self._recorder.state
        ignored = ZERO
        if self._config().grid.starting_position is StartingPosition.IGNORE:
            if state.ignored_quantity is None:
                if findings.book != state.position:
                    # The venue told its position before our last fill: the two are not of a kind.
                    self._look_again("the position moved")
                    return False
                await self._ignore(position.quantity - state.position.quantity)
                return True
            ignored = state.ignored_quantity
            position = replace(position, quantity=position.quantity - ignored)
        verdict = compare_position(state, position.quantity, asked=findings.book)
        is_different = verdict is PositionVerdict.DIFFERENT
        held = state.position.quantity
        # A difference that changes is a venue that lags, or a human at work: it is waited for.
        is_same = position.quantity - held == self._difference
        self._difference = position.quantity - held
        self._passes = is_different * (self._passes * is_same + 1)
        if 0 < self._passes < POSITION_PASSES:
            self._log.warning("position.differs", book=held, venue=position.quantity)
            self._look_again("position differs")
            return False
        if is_different:
            beside = f" beside the {to_text(ignored)} that is ignored" if ignored else ""
            await self._quarantine(f"position: book {held}, venue {position.quantity}{beside}")
        return True

    async def _ignore(self, strange: Decimal) -> None:
        """Note what is not ours: before the first order, or once it stays what it is."""
        is_same = strange == self._difference
        self._difference = strange
        self._passes = self._passes * is_same + 1
        if not self._recorder.state.unsettled_orders or self._passes >= POSITION_PASSES:
            self._passes = 0
            now_ms = self._clock.now_ms()
            await self._recorder.record([PositionIgnored(quantity=strange, at_ms=now_ms)])

    def _look_again(self, reason: str) -> None:
        self._reconciling.want(reason)
        self._reconciling.try_again(in_ms=self._config().visibility_ms)

    async def _take_over(self, position: VenuePosition) -> bool:
        """Apply the ``starting_position`` rule before the first order; False: not yet possible."""
        state, grid = self._recorder.state, self._config().grid
        if state.anchor is not None or state.orders or position.quantity == ZERO:
            return True
        if state.price is None and grid.starting_position is StartingPosition.ADOPT:
            return False
        started = starting_position(
            state,
            grid,
            venue_quantity=position.quantity,
            venue_average_price=position.average_price,
            now_ms=self._clock.now_ms(),
        )
        if started.refusal:
            await self._quarantine(started.refusal)
        await self._recorder.record(started.facts)
        return True
