"""A venue as pure rules: accounts, orders, matching. No clock, no randomness, no I/O.

Every method takes the time it happens at and returns what happened as data. The paper venue puts
sockets and a database around this class, the simulation drives it under virtual time, a backtest
feeds it recorded data: there is one truth about fills.

Invariants: an order never executes more than its quantity; order and trade ids rise; a position is
the signed sum of its fills; the wallet is the starting amount plus realized profit minus fees; a
refused request changes nothing.
"""

from collections.abc import Iterable
from decimal import Decimal

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.instrument import Instrument
from opensqt.core.money import ZERO
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.core.records import replace
from opensqt.market.account import Account
from opensqt.market.book import Match, SymbolBook
from opensqt.market.filters import filter_order
from opensqt.market.registry import OrderRegistry
from opensqt.market.types import (
    Accepted,
    AccountTerms,
    AssetBalance,
    BookOrder,
    EventKind,
    Fill,
    FillRule,
    MarketError,
    OrderEvent,
    OrderRequest,
    Position,
    Quote,
    Refusal,
    Refused,
    VenueOptions,
    VenueState,
)


class VenueModel:
    """One venue with its accounts and symbols."""

    def __init__(
        self,
        *,
        instruments: Iterable[Instrument],
        accounts: Iterable[AccountTerms],
        options: VenueOptions | None = None,
    ) -> None:
        self.options = options or VenueOptions()
        self.books = {item.symbol: SymbolBook(item) for item in instruments}
        self.accounts = {terms.name: Account(terms) for terms in accounts}
        self.order_id_next = 1
        self.trade_id_next = 1
        self._orders = OrderRegistry(self.books, self.options)

    # ------------------------------------------------------------------------------ requests

    def place(self, request: OrderRequest, now_ms: UnixMs) -> Accepted | Refused:
        """Take or refuse one order; an accepted one may trade at once."""
        refusal = self._review(request)
        if refusal is not None:
            return Refused(reason=refusal)
        order = BookOrder(
            account=request.account,
            symbol=request.symbol,
            client_order_id=request.client_order_id,
            venue_order_id=VenueOrderId(str(self.order_id_next)),
            side=request.side,
            price=request.price,
            quantity=request.quantity,
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self.order_id_next += 1
        self._admit(order)
        events = [OrderEvent(kind=EventKind.ACCEPTED, order=order, at_ms=now_ms)]
        if order.price is None or self.books[order.symbol].is_crossed(order.side, order.price):
            self._take(order, now_ms, events)
        self._rest_or_expire(order, now_ms, events)
        # Other orders' expiries may follow: what reduced the position has no more to reduce.
        own = [
            event.order for event in events if event.order.venue_order_id == order.venue_order_id
        ]
        return Accepted(order=own[-1], events=tuple(events))

    def cancel(
        self,
        account: AccountName,
        symbol: Symbol,
        *,
        now_ms: UnixMs,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> Accepted | Refused:
        """Cancel one open order by either id; refused when no such order is open."""
        order = self._orders.find_open(account, symbol, client_order_id, venue_order_id)
        if order is None:
            return Refused(reason=Refusal.UNKNOWN_ORDER)
        event = self._end(order, OrderStatus.CANCELED, now_ms)
        return Accepted(order=event.order, events=(event,))

    def cancel_all(
        self, account: AccountName, symbol: Symbol | None, now_ms: UnixMs
    ) -> tuple[OrderEvent, ...]:
        """Cancel every open order of the account, on one symbol or on all."""
        return tuple(
            self._end(order, OrderStatus.CANCELED, now_ms)
            for order in self.open_orders(account, symbol)
        )

    # -------------------------------------------------------------------------------- market

    def on_trade(
        self,
        symbol: Symbol,
        price: Decimal,
        quantity: Decimal,
        aggressor: Side | None,
        now_ms: UnixMs,
    ) -> tuple[OrderEvent, ...]:
        """Take a public trade; return what it did to our orders."""
        rule = self.options.fill_rule
        matches = self._book(symbol).trade(rule, price, quantity, aggressor)
        if not matches:
            return ()
        limit = quantity if rule is FillRule.THROUGH else None
        return self._settle(symbol, matches, limit, now_ms)

    def on_quote(self, symbol: Symbol, quote: Quote, now_ms: UnixMs) -> tuple[OrderEvent, ...]:
        """Take new best prices; return what they did to our orders."""
        matches = self._book(symbol).set_quote(quote)
        return self._settle(symbol, matches, None, now_ms) if matches else ()

    def quote(self, symbol: Symbol) -> Quote | None:
        """Return the best prices, None before the first."""
        return self._book(symbol).quote

    def last_price(self, symbol: Symbol) -> Decimal | None:
        """Return the price of the last public trade, None before the first."""
        return self._book(symbol).last_price

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        """Return the price positions are valued at, None before any market data."""
        return self._book(symbol).mark_price

    # ------------------------------------------------------------------------------- queries

    def instrument(self, symbol: Symbol) -> Instrument:
        """Return the rules of a symbol; raise ``MarketError`` for one the venue has not."""
        return self._book(symbol).instrument

    def order(
        self,
        account: AccountName,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None = None,
        venue_order_id: VenueOrderId | None = None,
    ) -> BookOrder | None:
        """Return an order, open or still remembered; the latest one that used a client id."""
        ids = (account, symbol, client_order_id, venue_order_id)
        return self._orders.find_open(*ids) or self._orders.find_finished(*ids)

    def open_orders(
        self, account: AccountName, symbol: Symbol | None = None
    ) -> tuple[BookOrder, ...]:
        """Return the resting orders of an account, oldest first per symbol."""
        return self._orders.open_orders(account, symbol)

    def finished_orders(self) -> tuple[BookOrder, ...]:
        """Return the finished orders still remembered, in the order they ended."""
        return self._orders.finished_orders()

    def fills(
        self, account: AccountName, symbol: Symbol | None = None, *, since_ms: int = 0
    ) -> tuple[Fill, ...]:
        """Return the executions still remembered, oldest first."""
        return self._orders.fills(account, symbol, since_ms=since_ms)

    def position(self, account: AccountName, symbol: Symbol) -> Position:
        """Return a position, flat if there never was one."""
        return self._account(account).position(symbol)

    def positions(self, account: AccountName) -> tuple[Position, ...]:
        """Return every position the account ever had, flat ones included."""
        return tuple(self._account(account).positions.values())

    def balances(self, account: AccountName) -> tuple[AssetBalance, ...]:
        """Return the account's assets, split into free and locked."""
        owner = self._account(account)
        return tuple(owner.balance(asset, self.locked(account, asset)) for asset in owner.wallet)

    def locked(self, account: AccountName, asset: str) -> Decimal:
        """Return the initial margin of positions and orders settled in an asset."""
        owner = self._account(account)
        books = (self.books[symbol] for symbol in owner.active_symbols())
        return sum(
            (
                owner.margin(book.instrument, book.mark_price)
                for book in books
                if book.instrument.quote_asset == asset
            ),
            ZERO,
        )

    def available(self, account: AccountName, asset: str) -> Decimal:
        """Return what new orders may lock: wallet plus open profit minus what is locked."""
        owner = self._account(account)
        profit = sum(
            (self.unrealized_pnl(account, symbol) for symbol in owner.active_symbols()), ZERO
        )
        return owner.wallet.get(asset, ZERO) + profit - self.locked(account, asset)

    def unrealized_pnl(self, account: AccountName, symbol: Symbol) -> Decimal:
        """Return the open profit of a position at the mark price."""
        book = self._book(symbol)
        return self._account(account).unrealized_pnl(book.instrument, book.mark_price)

    def set_leverage(self, account: AccountName, symbol: Symbol, leverage: int) -> None:
        """Change how much initial margin a symbol needs."""
        if leverage < 1:
            raise MarketError("expected a leverage of 1 or more")
        self._book(symbol)
        self._account(account).leverages[symbol] = leverage

    # ------------------------------------------------------------------------------ durability

    def snapshot(self) -> VenueState:
        """Return what a restarted venue needs; history is not part of it."""
        return VenueState(
            orders=self._orders.open_orders(),
            positions=tuple(
                (name, position)
                for name, account in self.accounts.items()
                for position in account.positions.values()
            ),
            wallets=tuple(
                (name, asset, amount)
                for name, account in self.accounts.items()
                for asset, amount in account.wallet.items()
            ),
            leverages=tuple(
                (name, symbol, leverage)
                for name, account in self.accounts.items()
                for symbol, leverage in account.leverages.items()
            ),
            order_id_next=self.order_id_next,
            trade_id_next=self.trade_id_next,
        )

    def restore(self, state: VenueState) -> None:
        """Go on where ``state`` was taken; call once, on a new model.

        What belongs to accounts or symbols this model does not know is left out.
        """
        self._restore_accounts(state)
        for order in sorted(state.orders, key=lambda item: int(item.venue_order_id)):
            if self._knows(order.account, order.symbol):
                self._admit(order)
                self.books[order.symbol].rest(order)
        self.order_id_next = max(self.order_id_next, state.order_id_next)
        self.trade_id_next = max(self.trade_id_next, state.trade_id_next)

    # --------------------------------------------------------------------------------- private

    def _book(self, symbol: Symbol) -> SymbolBook:
        book = self.books.get(symbol)
        if book is None:
            message = f"expected a symbol of this venue, got {symbol!r}"
            raise MarketError(message)
        return book

    def _account(self, name: AccountName) -> Account:
        account = self.accounts.get(name)
        if account is None:
            message = f"expected an account of this venue, got {name!r}"
            raise MarketError(message)
        return account

    def _restore_accounts(self, state: VenueState) -> None:
        for name, asset, amount in state.wallets:
            if name in self.accounts:
                self.accounts[name].wallet[asset] = amount
        for name, position in state.positions:
            if self._knows(name, position.symbol):
                self.accounts[name].positions[position.symbol] = position
        for name, symbol, leverage in state.leverages:
            if self._knows(name, symbol):
                self.accounts[name].leverages[symbol] = leverage

    def _knows(self, account: AccountName, symbol: Symbol) -> bool:
        return account in self.accounts and symbol in self.books

    def _review(self, request: OrderRequest) -> Refusal | None:
        account = self._account(request.account)
        book = self.books.get(request.symbol)
        if book is None:
            return Refusal.UNKNOWN_SYMBOL
        refusal = filter_order(
            book.instrument,
            request,
            mark_price=book.mark_price,
            open_orders=len(self.open_orders(request.account, request.symbol)),
        )
        if refusal is not None:
            return refusal
        if request.price is None and book.quote is None:
            return Refusal.NO_MARKET
        if self._orders.is_used(request.account, request.client_order_id):
            return Refusal.DUPLICATE_ID
        if request.reduce_only and not _reduces(account.position(request.symbol), request.side):
            return Refusal.REDUCE_ONLY
        if (
            request.time_in_force is TimeInForce.GTX
            and request.price is not None
            and book.is_crossed(request.side, request.price)
        ):
            return Refusal.WOULD_CROSS
        return self._review_margin(account, book, request)

    def _review_margin(
        self, account: Account, book: SymbolBook, request: OrderRequest
    ) -> Refusal | None:
        if request.reduce_only:
            return None
        price = request.price or book.mark_price or ZERO
        value = book.instrument.notional(price, request.quantity)
        before = account.margin(book.instrument, book.mark_price)
        after = account.margin(book.instrument, book.mark_price, extra=(request.side, value))
        needed = after - before
        if needed > ZERO and needed > self.available(request.account, book.instrument.quote_asset):
            return Refusal.MARGIN
        return None

    def _admit(self, order: BookOrder) -> None:
        self._orders.admit(order)
        self._reserve(order, order.remaining)

    def _reserve(self, order: BookOrder, quantity: Decimal) -> None:
        if order.price is not None:
            value = order.price * quantity * self.books[order.symbol].instrument.contract_size
            self.accounts[order.account].reserve(order, value)

    def _take(self, order: BookOrder, now_ms: UnixMs, events: list[OrderEvent]) -> None:
        book = self.books[order.symbol]
        pieces = book.take(
            order.side,
            order.price,
            self._fillable(order),
            levels=self.options.depth_levels,
        )
        for price, quantity in pieces:
            event = self._execute(order, quantity, price, is_maker=False, now_ms=now_ms)
            events.append(event)
            order = event.order

    def _rest_or_expire(
        self, accepted: BookOrder, now_ms: UnixMs, events: list[OrderEvent]
    ) -> None:
        order = self._orders.open_by_id(accepted.symbol, accepted.venue_order_id)
        if order is not None:
            if order.price is not None and _may_rest(order) and self._fillable(order):
                self.books[order.symbol].rest(order)
            else:
                events.append(self._end(order, OrderStatus.EXPIRED, now_ms))
        self._expire_reducers(accepted.account, accepted.symbol, now_ms, events)

    def _settle(
        self,
        symbol: Symbol,
        matches: tuple[Match, ...],
        limit: Decimal | None,
        now_ms: UnixMs,
    ) -> tuple[OrderEvent, ...]:
        events: list[OrderEvent] = []
        for match in matches:
            order = self._orders.open_by_id(symbol, match.venue_order_id)
            if order is None:
                continue  # expired by an earlier match of the same trade
            quantity = self._fillable(order)
            if limit is not None:
                quantity = min(quantity, limit)
                limit -= quantity
            if quantity <= ZERO:
                continue
            events.append(self._execute(order, quantity, match.price, is_maker=True, now_ms=now_ms))
            self._expire_reducers(order.account, symbol, now_ms, events)
        return tuple(events)

    def _fillable(self, order: BookOrder) -> Decimal:
        # A reduce-only order never trades through zero.
        if not order.reduce_only:
            return order.remaining
        position = self.accounts[order.account].position(order.symbol)
        if not _reduces(position, order.side):
            return ZERO
        return min(order.remaining, abs(position.quantity))

    def _execute(
        self,
        order: BookOrder,
        quantity: Decimal,
        price: Decimal,
        *,
        is_maker: bool,
        now_ms: UnixMs,
    ) -> OrderEvent:
        symbol = order.symbol
        instrument = self.books[symbol].instrument
        account = self.accounts[order.account]
        notional = instrument.notional(price, quantity)
        fee = account.fee(notional, is_maker=is_maker)
        realized = account.trade(instrument, order.side, quantity, price, fee=fee)
        fill = Fill(
            account=order.account,
            symbol=symbol,
            trade_id=TradeId(str(self.trade_id_next)),
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=instrument.quote_asset,
            is_maker=is_maker,
            realized_pnl=realized,
            at_ms=now_ms,
        )
        self.trade_id_next += 1
        self._orders.add_fill(fill)
        self._reserve(order, -quantity)
        filled = order.filled_quantity + quantity
        after = replace(
            order,
            filled_quantity=filled,
            filled_notional=order.filled_notional + notional,
            status=OrderStatus.FILLED if filled == order.quantity else OrderStatus.WORKING,
            updated_ms=now_ms,
        )
        self._update(after)
        return OrderEvent(kind=EventKind.TRADED, order=after, fill=fill, at_ms=now_ms)

    def _expire_reducers(
        self, account: AccountName, symbol: Symbol, now_ms: UnixMs, events: list[OrderEvent]
    ) -> None:
        position = self.accounts[account].position(symbol)
        events.extend(
            self._end(order, OrderStatus.EXPIRED, now_ms)
            for order in self._orders.open_orders(account, symbol)
            if order.reduce_only and not _reduces(position, order.side)
        )

    def _end(self, order: BookOrder, status: OrderStatus, now_ms: UnixMs) -> OrderEvent:
        self._reserve(order, -order.remaining)
        after = replace(order, status=status, updated_ms=now_ms)
        self._update(after)
        kind = EventKind.CANCELED if status is OrderStatus.CANCELED else EventKind.EXPIRED
        return OrderEvent(kind=kind, order=after, at_ms=now_ms)

    def _update(self, order: BookOrder) -> None:
        if not order.is_open:
            self.books[order.symbol].remove(order)
        self._orders.update(order)


def _may_rest(order: BookOrder) -> bool:
    return order.time_in_force is not TimeInForce.IOC


def _reduces(position: Position, side: Side) -> bool:
    return position.quantity < ZERO if side is Side.BUY else position.quantity > ZERO
