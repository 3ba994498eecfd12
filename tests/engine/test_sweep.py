"""One loop takes orders back, whoever's they are."""

from collections.abc import Sequence

import pytest

from opensqt.core.ids import ClientOrderId, Symbol
from opensqt.core.orders import OrderStatus
from opensqt.engine.cancel_all import LOOKS, Sweep
from opensqt.ports.exchange import Listing, VenueOrder, VenueUnavailableError
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from tests.engine.doubles import SYMBOL, ObedientVenue, order_of, request_of


class Shown(ObedientVenue):
    """Shows one list after another; the last one for ever."""

    def __init__(self, *lists: Listing) -> None:
        super().__init__()
        self.lists = list(lists)
        self.looks = 0
        self.asked: set[Symbol | None] = set()

    async def open_orders(self, symbol: Symbol | None) -> Listing:
        self.looks += 1
        self.asked.add(symbol)
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]


OURS = order_of(request_of(), OrderStatus.WORKING)
FOREIGN = VenueOrder(
    symbol=SYMBOL,
    client_order_id=ClientOrderId("human"),
    venue_order_id=OURS.venue_order_id,
    side=OURS.side,
    price=OURS.price,
    quantity=OURS.quantity,
    cumulative_quantity=OURS.cumulative_quantity,
    status=OURS.status,
    reduce_only=False,
    updated_ms=OURS.updated_ms,
)
NOTHING = Listing()


def swept(
    venue: Shown, *, coming: Sequence[str] = (), symbol: Symbol | None = None
) -> tuple[tuple[ClientOrderId, ...], list[ClientOrderId]]:
    """Return what is left, and what was canceled."""
    loop = VirtualLoop()
    canceled: list[ClientOrderId] = []
    words = iter(coming)

    async def cancel(order: VenueOrder) -> None:
        canceled.append(order.client_order_id)

    async def arriving() -> str:
        return next(words, "")

    sweep = Sweep(
        venue=venue,
        clock=VirtualClock(loop),
        deployment="aaa",
        symbol=symbol,
        wait_ms=3_500,
        coming=arriving,
        cancel=cancel,
    )
    return run_virtual(sweep.run(), loop), canceled


@pytest.mark.parametrize("symbol", [None, SYMBOL])
def test_only_our_orders_are_canceled_until_none_is_shown(symbol: Symbol | None) -> None:
    venue = Shown(Listing(orders=(OURS, FOREIGN)), Listing(orders=(FOREIGN,)))

    left, canceled = swept(venue, symbol=symbol)

    assert (left, canceled) == ((), [OURS.client_order_id])
    assert venue.looks == 1 + LOOKS
    assert venue.asked == {symbol}


def test_an_order_that_stays_is_returned() -> None:
    left, canceled = swept(Shown(Listing(orders=(OURS,))))

    assert left == (OURS.client_order_id,)
    assert len(canceled) > LOOKS


def test_an_empty_list_counts_only_while_nothing_is_coming() -> None:
    venue = Shown(NOTHING)

    assert swept(venue, coming=["an order", "an order"]) == ((), [])
    assert venue.looks == 2 + LOOKS


def test_what_is_still_coming_in_the_end_is_told() -> None:
    with pytest.raises(VenueUnavailableError, match="an order is on its way"):
        swept(Shown(NOTHING), coming=["an order is on its way"] * 100)


def test_a_look_that_fails_is_repeated_and_proves_nothing() -> None:
    venue = Shown(NOTHING, NOTHING, Listing(is_complete=False), NOTHING)

    assert swept(venue) == ((), [])
    assert venue.looks == 3 + LOOKS


def test_a_list_that_is_cut_short_proves_nothing() -> None:
    with pytest.raises(VenueUnavailableError, match="not complete"):
        swept(Shown(Listing(is_complete=False)))
