"""Scripted trouble: requests that never arrive, answers that never leave, delays, dead streams.

A rule names a route by method and path prefix, how often it may act and with which probability;
its dice are seeded, so the same requests in the same order meet the same faults.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class FaultKind(StrEnum):
    """What goes wrong."""

    DROP_REQUEST = "drop_request"
    """The connection is cut before the venue looks at the request."""
    DROP_REPLY = "drop_reply"
    """The venue does its work, then the connection is cut."""
    DELAY = "delay"
    """The request waits ``delay_ms`` before the venue looks at it."""
    ERROR = "error"
    """Answered with ``status`` and ``code``, not looked at; ``delay_ms`` becomes Retry-After."""
    DISCONNECT = "disconnect"
    """WebSockets are cut, at once."""
    SILENCE = "silence"
    """WebSockets stay open and say nothing for ``delay_ms``, from now."""


IMMEDIATE: Final = frozenset({FaultKind.DISCONNECT, FaultKind.SILENCE})


class FaultError(ValueError):
    """A fault description is not usable."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One rule. ``count`` falls as it acts; None never runs out."""

    id: int
    kind: FaultKind
    method: str
    """Empty for any."""
    path: str
    """Prefix of the request path; empty for any."""
    count: int | None
    probability: float
    delay_ms: int
    status: int
    code: int
    rng: random.Random = field(repr=False)
    hits: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Tell whether the rule acts on this request, and count it if so."""
        if self.count == 0 or (self.method and self.method != method):
            return False
        if not path.startswith(self.path) or self.rng.random() >= self.probability:
            return False
        self.hits += 1
        if self.count is not None:
            self.count -= 1
        return True

    def as_json(self) -> dict[str, object]:
        """Return the rule as the control API shows it."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "route": f"{self.method} {self.path}".strip(),
            "count": self.count,
            "probability": str(self.probability),
            "delay_ms": self.delay_ms,
            "status": self.status,
            "code": self.code,
            "hits": self.hits,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happens to one request."""

    delay_ms: int = 0
    drop_request: bool = False
    drop_reply: bool = False
    error: tuple[int, int, int] | None = None
    """(HTTP status, code, milliseconds until a retry is welcome)."""


class Faults:
    """The rules in force."""

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._rules: list[Fault] = []
        self._id_next = 1

    def add(self, description: Mapping[str, object]) -> Fault:
        """Put a rule in force; raise ``FaultError`` naming what is wrong with it."""
        known = {"kind", "route", "count", "probability", "delay_ms", "status", "code", "seed"}
        unknown = sorted(set(description) - known)
        if unknown:
            message = f"expected the keys {sorted(known)}, got also {unknown}"
            raise FaultError(message)
        try:
            rule = self._parse(description)
        except (TypeError, ValueError) as error:
            message = f"expected a fault, got {dict(description)!r}: {error}"
            raise FaultError(message) from error
        self._id_next += 1
        if rule.kind not in IMMEDIATE:
            self._rules.append(rule)
        return rule

    def clear(self) -> int:
        """Lift every rule; return how many there were."""
        count = len(self._rules)
        self._rules.clear()
        return count

    def as_json(self) -> list[dict[str, object]]:
        """Return every rule in force."""
        return [rule.as_json() for rule in self._rules]

    def draw(self, method: str, path: str) -> Trouble:
        """Decide what happens to a request."""
        if not self._rules:
            return _NO_TROUBLE
        struck = [rule for rule in self._rules if rule.strikes(method, path)]
        self._rules = [rule for rule in self._rules if rule.count != 0]
        if not struck:
            return _NO_TROUBLE
        kinds = {rule.kind for rule in struck}
        errors = [
            (rule.status, rule.code, rule.delay_ms)
            for rule in struck
            if rule.kind is FaultKind.ERROR
        ]
        return Trouble(
            delay_ms=sum(rule.delay_ms for rule in struck if rule.kind is FaultKind.DELAY),
            drop_request=FaultKind.DROP_REQUEST in kinds,
            drop_reply=FaultKind.DROP_REPLY in kinds,
            error=errors[0] if errors else None,
        )

    def _parse(self, description: Mapping[str, object]) -> Fault:
        method, _, path = str(description.get("route", "")).strip().rpartition(" ")
        if not path.startswith("/") and path:
            method, path = path, ""
        count = description.get("count")
        probability = float(str(description.get("probability", "1")))
        if not 0.0 <= probability <= 1.0:
            raise ValueError("probability outside 0 to 1")
        seed = description.get("seed", f"{self._seed}/{self._id_next}")
        return Fault(
            id=self._id_next,
            kind=FaultKind(str(description.get("kind"))),
            method=method.upper(),
            path=path,
            count=None if count is None else _natural(count, "count"),
            probability=probability,
            delay_ms=_natural(description.get("delay_ms", 0), "delay_ms"),
            status=_natural(description.get("status", 503), "status"),
            code=int(str(description.get("code", -1001))),
            rng=random.Random(str(seed)),
        )


_NO_TROUBLE: Final = Trouble()


def _natural(value: object, name: str) -> int:
    number = int(str(value))
    if number < 0:
        message = f"{name} is negative"
        raise ValueError(message)
    return number
