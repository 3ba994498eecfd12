"""What a read of the account shows while the venue's replicas lag, or forget what has ended."""

from typing import Any, Final

from opensqt.paper.errors import ApiError

_OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})


def as_seen(answer: object, *, until_ms: int | None, forgets: bool) -> object:
    """Return an answer without orders and trades made after ``until_ms``, or without ended orders.

    A single order that is not to be seen raises the ``ApiError`` of one that does not exist.
    """
    if until_ms is None and not forgets:
        return answer

    def is_seen(row: Any) -> bool:
        if not isinstance(row, dict) or "time" not in row:
            return True
        is_old = until_ms is None or row["time"] <= until_ms
        return is_old and not (forgets and row.get("status", "NEW") not in _OPEN)

    if isinstance(answer, list):
        return [row for row in answer if is_seen(row)]
    if not is_seen(answer):
        raise ApiError(-2013)
    return answer
