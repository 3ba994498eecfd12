"""Named ways to break the protocol. Each must be found by the simulation, or green means nothing.

A mutant replaces functions of the product while a seed runs; the rest is production code.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from unittest import mock

from opensqt.core import orders, symbol
from opensqt.core.grid import desk, planner
from opensqt.core.orders import Order
from opensqt.core.risk import review
from opensqt.core.risk.review import Refusal
from opensqt.engine import (
    account_holder,
    cancel_all,
    connector_guard,
    decider,
    evidence,
    executor,
    exposure,
    gate,
    hub,
    mailbox,
    reconciler,
    recorder,
    resolver,
    sessions,
    stopping,
    unit_tender,
)
from opensqt.simulation import broken


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

    def did(self, violation: str) -> bool:
        """Tell whether ``violation`` ("" = none) is this bug at work, not what followed from it."""
        return any(words in violation for words in self.breaks)

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Break the product for the length of a ``with`` block."""
        with ExitStack() as stack:
            for patch in ((self.target, self.attribute, self.replacement), *self.also):
                stack.enter_context(mock.patch.object(*patch))
            yield


_TWINS: Final = (Refusal.DUPLICATE, Refusal.EXCEEDS_POSITION)
_CONTROLS_WITHOUT_TWINS: Final = tuple(
    one
    for one in review._CONTROLS  # noqa: SLF001 - what a mutant replaces
    if one[0] not in _TWINS
)

MUTANTS: Final = (
    Mutant(
        name="timeout_as_refusal",
        meaning="a request without an answer counts as refused",
        target=executor,
        attribute="placed",
        replacement=broken.timeout_as_refusal,
        breaks=("I1b", "I4", "impossible"),
    ),
    Mutant(
        name="absent_after_one_not_found",
        meaning="one look-up that finds nothing proves that there is nothing",
        target=resolver,
        attribute="proves_absence",
        replacement=broken.absent_after_one,
        breaks=("I1b", "I4", "I8", "I9: quarantined"),
    ),
    Mutant(
        name="absent_after_three_not_founds",
        meaning="three look-ups that find nothing prove that there is nothing",
        target=resolver,
        attribute="proves_absence",
        replacement=broken.absent_after_three,
        breaks=("I1b", "I4", "I8", "I9: quarantined"),
    ),
    Mutant(
        name="written_and_disowned",
        meaning="a connector says that an order never left once it was answered",
        target=connector_guard.ConnectorGuard,
        attribute="_may_have_left",
        replacement=broken.never_answered,
        breaks=("I1b", "I4", "I8", "impossible"),
    ),
    Mutant(
        name="blind_resend",
        meaning="a request without an answer is sent again",
        target=executor.Executor,
        attribute="_place",
        replacement=broken.resend_when_unknown,
        breaks=("I10", "had left before"),
    ),
    Mutant(
        name="gate_passes_twice",
        meaning="a request without an answer is sent again, and the gate lets it pass again",
        target=gate.Gate,
        attribute="_is_repeated",
        replacement=lambda *_: False,
        breaks=("I10",),
        also=((executor.Executor, "_place", broken.resend_when_unknown),),
    ),
    Mutant(
        name="replay_sends_again",
        meaning="a decision that is run again sends its orders again",
        target=decider.Decider,
        attribute="_place_batch",
        replacement=broken.send_on_replay,
        breaks=("I10", "I7", "had left before"),
    ),
    Mutant(
        name="send_before_journal",
        meaning="a decision is sent first and committed afterwards",
        target=decider.Decider,
        attribute="_place_batch",
        replacement=broken.send_before_commit,
        breaks=("I7", "quarantined: unknown_order"),
        also=((executor.Executor, "place", broken.place_unless_sent),),
    ),
    Mutant(
        name="no_fill_dedupe",
        meaning="an execution that is reported twice moves the position twice",
        target=evidence,
        attribute="filled",
        replacement=broken.known_by_arrival,
        breaks=("I2", "I4", "I5", "I7: fills", "I9"),
    ),
    Mutant(
        name="kill_only_in_memory",
        meaning="who starts while the kill switch is engaged does not know of it",
        target=gate.Gate,
        attribute="confirm",
        replacement=broken.confirm_what_is_new,
        breaks=("I3:",),
        also=(
            (connector_guard.ConnectorGuard, "observe", broken.observe_what_is_new),
            (connector_guard.ConnectorGuard, "fence", broken.fence_what_is_new),
        ),
    ),
    Mutant(
        name="kill_is_ignored",
        meaning="gate and connector hear of the kill switch and let orders pass",
        target=gate.Gate,
        attribute="confirm",
        replacement=broken.confirm_without_kill,
        breaks=("I3:",),
        also=((connector_guard.ConnectorGuard, "_refuse", lambda _, __: None),),
    ),
    Mutant(
        name="requote_before_settled",
        meaning="a level acts again while fills of its last order are missing",
        target=Order,
        attribute="is_settled",
        replacement=property(broken.settled_when_terminal),
        breaks=("I1b", "I4"),
    ),
    Mutant(
        name="cursor_without_overlap",
        meaning="trades are asked for from now on only",
        target=reconciler,
        attribute="trades_since_ms",
        replacement=broken.no_overlap,
        breaks=("I2", "does not stop"),
    ),
    Mutant(
        name="random_id",
        meaning="client order ids are drawn, not derived",
        target=desk,
        attribute="client_order_id",
        replacement=broken.random_id,
        breaks=("I7",),
    ),
    Mutant(
        name="no_monotonic_state",
        meaning="a report sets the state of an order instead of being joined with it",
        target=orders,
        attribute="JOIN",
        replacement={key: orders.Joined(status=key[1]) for key in orders.JOIN},
        breaks=("I8",),
    ),
    Mutant(
        name="fill_dropped_when_queue_full",
        meaning="a fact for which the queue has no room is lost",
        target=mailbox.Mailbox,
        attribute="put_fact",
        replacement=broken.drop_when_full,
        breaks=("I7",),
    ),
    Mutant(
        name="anchor_not_persisted",
        meaning="the lattice is anchored anew after a restart",
        target=recorder.Recorder,
        attribute="load",
        replacement=broken.load_without_anchor,
        breaks=("anchored twice",),
    ),
    Mutant(
        name="cancel_as_success",
        meaning="a cancel that was sent counts as an order that is gone",
        target=executor.Executor,
        attribute="_cancel",
        replacement=broken.cancel_as_success,
        breaks=("I1b", "I4", "does not stop"),
    ),
    Mutant(
        name="duplicate_close_each_tick",
        meaning="inventory that is offered is offered again with every price",
        target=planner,
        attribute="closing_intents",
        replacement=broken.close_each_tick,
        breaks=("died: StateError", "I4"),
        also=((review, "_CONTROLS", _CONTROLS_WITHOUT_TWINS),),
    ),
    Mutant(
        name="band_not_dropped_with_a_fact",
        meaning="prices are kept back by a band from before the last fact",
        target=sessions.UnitSession,
        attribute="push",
        replacement=broken.push_behind_the_band,
        breaks=("band:",),
    ),
    Mutant(
        name="connector_without_fence",
        meaning="the connector writes for an exchange process that was replaced",
        target=connector_guard.ConnectorGuard,
        attribute="_refuse_epoch",
        replacement=lambda _, __: None,
        breaks=("I7",),
    ),
    Mutant(
        name="fence_only_once",
        meaning="a connector that was started again is not told who holds the account",
        target=account_holder.AccountHolder,
        attribute="_fence",
        replacement=broken.fence_only_once,
        breaks=("I3:", "under account epoch", "does not quote", "does not stop"),
    ),
    Mutant(
        name="stop_without_looking",
        meaning="a stop counts as complete when it was asked for",
        target=stopping.StopCheck,
        attribute="is_confirmed",
        replacement=property(lambda _: True),
        breaks=("I3b", "never settled", "does not stop"),
    ),
    Mutant(
        name="remove_without_looking",
        meaning="a removal counts as complete when the process has ended",
        target=unit_tender,
        attribute="next_step",
        replacement=broken.finish_at_once,
        breaks=("I3b",),
        also=((unit_tender.UnitTender, "_finish", broken.finish_without_looking),),
    ),
    Mutant(
        name="removed_unit_still_served",
        meaning="the exchange process goes on serving a unit that was removed",
        target=hub.Hub,
        attribute="forget",
        replacement=broken.forget_nobody,
        breaks=("I6", "I9"),
    ),
    Mutant(
        name="removed_symbol_still_subscribed",
        meaning="the symbol of a unit that was removed stays subscribed at the venue",
        target=hub.Hub,
        attribute="_watch",
        replacement=broken.keep_watching,
        breaks=("I6",),
    ),
    Mutant(
        name="human_orders_canceled",
        meaning="taking back a unit's orders takes those of others with them",
        target=cancel_all,
        attribute="is_ours",
        replacement=lambda *_, **__: True,
        breaks=("F29",),
    ),
    Mutant(
        name="forced_fill_ignored",
        meaning="an execution the venue made by itself is nobody's",
        target=evidence,
        attribute="is_forced",
        replacement=lambda _: False,
        breaks=("F27: an execution",),
    ),
    Mutant(
        name="forced_fill_without_halt",
        meaning="a unit goes on after the venue has traded its position",
        target=symbol,
        attribute="_quarantined",
        replacement=broken.go_on_when_forced,
        breaks=("F27",),
    ),
    Mutant(
        name="absence_by_lookups_alone",
        meaning="what no look-up finds is gone, whatever the lists of orders and trades say",
        target=resolver,
        attribute="proves_absence",
        replacement=broken.absent_whatever_lists_say,
        breaks=("I1b", "I4", "I8", "I9: quarantined"),
    ),
    Mutant(
        name="proof_by_the_wall_clock",
        meaning="the time of a proof of absence is read from a clock that somebody may set",
        target=resolver.Resolver,
        attribute="_proof_ms",
        replacement=broken.proof_by_the_wall_clock,
        breaks=("I1b", "I4", "I8", "I9: quarantined", "does not stop", "never settled"),
    ),
    Mutant(
        name="ended_order_believed_gone",
        meaning="an order that has ended stays ended, whatever the venue shows",
        target=reconciler.Reconciler,
        attribute="_suspected",
        replacement=lambda *_, **__: None,
        breaks=("F10",),
    ),
    Mutant(
        name="reserve_nothing",
        meaning="a manager that attaches or declares leaves its open orders out",
        target=exposure.UnitExposure,
        attribute="declare",
        replacement=broken.declare_without_orders,
        breaks=("I4",),
    ),
)
"""All planted bugs, by what they do."""


def mutant(name: str) -> Mutant:
    """Return the mutant of that name; raise ``KeyError`` for another."""
    return {one.name: one for one in MUTANTS}[name]
