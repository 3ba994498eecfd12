"""Named ways to break the protocol. Each must be found by the simulation, or green means nothing.

A mutant replaces one function of the product while a seed runs; the rest is production code.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from unittest import mock

from opensqt.core import orders
from opensqt.core.facts import Evidence, Fact, GridAnchored, OrderIntended, ProcessStarted
from opensqt.core.facts import OrderReported as Reported
from opensqt.core.ids import ClientOrderId, UnixMs
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.registry import KillRow
from opensqt.engine import (
    connector_guard,
    evidence,
    executor,
    gate,
    reconciler,
    recorder,
    resolver,
    stopping,
    symbol_engine,
)
from opensqt.ports.exchange import Outcome, OutcomeClass
from opensqt.ports.journal import Recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted bug: what it is, and the attribute it replaces."""

    name: str
    meaning: str
    target: object
    attribute: str
    replacement: object
    breaks: tuple[str, ...]
    """Words of the violations that are this bug's own doing."""
    also: "tuple[tuple[object, str, object], ...]" = ()
    """Further attributes: what is checked twice must be broken twice."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Break the product for the length of a ``with`` block."""
        with ExitStack() as stack:
            for patch in ((self.target, self.attribute, self.replacement), *self.also):
                stack.enter_context(mock.patch.object(*patch))
            yield


def _timeout_is_reject(
    client_order_id: ClientOrderId, outcome: Outcome, *, at_ms: UnixMs
) -> Reported:
    if outcome.outcome is OutcomeClass.UNKNOWN:
        outcome = replace(outcome, outcome=OutcomeClass.REJECTED)
    return evidence.placed(client_order_id, outcome, at_ms=at_ms)


def _absent_after_one(order: Order, **_: object) -> bool:
    return order.is_doubtful


async def _resend_when_unknown(self: executor.Executor, intended: OrderIntended) -> None:
    reports: list[Fact] = []
    sent, self._sent = self._sent, reports.append
    await _PLACE(self, intended)
    self._sent = sent
    for report in reports:
        if isinstance(report, Reported) and report.status is OrderStatus.UNKNOWN:
            await _PLACE(self, intended)
        else:
            sent(report)


def _settled_when_terminal(order: Order) -> bool:
    return order.status.is_terminal


async def _load_without_anchor(self: recorder.Recorder) -> int:
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


async def _cancel_is_success(self: executor.Executor, client_order_id: ClientOrderId) -> None:
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


def _no_overlap(state: object, *, now_ms: int, booked_ms: object) -> UnixMs:
    _ = state, booked_ms
    return UnixMs(now_ms - 1_000)


def _confirm_without_kill(
    self: gate.Gate, *, kill: KillRow, account_epoch: int, asked_ms: int
) -> None:
    row = replace(kill, is_engaged=False)
    _CONFIRM(self, kill=row, account_epoch=account_epoch, asked_ms=asked_ms)


_CONFIRM = gate.Gate.confirm
_PLACE = executor.Executor._place  # noqa: SLF001 - the original, called by its mutants
_CANCEL = executor.Executor._cancel  # noqa: SLF001 - what a mutant replaces
_LOAD = recorder.Recorder.load

MUTANTS: Final = (
    Mutant(
        name="timeout_is_reject",
        meaning="a request without an answer counts as refused",
        target=executor,
        breaks=(
            "I1b",
            "I4",
        ),
        attribute="placed",
        replacement=_timeout_is_reject,
    ),
    Mutant(
        name="absent_after_one",
        meaning="one look-up that finds nothing proves that there is nothing",
        target=resolver,
        breaks=(
            "I1b",
            "I4",
            "I9: quarantined",
        ),
        attribute="proves_absence",
        replacement=_absent_after_one,
    ),
    Mutant(
        name="resend_when_unknown",
        meaning="a request without an answer is sent again",
        target=executor.Executor,
        breaks=("I10",),
        attribute="_place",
        replacement=_resend_when_unknown,
    ),
    Mutant(
        name="requote_before_settled",
        meaning="a level acts again while fills of its last order are missing",
        target=Order,
        breaks=(
            "I1b",
            "I4",
        ),
        attribute="is_settled",
        replacement=property(_settled_when_terminal),
    ),
    Mutant(
        name="anchor_not_persisted",
        meaning="the lattice is anchored anew after a restart",
        target=recorder.Recorder,
        breaks=("anchored twice",),
        attribute="load",
        replacement=_load_without_anchor,
    ),
    Mutant(
        name="cancel_is_success",
        meaning="a cancel that was sent counts as an order that is gone",
        target=executor.Executor,
        breaks=(
            "I1b",
            "I4",
        ),
        attribute="_cancel",
        replacement=_cancel_is_success,
    ),
    Mutant(
        name="trades_without_overlap",
        meaning="trades are asked for from now on only",
        target=reconciler,
        breaks=(
            "I2",
            "does not stop",
        ),
        attribute="trades_since_ms",
        replacement=_no_overlap,
    ),
    Mutant(
        name="kill_is_ignored",
        meaning="gate and connector hear of the kill switch and let orders pass",
        target=gate.Gate,
        breaks=("I3:",),
        attribute="confirm",
        replacement=_confirm_without_kill,
        also=((connector_guard.ConnectorGuard, "_refuse", lambda _, __: None),),
    ),
    Mutant(
        name="connector_without_fence",
        meaning="the connector writes for an exchange process that was replaced",
        target=connector_guard.ConnectorGuard,
        breaks=("I7",),
        attribute="_refuse_epoch",
        replacement=lambda _, __: None,
    ),
    Mutant(
        name="newest_report_wins",
        meaning="a report sets the state of an order instead of being joined with it",
        target=orders,
        breaks=("I8",),
        attribute="JOIN",
        replacement={key: orders.Joined(status=key[1]) for key in orders.JOIN},
    ),
    Mutant(
        name="stop_without_looking",
        meaning="a stop counts as complete when it was asked for",
        target=stopping.StopCheck,
        breaks=("I3b",),
        attribute="is_confirmed",
        replacement=property(lambda _: True),
    ),
    Mutant(
        name="reserve_nothing",
        meaning="a manager that attaches or declares leaves its open orders out",
        target=symbol_engine,
        breaks=("I4",),
        attribute="_reserved",
        replacement=lambda _: (),
    ),
)
"""All planted bugs, by what they do."""


def mutant(name: str) -> Mutant:
    """Return the mutant of that name; raise ``KeyError`` for another."""
    return {one.name: one for one in MUTANTS}[name]
