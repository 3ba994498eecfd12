"""Reading a trade history that is served in pages of a week or a thousand trades."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from opensqt.core.ids import TradeId
from opensqt.ports.exchange import Listing, VenueTrade

PAGE_SIZE: Final = 1_000
"""Most trades the venue returns at once."""
KEPT_MS: Final = 90 * 24 * 3_600 * 1_000
"""How far back the history is read."""
_WINDOW_MS: Final = 7 * 24 * 3_600 * 1_000
_PAGES_MAX: Final = 200

ReadPage = Callable[[Mapping[str, int]], Awaitable[tuple[VenueTrade, ...]]]
"""Takes ``startTime`` and ``endTime``, or ``fromId``; returns a page in order of id."""


async def read_history(read_page: ReadPage, *, since_ms: int, now_ms: int) -> Listing:
    """Return all trades since ``since_ms``, oldest first; incomplete if it takes too many pages.

    ``since_ms`` 0 means as far back as the history is read; any other time before that makes the
    answer incomplete.
    """
    start = max(since_ms, now_ms - KEPT_MS)
    is_kept = since_ms in (0, start)
    found: dict[TradeId, VenueTrade] = {}
    from_id: int | None = None
    for _ in range(_PAGES_MAX):
        end = start + _WINDOW_MS - 1
        page = await read_page(
            {"startTime": start, "endTime": end} if from_id is None else {"fromId": from_id}
        )
        found.update((trade.trade_id, trade) for trade in page)
        is_last = from_id is not None or end >= now_ms
        if is_last and len(page) < PAGE_SIZE:
            return _listing(found, since_ms, is_complete=is_kept)
        if page:
            # Ids rise with time, so from the first trade on there is no need for windows.
            from_id = max(int(trade.trade_id) for trade in page) + 1
        else:
            start = end + 1
    return _listing(found, since_ms, is_complete=False)


def _listing(found: Mapping[TradeId, VenueTrade], since_ms: int, *, is_complete: bool) -> Listing:
    wanted = [trade for trade in found.values() if trade.at_ms >= since_ms]
    wanted.sort(key=lambda trade: (trade.at_ms, int(trade.trade_id)))
    return Listing(trades=tuple(wanted), is_complete=is_complete)
