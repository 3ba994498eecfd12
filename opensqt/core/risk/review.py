"""The pre-trade review: the last word on every order, one pure function, called twice.

The manager calls it before it journals an intent, the gate calls it again before it sends, each
with its own view; the gate's word is final. Rules:

* an order that may increase risk (purpose ``open``) must pass every control;
* an order that only reduces (``close``, ``flatten``) may never be larger than what is left of the
  position, and is then excused from exposure, size and price age, so that risk can always go down;
* cancels and moves of inventory inside the book always pass.

Each approved order is reserved before the next is looked at: a batch cannot pass what its orders
one by one could not. Missing reference data refuses, it never excuses.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from opensqt.core.instrument import Instrument
from opensqt.core.intents import CancelOrder, Intent, MoveInventory, PlaceOrder
from opensqt.core.money import ONE, ZERO, to_text
from opensqt.core.orders import Purpose, Side, TimeInForce
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.view import RiskView, key_of


class Refusal(StrEnum):
    """Why an order was not approved; stable, also a metric label."""

    INVALID_NUMBER = "invalid_number"
    INSTRUMENT_MISSING = "instrument_missing"
    INSTRUMENT_RULE = "instrument_rule"
    DUPLICATE = "duplicate"
    ORDER_NOTIONAL = "order_notional"
    EXPOSURE = "exposure"
    ORDERS_OPEN = "orders_open"
    EXCEEDS_POSITION = "exceeds_position"
    PRICE_MISSING = "price_missing"
    PRICE_STALE = "price_stale"
    CROSSING_COLLAR = "crossing_collar"
    PASSIVE_BAND = "passive_band"
    VENUE_BAND = "venue_band"

    @property
    def is_lasting(self) -> bool:
        """Tell whether only a fact, and no price or passing time, can change the refusal."""
        return self in _LASTING


_LASTING: Final = frozenset(
    {
        Refusal.INVALID_NUMBER,
        Refusal.INSTRUMENT_MISSING,
        Refusal.INSTRUMENT_RULE,
        Refusal.DUPLICATE,
        Refusal.ORDER_NOTIONAL,
        Refusal.EXPOSURE,
        Refusal.ORDERS_OPEN,
        Refusal.EXCEEDS_POSITION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An order that may not be sent, and why."""

    intent: PlaceOrder
    reason: Refusal
    detail: str
    """What was found and what was allowed, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The two lists of a review; together they are the batch, in its order."""

    approved: tuple[Intent, ...]
    refused: tuple[Refused, ...]


def review(intents: Iterable[Intent], view: RiskView, limits: Limits, *, now_ms: int) -> Review:
    """Return which intents may be executed, looking at each as if all before it were reserved."""
    approved: list[Intent] = []
    refused: list[Refused] = []
    for intent in intents:
        match intent:
            case PlaceOrder():
                refusal = _refusal(_Case(order=intent, view=view, limits=limits, now_ms=now_ms))
                if refusal is None:
                    approved.append(intent)
                    view = view.with_order(intent)
                else:
                    refused.append(refusal)
            case CancelOrder() | MoveInventory():
                approved.append(intent)
            case _:
                assert_never(intent)
    return Review(approved=tuple(approved), refused=tuple(refused))


def exposure_notional(view: RiskView, side: Side) -> Decimal:
    """Return the value of the worst position the orders of ``side`` can lead to, quote units.

    Valued at the highest limit price among them, hence independent of the market: what was
    approved stays inside its limit wherever the market goes.
    """
    worst = max(view.worst_quantity(side) * side.sign, ZERO)
    contract_size = view.instrument.contract_size if view.instrument else ONE
    return worst * view.highest_price(side) * contract_size


def _refusal(case: "_Case") -> Refused | None:
    for reason, control in _CONTROLS:
        detail = control(case)
        if detail is not None:
            return Refused(intent=case.order, reason=reason, detail=detail)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One order before the controls."""

    order: PlaceOrder
    view: RiskView
    limits: Limits
    now_ms: int

    @property
    def instrument(self) -> Instrument:
        assert self.view.instrument is not None  # its own control comes first
        return self.view.instrument

    @property
    def is_reducing(self) -> bool:
        # The purpose is a claim; _exceeds_position proves it before anything is excused for it.
        return self.order.purpose is not Purpose.OPEN


_Control: TypeAlias = Callable[[_Case], str | None]
"""Returns what is wrong, or None."""


def _invalid_number(case: _Case) -> str | None:
    for name, value in (("price", case.order.price), ("quantity", case.order.quantity)):
        if not value.is_finite() or value <= ZERO:
            return f"{name} is {value}, expected a positive number"
    return None


def _instrument_missing(case: _Case) -> str | None:
    return None if case.view.instrument else "the venue's rules are not known"


def _instrument_rule(case: _Case) -> str | None:
    fault = case.instrument.fault(
        price=case.order.price, quantity=case.order.quantity, reduce_only=case.order.reduce_only
    )
    if fault is None:
        return None
    order = f"{to_text(case.order.quantity)} at {to_text(case.order.price)}"
    return f"{order} breaks the venue's {fault} rule"


def _duplicate(case: _Case) -> str | None:
    key = key_of(case.order)
    for one in case.view.reserved:
        if one.client_order_id == case.order.client_order_id or one.key == key:
            return f"{one.client_order_id} of the same intent is not settled"
    return None


def _order_notional(case: _Case) -> str | None:
    notional = case.instrument.notional(case.order.price, case.order.quantity)
    if case.is_reducing or notional <= case.limits.order_notional_max:
        return None
    return f"order value {to_text(notional)} is above {to_text(case.limits.order_notional_max)}"


def _exposure(case: _Case) -> str | None:
    if case.is_reducing:
        return None
    worst = exposure_notional(case.view.with_order(case.order), case.order.side)
    if worst <= case.limits.exposure_notional_max:
        return None
    return f"worst exposure {to_text(worst)} is above {to_text(case.limits.exposure_notional_max)}"


def _orders_open(case: _Case) -> str | None:
    allowed = case.limits.orders_open_max
    if case.is_reducing:
        # What our limit leaves of the venue's is kept for orders that reduce.
        allowed = max(allowed, case.instrument.orders_open_max)
    live = sum(one.is_live for one in case.view.reserved)
    return None if live < allowed else f"{live} orders are open, {allowed} allowed"


def _exceeds_position(case: _Case) -> str | None:
    if not case.is_reducing:
        return None
    left = -case.order.side.sign * case.view.position - case.view.reserved_quantity(case.order.side)
    if case.order.quantity <= left:
        return None
    return f"{to_text(case.order.quantity)} is more than the {to_text(left)} left to reduce"


def _price_missing(case: _Case) -> str | None:
    if case.is_reducing and case.order.time_in_force is TimeInForce.GTX:
        return None  # cannot take, hence needs no touch to be compared with
    price = case.view.price
    if price is None or not ZERO < price.bid < price.ask:
        return "there is no usable price"
    return None


def _price_stale(case: _Case) -> str | None:
    if case.is_reducing:
        return None
    assert case.view.price is not None
    age_ms = case.now_ms - case.view.price.read_ms
    if age_ms <= case.limits.price_age_ms_max:
        return None
    return f"the price is {age_ms} ms old, {case.limits.price_age_ms_max} allowed"


def _crossing_collar(case: _Case) -> str | None:
    price = case.view.price
    if price is None or price.mid_price is None:
        return None
    match case.order.side:
        case Side.BUY:
            bound = price.ask * (ONE + case.limits.crossing_collar)
            return None if case.order.price <= bound else f"buys above {to_text(bound)}"
        case Side.SELL:
            bound = price.bid * (ONE - case.limits.crossing_collar)
            return None if case.order.price >= bound else f"sells below {to_text(bound)}"


def _passive_band(case: _Case) -> str | None:
    middle = case.view.price.mid_price if case.view.price else None
    if middle is None or abs(case.order.price - middle) <= case.limits.passive_band * middle:
        return None
    return f"{to_text(case.order.price)} is too far from {to_text(middle)}"


def _venue_band(case: _Case) -> str | None:
    # Venues bound only the side on which an order would take: a buy above, a sell below the mark.
    mark = (case.view.price.mark or case.view.price.mid_price) if case.view.price else None
    if mark is None or case.instrument.price_band <= ZERO:
        return None
    distance = (case.order.price - mark) * case.order.side.sign
    if distance <= case.instrument.price_band * mark:
        return None
    return f"{to_text(case.order.price)} is outside the venue's band around {to_text(mark)}"


_CONTROLS: Final[tuple[tuple[Refusal, _Control], ...]] = (
    (Refusal.INVALID_NUMBER, _invalid_number),
    (Refusal.INSTRUMENT_MISSING, _instrument_missing),
    (Refusal.INSTRUMENT_RULE, _instrument_rule),
    (Refusal.DUPLICATE, _duplicate),
    (Refusal.EXCEEDS_POSITION, _exceeds_position),
    (Refusal.ORDER_NOTIONAL, _order_notional),
    (Refusal.EXPOSURE, _exposure),
    (Refusal.ORDERS_OPEN, _orders_open),
    (Refusal.PRICE_MISSING, _price_missing),
    (Refusal.PRICE_STALE, _price_stale),
    (Refusal.CROSSING_COLLAR, _crossing_collar),
    (Refusal.PASSIVE_BAND, _passive_band),
    (Refusal.VENUE_BAND, _venue_band),
)
