"""Whether the private stream tells what the venue has answered.

A socket that is open and a venue that answers pings prove nothing about the subscription behind
them. An order that was accepted by reply must be reported by the stream as well; when it is not,
neither is anything else to be relied on, such as a fill.
"""

from typing import Final

from opensqt.core.ids import ClientOrderId

REPORT_MS_MAX: Final = 5_000
"""How much later than the reply the first report of an order may come."""


class PrivateWatch:
    """One account's orders that the stream has not reported yet. Callers pass monotonic time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sent: dict[ClientOrderId, int | None] = {}
        """When the order was accepted, None while that is not known."""

    def sending(self, client_order_id: ClientOrderId) -> None:
        """Note that an order is about to be sent: its report may come before its reply."""
        self._sent[client_order_id] = None

    def answered(self, client_order_id: ClientOrderId, *, is_accepted: bool, now_ms: int) -> None:
        """Note the reply; only what was accepted will be reported for sure."""
        if client_order_id not in self._sent:
            return
        if is_accepted:
            self._sent[client_order_id] = now_ms
        else:
            del self._sent[client_order_id]

    def heard(self, client_order_id: ClientOrderId) -> None:
        """Note that the stream has reported an order."""
        self._sent.pop(client_order_id, None)

    def reset(self) -> None:
        """Forget what is awaited: everything is compared with the venue anyway."""
        self._sent = {own: None for own, at_ms in self._sent.items() if at_ms is None}

    def is_overdue(self, *, now_ms: int) -> bool:
        """Tell whether a report is missing for too long."""
        return any(
            at_ms is not None and now_ms - at_ms > REPORT_MS_MAX for at_ms in self._sent.values()
        )
