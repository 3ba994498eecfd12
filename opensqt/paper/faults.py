"""Scripted trouble: requests that never arrive, answers that never leave, delays, dead streams.

A rule names a route by method and path prefix, how often it may act, with which probability and for
how long; its dice are seeded, so the same requests in the same order meet the same faults. What the
kinds do is said once, in ``MEANING``, and shown by the control API.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class FaultKind(StrEnum):
    """What goes wrong; see ``MEANING``."""

    DROP_REQUEST = "drop_request"
    DROP_REPLY = "drop_reply"
    DELAY = "delay"
    DELAY_REPLY = "delay_reply"
    LAND_LATE = "land_late"
    ERROR = "error"
    LAG = "lag"
    FORGET = "forget"
    DISCONNECT = "disconnect"
    SILENCE = "silence"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    GARBLE = "garble"


MEANING: Final[Mapping[FaultKind, str]] = MappingProxyType(
    {
        FaultKind.DROP_REQUEST: "the connection is cut before the venue looks at the request",
        FaultKind.DROP_REPLY: "the venue does its work, then the connection is cut",
        FaultKind.DELAY: "the request waits `delay_ms` before the venue looks at it, also at "
        "the time it carries",
        FaultKind.DELAY_REPLY: "the venue does its work at once, the reply leaves `delay_ms` later",
        FaultKind.LAND_LATE: "the request is taken in time and the connection is cut; the venue "
        "does its work `delay_ms` later",
        FaultKind.ERROR: "answered with `status` and `code`, or with the text `body`; not looked "
        "at unless `acts` is true; `delay_ms` becomes Retry-After",
        FaultKind.LAG: "signed reads show no order and no trade younger than `delay_ms`",
        FaultKind.FORGET: "signed reads do not know orders that have ended",
        FaultKind.DISCONNECT: "WebSockets are cut, at once",
        FaultKind.SILENCE: "WebSockets stay open and say nothing for `delay_ms`, from now",
        FaultKind.DUPLICATE: "a stream event is sent twice",
        FaultKind.REORDER: "a stream event is sent `delay_ms` later, behind what follows it",
        FaultKind.GARBLE: "a stream event arrives as text that is not JSON",
    }
)
IMMEDIATE: Final = frozenset({FaultKind.DISCONNECT, FaultKind.SILENCE})
OF_FRAMES: Final = frozenset({FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.GARBLE})
_KEYS: Final = frozenset(
    {
        *("kind", "route", "count", "probability", "seed", "lasts_ms"),
        *("delay_ms", "status", "code", "body", "acts"),
    }
)


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
    body: str | None
    """Text to answer with instead of JSON."""
    acts: bool
    """Whether the venue does its work before it answers with the error."""
    until_ms: int | None
    """Monotonic moment at which the rule is lifted by itself."""
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
            "body": self.body,
            "acts": self.acts,
            "hits": self.hits,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An answer that says something went wrong."""

    status: int
    code: int
    body: str | None
    retry_after_ms: int
    acts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happens to one request."""

    delay_ms: int = 0
    late_ms: int = 0
    """How long after the cut of the connection the request is acted on; 0 = no cut."""
    reply_ms: int = 0
    lag_ms: int = 0
    drop_request: bool = False
    drop_reply: bool = False
    forgets: bool = False
    failure: Failure | None = None

    @property
    def loses_reply(self) -> bool:
        """Tell whether the client will not learn what the venue did."""
        is_late = bool(self.late_ms)
        return self.drop_reply or is_late or (self.failure is not None and self.failure.acts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTrouble:
    """What happens to one event of a stream."""

    copies: int = 1
    delay_ms: int = 0
    is_garbled: bool = False


class Faults:
    """The rules in force."""

    def __init__(self, *, seed: int, monotonic_ms: Callable[[], int]) -> None:
        """Seed the dice of rules that bring no seed."""
        self._seed = seed
        self._monotonic_ms = monotonic_ms
        self._rules: list[Fault] = []
        self._hits: Counter[FaultKind] = Counter()
        self._id_next = 1

    @property
    def strikes_frames(self) -> bool:
        """Tell whether any rule is about stream events."""
        return any(rule.kind in OF_FRAMES for rule in self._rules)

    @property
    def hits(self) -> Mapping[str, int]:
        """Return how often each kind has acted, rules that are used up or lifted included."""
        return {kind.value: count for kind, count in self._hits.items()}

    def add(self, description: Mapping[str, object]) -> Fault:
        """Put a rule in force; raise ``FaultError`` naming what is wrong with it."""
        unknown = sorted(set(description) - _KEYS)
        if unknown:
            message = f"expected the keys {sorted(_KEYS)}, got also {unknown}"
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
        self._lift_outlived()
        return [rule.as_json() for rule in self._rules]

    def draw(self, method: str, path: str) -> Trouble:
        """Decide what happens to a request."""
        struck = self._struck(method, path, of_frames=False)
        if not struck:
            return _NO_TROUBLE
        kinds = {rule.kind for rule in struck}
        failures = [
            Failure(
                status=rule.status,
                code=rule.code,
                body=rule.body,
                retry_after_ms=rule.delay_ms,
                acts=rule.acts,
            )
            for rule in struck
            if rule.kind is FaultKind.ERROR
        ]
        return Trouble(
            delay_ms=_sum_of(struck, FaultKind.DELAY),
            late_ms=_sum_of(struck, FaultKind.LAND_LATE),
            reply_ms=_sum_of(struck, FaultKind.DELAY_REPLY),
            lag_ms=_sum_of(struck, FaultKind.LAG),
            drop_request=FaultKind.DROP_REQUEST in kinds,
            drop_reply=FaultKind.DROP_REPLY in kinds,
            forgets=FaultKind.FORGET in kinds,
            failure=failures[0] if failures else None,
        )

    def draw_frame(self, path: str) -> FrameTrouble:
        """Decide what happens to an event on a stream of this path."""
        struck = self._struck("", path, of_frames=True)
        kinds = {rule.kind for rule in struck}
        return FrameTrouble(
            copies=2 if FaultKind.DUPLICATE in kinds else 1,
            delay_ms=_sum_of(struck, FaultKind.REORDER),
            is_garbled=FaultKind.GARBLE in kinds,
        )

    def _struck(self, method: str, path: str, *, of_frames: bool) -> list[Fault]:
        if not self._rules:
            return []
        self._lift_outlived()
        rules = [rule for rule in self._rules if (rule.kind in OF_FRAMES) is of_frames]
        struck = [rule for rule in rules if rule.strikes(method, path)]
        self._hits.update(rule.kind for rule in struck)
        self._rules = [rule for rule in self._rules if rule.count != 0]
        return struck

    def _lift_outlived(self) -> None:
        now_ms = self._monotonic_ms()
        self._rules = [r for r in self._rules if r.until_ms is None or now_ms < r.until_ms]

    def _parse(self, description: Mapping[str, object]) -> Fault:
        method, _, path = str(description.get("route", "")).strip().rpartition(" ")
        if not path.startswith("/") and path:
            method, path = path, ""
        count = description.get("count")
        probability = float(str(description.get("probability", "1")))
        if not 0.0 <= probability <= 1.0:
            raise ValueError("probability outside 0 to 1")
        seed = description.get("seed", f"{self._seed}/{self._id_next}")
        kind = FaultKind(str(description.get("kind")))
        if kind is FaultKind.LAND_LATE and not description.get("delay_ms"):
            raise ValueError("delay_ms is missing: how late")
        body, acts, lasts = (description.get(name) for name in ("body", "acts", "lasts_ms"))
        return Fault(
            id=self._id_next,
            kind=kind,
            method=method.upper(),
            path=path,
            count=None if count is None else _natural(count, "count"),
            probability=probability,
            delay_ms=_natural(description.get("delay_ms", 0), "delay_ms"),
            status=_natural(description.get("status", 503), "status"),
            code=int(str(description.get("code", -1001))),
            body=None if body is None else str(body),
            acts=acts is True,
            until_ms=None if lasts is None else self._monotonic_ms() + _natural(lasts, "lasts_ms"),
            rng=random.Random(str(seed)),
        )


_NO_TROUBLE: Final = Trouble()


def _sum_of(rules: Iterable[Fault], kind: FaultKind) -> int:
    return sum(rule.delay_ms for rule in rules if rule.kind is kind)


def _natural(value: object, name: str) -> int:
    number = int(str(value))
    if number < 0:
        message = f"{name} is negative"
        raise ValueError(message)
    return number
