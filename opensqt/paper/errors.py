"""What the venue answers when it refuses: Binance USD-M's codes and words.

This list is the paper venue's own on purpose: a connector has its own table, and a test compares
the two, so that one mistake cannot hide in both.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from opensqt.market.types import Refusal


class ApiError(Exception):
    """A refusal with the venue's code, to be sent as JSON."""

    def __init__(
        self, code: int, message: str = "", *, status: int = 400, retry_after_ms: int = 0
    ) -> None:
        text = message or MESSAGES[code]
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status
        self.retry_after_ms = retry_after_ms
        """When to try again, told in the Retry-After header; 0 tells nothing."""


MESSAGES: Final[Mapping[int, str]] = MappingProxyType(
    {
        -1000: "An unknown error occurred while processing the request.",
        -1001: "Internal error; unable to process your request. Please try again.",
        -1003: "Too many requests; current limit is exceeded.",
        -1007: "Timeout waiting for response from backend server. Send status unknown; "
        "execution status unknown.",
        -1013: "Filter failure.",
        -1021: "Timestamp for this request is outside of the recvWindow.",
        -1022: "Signature for this request is not valid.",
        -1100: "Illegal characters found in a parameter.",
        -1102: "A mandatory parameter was not sent, was empty/null, or malformed.",
        -1111: "Precision is over the maximum defined for this asset.",
        -1115: "Invalid timeInForce.",
        -1116: "Invalid orderType.",
        -1117: "Invalid side.",
        -1120: "Invalid interval.",
        -1121: "Invalid symbol.",
        -1125: "This listenKey does not exist.",
        -1131: "recvWindow must be less than 60000.",
        -2011: "Unknown order sent.",
        -2013: "Order does not exist.",
        -2014: "API-key format invalid.",
        -2015: "Invalid API-key, IP, or permissions for action.",
        -2019: "Margin is insufficient.",
        -2022: "ReduceOnly Order is rejected.",
        -2025: "Reach max open order limit.",
        -4003: "Quantity less than or equal to zero.",
        -4015: "Client order id is not valid.",
        -4016: "Limit price can't be higher than the market's price band.",
        -4024: "Limit price can't be lower than the market's price band.",
        -4028: "Leverage is not valid.",
        -4046: "No need to change margin type.",
        -4059: "No need to change position side.",
        -4061: "Order's position side does not match user's setting.",
        -4116: "ClientOrderId is duplicated.",
        -4140: "Invalid symbol status for opening position.",
        -4164: "Order's notional must be no smaller than the minimum "
        "(unless you choose reduce only).",
        -5000: "Path or method is invalid.",
        -5022: "Due to the order could not be executed as maker, the Post Only order will be "
        "rejected.",
    }
)

REFUSALS: Final[Mapping[Refusal, int]] = MappingProxyType(
    {
        Refusal.UNKNOWN_SYMBOL: -1121,
        Refusal.UNKNOWN_ORDER: -2011,
        Refusal.NO_MARKET: -4140,
        Refusal.TICK: -1013,
        Refusal.LOT: -1013,
        Refusal.QUANTITY_MIN: -1013,
        Refusal.QUANTITY_MAX: -1013,
        Refusal.NOTIONAL_MIN: -4164,
        Refusal.PRICE_TOO_HIGH: -4016,
        Refusal.PRICE_TOO_LOW: -4024,
        Refusal.ORDERS_OPEN_MAX: -2025,
        Refusal.DUPLICATE_ID: -4116,
        Refusal.WOULD_CROSS: -5022,
        Refusal.REDUCE_ONLY: -2022,
        Refusal.MARGIN: -2019,
    }
)
"""The code of every reason the model can refuse an order for."""

_FILTER_WORDS: Final = {
    Refusal.TICK: "Filter failure: PRICE_FILTER",
    Refusal.LOT: "Filter failure: LOT_SIZE",
    Refusal.QUANTITY_MIN: "Filter failure: LOT_SIZE",
    Refusal.QUANTITY_MAX: "Filter failure: LOT_SIZE",
}


def refusal_error(reason: Refusal) -> ApiError:
    """Return the error a refusal is answered with."""
    return ApiError(REFUSALS[reason], _FILTER_WORDS.get(reason, ""))
