"""Deciding: plan, review, commit as a workflow, send.

A decision runs as one workflow whose handler commits the intents and then sends them. A handler
that runs again (the at-least-once half of durable execution) finds that the journal has moved on,
or that nobody waits for it any more, and sends nothing; what had been committed is looked up by
the resolver. Taking an order back adds no risk, so it never waits for a store of workflows.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from opensqt.core import codec
from opensqt.core.facts import (
    CancelIntended,
    Directive,
    Fact,
    InventoryMoved,
    OrderIntended,
    PriceTicked,
    Trigger,
)
from opensqt.core.grid.band import QuietBand, quiet_band
from opensqt.core.grid.ladder import reference_price
from opensqt.core.grid.planner import CANCEL_REPEAT_MS, Plan, anchor_facts, plan, stop_cancels
from opensqt.core.ids import UnitId, UnixMs, decision_id
from opensqt.core.intents import CancelOrder, Intent, MoveInventory, PlaceOrder
from opensqt.core.orders import Purpose
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import Refused, Review, review
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import StateError, SymbolState, replay
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.executor import Executor
from opensqt.engine.manager_link import ManagerLink
from opensqt.engine.recorder import Recorder
from opensqt.ports.clock import ClockPort
from opensqt.ports.journal import (
    DuplicateTradeError,
    JournalError,
    SequenceConflictError,
    StaleEpochError,
)
from opensqt.ports.link import Band
from opensqt.ports.telemetry import LogPort
from opensqt.ports.workflow import WorkflowPort, WorkflowStoreError

_NOTHING: Final = Review(approved=(), refused=())
PLACE_BATCH: Final = "place_batch"
OPEN_AGAIN_MS: Final = 1_000
HUNG_MS: Final = 5_000
"""How long a store that did not begin a run in time is left alone: waiting holds up the facts."""
ABANDONED_MAX: Final = 3
"""Runs nobody waits for any more that a store may have; each keeps one of its threads."""
MERGED_S: Final = 0.05
"""How long what was heard waits for the decision made from it, to be committed together."""
_FATAL: Final = (StaleEpochError, SequenceConflictError, DuplicateTradeError, StateError)
_WITHHELD: Final = "workflows: no order until the store of workflows begins what it was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this process is."""

    unit: UnitId
    deployment: str
    epoch: int
    build: str
    host: str
    pid: int


@dataclass(slots=True)
class _Run:
    """A decision whose commit the loop waits for."""

    facts: Sequence[Fact]
    answer: "asyncio.Future[None]"
    """The journal's answer to the handler, which the store of workflows may be slow to pass on."""
    has_begun: bool = False
    """Whether its handler is at work: from then on the journal answers."""

    @property
    def is_committed(self) -> bool:
        """Tell whether the journal holds the decision."""
        return self.answer.done() and self.answer.exception() is None


@dataclass(slots=True)
class _Hung:
    """What a store did not begin in time."""

    until_ms: int = 0
    """Till when it is left alone, of the monotonic clock."""
    runs: "set[asyncio.Task[str]]" = field(default_factory=set)
    """Those it still has."""

    def add(self, task: "asyncio.Task[str]", *, now_ms: int) -> None:
        """Leave a run to the store."""
        self.until_ms = now_ms + HUNG_MS
        self.runs.add(task)
        task.add_done_callback(self.runs.discard)

    def is_left_alone(self, *, now_ms: int) -> bool:
        """Tell whether the store gets no further run now."""
        return len(self.runs) >= ABANDONED_MAX or now_ms < self.until_ms


class Decider:
    """One unit's decisions. Called by the loop of the engine only, one call at a time."""

    def __init__(  # noqa: PLR0913 - collaborators, each used
        self,
        identity: Identity,
        config: UnitConfig,
        *,
        recorder: Recorder,
        executor: Executor,
        link: ManagerLink,
        workflows: WorkflowPort,
        clock: ClockPort,
        log: LogPort,
        wake: Callable[[], None],
    ) -> None:
        """Bind the decision workflow; nothing runs yet."""
        self._identity = identity
        self.config = config
        self._recorder = recorder
        self._executor = executor
        self._link = link
        self._workflows = workflows
        self._clock = clock
        self._log = log
        self._wake = wake
        self._band: Band | None = None
        # The band promises for one state only; a fact may have come in while it was computed.
        self._band_sequence = 0
        self._withdrawn_ms = 0
        self._quiet: QuietBand | None = None
        self._is_idle = False
        self._was_open = False
        self.problem = "opening the store of workflows"
        """Why nothing can be decided yet; empty once decisions can run."""
        self._runs: dict[str, _Run] = {}
        self._hung = _Hung()
        self._withheld = ""
        """Why the last decision was not even tried; empty when it was."""
        # An id that failed may be known as failed for ever: every attempt has an id of its own.
        self._attempts = 0
        self._attempted_sequence = -1
        self._decisions: set[asyncio.Task[str]] = set()
        self._last_plan: Plan | None = None
        self._last_refused: tuple[Refused, ...] = ()
        self._decided_sequence = -1
        self._decided_price: PriceTicked | None = None
        workflows.register(PLACE_BATCH, self._place_batch)

    @property
    def idle_reason(self) -> str:
        """Return why the last decision wanted or got nothing; empty while it did."""
        if self._withheld:
            return self._withheld
        if self._last_refused:
            return f"refused: {self._last_refused[0].reason}"
        return self._last_plan.idle if self._last_plan is not None else "starting"

    @property
    def quiet_until_ms(self) -> int | None:
        """Return until when the exchange side stays silent, None when it does not."""
        return None if self._band is None else self._band.valid_until_ms

    async def open(self) -> None:
        """Open the store of workflows, again until that works; no order is placed before."""
        while True:
            try:
                await self._workflows.start()
            except WorkflowStoreError as error:
                self.problem = str(error)
                self._log.error("workflows.unavailable", reason=self.problem)
                await self._clock.sleep_ms(OPEN_AGAIN_MS)
            else:
                self.problem = ""
                self._wake()
                return

    def disturb(self) -> None:
        """Forget the band: the exchange side has dropped it or will."""
        self._band = None

    def abandon(self) -> None:
        """Stop waiting for decisions under way."""
        for task in tuple(self._decisions):
            task.cancel()

    async def decide(self, *, gate_open: bool) -> bool:
        """Do what the state asks for; return whether nothing was wanted at all."""
        state = self._recorder.state
        if state.instrument is None:
            return False
        now_ms = self._clock.now_ms()
        if self._is_quiet(state, now_ms, gate_open=gate_open):
            return self._is_idle
        await self._recorder.record(anchor_facts(state, self.config.grid, now_ms=now_ms))
        state = self._recorder.state
        limits = self._limits(state)
        wanted = plan(state, self.config.grid, now_ms=now_ms)
        intents = tuple(intent for intent in wanted.intents if gate_open or not _is_open(intent))
        # Nearly always nothing is wanted, and nobody need be told what is reserved.
        verdict = review(intents, view_of(state), limits, now_ms=now_ms) if intents else _NOTHING
        self._note(wanted, verdict.refused)
        self._withheld = self._withheld if verdict.approved else ""
        if verdict.approved:
            await self._act(verdict.approved, now_ms=now_ms)
        elif len(intents) == len(wanted.intents):
            # A band is a promise about what the journal holds.
            await self._recorder.flush()
            self._rest(verdict, limits, now_ms=now_ms)
        self._is_idle = not wanted.intents
        self._was_open = gate_open
        # Our own intents are no news to the next decision.
        self._decided_sequence = self._recorder.state.sequence
        self._decided_price = state.price
        return self._is_idle

    def _is_quiet(self, state: SymbolState, now_ms: int, *, gate_open: bool) -> bool:
        """Tell whether the last decision stands: that is what the band promises."""
        band = self._quiet
        if band is None or state.sequence != self._band_sequence or gate_open != self._was_open:
            return False
        reference = reference_price(state.price, self.config.grid.price_source)
        return reference is not None and band.is_inside(reference, now_ms=now_ms)

    def withdraw(self, controls: Sequence[Fact]) -> None:
        """Send the cancels that ``controls`` will ask for once the journal can hold them.

        A cancel adds no risk and proves nothing, so it need not be committed first.
        """
        now_ms = self._clock.now_ms()
        if 0 <= now_ms - self._withdrawn_ms < CANCEL_REPEAT_MS:
            return
        cancels = stop_cancels(replay(self._recorder.state, controls), now_ms)
        if cancels:
            self._withdrawn_ms = now_ms
        for cancel in cancels:
            self._executor.withdraw(cancel.client_order_id)

    async def take_back(self) -> None:
        """Send the cancels a directive or a quarantine asks for, and nothing else."""
        now_ms = self._clock.now_ms()
        cancels = stop_cancels(self._recorder.state, now_ms)
        if cancels:
            await self._act(cancels, now_ms=now_ms)

    def _limits(self, state: SymbolState) -> Limits:
        orders_max = state.instrument.orders_open_max if state.instrument else 0
        return Limits.from_capital(self.config.capital, venue_orders_open_max=orders_max)

    def _note(self, wanted: Plan, refused: tuple[Refused, ...]) -> None:
        if refused and refused != self._last_refused:
            self._log.warning(
                "review.refused",
                count=len(refused),
                reason=refused[0].reason,
                detail=refused[0].detail,
            )
        self._last_plan, self._last_refused = wanted, refused

    def _rest(self, verdict: Review, limits: Limits, *, now_ms: int) -> None:
        """Tell the exchange side within which prices nothing is wanted."""
        if self._executor.in_flight:
            return  # the answer changes the state, and is a fact with which the band is dropped
        state = self._recorder.state
        is_current = self._band is not None and state.sequence == self._band_sequence
        if self._band is not None and is_current and now_ms < self._band.valid_until_ms:
            return
        quiet = quiet_band(
            state, self.config.grid, limits=limits, now_ms=UnixMs(now_ms), decided=verdict
        )
        self._band_sequence, self._quiet = state.sequence, quiet
        self._band = Band(
            reference=quiet.reference,
            low=quiet.low,
            high=quiet.high,
            valid_until_ms=UnixMs(quiet.valid_until_ms),
            after_seq=self._link.last_seq,
        )
        self._link.set_band(self._band)

    async def _act(self, intents: tuple[Intent, ...], *, now_ms: int) -> None:
        """Run a decision as a workflow; return once its intents are committed."""
        self._band = None
        workflow_id = self._next_id()
        facts = [self._intended(intent, UnixMs(now_ms)) for intent in intents]
        run = _Run(facts=facts, answer=asyncio.get_running_loop().create_future())
        if self._is_stop(facts):
            # A stop must not wait for a store that hangs, not even once.
            await self._cancel(facts)
            self._wake()
            return
        if self._may_run():
            await self._run(workflow_id, run)
        self._withheld = "" if run.is_committed or self._may_run() else _WITHHELD
        if run.is_committed:
            # More may be wanted now. A decision that failed is tried again by the loop's timer.
            self._wake()
        else:
            await self._cancel(facts)

    def _may_run(self) -> bool:
        return not (self.problem or self._hung.is_left_alone(now_ms=self._clock.monotonic_ms()))

    def _is_stop(self, facts: Sequence[Fact]) -> bool:
        """Tell whether a decision takes orders back because the unit stops, and nothing else."""
        state = self._recorder.state
        is_stopping = bool(state.quarantine) or state.directive is not Directive.RUN
        return is_stopping and all(isinstance(fact, CancelIntended) for fact in facts)

    def _next_id(self) -> str:
        sequence = self._recorder.state.sequence
        if sequence != self._attempted_sequence:
            self._attempted_sequence, self._attempts = sequence, 0
        self._attempts += 1
        return decision_id(
            self._identity.unit,
            epoch=self._identity.epoch,
            sequence=sequence,
            attempt=self._attempts,
        )

    async def _run(self, workflow_id: str, run: _Run) -> None:
        """Have a workflow commit a decision; what has not begun in time never will."""
        inputs = json.dumps(
            {
                "id": workflow_id,
                "epoch": self._identity.epoch,
                "sequence": self._recorder.state.sequence,
                "facts": [codec.encode(fact) for fact in run.facts],
            }
        )
        self._runs[workflow_id] = run
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._workflows.run(PLACE_BATCH, workflow_id, inputs))
        self._decisions.add(task)
        task.add_done_callback(self._decided)
        either = (task, run.answer)
        try:
            await asyncio.wait(either, timeout=MERGED_S, return_when=asyncio.FIRST_COMPLETED)
            if not run.has_begun:
                # What was heard is not kept waiting by a store of workflows that is slow.
                await self._recorder.flush()
                patience_s = self.config.order_ttl_ms / 1_000
                await asyncio.wait(either, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if run.has_begun:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._runs[workflow_id]
        error = run.answer.exception() if run.answer.done() else None
        if isinstance(error, _FATAL):
            raise error
        if not (task.done() or run.answer.done()):
            self._hung.add(task, now_ms=self._clock.monotonic_ms())
            self._log.error("decision.not_begun", workflow_id=workflow_id)

    async def _cancel(self, facts: Sequence[Fact]) -> None:
        """Take back what a decision wanted taken back although it could not run."""
        cancels = [fact for fact in facts if isinstance(fact, CancelIntended)]
        try:
            await self._recorder.record(cancels)
        except _FATAL:
            raise
        except JournalError as error:
            self._log.error("journal.unavailable", reason=str(error))
            for cancel in cancels:
                self._executor.withdraw(cancel.client_order_id)
            return
        for cancel in cancels:
            _ = self._executor.cancel(cancel)

    def _decided(self, task: asyncio.Task[str]) -> None:
        self._decisions.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("decision.failed", reason=str(error), error=type(error).__name__)

    @property
    def _trigger(self) -> Trigger:
        """Return what is new since the last decision."""
        state = self._recorder.state
        if state.sequence != self._decided_sequence:
            return Trigger.FACT
        return Trigger.PRICE if state.price != self._decided_price else Trigger.TIME

    def _intended(self, intent: Intent, now_ms: UnixMs) -> Fact:
        match intent:
            case PlaceOrder():
                return OrderIntended(
                    client_order_id=intent.client_order_id,
                    slot=intent.slot,
                    side=intent.side,
                    purpose=intent.purpose,
                    generation=intent.generation,
                    attempt=intent.attempt,
                    price=intent.price,
                    quantity=intent.quantity,
                    time_in_force=intent.time_in_force,
                    reduce_only=intent.reduce_only,
                    epoch=self._identity.epoch,
                    deadline_ms=UnixMs(now_ms + self.config.order_ttl_ms),
                    at_ms=now_ms,
                    decided_at=self._recorder.state.sequence,
                    decision_attempt=self._attempts,
                    trigger=self._trigger,
                    seen=self._recorder.state.price,
                )
            case CancelOrder():
                return CancelIntended(
                    client_order_id=intent.client_order_id, reason=str(intent.reason), at_ms=now_ms
                )
            case MoveInventory():
                return InventoryMoved(
                    source=intent.source,
                    target=intent.target,
                    quantity=intent.quantity,
                    at_ms=now_ms,
                )

    async def _place_batch(self, inputs: str) -> str:
        """Commit a decision and send it: all that its workflow does."""
        decision = json.loads(inputs)
        run = self._runs.get(decision["id"])
        is_current = (
            run is not None
            and decision["epoch"] == self._identity.epoch
            and decision["sequence"] == self._recorder.state.sequence
        )
        if run is None or not is_current or run.has_begun:
            return "stale"
        run.has_begun = True
        try:
            await self._recorder.record(run.facts, at_sequence=decision["sequence"])
        except Exception as error:
            run.answer.set_exception(error)
            raise
        run.answer.set_result(None)
        sends = [
            self._executor.place(fact)
            if isinstance(fact, OrderIntended)
            else self._executor.cancel(fact)
            for fact in run.facts
            if isinstance(fact, OrderIntended | CancelIntended)
        ]
        if sends:
            await asyncio.wait(sends)
        return "sent"


def _is_open(intent: Intent) -> bool:
    """Tell whether an intent adds risk: a shut gate would refuse it anyway."""
    return isinstance(intent, PlaceOrder) and intent.purpose is Purpose.OPEN
