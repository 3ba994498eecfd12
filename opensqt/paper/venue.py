"""The paper venue's heart: the model, its durable book, and who hears of what, in that order.

Everything here is synchronous: a request is decided, committed and announced within one turn of
the event loop, so no two requests ever see each other half done. Nothing is announced, neither in
a reply nor on a stream, before it is committed.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, UnixMs, VenueOrderId
from opensqt.market.instruments import INSTRUMENTS
from opensqt.market.types import (
    Accepted,
    AccountTerms,
    BookOrder,
    OrderEvent,
    OrderRequest,
    PublicEvent,
    PublicTrade,
    Refused,
    VenueOptions,
)
from opensqt.market.venue import VenueModel
from opensqt.paper import dialect
from opensqt.paper.board import Board
from opensqt.paper.config import PaperConfig
from opensqt.paper.errors import ApiError, refusal_error
from opensqt.paper.hub import Hub
from opensqt.paper.store import AccountRows, RequestRow, Store

LISTEN_KEY_LIFE_MS: Final = 60 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The request behind a change, for the log of requests."""

    account: AccountName
    method: str
    path: str
    now_ms: UnixMs
    drops_reply: bool = False
    """Whether the reply will be lost although the venue does its work."""

    def row(self, client_order_id: str, *, code: int | None = None) -> RequestRow:
        """Return the log row: accepted without a code, rejected with one."""
        outcome = "dropped_reply" if self.drops_reply else "accepted"
        return RequestRow(
            account=self.account,
            time_ms=self.now_ms,
            method=self.method,
            path=self.path,
            client_order_id=client_order_id,
            outcome=outcome if code is None else f"rejected:{code}",
        )


class PaperVenue:
    """Accounts, orders and market of one paper venue."""

    def __init__(
        self,
        config: PaperConfig,
        *,
        symbols: Iterable[Symbol],
        store: Store,
        now_ms: Callable[[], UnixMs],
    ) -> None:
        self.config = config
        self.store = store
        self.now_ms = now_ms
        self.hub = Hub()
        # The database remembers what ended; the model only needs what is open.
        self.model = VenueModel(
            instruments=[INSTRUMENTS[symbol] for symbol in symbols],
            accounts=[
                AccountTerms(
                    name=account.name,
                    balances=account.balances,
                    maker_fee=account.maker_fee,
                    taker_fee=account.taker_fee,
                    leverage=account.leverage,
                )
                for account in config.accounts
            ],
            options=VenueOptions(fill_rule=config.fill_rule, history_max=0),
        )
        self.model.restore(store.load())
        store.commit(accounts=[self._rows(account.name, ()) for account in config.accounts])
        self.board = Board(self.model, self.hub, start_ms=now_ms())
        stored = orjson.loads(store.meta("countdowns") or "[]")
        self._countdowns = {(AccountName(a), Symbol(s)): int(at_ms) for a, s, at_ms in stored}
        self._listen_until: dict[AccountName, int] = {
            account.name: now_ms() + LISTEN_KEY_LIFE_MS for account in config.accounts
        }

    # ------------------------------------------------------------------------------- requests

    def place(self, request: OrderRequest, origin: Origin) -> Accepted:
        """Take an order, log the request and announce it, or raise ``ApiError``."""
        result = self.model.place(request, origin.now_ms)
        if isinstance(result, Refused):
            raise refusal_error(result.reason)
        self._settle(result.events, [origin.row(request.client_order_id)], {request.symbol})
        return result

    def cancel(
        self,
        symbol: Symbol,
        origin: Origin,
        *,
        client_order_id: ClientOrderId | None,
        venue_order_id: VenueOrderId | None,
    ) -> BookOrder:
        """Cancel an open order, log the request and announce it, or raise ``ApiError``."""
        result = self.model.cancel(
            origin.account,
            symbol,
            now_ms=origin.now_ms,
            client_order_id=client_order_id,
            venue_order_id=venue_order_id,
        )
        if isinstance(result, Refused):
            raise refusal_error(result.reason)
        self._settle(result.events, [origin.row(result.order.client_order_id)], set())
        return result.order

    def cancel_all(self, symbol: Symbol, origin: Origin) -> int:
        """Cancel every open order of the account on a symbol; return how many there were."""
        events = self.model.cancel_all(origin.account, symbol, origin.now_ms)
        self._settle(events, [origin.row("")], set())
        return len(events)

    def set_countdown(self, symbol: Symbol, origin: Origin, countdown_ms: int) -> None:
        """Cancel all orders of the account on a symbol after so long, unless called again; 0 stops.

        The moment is stored: a restart of the venue does not disarm it.
        """
        key = (origin.account, symbol)
        if countdown_ms:
            self._countdowns[key] = origin.now_ms + countdown_ms
        else:
            self._countdowns.pop(key, None)
        self._save_countdowns()
        self.store.commit(requests=[origin.row("")])

    def run_countdowns(self) -> None:
        """Cancel what ran out; call now and then."""
        now_ms = self.now_ms()
        for key, at_ms in tuple(self._countdowns.items()):
            if now_ms >= at_ms:
                del self._countdowns[key]
                self._save_countdowns()
                self._settle(self.model.cancel_all(*key, now_ms), (), set())

    def log_rejection(self, origin: Origin, client_order_id: str, code: int) -> None:
        """Log a request the venue refused."""
        self.store.commit(requests=[origin.row(client_order_id, code=code)])

    def log_dropped(self, origin: Origin, client_order_id: str) -> None:
        """Log a request that was lost before the venue looked at it."""
        row = replace(origin.row(client_order_id), outcome="dropped_request")
        self.store.commit(requests=[row])

    def find_order(
        self,
        account: AccountName,
        symbol: Symbol,
        *,
        client_order_id: ClientOrderId | None,
        venue_order_id: VenueOrderId | None,
    ) -> BookOrder:
        """Return an order of any age or raise ``ApiError``."""
        found = self.model.order(
            account, symbol, client_order_id=client_order_id, venue_order_id=venue_order_id
        ) or self.store.find_order(
            account,
            symbol,
            client_order_id=client_order_id,
            venue_order_id=None if venue_order_id is None else int(venue_order_id),
        )
        if found is None:
            raise ApiError(-2013)
        return found

    def set_leverage(self, account: AccountName, symbol: Symbol, leverage: int) -> None:
        """Change an account's leverage on a symbol, durably."""
        self.store.set_leverage(account, symbol, leverage)
        self.model.set_leverage(account, symbol, leverage)

    # --------------------------------------------------------------------------------- market

    def feed(self, event: PublicEvent, *, is_matchable: bool = True) -> None:
        """Let the market move: our orders first, then the public streams."""
        now_ms = self.now_ms()
        if is_matchable:
            if isinstance(event, PublicTrade):
                events = self.model.on_trade(
                    event.symbol, event.price, event.quantity, event.aggressor, now_ms
                )
            else:
                events = self.model.on_quote(event.symbol, event.quote, now_ms)
            if events:
                self._settle(events, (), {event.symbol})
        self.board.show(event, now_ms)

    # --------------------------------------------------------------------------- user streams

    def listen_key(self, account: AccountName) -> str:
        """Return the account's key, valid for an hour from now; the same until it expires."""
        self._listen_until[account] = self.now_ms() + LISTEN_KEY_LIFE_MS
        return self._key_text(account)

    def keep_listen_key(self, account: AccountName) -> str:
        """Extend the account's key by an hour; raise ``ApiError`` when it has expired."""
        if account not in self._listen_until:
            raise ApiError(-1125)
        return self.listen_key(account)

    def close_listen_key(self, account: AccountName) -> None:
        """End the account's key and tell its streams."""
        if self._listen_until.pop(account, None) is None:
            return
        key = self._key_text(account)
        message = {"e": "listenKeyExpired", "E": self.now_ms(), "listenKey": key}
        self.hub.publish_account(account, message)
        generation = int(self.store.meta(f"listen:{account}") or 0) + 1
        self.store.set_meta(f"listen:{account}", str(generation))
        for connection in self.hub.connections:
            if connection.account == account:
                connection.account = ""

    def listener(self, key: str) -> AccountName | None:
        """Return the account a listen key belongs to, None if it is not valid."""
        for account in self._listen_until:
            if self._key_text(account) == key:
                return account
        return None

    def expire_listen_keys(self) -> None:
        """End the keys nobody kept alive; call now and then."""
        now_ms = self.now_ms()
        for account, until in tuple(self._listen_until.items()):
            if now_ms >= until:
                self.close_listen_key(account)

    # -------------------------------------------------------------------------------- private

    def _save_countdowns(self) -> None:
        rows = [(*key, at_ms) for key, at_ms in self._countdowns.items()]
        self.store.set_meta("countdowns", orjson.dumps(rows).decode())

    def _key_text(self, account: AccountName) -> str:
        # Derived, so that a key survives a restart of the venue as it does at the exchange.
        secret = next(item.api_secret for item in self.config.accounts if item.name == account)
        generation = self.store.meta(f"listen:{account}") or "0"
        text = f"{self.config.venue}\x1f{account}\x1f{secret}\x1f{generation}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _settle(
        self,
        events: Sequence[OrderEvent],
        requests: Sequence[RequestRow],
        symbols: set[Symbol],
    ) -> None:
        traded = {event.order.account for event in events if event.fill is not None}
        accounts = [self._rows(name, symbols) for name in sorted(traded)]
        self.store.commit(events=events, accounts=accounts, requests=requests)
        for event in events:
            self._announce(event)

    def _rows(self, name: AccountName, symbols: Iterable[Symbol]) -> AccountRows:
        account = self.model.accounts[name]
        return AccountRows(
            account=name,
            positions=tuple(account.position(symbol) for symbol in symbols),
            wallets=tuple(account.wallet.items()),
        )

    def _announce(self, event: OrderEvent) -> None:
        account, symbol = event.order.account, event.order.symbol
        now_ms = self.now_ms()
        if event.fill is not None:
            asset = self.model.instrument(symbol).quote_asset
            message = dialect.account_update(
                asset=asset,
                wallet=self.model.accounts[account].wallet[asset],
                position=self.model.position(account, symbol),
                unrealized=self.model.unrealized_pnl(account, symbol),
                now_ms=now_ms,
            )
            self.hub.publish_account(account, message)
        self.hub.publish_account(account, dialect.order_update(event, now_ms))
