"""The durable book of the paper venue: one SQLite file, committed before anybody hears of it.

Orders and fills are kept for good, they are the ledger that checks read; the log of requests is
bounded. Decimals are stored as text. Ids rise across restarts because they continue from the
largest one stored.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from opensqt.core.ids import AccountName, ClientOrderId, Symbol, TradeId, UnixMs, VenueOrderId
from opensqt.core.money import to_text
from opensqt.core.orders import OrderStatus, Side, TimeInForce
from opensqt.market.types import BookOrder, Fill, OrderEvent, Position, VenueState

SCHEMA_VERSION: Final = 1
REQUESTS_MAX: Final = 100_000
_PRUNE_EVERY: Final = 1_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
  venue_order_id INTEGER PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL,
  client_order_id TEXT NOT NULL, side TEXT NOT NULL, price TEXT, quantity TEXT NOT NULL,
  time_in_force TEXT NOT NULL, reduce_only INTEGER NOT NULL, status TEXT NOT NULL,
  filled_quantity TEXT NOT NULL, filled_notional TEXT NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS orders_client ON orders (client_order_id);
CREATE INDEX IF NOT EXISTS orders_time ON orders (account, symbol, created_ms);
CREATE INDEX IF NOT EXISTS orders_open ON orders (status) WHERE status = 'working';
CREATE TABLE IF NOT EXISTS fills (
  trade_id INTEGER PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL,
  venue_order_id INTEGER NOT NULL, client_order_id TEXT NOT NULL, side TEXT NOT NULL,
  price TEXT NOT NULL, quantity TEXT NOT NULL, fee TEXT NOT NULL, fee_asset TEXT NOT NULL,
  is_maker INTEGER NOT NULL, realized_pnl TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS fills_time ON fills (account, symbol, at_ms);
CREATE TABLE IF NOT EXISTS positions (
  account TEXT NOT NULL, symbol TEXT NOT NULL, quantity TEXT NOT NULL,
  entry_notional TEXT NOT NULL, realized_pnl TEXT NOT NULL, fees TEXT NOT NULL,
  PRIMARY KEY (account, symbol)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wallets (
  account TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL,
  PRIMARY KEY (account, asset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leverages (
  account TEXT NOT NULL, symbol TEXT NOT NULL, leverage INTEGER NOT NULL,
  PRIMARY KEY (account, symbol)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, time_ms INTEGER NOT NULL, method TEXT NOT NULL,
  path TEXT NOT NULL, client_order_id TEXT NOT NULL, outcome TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS markets (
  symbol TEXT PRIMARY KEY, price TEXT NOT NULL, trade_id_next INTEGER NOT NULL) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The database cannot be used: another schema, or the disk refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One order-changing request and what became of it."""

    account: str
    time_ms: UnixMs
    method: str
    path: str
    client_order_id: str
    outcome: str
    """``accepted``, ``rejected:<code>``, ``dropped_request`` or ``dropped_reply``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRows:
    """The parts of an account a commit replaces."""

    account: AccountName
    positions: tuple[Position, ...] = ()
    wallets: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows of the ledger are wanted; the defaults mean all."""

    account: AccountName | None = None
    symbol: Symbol | None = None
    since_ms: int = 0
    from_id: int = 0
    limit: int | None = None
    """At most so many: the newest, or the first from ``since_ms`` or ``from_id`` if one is set."""


class Store:
    """The book's database. One process, one connection, short transactions."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # The operating system keeps what a killed process has written.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        version = self.meta("schema")
        if version is None:
            self.set_meta("schema", str(SCHEMA_VERSION))
        elif version != str(SCHEMA_VERSION):
            message = f"expected schema {SCHEMA_VERSION} in {path}, got {version}"
            raise StoreError(message)
        self._until_prune = _PRUNE_EVERY
        self.is_behind = False
        """Whether a commit failed: the model has what the book does not, so nobody may see it."""

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        self._connection.close()

    # ---------------------------------------------------------------------------------- write

    def commit(
        self,
        *,
        events: Sequence[OrderEvent] = (),
        accounts: Iterable[AccountRows] = (),
        requests: Sequence[RequestRow] = (),
    ) -> None:
        """Make everything durable together; raise ``StoreError`` and change nothing on failure."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._write_orders(events)
            for rows in accounts:
                self._write_account(rows)
            self._write_requests(requests)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.is_behind = True
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            message = f"cannot commit to the book: {error}"
            raise StoreError(message) from error

    def set_leverage(self, account: AccountName, symbol: Symbol, leverage: int) -> None:
        """Remember an account's leverage on a symbol."""
        self._connection.execute(
            "INSERT OR REPLACE INTO leverages VALUES (?, ?, ?)", (account, symbol, leverage)
        )

    def set_meta(self, key: str, value: str) -> None:
        """Remember a small value."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def set_market(self, symbol: Symbol, price: Decimal, trade_id_next: int) -> None:
        """Remember where a synthetic market stands."""
        row = (symbol, to_text(price), trade_id_next)
        self._connection.execute("INSERT OR REPLACE INTO markets VALUES (?, ?, ?)", row)

    # ----------------------------------------------------------------------------------- read

    def meta(self, key: str) -> str | None:
        """Return a small value, None if it was never set."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def market(self, symbol: Symbol) -> tuple[Decimal, int] | None:
        """Return price and next trade id of a synthetic market, None if it never ran."""
        query = "SELECT price, trade_id_next FROM markets WHERE symbol = ?"
        row = self._connection.execute(query, (symbol,)).fetchone()
        return None if row is None else (Decimal(row[0]), int(row[1]))

    def load(self) -> VenueState:
        """Return the state the venue had when it last committed."""
        read = self._connection.execute
        return VenueState(
            orders=tuple(map(_order, read("SELECT * FROM orders WHERE status = 'working'"))),
            positions=tuple(
                (AccountName(row[0]), _position(row)) for row in read("SELECT * FROM positions")
            ),
            wallets=tuple(
                (AccountName(row[0]), str(row[1]), Decimal(row[2]))
                for row in read("SELECT * FROM wallets")
            ),
            leverages=tuple(
                (AccountName(row[0]), Symbol(row[1]), int(row[2]))
                for row in read("SELECT * FROM leverages")
            ),
            order_id_next=self._next("SELECT max(venue_order_id) FROM orders"),
            trade_id_next=self._next("SELECT max(trade_id) FROM fills"),
        )

    def find_order(
        self,
        account: AccountName,
        symbol: Symbol,
        *,
        client_order_id: str | None = None,
        venue_order_id: int | None = None,
    ) -> BookOrder | None:
        """Return an order of any age; the latest one that used a client id."""
        column = "client_order_id" if venue_order_id is None else "venue_order_id"
        key = client_order_id if venue_order_id is None else venue_order_id
        query = (
            f"SELECT * FROM orders WHERE {column} = ?"  # noqa: S608 - one of two names
            " AND account = ? AND symbol = ? ORDER BY venue_order_id DESC LIMIT 1"
        )
        row = self._connection.execute(query, (key, account, symbol)).fetchone()
        return None if row is None else _order(row)

    def orders(self, query: Query) -> tuple[BookOrder, ...]:
        """Return the orders a query selects, oldest first."""
        return tuple(map(_order, self._select("orders", "venue_order_id", "created_ms", query)))

    def fills(self, query: Query) -> tuple[Fill, ...]:
        """Return the fills a query selects, oldest first."""
        return tuple(map(_fill, self._select("fills", "trade_id", "at_ms", query)))

    def requests(self, *, since_ms: int = 0) -> tuple[RequestRow, ...]:
        """Return the logged requests, oldest first."""
        query = "SELECT * FROM requests WHERE time_ms >= ? ORDER BY id"
        return tuple(
            RequestRow(
                account=row[1],
                time_ms=UnixMs(row[2]),
                method=row[3],
                path=row[4],
                client_order_id=row[5],
                outcome=row[6],
            )
            for row in self._connection.execute(query, (since_ms,))
        )

    def count(self, table: str) -> int:
        """Return the number of rows of ``orders``, ``fills`` or ``requests``."""
        assert table in {"orders", "fills", "requests"}
        row = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - asserted
        return int(row[0])

    # -------------------------------------------------------------------------------- private

    def _select(self, table: str, key: str, stamp: str, query: Query) -> list[tuple[Any, ...]]:
        where = [f"{stamp} >= ?", f"{key} >= ?"]
        values: list[object] = [query.since_ms, query.from_id]
        for column, value in (("account", query.account), ("symbol", query.symbol)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        is_newest = query.limit is not None and not (query.from_id or query.since_ms)
        text = (
            f"SELECT * FROM {table} WHERE {' AND '.join(where)}"  # noqa: S608 - names are ours
            f" ORDER BY {key} {'DESC' if is_newest else 'ASC'} LIMIT ?"
        )
        values.append(-1 if query.limit is None else query.limit)
        rows = self._connection.execute(text, values).fetchall()
        return rows[::-1] if is_newest else rows

    def _next(self, query: str) -> int:
        row = self._connection.execute(query).fetchone()
        return 1 + int(row[0] or 0)

    def _write_orders(self, events: Sequence[OrderEvent]) -> None:
        # Only the last state of each order counts.
        latest = {event.order.venue_order_id: event.order for event in events}
        self._connection.executemany(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_order_row(order) for order in latest.values()],
        )
        fills = [_fill_row(event.fill) for event in events if event.fill is not None]
        if fills:
            self._connection.executemany(
                "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fills
            )

    def _write_account(self, rows: AccountRows) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    rows.account,
                    item.symbol,
                    to_text(item.quantity),
                    to_text(item.entry_notional),
                    to_text(item.realized_pnl),
                    to_text(item.fees),
                )
                for item in rows.positions
            ],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO wallets VALUES (?, ?, ?)",
            [(rows.account, asset, to_text(amount)) for asset, amount in rows.wallets],
        )

    def _write_requests(self, requests: Sequence[RequestRow]) -> None:
        if not requests:
            return
        self._connection.executemany(
            "INSERT INTO requests (account, time_ms, method, path, client_order_id, outcome)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (r.account, r.time_ms, r.method, r.path, r.client_order_id, r.outcome)
                for r in requests
            ],
        )
        self._until_prune -= len(requests)
        if self._until_prune <= 0:
            self._until_prune = _PRUNE_EVERY
            self._connection.execute(
                "DELETE FROM requests WHERE id <= (SELECT max(id) FROM requests) - ?",
                (REQUESTS_MAX,),
            )


def _order_row(order: BookOrder) -> tuple[object, ...]:
    return (
        int(order.venue_order_id),
        order.account,
        order.symbol,
        order.client_order_id,
        order.side.value,
        None if order.price is None else to_text(order.price),
        to_text(order.quantity),
        order.time_in_force.value,
        int(order.reduce_only),
        order.status.value,
        to_text(order.filled_quantity),
        to_text(order.filled_notional),
        order.created_ms,
        order.updated_ms,
    )


def _order(row: tuple[Any, ...]) -> BookOrder:
    return BookOrder(
        venue_order_id=VenueOrderId(str(row[0])),
        account=AccountName(row[1]),
        symbol=Symbol(row[2]),
        client_order_id=ClientOrderId(row[3]),
        side=Side(row[4]),
        price=None if row[5] is None else Decimal(row[5]),
        quantity=Decimal(row[6]),
        time_in_force=TimeInForce(row[7]),
        reduce_only=bool(row[8]),
        status=OrderStatus(row[9]),
        filled_quantity=Decimal(row[10]),
        filled_notional=Decimal(row[11]),
        created_ms=UnixMs(row[12]),
        updated_ms=UnixMs(row[13]),
    )


def _fill_row(fill: Fill) -> tuple[object, ...]:
    return (
        int(fill.trade_id),
        fill.account,
        fill.symbol,
        int(fill.venue_order_id),
        fill.client_order_id,
        fill.side.value,
        to_text(fill.price),
        to_text(fill.quantity),
        to_text(fill.fee),
        fill.fee_asset,
        int(fill.is_maker),
        to_text(fill.realized_pnl),
        fill.at_ms,
    )


def _fill(row: tuple[Any, ...]) -> Fill:
    return Fill(
        trade_id=TradeId(str(row[0])),
        account=AccountName(row[1]),
        symbol=Symbol(row[2]),
        venue_order_id=VenueOrderId(str(row[3])),
        client_order_id=ClientOrderId(row[4]),
        side=Side(row[5]),
        price=Decimal(row[6]),
        quantity=Decimal(row[7]),
        fee=Decimal(row[8]),
        fee_asset=row[9],
        is_maker=bool(row[10]),
        realized_pnl=Decimal(row[11]),
        at_ms=UnixMs(row[12]),
    )


def _position(row: tuple[Any, ...]) -> Position:
    return Position(
        symbol=Symbol(row[1]),
        quantity=Decimal(row[2]),
        entry_notional=Decimal(row[3]),
        realized_pnl=Decimal(row[4]),
        fees=Decimal(row[5]),
    )
