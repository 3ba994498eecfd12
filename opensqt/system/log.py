"""Structured logging on the standard library: an event constant and its fields.

``log.info("order.rejected", client_order_id=…, reason=…)`` is one JSON object per line, or one
readable line on a terminal. Records of other libraries pass through the same formatter. Secrets
never reach the stream: fields with a telling name are masked, so are the values of ``hide``, so is
what follows a telling name inside any text.
"""

import json
import logging
import math
import re
import sys
import time
import traceback
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TextIO

from opensqt.core.money import to_text

MASK: Final = "***"
_LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_TELLING: Final = (
    r"(?:secret|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|signature|"
    r"authorization|access[_-]?token|auth[_-]?token|listenkey)"
)
_TELLING_NAME: Final = re.compile(rf"[a-z0-9_.-]*{_TELLING}|token", re.IGNORECASE)
_TELLING_TEXT: Final = re.compile(
    rf"({_TELLING}|\btoken)(['\"]?\s*[=:]\s*['\"]?(?:bearer\s+|basic\s+)?)([^\s'\"&,;)}}]+)",
    re.IGNORECASE,
)
_ADDRESS_PASSWORD: Final = re.compile(r"(://[^\s:/@]*):[^\s/@]+@")
_FIELDS: Final = "opensqt_fields"
# Short texts are not secrets but would blank out half of every line.
_SECRET_LENGTH_MIN: Final = 6

_hidden: set[str] = set()


class Logger:
    """Writes events with the fields bound to it. Immutable; cheap to make."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object]) -> None:
        self._logger = logger
        self._fields = fields

    def bind(self, **fields: object) -> "Logger":
        """Return a logger that adds these fields to every event."""
        return Logger(self._logger, {**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> None:
        """Log replayable detail."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log a business change."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what went wrong and healed itself."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log what a person must look at."""
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log what a person must look at, with the exception being handled."""
        self._log(logging.ERROR, event, fields, with_exception=True)

    def is_enabled(self, level: str) -> bool:
        """Tell whether events of this level are written."""
        return self._logger.isEnabledFor(_LEVELS[level])

    def _log(
        self, level: int, event: str, fields: Mapping[str, object], *, with_exception: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {_FIELDS: {**self._fields, **fields}}
            self._logger.log(level, "%s", event, exc_info=with_exception, extra=extra)


def get(name: str, **fields: object) -> Logger:
    """Return the logger of a module or process with fields bound to it."""
    return Logger(logging.getLogger(name), fields)


def hide(secret: str) -> None:
    """Never let this text reach the stream, wherever it occurs."""
    if len(secret) >= _SECRET_LENGTH_MIN:
        _hidden.add(secret)


def configure(
    *, level: str = "info", stream: TextIO | None = None, as_json: bool | None = None
) -> None:
    """Send all logging of this process to ``stream`` (standard error), replacing what was set up.

    JSON lines unless the stream is a terminal; ``as_json`` overrides. Raise ``ValueError`` for an
    unknown level. Libraries below warning are silent.
    """
    if level not in _LEVELS:
        raise ValueError(f"expected a log level of {', '.join(_LEVELS)}, got {level!r}")
    target = sys.stderr if stream is None else stream
    json_lines = not target.isatty() if as_json is None else as_json
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for ours in ("opensqt", "actors"):
        logging.getLogger(ours).setLevel(_LEVELS[level])
    logging.captureWarnings(True)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ts, level, logger, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "ts": _iso(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redacted_text(record.getMessage()),
            **{_free(name): value for name, value in _record_fields(record).items()},
        }
        return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for people: time of day in UTC, level, event, ``name=value`` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; an exception follows on lines of its own."""
        fields = _record_fields(record)
        exception = fields.pop("exception", None)
        words = [f"{name}={_shown(value)}" for name, value in fields.items()]
        event = redacted_text(record.getMessage())
        line = " ".join((_iso(record)[11:23], f"{record.levelname.lower():7}", event, *words))
        return line if exception is None else f"{line}\n{exception}"


def redacted(name: str, value: object) -> object:
    """Return a field's value as it may be written: masked, or plain JSON."""
    if _TELLING_NAME.fullmatch(name) and value not in (None, ""):
        return MASK
    match value:
        case None | bool() | int():
            return value
        case StrEnum():
            return value.value
        case str():
            return redacted_text(value)
        case Mapping():
            return {str(key): redacted(str(key), item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redacted("", item) for item in value]
        case _:
            return _number(value) if isinstance(value, (Decimal, float)) else _text(value)


def _number(value: Decimal | float) -> object:
    """Return a decimal as canonical text and a float as itself, infinities and NaN as text."""
    if not math.isfinite(value):
        return str(value)
    return to_text(value) if isinstance(value, Decimal) else value


def _text(value: object) -> str:
    return redacted_text(str(value))


def redacted_text(text: str) -> str:
    """Return a text without hidden values and without what follows a telling name."""
    for secret in _hidden:
        if secret in text:
            text = text.replace(secret, MASK)
    text = _ADDRESS_PASSWORD.sub(rf"\1:{MASK}@", text)
    return _TELLING_TEXT.sub(rf"\1\2{MASK}", text)


def _record_fields(record: logging.LogRecord) -> dict[str, object]:
    given: Mapping[str, object] = getattr(record, _FIELDS, {})
    fields = {name: redacted(name, value) for name, value in given.items()}
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = redacted_text(
            "".join(traceback.format_exception(*record.exc_info)).rstrip()
        )
    return fields


def _free(name: str) -> str:
    """Return a field name that does not hide one of the line's own."""
    return f"{name}_" if name in ("ts", "level", "logger", "event") else name


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if " " in text or "\n" in text else text


def _iso(record: logging.LogRecord) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{stamp}.{int(record.msecs):03d}Z"
