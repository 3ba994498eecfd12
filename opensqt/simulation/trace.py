"""The story of one seed, kept only when somebody wants to read it."""

from opensqt.ports.clock import ClockPort


class Trace:
    """Lines with virtual time stamps."""

    def __init__(self, clock: ClockPort, *, is_kept: bool) -> None:
        """Keep lines only if asked to: most seeds are never read."""
        self._clock = clock
        self.is_kept = is_kept
        self.lines: list[str] = []

    def say(self, who: str, what: str) -> None:
        """Add a line."""
        if self.is_kept:
            self.lines.append(f"{self._clock.monotonic_ms():>8} {who:<14} {what}")

    def log(self, who: str) -> "TraceLog":
        """Return a ``LogPort`` that writes here."""
        return TraceLog(self, who)


class TraceLog:
    """``LogPort`` into a trace."""

    def __init__(self, trace: Trace, who: str) -> None:
        """Write as ``who``."""
        self._trace = trace
        self._who = who
        self.doubts = 0
        """How often the unit said that it must compare itself with the venue."""

    def debug(self, event: str, **fields: object) -> None:
        """Add a line."""
        self._add(event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Add a line."""
        self._add(event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Add a line."""
        self._add(event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Add a line."""
        self._add(event, fields)

    def _add(self, event: str, fields: dict[str, object]) -> None:
        self.doubts += event == "reconcile.wanted"
        if not self._trace.is_kept:
            return
        self._trace.say(self._who, f"{event} {' '.join(f'{k}={v}' for k, v in fields.items())}")
