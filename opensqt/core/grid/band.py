"""The quiet band: between which prices, and until when, a grid would do nothing.

Whoever reads the prices may drop all of them that lie strictly inside, until the band's time is
over or a fact happens. Laws, for every state:

* no price or time strictly inside makes ``plan`` and ``review`` together approve an intent;
* a state that cannot promise anything gets the empty band, never a wrong one.

Prices reach the planner only through the top level, so the band is the range of one top. What the
review refused must stay refused inside: refusals that a price or time may lift empty the band.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from opensqt.core.facts import Directive
from opensqt.core.grid.config import GridConfig, PriceSource
from opensqt.core.grid.desk import desk_of
from opensqt.core.grid.ladder import buffer
from opensqt.core.grid.planner import halt_of, next_cancel_ms, plan
from opensqt.core.money import ZERO
from opensqt.core.risk.limits import Limits
from opensqt.core.risk.review import Review, review
from opensqt.core.risk.view import view_of
from opensqt.core.symbol import SymbolState, retry_at_ms

# A band is renewed at least this often, so that nothing rests on one forever.
BAND_MS_MAX: Final = 60_000
# An empty band drops no price; its time only says when it is worth asking again.
EMPTY_BAND_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietBand:
    """Nothing is wanted while low < reference price < high and now < valid_until_ms."""

    reference: PriceSource
    low: Decimal | None
    """Quote units; None = no lower bound."""
    high: Decimal | None
    """Quote units; None = no upper bound."""
    valid_until_ms: int

    def is_inside(self, price: Decimal, *, now_ms: int) -> bool:
        """Tell whether a reference price may be dropped."""
        above = self.low is None or price > self.low
        below = self.high is None or price < self.high
        return above and below and now_ms < self.valid_until_ms


def quiet_band(
    state: SymbolState,
    config: GridConfig,
    *,
    limits: Limits,
    now_ms: int,
    decided: Review | None = None,
) -> QuietBand:
    """Return where nothing is wanted; empty (low = high) where that cannot be promised.

    ``decided`` is the review of all that is wanted of the same state at the same time, if known.
    """
    until_ms = min((now_ms + BAND_MS_MAX, *_timed_events_ms(state, config, now_ms)))
    verdict = _verdict(state, config, limits, now_ms) if decided is None else decided
    low, high = _bounds(state, config, verdict, now_ms)
    if low is not None and low == high:
        until_ms = min(until_ms, now_ms + EMPTY_BAND_MS)
    return QuietBand(reference=config.price_source, low=low, high=high, valid_until_ms=until_ms)


def _verdict(state: SymbolState, config: GridConfig, limits: Limits, now_ms: int) -> Review:
    wanted = plan(state, config, now_ms=now_ms)
    return review(wanted.intents, view_of(state), limits, now_ms=now_ms)


def _bounds(
    state: SymbolState, config: GridConfig, verdict: Review, now_ms: int
) -> tuple[Decimal | None, Decimal | None]:
    is_lasting = all(refused.reason.is_lasting for refused in verdict.refused)
    if verdict.approved or not is_lasting:
        return ZERO, ZERO
    if halt_of(state) is not None:
        return None, None
    desk = desk_of(state, config, now_ms=now_ms)
    if desk is None or state.directive is Directive.FLATTEN:
        # Flattening prices follow the touch, and so does what is too small to be flattened.
        return ZERO, ZERO
    distance = buffer(state, config)
    return state.level_price(desk.top) + distance, state.level_price(desk.top + 1) + distance


def _timed_events_ms(state: SymbolState, config: GridConfig, now_ms: int) -> tuple[int, ...]:
    """Return the moments after now at which passing time alone may change a plan."""
    retries = (
        retry_at_ms(slot, backoff_ms=config.retry_backoff_ms) for slot in state.slots.values()
    )
    cancels = (next_cancel_ms(order) for order in state.unsettled_orders)
    return tuple(at_ms for at_ms in (*retries, *cancels) if at_ms > now_ms)
