"""The ledger: everything the venue knows of its accounts, as the control API shows it."""

from dataclasses import asdict

from opensqt.core.money import to_text
from opensqt.market.types import BookOrder, Fill
from opensqt.paper.dialect import order_status, venue_symbol
from opensqt.paper.store import Query
from opensqt.paper.venue import PaperVenue


def ledger(venue: PaperVenue, *, since_ms: int = 0) -> dict[str, object]:
    """Return everything the venue knows of its accounts: the independent truth of every check.

    ``since_ms`` limits orders, fills and requests to newer ones.
    """
    name, store, query = venue.config.venue, venue.store, Query(since_ms=since_ms)
    accounts = venue.model.accounts
    return {
        "orders": [_order(name, order) for order in store.orders(query)],
        "fills": [_fill(name, fill) for fill in store.fills(query)],
        "requests": [{"venue": name, **asdict(row)} for row in store.requests(since_ms=since_ms)],
        "positions": [
            {
                "venue": name,
                "account": account,
                "symbol": venue_symbol(position.symbol),
                "quantity": to_text(position.quantity),
            }
            for account in accounts
            for position in venue.model.positions(account)
        ],
        "balances": [
            {
                "venue": name,
                "account": account,
                "asset": item.asset,
                "free": to_text(item.free),
                "locked": to_text(item.locked),
            }
            for account in accounts
            for item in venue.model.balances(account)
        ],
    }


def _order(venue: str, order: BookOrder) -> dict[str, object]:
    return {
        "venue": venue,
        "account": order.account,
        "symbol": venue_symbol(order.symbol),
        "client_order_id": order.client_order_id,
        "order_id": order.venue_order_id,
        "side": order.side.value,
        "price": "0" if order.price is None else to_text(order.price),
        "quantity": to_text(order.quantity),
        "filled": to_text(order.filled_quantity),
        "status": order_status(order),
        "reduce_only": order.reduce_only,
        "post_only": order.time_in_force.value == "gtx",
        "created_ms": order.created_ms,
        "updated_ms": order.updated_ms,
    }


def _fill(venue: str, fill: Fill) -> dict[str, object]:
    return {
        "venue": venue,
        "account": fill.account,
        "trade_id": fill.trade_id,
        "symbol": venue_symbol(fill.symbol),
        "client_order_id": fill.client_order_id,
        "side": fill.side.value,
        "price": to_text(fill.price),
        "quantity": to_text(fill.quantity),
        "fee": to_text(fill.fee),
        "fee_asset": fill.fee_asset,
        "maker": fill.is_maker,
        "time_ms": fill.at_ms,
    }
