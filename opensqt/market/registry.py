"""Which orders and fills a venue knows: the open ones by id, the finished ones within a bound."""

from collections import deque
from collections.abc import Iterable, Iterator

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, VenueOrderId
from opensqt.market.types import BookOrder, ClientIdRule, Fill, VenueOptions


class OrderRegistry:
    """Open orders, used client ids and a bounded history."""

    def __init__(self, symbols: Iterable[Symbol], options: VenueOptions) -> None:
        self._rule = options.client_id_rule
        self._limit = options.history_max
        self._open: dict[Symbol, dict[VenueOrderId, BookOrder]] = {s: {} for s in symbols}
        self._open_ids: dict[tuple[AccountName, ClientOrderId], VenueOrderId] = {}
        self._used_ids: set[tuple[AccountName, ClientOrderId]] = set()
        self._finished: deque[BookOrder] = deque(maxlen=self._limit)
        self._finished_index: dict[VenueOrderId, BookOrder] = {}
        self._finished_ids: dict[tuple[AccountName, Symbol, ClientOrderId], VenueOrderId] = {}
        self._fills: deque[Fill] = deque(maxlen=self._limit)

    def admit(self, order: BookOrder) -> None:
        """Add an open order."""
        self._open[order.symbol][order.venue_order_id] = order
        key = (order.account, order.client_order_id)
        self._open_ids[key] = order.venue_order_id
        if self._rule is ClientIdRule.FOREVER:
            self._used_ids.add(key)

    def update(self, order: BookOrder) -> None:
        """Replace what is known of an order; a finished one moves to the history."""
        if order.is_open:
            self._open[order.symbol][order.venue_order_id] = order
            return
        del self._open[order.symbol][order.venue_order_id]
        key = (order.account, order.client_order_id)
        if self._open_ids.get(key) == order.venue_order_id:
            del self._open_ids[key]
        self._remember(order)

    def add_fill(self, fill: Fill) -> None:
        """Add an execution to the history."""
        self._fills.append(fill)

    def is_used(self, account: AccountName, client_order_id: ClientOrderId) -> bool:
        """Tell whether the client id rule forbids this id now."""
        match self._rule:
            case ClientIdRule.OPEN:
                return (account, client_order_id) in self._open_ids
            case ClientIdRule.FOREVER:
                return (account, client_order_id) in self._used_ids
            case ClientIdRule.NONE:
                return False

    def open_by_id(self, symbol: Symbol, venue_order_id: VenueOrderId) -> BookOrder | None:
        """Return an open order by the venue's id."""
        return self._open[symbol].get(venue_order_id)

    def find_open(
        self,
        account: AccountName,
        symbol: Symbol,
        client_order_id: ClientOrderId | None,
        venue_order_id: VenueOrderId | None,
    ) -> BookOrder | None:
        """Return an open order by either id; the venue's id decides when both are given."""
        if venue_order_id is None and client_order_id is not None:
            venue_order_id = self._open_ids.get((account, client_order_id))
        if venue_order_id is None:
            return None
        order = self._open.get(symbol, {}).get(venue_order_id)
        return order if order is not None and order.account == account else None

    def find_finished(
        self,
        account: AccountName,
        symbol: Symbol,
        client_order_id: ClientOrderId | None,
        venue_order_id: VenueOrderId | None,
    ) -> BookOrder | None:
        """Return a finished order that is still remembered; the latest user of a client id."""
        if venue_order_id is None and client_order_id is not None:
            venue_order_id = self._finished_ids.get((account, symbol, client_order_id))
        found = self._finished_index.get(venue_order_id) if venue_order_id is not None else None
        if found is None or (found.account, found.symbol) != (account, symbol):
            return None
        return found

    def open_orders(
        self, account: AccountName | None = None, symbol: Symbol | None = None
    ) -> tuple[BookOrder, ...]:
        """Return open orders, oldest first per symbol; None stands for all."""
        return tuple(
            order for order in self._iterate(symbol) if account is None or order.account == account
        )

    def finished_orders(self) -> tuple[BookOrder, ...]:
        """Return the finished orders still remembered, in the order they ended."""
        return tuple(self._finished)

    def fills(
        self, account: AccountName, symbol: Symbol | None, *, since_ms: int
    ) -> tuple[Fill, ...]:
        """Return the executions still remembered, oldest first."""
        return tuple(
            fill
            for fill in self._fills
            if fill.account == account
            and fill.at_ms >= since_ms
            and (symbol is None or fill.symbol == symbol)
        )

    def _iterate(self, symbol: Symbol | None) -> Iterator[BookOrder]:
        if symbol is not None:
            yield from self._open.get(symbol, {}).values()
            return
        for by_id in self._open.values():
            yield from by_id.values()

    def _remember(self, order: BookOrder) -> None:
        if self._limit == 0:
            return
        if self._limit is not None and len(self._finished) == self._limit:
            old = self._finished[0]
            del self._finished_index[old.venue_order_id]
            key = (old.account, old.symbol, old.client_order_id)
            if self._finished_ids.get(key) == old.venue_order_id:
                del self._finished_ids[key]
        self._finished.append(order)
        self._finished_index[order.venue_order_id] = order
        key = (order.account, order.symbol, order.client_order_id)
        self._finished_ids[key] = order.venue_order_id
