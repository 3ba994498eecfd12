"""The story of one order, told from the journal alone.

Theory of operation. The journal holds what a decision was made from: the facts up to its sequence
and the prices it saw. So the decision is made again here, by the production planner and review; the
story says whether the same order comes out. What happened to the order afterwards is the replay of
the facts that name it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from opensqt.core import codec
from opensqt.core.facts import (
    CancelIntended,
    ConfigApplied,
    Fact,
    OrderIntended,
    OrderReported,
    PriceTicked,
    TradeFilled,
    Trigger,
)
from opensqt.core.grid.planner import plan
from opensqt.core.ids import CLIENT_ORDER_ID_LENGTH, ClientOrderId, UnitId, UnixMs, decision_id
from opensqt.core.money import ZERO, to_text
from opensqt.core.orders import Order, OrderStatus
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import review
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import SymbolState, apply
from opensqt.core.unit_config import UnitConfig

# A tag says whose ids are derived; it stands behind the first letter and the version.
_TAG: Final = slice(2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What made the unit decide."""

    trigger: str
    """``fact``, ``price``, ``time``; empty when the journal is too old to know."""
    sequence: int | None = None
    """Newest fact the decision knew."""
    kind: str = ""
    """Name of that fact."""
    at_ms: UnixMs | None = None
    """When the trigger happened, by the clock of whoever reported it."""
    seen: PriceTicked | None = None
    """Prices the decision saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the review said of the order."""

    verdict: str
    """``approved``: what is journaled has passed the unit's own review of its time."""
    is_repeated: bool | None
    """Whether planning and reviewing again gives the same order; None = cannot be repeated."""
    note: str = ""
    final: str = ""
    """The last word, of the gate and the connector: ``passed``, or ``refused:`` with code and
    words; empty while nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One fact about the order, and what it changed."""

    sequence: int
    at_ms: UnixMs
    fact: str
    """Name of the fact."""
    evidence: str
    """The ``Evidence`` of a report, or ``trade``."""
    status: OrderStatus
    """What was known of the order afterwards."""
    was: OrderStatus | None
    """What was known before; None at the beginning."""
    filled: Decimal
    """Executed quantity known afterwards, base units."""
    is_late: bool
    """Whether the fact changed nothing."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """Everything the journal knows of one order."""

    unit: UnitId
    intended_at: int
    """Sequence of the intent."""
    intent: OrderIntended
    workflow_id: str
    """Empty when the journal is too old to know."""
    config_version: int | None
    config_text: str
    cause: Cause
    judgement: Judgement
    changes: tuple[Change, ...]
    order: Order

    @property
    def settled_at(self) -> int | None:
        """Return the sequence after which nothing about the order could change, None if none."""
        return self.changes[-1].sequence if self.order.is_settled and self.changes else None


def is_client_order_id(text: str) -> bool:
    """Tell whether a text has the form of our order ids, whatever deployment made it."""
    return len(text) == CLIENT_ORDER_ID_LENGTH and text[0] == "q" and text.isalnum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a story may begin instead of at the first fact: before what its decision knew."""

    state: SymbolState
    config: ConfigApplied | None
    """The configuration in force then."""


def tell_order(
    unit: UnitId,
    client_order_id: ClientOrderId,
    facts: Iterable[tuple[int, Fact]],
    *,
    start: Start | None = None,
) -> OrderStory | None:
    """Return the story of an order, None when the facts hold no intent of it.

    ``facts``, each with its sequence, are all from ``start`` up to the intent, and afterwards at
    least those that name the order.
    """
    teller = _Teller(unit, client_order_id, start)
    for sequence, fact in facts:
        teller.hear(sequence, fact)
    return teller.story()


class _Teller:
    """Replays a journal and remembers what concerns one order."""

    def __init__(self, unit: UnitId, client_order_id: ClientOrderId, start: Start | None) -> None:
        self._id = client_order_id
        self._unit = unit
        empty = SymbolState(unit=unit, deployment=client_order_id[_TAG])
        self._state = empty if start is None else start.state
        self._config = None if start is None else start.config
        # What the decision of our intent may have known, by sequence.
        self._known: dict[int, tuple[SymbolState, Fact]] = {}
        self._intent: tuple[int, OrderIntended] | None = None
        self._cause = Cause(trigger="")
        self._judgement = Judgement(verdict="approved", is_repeated=None)
        self._final = ""
        self._changes: list[Change] = []
        self._order: Order | None = None

    def hear(self, sequence: int, fact: Fact) -> None:
        if self._intent is not None:
            if getattr(fact, "client_order_id", None) == self._id:
                self._follow(sequence, fact)
            return
        if isinstance(fact, ConfigApplied):
            self._config = fact
        if isinstance(fact, OrderIntended) and fact.client_order_id == self._id:
            self._begin(sequence, fact)
            return
        self._state = apply(self._state, fact)
        self._remember(sequence, fact)

    def story(self) -> OrderStory | None:
        if self._intent is None or self._order is None:
            return None
        sequence, intent = self._intent
        config = self._config
        workflow_id = ""
        if intent.decided_at is not None:
            workflow_id = decision_id(
                self._unit,
                epoch=intent.epoch,
                sequence=intent.decided_at,
                attempt=intent.decision_attempt,
            )
        return OrderStory(
            unit=self._unit,
            intended_at=sequence,
            intent=intent,
            workflow_id=workflow_id,
            config_version=None if config is None else config.version,
            config_text="" if config is None else config.text,
            cause=self._cause,
            judgement=replace(self._judgement, final=self._final),
            changes=tuple(self._changes),
            order=self._order,
        )

    def _remember(self, sequence: int, fact: Fact) -> None:
        # A decision's own facts follow what it knew without a gap; anything else starts anew.
        if not _is_of_a_decision(fact):
            self._known.clear()
        self._known[sequence] = (self._state, fact)

    def _begin(self, sequence: int, intent: OrderIntended) -> None:
        self._intent = (sequence, intent)
        decided = None if intent.decided_at is None else self._known.get(intent.decided_at)
        self._cause = _cause(intent, None if decided is None else decided[1])
        if decided is not None:
            self._judgement = _judged_again(decided[0], self._config, intent)
        self._known.clear()
        self._follow(sequence, intent)

    def _follow(self, sequence: int, fact: Fact) -> None:
        before = self._order
        self._final = self._final or _final_word(fact)
        self._state = apply(self._state, fact)
        # What has settled long ago is forgotten by the state, not by the story.
        after = self._state.orders.get(self._id, before)
        assert after is not None
        self._order = after
        self._changes.append(_change(sequence, fact, before, after))


def _final_word(fact: Fact) -> str:
    """Return what a fact tells of the review after the unit's own."""
    if isinstance(fact, TradeFilled):
        return "passed"
    if not isinstance(fact, OrderReported) or fact.status is OrderStatus.UNKNOWN:
        return ""
    if fact.status is OrderStatus.NOT_SENT:
        return f"refused: {_answer(fact)}"
    return "" if fact.status is OrderStatus.ABSENT else "passed"


def _answer(fact: OrderReported) -> str:
    return ": ".join(part for part in (fact.reason, fact.said) if part)


def _is_of_a_decision(fact: Fact) -> bool:
    return type(fact).__name__ in {"OrderIntended", "CancelIntended", "InventoryMoved"}


def _cause(intent: OrderIntended, newest: Fact | None) -> Cause:
    if intent.trigger is None:
        return Cause(trigger="")
    at_ms: UnixMs | None = intent.at_ms
    if intent.trigger is Trigger.FACT and newest is not None:
        at_ms = newest.at_ms
    elif intent.trigger is Trigger.PRICE and intent.seen is not None:
        at_ms = intent.seen.at_ms
    return Cause(
        trigger=str(intent.trigger),
        sequence=intent.decided_at,
        kind="" if newest is None else codec.stored_name(newest),
        at_ms=at_ms,
        seen=intent.seen,
    )


def _judged_again(
    state: SymbolState, applied: ConfigApplied | None, intent: OrderIntended
) -> Judgement:
    """Return what planner and review of this build make of the same facts and prices."""
    if applied is None or intent.seen is None:
        return Judgement(verdict="approved", is_repeated=None, note="no prices were journaled")
    config = codec.decode(applied.text, UnitConfig)
    state = apply(state, intent.seen)
    orders_max = state.instrument.orders_open_max if state.instrument else 0
    limits = Limits.from_capital(config.capital, venue_orders_open_max=orders_max)
    wanted = plan(state, config.grid, now_ms=intent.at_ms)
    verdict = review(wanted.intents, view_of(state), limits, now_ms=intent.at_ms)
    same = [one for one in verdict.approved if _is_same(one, intent)]
    refused = [
        f"{one.reason}: {one.detail}" for one in verdict.refused if _is_same(one.intent, intent)
    ]
    note = refused[0] if refused else "" if same else "this build plans something else"
    return Judgement(verdict="approved", is_repeated=bool(same), note=note)


def _is_same(wanted: object, intent: OrderIntended) -> bool:
    names = ("client_order_id", "side", "price", "quantity", "purpose", "time_in_force")
    return all(getattr(wanted, name, None) == getattr(intent, name) for name in names)


def _change(sequence: int, fact: Fact, before: Order | None, after: Order) -> Change:
    assert not isinstance(fact, PriceTicked)
    return Change(
        sequence=sequence,
        at_ms=fact.at_ms,
        fact=codec.stored_name(fact),
        evidence=_evidence(fact),
        status=after.status,
        was=None if before is None else before.status,
        filled=after.cumulative_quantity,
        is_late=before is not None and replace(after, reason=before.reason) == before,
        detail=_detail(fact),
    )


def _evidence(fact: Fact) -> str:
    match fact:
        case OrderReported():
            return str(fact.evidence)
        case TradeFilled():
            return "trade"
        case _:
            return "local"


def _detail(fact: Fact) -> str:
    match fact:
        case OrderIntended():
            return f"deadline {fact.deadline_ms}, epoch {fact.epoch}"
        case CancelIntended():
            return f"cancel asked for: {fact.reason}"
        case OrderReported():
            parts = [
                _answer(fact),
                f"venue order {fact.venue_order_id}" * bool(fact.venue_order_id),
            ]
            if fact.cumulative_quantity > ZERO:
                parts.append(f"executed {to_text(fact.cumulative_quantity)}")
            return ", ".join(part for part in parts if part)
        case TradeFilled():
            kind = "maker" if fact.is_maker else "taker"
            return (
                f"trade {fact.trade_id}: {to_text(fact.quantity)} at {to_text(fact.price)}, "
                f"fee {to_text(fact.fee)} {fact.fee_asset}, {kind}"
            )
        case _:
            return ""
