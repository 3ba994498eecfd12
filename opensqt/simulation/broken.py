"""The broken functions that mutants plant. Each calls the original and spoils one thing of it."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final
from unittest import mock

from opensqt.core import codec, symbol
from opensqt.core.facts import Evidence, Fact, GridAnchored, OrderIntended, ProcessStarted
from opensqt.core.facts import OrderReported as Reported
from opensqt.core.facts import TradeFilled as Filled
from opensqt.core.grid.closing import closing_intents
from opensqt.core.grid.desk import Desk
from opensqt.core.ids import ClientOrderId, TradeId, UnitId, UnixMs
from opensqt.core.intents import Intent
from opensqt.core.orders import Anomaly, Order, OrderStatus, Purpose
from opensqt.core.reconcile import proves_absence
from opensqt.core.registry import Desire, KillRow, UnitRecord
from opensqt.core.registry_rules import Observed, Step, next_step, removed
from opensqt.core.symbol import SymbolState
from opensqt.engine import evidence
from opensqt.engine.account_holder import AccountHolder
from opensqt.engine.connector_guard import ConnectorGuard
from opensqt.engine.decider import Decider
from opensqt.engine.executor import Executor
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.gate import Gate
from opensqt.engine.hub import Hub
from opensqt.engine.mailbox import Mailbox
from opensqt.engine.recorder import Recorder
from opensqt.engine.resolver import Resolver
from opensqt.engine.sessions import UnitSession
from opensqt.engine.unit_tender import UnitTender
from opensqt.ports.exchange import (
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PriceUpdate,
    TradeUpdate,
    VenueTrade,
)
from opensqt.ports.journal import Recovered
from opensqt.ports.link import Declare, Hello

_CLOSING: Final = closing_intents
_PROVES: Final = proves_absence
_FILLED: Final = evidence.filled
_PLACED: Final = evidence.placed
_CONFIRM: Final = Gate.confirm
_DECLARE: Final = UnitExposure.declare
_FENCE: Final = ConnectorGuard.fence
_FENCE_CONNECTOR: Final = AccountHolder._fence  # noqa: SLF001 - the original, called by its double
_OBSERVE: Final = ConnectorGuard.observe
_PLACE: Final = Executor._place  # noqa: SLF001 - the original, called by what replaces it
_CANCEL: Final = Executor._cancel  # noqa: SLF001 - the original, called by what replaces it
_PLACE_ONE: Final = Executor.place
_PLACE_BATCH: Final = Decider._place_batch  # noqa: SLF001 - the original, called by what replaces it
_LOAD: Final = Recorder.load
_PUSH: Final = UnitSession.push
_PUT_FACT: Final = Mailbox.put_fact
_NEXT_STEP: Final = next_step
_QUARANTINED: Final = symbol._quarantined  # noqa: SLF001 - the original, called by what replaces it
_WATCH: Final = Hub._watch  # noqa: SLF001 - the original, called by what replaces it
_PATIENCE: Final = 3
_counter = itertools.count()
_sent_early: dict[ClientOrderId, asyncio.Task[None]] = {}


# -- what an answer means


def timeout_as_refusal(
    client_order_id: ClientOrderId, outcome: Outcome, *, at_ms: UnixMs
) -> Reported:
    """Take a request without an answer for refused."""
    if outcome.outcome is OutcomeClass.UNKNOWN:
        outcome = replace(outcome, outcome=OutcomeClass.REJECTED)
    return _PLACED(client_order_id, outcome, at_ms=at_ms)


async def cancel_as_success(self: Executor, client_order_id: ClientOrderId) -> None:
    """Take a cancel that was sent for an order that is gone."""
    await _CANCEL(self, client_order_id)
    self._sent(
        Reported(
            client_order_id=client_order_id,
            status=OrderStatus.CANCELED,
            cumulative_quantity=Decimal(0),
            evidence=Evidence.REPLY,
            at_ms=self._now(),
        )
    )


def absent_after_one(order: Order, **_: object) -> bool:
    """Take one look-up that finds nothing for proof."""
    return order.is_doubtful


def absent_after_three(order: Order, *, not_found_ms: Sequence[int], **_: object) -> bool:
    """Take three look-ups that find nothing for proof, whenever they were made."""
    return order.is_doubtful and len(not_found_ms) >= _PATIENCE


def absent_whatever_lists_say(order: Order, **known: object) -> bool:
    """Take the time that has passed and the look-ups for proof, as if no list had been asked."""
    known |= {"in_open_list": False, "has_trade": False, "is_pass_complete": True}
    return _PROVES(order, **known)  # type: ignore[arg-type]  # whatever it is told


def proof_by_the_wall_clock(self: Resolver, doubt: object) -> int:
    """Measure how long an order has been in doubt by the wall clock."""
    _ = doubt
    return self._clock.now_ms()


def never_answered(self: ConnectorGuard, client_order_id: ClientOrderId) -> bool:
    """Forget what was written as soon as it was answered."""
    return client_order_id in self._in_flight


# -- sending


async def resend_when_unknown(self: Executor, intended: OrderIntended) -> None:
    """Send a request without an answer again."""
    reports: list[Fact] = []
    sent, self._sent = self._sent, reports.append
    await _PLACE(self, intended)
    self._sent = sent
    for report in reports:
        if isinstance(report, Reported) and report.status is OrderStatus.UNKNOWN:
            await _PLACE(self, intended)
        else:
            sent(report)


async def send_on_replay(self: Decider, inputs: str) -> str:
    """Send the orders of a run that is run again, as a plain durable step does."""
    result = await _PLACE_BATCH(self, inputs)
    if result == "stale":
        for fact in _intended(inputs):
            _ = self._executor.place(fact)
    return result


async def send_before_commit(self: Decider, inputs: str) -> str:
    """Send first, commit afterwards."""
    if json.loads(inputs)["sequence"] != self._recorder.state.sequence:
        return await _PLACE_BATCH(self, inputs)
    for fact in _intended(inputs):
        _sent_early[fact.client_order_id] = _PLACE_ONE(self._executor, fact)
    return await _PLACE_BATCH(self, inputs)


def place_unless_sent(self: Executor, intended: OrderIntended) -> asyncio.Task[None]:
    """Do not send what was sent before its commit."""
    task = _sent_early.pop(intended.client_order_id, None)
    return _PLACE_ONE(self, intended) if task is None else task


def _intended(inputs: str) -> list[OrderIntended]:
    facts = map(codec.decode_fact, json.loads(inputs)["facts"])
    return [fact for fact in facts if isinstance(fact, OrderIntended)]


# -- fills


def known_by_arrival(trade: VenueTrade, client_order_id: ClientOrderId) -> Filled:
    """Tell executions apart by when they were read, not by the venue's id."""
    name = TradeId(f"{trade.trade_id}.{next(_counter)}")
    return replace(_FILLED(trade, client_order_id), trade_id=name)


def drop_when_full(self: Mailbox[object, object], fact: object) -> None:
    """Lose a fact for which there is no room, and tell nobody."""
    if self.facts_waiting < self._facts_max:
        _PUT_FACT(self, fact)


def no_overlap(state: object, *, now_ms: int, booked_ms: object) -> UnixMs:
    """Ask for trades from the last second only."""
    _ = state, booked_ms
    return UnixMs(now_ms - 1_000)


# -- deciding


def settled_when_terminal(order: Order) -> bool:
    """Take an order that ended for settled, whatever fills of it are missing."""
    return order.status.is_terminal


def random_id(**_: object) -> ClientOrderId:
    """Return an id that nobody can derive again."""
    return ClientOrderId(f"q1000{next(_counter):020d}")


def close_each_tick(desk: Desk) -> tuple[Intent, ...]:
    """Offer inventory that is offered already."""
    busy = {level: order for level, order in desk.busy.items() if order.purpose is Purpose.OPEN}
    return _CLOSING(replace(desk, busy=busy))


async def load_without_anchor(self: Recorder) -> int:
    """Replay everything but the anchor."""
    journal = self._journal
    recovered = await journal.load()
    facts = tuple(
        ProcessStarted(epoch=self.epoch, build="sim", at_ms=fact.at_ms)
        if isinstance(fact, GridAnchored)
        else fact
        for fact in recovered.facts
    )
    with mock.patch.object(
        journal, "load", _returning(Recovered(snapshot=recovered.snapshot, facts=facts))
    ):
        return await _LOAD(self)


def _returning(value: Recovered) -> Callable[[], object]:
    async def load() -> Recovered:
        return value

    return load


def go_on_when_forced(state: SymbolState, anomaly: Anomaly, what: str) -> SymbolState:
    """Halt for every reason but one."""
    return state if anomaly is Anomaly.VENUE_FORCED else _QUARANTINED(state, anomaly, what)


# -- the link


def push_behind_the_band(
    self: UnitSession,
    update: OrderUpdate | TradeUpdate,
    *,
    price: PriceUpdate | None = None,
    now_ms: int = 0,
) -> bool:
    """Send a fact and keep the band."""
    band = self._band
    is_kept = _PUSH(self, update, price=price, now_ms=now_ms)
    self._band = band
    return is_kept


def declare_without_orders(self: UnitExposure, declaration: Hello | Declare) -> None:
    """Leave out of a declaration what the unit's open orders may still do."""
    _DECLARE(self, replace(declaration, reserved=()))


# -- the orchestrator


def finish_at_once(row: UnitRecord, seen: Observed) -> Step:
    """Take a removal that was asked for as one that is complete."""
    is_asked = row.desire is Desire.REMOVED and not row.is_removed
    return Step.FINISH if is_asked else _NEXT_STEP(row, seen)


async def finish_without_looking(self: UnitTender, row: UnitRecord) -> None:
    """End the process, and ask nobody what is left at the venue."""
    await self._spawn.stop_unit(self.unit)
    await self._store(removed(row, now_ms=self._clock.now_ms()))


async def forget_nobody(self: Hub, unit: UnitId) -> None:
    """Go on serving a unit that was removed."""
    _ = self, unit


async def keep_watching(self: Hub) -> None:
    """Go on subscribing to what was subscribed once."""
    ever = self.__dict__.setdefault("ever_watched", set())
    ever.update(self._routes)
    with mock.patch.object(self, "_routes", dict.fromkeys(ever, ())):
        await _WATCH(self)


# -- the account


async def fence_only_once(self: AccountHolder, kill_epoch: int) -> None:
    """Do not tell a connector again what an earlier process of it was told."""
    if kill_epoch != self._fenced_kill:
        await _FENCE_CONNECTOR(self, kill_epoch)


# -- the kill switch


def confirm_without_kill(
    self: Gate, *, kill: KillRow, account_epoch: int, asked_ms: int | None = None
) -> None:
    """Hear of the kill switch and let orders pass."""
    row = replace(kill, is_engaged=False)
    _CONFIRM(self, kill=row, account_epoch=account_epoch, asked_ms=asked_ms)


def confirm_what_is_new(
    self: Gate, *, kill: KillRow, account_epoch: int, asked_ms: int | None = None
) -> None:
    """Know only of a kill switch that was engaged in this process's life."""
    _CONFIRM(self, kill=_unless_old(self, kill), account_epoch=account_epoch, asked_ms=asked_ms)


def observe_what_is_new(
    self: ConnectorGuard, *, account_epoch: int, kill: KillRow, asked_ms: int | None = None
) -> None:
    """Do the same in the connector."""
    _OBSERVE(self, account_epoch=account_epoch, kill=_unless_old(self, kill), asked_ms=asked_ms)


async def fence_what_is_new(
    self: ConnectorGuard, *, account_epoch: int, kill_epoch: int
) -> tuple[ClientOrderId, ...]:
    """Do the same when fenced."""
    row = _unless_old(self, KillRow(epoch=kill_epoch, is_engaged=kill_epoch > 0))
    return await _FENCE(
        self, account_epoch=account_epoch, kill_epoch=row.epoch if row.is_engaged else 0
    )


def _unless_old(process: object, kill: KillRow) -> KillRow:
    """Return the row, released when it is as old as the process."""
    at_start = process.__dict__.setdefault("kill_at_start", kill.epoch)
    return replace(kill, is_engaged=False) if kill.epoch == at_start else kill
