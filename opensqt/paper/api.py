"""Requests of the venue's REST protocol: routes, parameters, signatures, request weights."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Final
from urllib.parse import parse_qsl

from opensqt.core.ids import Symbol, UnixMs
from opensqt.core.money import MoneyError, parse_decimal
from opensqt.paper.config import PaperAccount
from opensqt.paper.errors import ApiError
from opensqt.paper.venue import Origin, PaperVenue

RECEIVE_WINDOW_MS: Final = 5_000
RECEIVE_WINDOW_MAX_MS: Final = 60_000
# A client's clock may run ahead by less than a second.
_AHEAD_MAX_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_SIGNATURE: Final = re.compile(r"(?:^|&)signature=([^&]*)")


class Security(Enum):
    """What a route demands of the caller."""

    NONE = auto()
    KEY = auto()
    SIGNED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """A request as it arrived."""

    method: str
    path: str
    query: str
    body: str
    api_key: str
    client: str
    """Address the request weight is counted for."""

    def params(self) -> dict[str, str]:
        """Return the parameters of query and form body; the body wins."""
        return dict(parse_qsl(f"{self.query}&{self.body}", keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that may be answered: checked, with its account."""

    venue: PaperVenue
    account: PaperAccount
    params: Mapping[str, str]
    origin: Origin

    def text(self, name: str) -> str:
        """Return a parameter that must be there; raise ``ApiError``."""
        value = self.params.get(name, "")
        if not value:
            message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            raise ApiError(-1102, message)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer parameter; raise ``ApiError``."""
        if default is not None and not self.params.get(name):
            return default
        value = self.text(name)
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'.")
        return int(value)

    def decimal(self, name: str) -> Decimal:
        """Return an exact amount; raise ``ApiError``."""
        try:
            return parse_decimal(self.text(name))
        except MoneyError as error:
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'.") from error

    def flag(self, name: str) -> bool:
        """Return a boolean parameter, false when it is missing."""
        return self.params.get(name, "false").lower() == "true"

    def symbol(self) -> Symbol:
        """Return the symbol asked for, and wake its market; raise ``ApiError``."""
        symbol = Symbol(f"{self.text('symbol')}:perp")
        if symbol not in self.venue.model.books:
            raise ApiError(-1121)
        return symbol


Handler = Callable[[Call], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one method and path is served."""

    handler: Handler
    security: Security = Security.NONE
    weight: int = 1
    changes_orders: bool = False
    """Whether the request is written to the log of requests."""


class Routes:
    """A table of routes that functions add themselves to."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], Route] = {}

    def add(
        self,
        *routes: str,
        security: Security = Security.NONE,
        weight: int = 1,
        changes_orders: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Serve ``"METHOD /path"`` with the decorated function."""

        def register(handler: Handler) -> Handler:
            for route in routes:
                method, path = route.split()
                self.table[method, path] = Route(
                    handler=handler,
                    security=security,
                    weight=weight,
                    changes_orders=changes_orders,
                )
            return handler

        return register


def logged(call: Call, handler: Handler) -> object:
    """Answer a call; a refusal is written to the log of requests before it is passed on."""
    try:
        return handler(call)
    except ApiError as error:
        call.venue.log_rejection(call.origin, request_client_order_id(call.params), error.code)
        raise


def request_client_order_id(params: Mapping[str, str]) -> str:
    """Return the client order id a request is about, empty if it names none."""
    return params.get("newClientOrderId") or params.get("origClientOrderId") or ""


class WeightMeter:
    """Request weight per client address and minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minute = 0
        self._used: MutableMapping[str, int] = {}

    def use(self, client: str, weight: int, now_ms: int) -> int:
        """Count a request; return the weight used in this minute; raise ``ApiError`` above it."""
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        used = self._used[client] = self._used.get(client, 0) + weight
        if used > self._limit:
            left_ms = (minute + 1) * _MINUTE_MS - now_ms
            raise ApiError(-1003, status=429, retry_after_ms=left_ms)
        return used

    def used(self, client: str) -> int:
        """Return the weight a client used in the current minute."""
        return self._used.get(client, 0)


def find_account(accounts: Mapping[str, PaperAccount], api_key: str) -> PaperAccount:
    """Return the account of a key; raise ``ApiError``."""
    if not api_key:
        raise ApiError(-2014, status=401)
    account = accounts.get(api_key)
    if account is None:
        raise ApiError(-2015, status=401)
    return account


def check_signature(raw: RawRequest, account: PaperAccount) -> None:
    """Raise ``ApiError`` unless the request is signed with the account's secret.

    What is signed is the query followed by the body, without the signature itself.
    """
    given = ""
    parts = []
    for part in (raw.query, raw.body):
        found = _SIGNATURE.search(part)
        if found is not None:
            given = found.group(1)
            part = _SIGNATURE.sub("", part).removeprefix("&")  # noqa: PLW2901 - the cleaned part
        parts.append(part)
    secret = account.api_secret.encode()
    expected = hmac.new(secret, "".join(parts).encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, given.lower()):
        raise ApiError(-1022)


def check_time(params: Mapping[str, str], now_ms: UnixMs) -> None:
    """Raise ``ApiError`` unless the request was made within its receive window."""
    stamp, window = params.get("timestamp", ""), params.get("recvWindow", "")
    if not stamp.isdigit():
        message = "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."
        raise ApiError(-1102, message)
    width = int(window) if window.isdigit() else RECEIVE_WINDOW_MS
    if width > RECEIVE_WINDOW_MAX_MS:
        raise ApiError(-1131)
    if int(stamp) >= now_ms + _AHEAD_MAX_MS:
        message = "Timestamp for this request was 1000ms ahead of the server's time."
        raise ApiError(-1021, message)
    if now_ms - int(stamp) > width:
        raise ApiError(-1021)
