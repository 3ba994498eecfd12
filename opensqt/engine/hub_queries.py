"""Answering a manager's questions about its symbol."""

from opensqt.ports.exchange import UnknownSymbolError, VenuePort, VenueUnavailableError
from opensqt.ports.link import NOT_TRADED, Answer, Query, QueryKind


async def answer(query: Query, venue: VenuePort) -> Answer:
    """Return what the venue says, or an answer whose ``error`` says that nothing was learnt."""
    try:
        return await _ask(query, venue)
    except UnknownSymbolError as error:
        return Answer(request_id=query.request_id, error=f"{NOT_TRADED}: {error}")
    except VenueUnavailableError as error:
        reason = str(error) or type(error).__name__
        return Answer(request_id=query.request_id, error=reason)


async def _ask(  # noqa: C901 - one arm per kind
    query: Query, venue: VenuePort
) -> Answer:
    number = query.request_id
    match query.kind:
        case QueryKind.ORDER:
            order = await venue.find_order(
                query.symbol,
                client_order_id=query.client_order_id,
                venue_order_id=query.venue_order_id,
            )
            return Answer(request_id=number, order=order)
        case QueryKind.OPEN_ORDERS:
            return Answer(request_id=number, listing=await venue.open_orders(query.symbol))
        case QueryKind.TRADES:
            listing = await venue.trades(query.symbol, since_ms=query.since_ms)
            return Answer(request_id=number, listing=listing)
        case QueryKind.POSITION:
            return Answer(request_id=number, position=await venue.position(query.symbol))
        case QueryKind.INSTRUMENT:
            return Answer(request_id=number, instrument=await venue.instrument(query.symbol))
        case QueryKind.BALANCES:
            return Answer(request_id=number, balances=await venue.balances())
        case QueryKind.TIME:
            return Answer(request_id=number, time_ms=await venue.server_time_ms())
        case QueryKind.DISOWN:
            return await _disown(query, venue)


async def _disown(query: Query, venue: VenuePort) -> Answer:
    if query.client_order_id is None:
        return Answer(request_id=query.request_id, error="expected the id of an order")
    unsent_ms = await venue.disown(query.client_order_id, deadline_ms=query.deadline_ms)
    return Answer(request_id=query.request_id, unsent_ms=unsent_ms)
