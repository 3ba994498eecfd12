"""The venue's own ledger, and what it says by itself about an account."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
_OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
_CENT = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOrder:
    client_order_id: str
    order_id: str
    side: str
    price: Decimal
    quantity: Decimal
    filled: Decimal
    status: str
    reduce_only: bool
    post_only: bool
    created_ms: int

    @property
    def is_open(self) -> bool:
        return self.status in _OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFill:
    trade_id: str
    client_order_id: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    maker: bool
    time_ms: int

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "buy" else -self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    time_ms: int
    method: str
    path: str
    client_order_id: str
    outcome: str

    @property
    def is_order(self) -> bool:
        return self.method == "POST" and self.path.endswith("/order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One symbol of one account; ``wallet`` is the account's."""

    orders: tuple[LedgerOrder, ...]
    fills: tuple[LedgerFill, ...]
    requests: tuple[Request, ...]
    position: Decimal
    wallet: Decimal

    @property
    def open_orders(self) -> tuple[LedgerOrder, ...]:
        return tuple(order for order in self.orders if order.is_open)

    def problems(self) -> list[str]:
        """Return what the ledger alone proves to be wrong, whatever we think of it."""
        found = []
        accepted = Counter(order.client_order_id for order in self.orders)
        found += [f"{name} accepted {n} times" for name, n in accepted.items() if n > 1]
        sent = Counter(one.client_order_id for one in self.requests if one.is_order)
        found += [f"{name} sent {n} times" for name, n in sent.items() if n > 1]
        total = sum((fill.signed for fill in self.fills), ZERO)
        if total != self.position:
            found.append(f"fills add up to {total}, the position is {self.position}")
        filled = Counter[str]()
        for fill in self.fills:
            filled[fill.client_order_id] += fill.quantity  # type: ignore[assignment]  # Decimals
        for order in self.orders:
            if filled.get(order.client_order_id, ZERO) != order.filled:
                found.append(f"{order.client_order_id}: fills do not add up to {order.filled}")
        return found


def parse(raw: Mapping[str, Any], *, account: str, symbol: str) -> Ledger:
    """Return the part of a ledger that is about one symbol (``BTCUSDT``) of one account."""

    def rows(name: str) -> list[Mapping[str, Any]]:
        return [row for row in raw[name] if row["account"] == account and _is_about(row, symbol)]

    return Ledger(
        orders=tuple(_order(row) for row in rows("orders")),
        fills=tuple(_fill(row) for row in rows("fills")),
        requests=tuple(_request(row) for row in rows("requests")),
        position=sum((Decimal(row["quantity"]) for row in rows("positions")), ZERO),
        wallet=wallet(raw, account=account),
    )


def wallet(raw: Mapping[str, Any], *, account: str) -> Decimal:
    """Return what the account holds, free and locked."""
    rows = [row for row in raw["balances"] if row["account"] == account]
    return sum((Decimal(row["free"]) + Decimal(row["locked"]) for row in rows), ZERO)


def earned(fills: Sequence[LedgerFill]) -> Decimal:
    """Return what fills of one symbol realized at average cost, minus their fees."""
    held = cost = earned = ZERO
    for fill in fills:
        signed, value = fill.signed, fill.price * fill.quantity
        earned -= fill.fee
        if held * signed >= ZERO:
            held, cost = held + signed, cost + value
            continue
        closing = min(abs(signed), abs(held))
        released = cost if closing == abs(held) else cost * closing / abs(held)
        gain = fill.price * closing - released
        earned += gain if held > ZERO else -gain
        opened = abs(signed) - closing
        cost = cost - released + fill.price * opened
        held += signed
    return earned


def _is_about(row: Mapping[str, Any], symbol: str) -> bool:
    return bool(row.get("symbol", symbol) == symbol)


def _order(row: Mapping[str, Any]) -> LedgerOrder:
    return LedgerOrder(
        client_order_id=row["client_order_id"],
        order_id=str(row["order_id"]),
        side=row["side"],
        price=Decimal(row["price"]),
        quantity=Decimal(row["quantity"]),
        filled=Decimal(row["filled"]),
        status=row["status"],
        reduce_only=row["reduce_only"],
        post_only=row["post_only"],
        created_ms=row["created_ms"],
    )


def _fill(row: Mapping[str, Any]) -> LedgerFill:
    return LedgerFill(
        trade_id=str(row["trade_id"]),
        client_order_id=row["client_order_id"],
        side=row["side"],
        price=Decimal(row["price"]),
        quantity=Decimal(row["quantity"]),
        fee=Decimal(row["fee"]),
        maker=row["maker"],
        time_ms=row["time_ms"],
    )


def _request(row: Mapping[str, Any]) -> Request:
    return Request(
        time_ms=row["time_ms"],
        method=row["method"],
        path=row["path"],
        client_order_id=row["client_order_id"],
        outcome=row["outcome"],
    )
