"""Token buckets for mutating calls, with a share that only cancels may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A bucket of ``burst`` tokens refilled at ``per_second``."""

    burst: int
    per_second: float
    cancel_share: float = 0.3
    """Fraction of the burst that opening and closing orders may not touch."""


class Limiter:
    """One bucket; callers pass the time, nothing waits here.

    A request that gets no token was not sent, for sure: the caller says so and tries later.
    """

    def __init__(self, rate: Rate, *, now_ms: int) -> None:
        """Start with a full bucket."""
        self._rate = rate
        self._tokens = float(rate.burst)
        self._filled_ms = now_ms
        self._blocked_until_ms = 0

    def block(self, *, until_ms: int) -> None:
        """Refuse placements until then: the venue asked us to slow down."""
        self._blocked_until_ms = max(self._blocked_until_ms, until_ms)

    def is_blocked(self, *, now_ms: int) -> bool:
        """Tell whether placements are refused whatever tokens there are."""
        return now_ms < self._blocked_until_ms

    def take(self, *, now_ms: int, is_cancel: bool) -> bool:
        """Take one token; return False when there is none for this class of request."""
        elapsed = max(now_ms - self._filled_ms, 0)
        self._filled_ms = now_ms
        self._tokens = min(
            self._tokens + elapsed * self._rate.per_second / 1_000, float(self._rate.burst)
        )
        floor = 0.0 if is_cancel else self._rate.burst * self._rate.cancel_share
        if self._tokens - 1 < floor or (not is_cancel and self.is_blocked(now_ms=now_ms)):
            return False
        self._tokens -= 1
        return True
