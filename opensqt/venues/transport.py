"""ccxt as a signer of single requests, and nothing more; they are sent here.

What a caller gets is the venue's own answer (status, headers, body with exact numbers) or the proof
of how far the request came. ccxt's own way of sending is not used: it repeats, it may wait, and its
exception classes depend on the URL and call timeouts, refusals and duplicates by each other's
names.

Invariants kept here:

* a request that may change something is written at most once: a redirect or a retry of the HTTP
  client is stopped before its first byte;
* ``was_written`` is false only if not one byte of the request has left: it is set by the HTTP
  client's own hook between connecting and writing, where the deadline is checked as well;
* no number of an answer has been a float.
"""

import importlib
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import yarl

from opensqt.core.ids import UnixMs
from opensqt.ports.clock import ClockPort
from opensqt.venues.slim_ccxt import exchange_class

_RETRIES: Final = "maxRetriesOnFailure"
# The venue's own inner wait is ten seconds; after that no answer is coming.
_TIMEOUT_MS: Final = 10_000

RawTap = Callable[[object, object], None]
"""Takes (socket client, decoded frame) of every frame ccxt's own sockets read."""


class VenueConfigError(ValueError):
    """A venue cannot be used as it is set up; trying again does not help."""


class NoReplyError(Exception):
    """The venue's answer is not known."""

    def __init__(self, message: str, *, was_written: bool) -> None:
        """Say whether the request may have reached the venue."""
        super().__init__(message)
        self.was_written = was_written


class DeadlinePassedError(NoReplyError):
    """The deadline passed before the first byte was written."""

    def __init__(self) -> None:
        """Nothing was written."""
        super().__init__("deadline passed before the request was written", was_written=False)


class _ResendRefusedError(Exception):
    """The HTTP client wanted to write a mutating request again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Keys of a venue account; never shown."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route of a venue, as ccxt names it."""

    path: str
    section: str
    """ccxt's name of the API family: decides host, version and signing."""
    method: str
    weight: int = 1
    """What a request costs of the venue's request weight per minute."""

    @property
    def is_mutating(self) -> bool:
        """Tell whether sending it twice could do something twice."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the venue answered, whatever the status."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: str
    payload: Any
    """Decoded JSON with bare non-integral numbers as text; None if it is none."""
    url: str

    @property
    def is_success(self) -> bool:
        """Tell whether the status says so."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP success range


@dataclass(slots=True, kw_only=True)
class _Call:
    owner: object
    deadline_ms: UnixMs | None
    is_mutating: bool
    is_written: bool = False


_CURRENT: ContextVar[_Call | None] = ContextVar("opensqt_venue_call", default=None)


def decode_exact(text: str) -> Any:
    """Return decoded JSON in which numbers with a fraction or exponent are their own text."""
    return json.loads(text, parse_float=str)


class _RawMixin:
    """Overrides of ccxt's exchange class: our clock, raw frames."""

    opensqt_now: Callable[[], int]
    opensqt_tap: RawTap | None = None

    def nonce(self) -> int:
        return self.opensqt_now()

    def handle_message(self, client: object, message: object) -> Any:
        # ccxt's watch methods merge updates and drop those nobody is waiting for; here every frame
        # passes before they see it.
        if self.opensqt_tap is not None:
            self.opensqt_tap(client, message)
        return super().handle_message(client, message)  # type: ignore[misc]  # ccxt is untyped


class Transport:
    """Sends signed requests to one venue account through one HTTP session."""

    def __init__(
        self,
        venue: str,
        *,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        clock: ClockPort,
        options: Mapping[str, Any] | None = None,
        streaming: bool = False,
    ) -> None:
        """Load ccxt's class of ``venue``; ``options`` go to ccxt, those that re-send are refused.

        The session stays the caller's to close.
        """
        _refuse_retries(options or {})
        self._session = session
        self._clock = clock
        self._offset_ms = 0
        base = exchange_class(venue, streaming=streaming)
        self._exchange: Any = type(f"Raw{venue}", (_RawMixin, base), {})(
            {
                "apiKey": credentials.api_key,
                "secret": credentials.secret,
                "session": session,
                "enableRateLimit": False,
                "timeout": _TIMEOUT_MS,
                "timeout_on_exit": 0,
                "options": dict(options or {}),
            }
        )
        self._exchange.opensqt_now = lambda: self._clock.now_ms() + self._offset_ms
        self._errors: tuple[type[Exception], ...] = (
            _base_error(),
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            _ResendRefusedError,
        )
        session.trace_configs.append(self._trace())

    @property
    def exchange(self) -> Any:
        """Return ccxt's object, for streaming venues and tests."""
        return self._exchange

    def set_clock_offset(self, offset_ms: int) -> None:
        """Set venue clock minus ours; requests are stamped with the venue's time."""
        self._offset_ms = offset_ms

    def set_tap(self, tap: RawTap) -> None:
        """Pass every frame of ccxt's own sockets to ``tap`` before ccxt merges it."""
        self._exchange.opensqt_tap = tap

    async def call(
        self,
        endpoint: Endpoint,
        params: Mapping[str, str | int],
        *,
        deadline_ms: UnixMs | None = None,
    ) -> Reply:
        """Send one request once and return the answer, whatever its status.

        Raise ``DeadlinePassedError`` if the wall clock reached ``deadline_ms`` before the first
        byte, ``NoReplyError`` if there is no complete answer.
        """
        if _RETRIES in params:
            raise VenueConfigError(f"{_RETRIES} would send a request again")
        call = _Call(owner=self, deadline_ms=deadline_ms, is_mutating=endpoint.is_mutating)
        token = _CURRENT.set(call)
        try:
            return await self._send(endpoint, dict(params))
        except self._errors as error:
            raise NoReplyError(_describe(error), was_written=call.is_written) from error
        finally:
            _CURRENT.reset(token)

    async def _send(self, endpoint: Endpoint, params: dict[str, str | int]) -> Reply:
        signed = self._exchange.sign(endpoint.path, [endpoint.section], endpoint.method, params)
        url, body = signed["url"], signed["body"]
        timeout_s = self._exchange.timeout / 1_000
        async with self._session.request(
            signed["method"],
            yarl.URL(url, encoded=True),
            data=body.encode() if body else None,
            headers=self._exchange.prepare_request_headers(signed["headers"]),
            timeout=aiohttp.ClientTimeout(
                total=timeout_s, sock_connect=timeout_s, sock_read=timeout_s
            ),
        ) as response:
            text = await response.text(errors="replace")
        return Reply(
            status=response.status,
            headers=response.headers,
            body=text,
            payload=_payload(text),
            url=url,
        )

    async def close(self) -> None:
        """Let go of the session, which stays open."""
        await self._exchange.close()

    def _trace(self) -> aiohttp.TraceConfig:
        async def before_first_byte(
            _session: aiohttp.ClientSession,
            _context: SimpleNamespace,
            _params: aiohttp.TraceRequestHeadersSentParams,
        ) -> None:
            call = _CURRENT.get()
            if call is None or call.owner is not self:
                return
            if call.is_written and call.is_mutating:
                raise _ResendRefusedError("redirected or disconnected after the request was sent")
            if call.deadline_ms is not None and self._clock.now_ms() >= call.deadline_ms:
                raise DeadlinePassedError
            call.is_written = True

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(before_first_byte)
        trace.freeze()
        return trace


def _base_error() -> type[Exception]:
    # Only after a venue was loaded: see slim_ccxt.
    module = importlib.import_module("ccxt.base.errors")
    found: type[Exception] = module.BaseError
    return found


def _payload(text: str) -> Any:
    if not text.startswith(("{", "[")):
        return None
    try:
        return decode_exact(text)
    except ValueError:
        return None


def _refuse_retries(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name == _RETRIES and value:
            raise VenueConfigError(f"{_RETRIES} would send a request again")
        if isinstance(value, Mapping):
            _refuse_retries(value)


def _describe(error: BaseException) -> str:
    cause = error if error.__cause__ is None else error.__cause__
    return f"{type(cause).__name__}: {cause}"
