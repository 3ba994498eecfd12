"""What evidence proves, as pure functions.

Invariants: a failed query proves nothing; not finding an order proves nothing by itself; an order
whose outcome is unknown keeps its level and its exposure until a positive sighting or until *all*
conditions of ``proves_absence`` hold. Economically absent means canceled with zero fill.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from opensqt.core.ids import UnixMs
from opensqt.core.money import ZERO
from opensqt.core.orders import Order, OrderStatus, Side
from opensqt.core.position import PositionBook
from opensqt.core.symbol import SymbolState

LOOKUP_FIRST_MS: Final = 250
LOOKUP_MAX_MS: Final = 5_000
_LOOKUP_DOUBLINGS_MAX: Final = 5
SPARE_MS: Final = 1_000
"""By how much a connector must be older than an order of which it says that it never left."""
# Trades are asked for again over this much of the past: histories lag and are not ordered by time.
TRADE_OVERLAP_MS: Final = 60_000
# Venues forget trades after ninety days and answer no older question completely; what a backup
# older than that has lost shows in the position.
RESTORED_MS_MAX: Final = 89 * 24 * 3_600 * 1_000


def lookup_wait_ms(lookups: int) -> int:
    """Return how long to wait before look-up number ``lookups`` (0 = first)."""
    return min(LOOKUP_FIRST_MS << min(lookups, _LOOKUP_DOUBLINGS_MAX), LOOKUP_MAX_MS)


def proves_absence(  # noqa: PLR0913 - the rule has this many conditions, each is needed
    order: Order,
    *,
    not_found_ms: Sequence[int],
    in_open_list: bool,
    has_trade: bool,
    is_pass_complete: bool,
    now_ms: int,
    horizon_ms: int,
    visibility_ms: int,
) -> bool:
    """Tell whether an order is proven never to trade, or not any more.

    ``not_found_ms`` holds the start times of the look-ups that found nothing. The request could
    leave until ``order.deadline_ms``; ``horizon_ms`` (H) later it can no longer take effect, and
    ``visibility_ms`` (V) after that it must be visible. All sources must have answered in the same
    pass (``is_pass_complete``). An order that was seen working may be proven absent too: venues
    forget orders that ended without a trade. ``has_trade`` means one that is not booked yet.
    """
    settled_ms = order.deadline_ms + horizon_ms
    late = [at_ms for at_ms in not_found_ms if at_ms >= settled_ms]
    return (
        order.is_live
        and is_pass_complete
        and not in_open_list
        and not has_trade
        and now_ms >= settled_ms
        and len(late) > 1
        and max(late) - min(late) >= visibility_ms
    )


def proves_unsent(
    order: Order, *, unsent_ms: int, handed_ms: int, monotonic_ms: int, now_ms: int
) -> bool:
    """Tell whether an order is proven never to have left.

    Whoever every order must pass has certainly not let it leave for ``unsent_ms``, and never will.
    ``handed_ms`` is when this process handed it over, ``monotonic_ms`` the same clock when the word
    came. Both clocks must say that the word covers the whole time: either may be wrong once a
    machine has slept, or was set.
    """
    gone_ms = max(monotonic_ms - handed_ms, now_ms - order.created_ms)
    return order.status is OrderStatus.UNKNOWN and unsent_ms >= gone_ms + SPARE_MS


def trades_since_ms(state: SymbolState, *, now_ms: int, booked_ms: UnixMs | None = None) -> UnixMs:
    """Return from when trades must be asked for so that no fill can be missed.

    ``booked_ms`` is when trades were asked for last by this process, and what came was booked. An
    order that has been resting since before then has no older trade unless its sum is short or its
    trades could not be told from those of others.
    """
    orders = state.unsettled_orders
    if booked_ms is not None:
        now_ms = min(now_ms, booked_ms)
        orders = tuple(order for order in orders if not _adds_up(order))
    oldest = min((order.created_ms for order in orders), default=now_ms)
    if booked_ms is None and state.restored_ms is not None:
        # What has traded since the backup is ours, though nothing here says so.
        oldest = min(oldest, max(state.restored_ms, now_ms - RESTORED_MS_MAX))
    return UnixMs(max(min(oldest, now_ms) - TRADE_OVERLAP_MS, 0))


def _adds_up(order: Order) -> bool:
    is_known = order.status is OrderStatus.WORKING and order.venue_order_id is not None
    return is_known and order.applied_quantity >= order.cumulative_quantity


class PositionVerdict(StrEnum):
    """What a comparison of the book with the venue says."""

    EQUAL = "equal"
    PENDING = "pending"
    """The difference may be fills we have not heard of yet."""
    DIFFERENT = "different"


def compare_position(
    state: SymbolState, venue_quantity: Decimal, *, asked: PositionBook | None = None
) -> PositionVerdict:
    """Compare the book with the venue's position, both signed base units.

    ``asked`` is the book when the venue was asked: what was booked since may or may not be part of
    the answer.
    """
    book = state.position
    difference = venue_quantity - book.quantity
    if difference == ZERO:
        return PositionVerdict.EQUAL
    asked = asked or book
    ahead = _reserved(state, Side.BUY) + book.sold_quantity - asked.sold_quantity
    behind = _reserved(state, Side.SELL) + book.bought_quantity - asked.bought_quantity
    if -behind <= difference <= ahead:
        return PositionVerdict.PENDING
    return PositionVerdict.DIFFERENT


def _reserved(state: SymbolState, side: Side) -> Decimal:
    """Return what unsettled orders of ``side`` may have traded without our knowing."""
    orders = (order for order in state.unsettled_orders if order.side is side)
    return sum((order.reserved_quantity for order in orders), ZERO)
