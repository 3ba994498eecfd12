"""The engine of one unit: facts in, intents out, one writer.

``fact -> apply -> plan -> review -> journal -> execute -> fact``. The loop below is the only place
that commits and the only place that decides. Orders are sent by tasks whose answers come back as
facts, so an order in flight never blocks a fact, a cancel or a directive; its level is simply not
plannable until it has settled.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

from opensqt.core import codec
from opensqt.core.facts import (
    ConfigApplied,
    DirectiveGiven,
    PriceTicked,
    UnitQuarantined,
)
from opensqt.core.symbol import SymbolState
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.adopting import Adopting
from opensqt.engine.beginning import first_facts
from opensqt.engine.comparing import Comparing
from opensqt.engine.decider import Decider, Identity
from opensqt.engine.declaring import declared, is_unheard, reserved_by
from opensqt.engine.executor import Executor
from opensqt.engine.incoming import Batch, Control, Incoming, Intake, Venued
from opensqt.engine.mailbox import FACTS_MAX, Mail, Mailbox
from opensqt.engine.manager_link import ManagerLink
from opensqt.engine.reconcile_job import ReconcileJob
from opensqt.engine.reconciler import Reconciler
from opensqt.engine.recorder import Recorder
from opensqt.engine.resolver import Resolver
from opensqt.engine.stopping import StopCheck
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import OrderUpdate, TradeUpdate
from opensqt.ports.journal import (
    DuplicateTradeError,
    JournalError,
    JournalPort,
    SequenceConflictError,
    StaleEpochError,
)
from opensqt.ports.link import Heartbeat, Hello, LinkPort, LinkRefusedError
from opensqt.ports.telemetry import LogPort
from opensqt.ports.workflow import WorkflowPort

# The loop wakes at least this often: back-offs, repeated cancels and look-ups need no own timers.
WAKE_MS: Final = 1_000
BUSY_WAKE_MS: Final = 100
JOURNAL_RETRY_MS: Final = 500


class StaleProcessError(Exception):
    """A newer process owns the unit: this one must end and never write again."""


class SymbolEngine:
    """One unit's loop. Create, then await ``run`` until it raises or is cancelled."""

    def __init__(  # noqa: PLR0913 - the ports of the engine
        self,
        identity: Identity,
        config: UnitConfig,
        *,
        config_version: int,
        journal: JournalPort,
        link: LinkPort,
        workflows: WorkflowPort,
        clock: ClockPort,
        log: LogPort,
        facts_max: int = FACTS_MAX,
    ) -> None:
        """Wire the parts; nothing runs yet. More than ``facts_max`` waiting facts are given up."""
        self._identity = identity
        self._config = config
        self._config_version = config_version
        self._clock = clock
        self._log = log
        self._workflows = workflows
        self._facts_max = facts_max
        self._mailbox: Mailbox[Control, Incoming] = Mailbox(facts_max=facts_max)
        # Taken from the mailbox and not yet committed; a journal that fails loses none of it.
        self._controls: list[Control] = []
        self._pending: list[Incoming] = []
        unit = identity.unit
        self._recorder = Recorder(
            journal,
            initial=SymbolState(unit=unit, deployment=identity.deployment),
            epoch=identity.epoch,
        )
        self._intake = Intake(journal, clock)
        self._link = ManagerLink(link, owner=self, clock=clock, log=log)
        self._reconciling = self._new_reconciling(journal)
        self._resolver = self._new_resolver()
        self._executor = self._new_executor()
        self._stopping = self._new_stopping()
        self._heartbeat: Heartbeat | None = None
        self._decider = Decider(
            identity,
            config,
            recorder=self._recorder,
            executor=self._executor,
            link=self._link,
            workflows=workflows,
            clock=clock,
            log=log,
            wake=self._mailbox.wake,
        )
        self.adopting = Adopting(
            self._link, self._recorder, lambda: self._config, clock=clock, wake=self._mailbox.wake
        )
        self._comparing = self._new_comparing()
        self._refusal: LinkRefusedError | None = None
        self._is_loaded = False

    def _new_resolver(self) -> Resolver:
        return Resolver(
            self._link,
            symbol=self._identity.unit.symbol,
            clock=self._clock,
            log=self._log,
            found=self._mailbox.put_fact,
            trades_wanted=self._reconciling.fetch_trades,
            answered=self._mailbox.wake,
            handed_ms=lambda one: self._executor.handed_ms(one),  # noqa: PLW0108 - made later
            horizon_ms=self._config.horizon_ms,
            visibility_ms=self._config.visibility_ms,
        )

    def _new_executor(self) -> Executor:
        return Executor(
            self._link,
            symbol=self._identity.unit.symbol,
            epoch=self._identity.epoch,
            clock=self._clock,
            log=self._log,
            sent=self._mailbox.put_fact,
            doubted=self._resolver.doubt,
        )

    def _new_reconciling(self, journal: JournalPort) -> ReconcileJob:
        reconciler = Reconciler(
            self._link,
            state=lambda: self._recorder.state,
            journal=journal,
            clock=self._clock,
            visibility_ms=self._config.visibility_ms,
        )
        return ReconcileJob(
            reconciler,
            name=self._identity.unit.text,
            deliver=self._mailbox.put_fact,
            ended=self._mailbox.wake,
            clock=self._clock,
            log=self._log,
        )

    def _new_comparing(self) -> Comparing:
        return Comparing(
            self._recorder,
            self._reconciling,
            lambda: self._config,
            quarantine=self._quarantine,
            clock=self._clock,
            log=self._log,
        )

    def _new_stopping(self) -> StopCheck:
        return StopCheck(
            self._link,
            unit=self._identity.unit,
            deployment=self._identity.deployment,
            clock=self._clock,
            doubt=self._reconciling.want,
        )

    # -- what others see

    @property
    def state(self) -> SymbolState:
        """Return the frozen state: an immutable value, no lock, never waits."""
        return self._recorder.state

    @property
    def config(self) -> UnitConfig:
        """Return the configuration in force."""
        return self._config

    @property
    def is_loaded(self) -> bool:
        """Tell whether the journal has been replayed."""
        return self._is_loaded

    @property
    def is_ready(self) -> bool:
        """Tell whether the unit may decide: attached, compared with the venue, able to run it."""
        is_known = self._link.is_attached and self._reconciling.is_done
        return is_known and not self._decider.problem

    @property
    def is_stopped(self) -> bool:
        """Tell whether a stop has completed: nothing of ours left at the venue, seen twice."""
        return self._stopping.is_confirmed

    @property
    def facts_waiting(self) -> int:
        """Return how many facts are not committed yet."""
        return self._mailbox.facts_waiting + len(self._pending)

    @property
    def foreign_orders(self) -> int:
        """Return how many open orders of others the symbol has at the venue, as last seen."""
        return len(self._reconciling.foreign)

    @property
    def idle_reason(self) -> str:
        """Return why nothing is wanted, or what is in the way; empty while quoting."""
        state = self._recorder.state
        if state.quarantine:
            return f"quarantined: {state.quarantine}"
        if self._recorder.problem:
            return f"journal: {self._recorder.problem}"
        if not self.is_ready:
            if not self._link.is_attached:
                return f"link: {self._link.problem}"
            if self._reconciling.is_done:
                return f"workflows: {self._decider.problem}"
            return self._reconciling.problem or "reconciling"
        if self.gate_problem:
            return f"gate: {self.gate_problem}"
        return self._decider.idle_reason

    @property
    def gate_problem(self) -> str:
        """Return why the gate lets no opening order pass; empty when it does or is not heard."""
        if self._heartbeat is None or self._heartbeat.gate_open:
            return ""
        return self._heartbeat.gate_reason or "shut"

    def tell(self, control: Control) -> None:
        """Hand in a directive, a configuration or a human's decision; never waits."""
        self._mailbox.put_control(control)

    # -- LinkOwner: called by the link, must not wait

    def hello(self, *, session: str, acked_seq: int) -> Hello:
        """Return the introduction of this process."""
        state = self._recorder.state
        return Hello(
            unit=self._identity.unit,
            host=self._identity.host,
            pid=self._identity.pid,
            epoch=self._identity.epoch,
            build=self._identity.build,
            session=session,
            acked_seq=acked_seq,
            now_ms=self._clock.now_ms(),
            position=state.position.quantity,
            reserved=reserved_by(state),
            capital=self._config.capital,
            horizon_ms=self._config.late_ms,
        )

    def on_attached(self, *, resumed: bool) -> None:
        """Compare with the venue unless nothing can have been missed."""
        self._decider.disturb()
        if not resumed or not self._reconciling.is_done:
            self._reconciling.want("attached")
        self._mailbox.wake()

    def on_detached(self, reason: str) -> None:
        """Note that nothing can be sent."""
        self._log.warning("link.detached", reason=reason)
        self._heartbeat = None
        self._mailbox.wake()

    def on_refused(self, error: LinkRefusedError) -> None:
        """End: the exchange process will never talk to this process again."""
        self._refusal = error
        self._mailbox.wake()

    def on_gap(self, reason: str) -> None:
        """Doubt everything."""
        self._decider.disturb()
        self._reconciling.want(f"gap: {reason}")
        self._mailbox.wake()

    def on_update(self, seq: int, update: OrderUpdate | TradeUpdate) -> None:
        """Queue a venue report."""
        self._decider.disturb()
        self._mailbox.put_fact(Venued(seq=seq, update=update))

    def on_price(self, price: PriceTicked) -> None:
        """Keep the newest price."""
        self._decider.disturb()
        self._mailbox.put_price(price)

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Keep the condition of streams and gate, and refresh the price."""
        self._heartbeat = heartbeat
        if heartbeat.price is not None:
            price = self._link.local_price(heartbeat.price, age_ms=heartbeat.frame_age_ms)
            self._mailbox.put_price(price)

    # -- the loop

    async def run(self) -> None:
        """Load, attach, trade.

        Raise ``StaleProcessError`` when a newer process took over, ``JournalError`` when this
        engine no longer knows what the journal holds: begin anew with a new epoch.
        """
        await self._open()
        loop = asyncio.get_running_loop()
        # Compared with the venue meanwhile: opening the store takes as long as all the rest.
        parts = [loop.create_task(self._link.run()), loop.create_task(self._decider.open())]
        for part in parts:
            part.add_done_callback(lambda _: self._mailbox.wake())
        try:
            while self._refusal is None:
                for part in parts:
                    if part.done():
                        part.result()  # raises what the part itself does not expect
                mail = await self._mailbox.take(timeout_ms=self._wake_ms())
                await self._cycle(mail)
            raise StaleProcessError(str(self._refusal))
        except StaleEpochError as error:
            raise StaleProcessError(str(error)) from error
        finally:
            for part in parts:
                part.cancel()
            self._abandon()

    def _abandon(self) -> None:
        for part in (
            self._executor,
            self._resolver,
            self._reconciling,
            self._stopping,
            self._decider,
            self.adopting,
        ):
            part.abandon()

    async def _open(self) -> None:
        replayed = await self._recorder.load()
        state = self._recorder.state
        facts = first_facts(
            state,
            self._identity,
            self._config,
            config_version=self._config_version,
            now_ms=self._clock.now_ms(),
        )
        await self._recorder.record(facts)
        self._is_loaded = True
        self._log.info("unit.loaded", sequence=state.sequence, replayed=replayed)

    def _wake_ms(self) -> int:
        if self._pending or self._controls:
            return JOURNAL_RETRY_MS
        waits_ms = [WAKE_MS]
        for at_ms in (self._resolver.due_ms, self._reconciling.due_ms):
            waits_ms += [] if at_ms is None else [at_ms - self._clock.monotonic_ms()]
        if self._decider.quiet_until_ms is not None:
            waits_ms.append(self._decider.quiet_until_ms - self._clock.now_ms())
        # What is overdue waits for something that wakes us, such as the link.
        return max(min(waits_ms), BUSY_WAKE_MS)

    async def _cycle(self, mail: Mail[Control, Incoming]) -> None:
        self._controls.extend(mail.control)
        self._pending.extend(mail.facts)
        if mail.price is not None:
            self._recorder.observe(mail.price)
        if mail.overflowed or len(self._pending) > self._facts_max:
            self._pending.clear()
            self._reconciling.want("more facts waited than are kept")
        if not await self._is_stored(self._book()):
            return
        self._reconciling.step(is_attached=self._link.is_attached)
        await self._is_stored(self._decide())

    async def _is_stored(self, work: Awaitable[None]) -> bool:
        """Do ``work``; return whether the journal took what it had to."""
        try:
            await work
        except (StaleEpochError, SequenceConflictError, DuplicateTradeError):
            raise
        except JournalError as error:
            # Fail closed: nothing was written, so nothing is decided; the facts wait here.
            self._log.error("journal.unavailable", reason=str(error))
            if self._link.is_attached:
                self._decider.withdraw(self._controls)
            return False
        return True

    async def _book(self) -> None:
        while self._controls:
            await self._take_control(self._controls[0])
            del self._controls[0]
        await self._take_facts()
        await self._adopt()

    async def _decide(self) -> None:
        is_idle = False
        if self._link.is_attached:
            self._resolver.step(self._recorder.state, in_flight=frozenset(self._executor.in_flight))
            if self.is_ready:
                gate_open = self._heartbeat is not None and self._heartbeat.gate_open
                is_idle = await self._decider.decide(gate_open=gate_open)
            else:
                # A stop does not wait for the venue to answer questions.
                await self._decider.take_back()
        await self._recorder.flush()
        if self.is_ready:
            self._stopping.step(self._recorder.state, is_idle=is_idle)

    async def _take_control(self, control: Control) -> None:
        config = self._config
        if isinstance(control, ConfigApplied):
            config = codec.decode(control.text, UnitConfig)
        if isinstance(control, DirectiveGiven):
            self._stopping.reset()
            if control.directive is self._recorder.state.directive:
                return
        await self._recorder.record([control])
        # Only now: by what is not journaled nothing is decided.
        self._config = self._decider.config = config
        # Inside the band of the former wish prices were withheld: ours may be a second old.
        self._recorder.forget_price()
        self._decider.disturb()

    async def _take_facts(self) -> None:
        if not self._pending:
            return
        batch = await self._intake.batch(self._pending, self._recorder.state)
        is_calm = batch.is_plain and self._link.is_attached and self.is_ready
        # What is decided from it next goes into the same transaction, unless that just failed.
        is_calm = is_calm and not self._recorder.problem
        if is_calm and self._recorder.stage(batch.facts, stored=lambda: self._stored(batch)):
            return
        await self._recorder.record(batch.facts)
        self._acknowledge(batch)
        await self._after(batch)
        self._declare(batch)

    def _stored(self, batch: Batch) -> None:
        self._acknowledge(batch)
        self._declare(batch)

    def _acknowledge(self, batch: Batch) -> None:
        self._pending.clear()
        if batch.ack_seq:
            self._link.acknowledge(batch.ack_seq)

    def _declare(self, batch: Batch) -> None:
        # A trade that was looked up, or came after the end of its order, is news to the gate.
        if batch.has_trades or batch.reconciled or any(map(is_unheard, batch.facts)):
            self._link.declare(declared(self._recorder.state))

    async def _adopt(self) -> None:
        if await self.adopting.step():
            self._link.declare(declared(self._recorder.state))
            self._reconciling.want("adopted")

    async def _after(self, batch: Batch) -> None:
        """Do what a committed batch leaves to do."""
        if batch.is_suspect:
            self._reconciling.want("an order that had ended was reported open")
        for orphan in batch.orphans:
            self._log.error("order.orphaned", client_order_id=orphan)
            await self._quarantine(f"an order with our id {orphan} is not in the journal")
            self._executor.withdraw(orphan)
        for reconciled in batch.reconciled:
            self._reconciling.booked(reconciled.findings)
            for missing in reconciled.findings.missing:
                self._resolver.doubt(missing)
            await self._comparing.judge(reconciled)

    async def _quarantine(self, reason: str) -> None:
        if not self._recorder.state.quarantine:
            self._log.error("unit.quarantined", reason=reason)
            await self._recorder.record(
                [UnitQuarantined(reason=reason, at_ms=self._clock.now_ms())]
            )
