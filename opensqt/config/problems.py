"""What is wrong with a configuration, one line per problem."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_GOT_LENGTH_MAX = 60
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@\s]*@")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Where:
    """Where a value was written: a line of a file, an environment variable or an argument."""

    source: str
    """File name as the operator gave it, ``environment`` or the name of an argument."""
    line: int = 0
    """Counted from 1; 0 where lines mean nothing."""

    @property
    def text(self) -> str:
        """Return ``file:line``, or the source alone."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One mistake, with what was found, what was expected and how to get there."""

    where: Where
    key: str
    """Dotted path such as ``trading.price_interval``; empty for the whole file."""
    got: str
    expected: str
    fix: str

    @property
    def text(self) -> str:
        """Return the one line an operator reads."""
        place = f"{self.where.text} {self.key}" if self.key else self.where.text
        line = f"{place}: got {self.got}, expected {self.expected}; fix: {self.fix}"
        # A key may hold anything, a line break too.
        return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)


class ConfigError(Exception):
    """The configuration cannot be used; every problem found is listed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in reading order, each once."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(problem.text for problem in self.problems))


def quoted(text: str) -> str:
    """Return text on one line, in quotes, cut to a readable length, without passwords."""
    text = _PASSWORD.sub(r"\1:***@", text)
    short = text if len(text) <= _GOT_LENGTH_MAX else f"{text[:_GOT_LENGTH_MAX]}..."
    return repr(short)


def listing(names: Iterable[str]) -> str:
    """Return ``a, b or c``."""
    *head, tail = names
    return f"{', '.join(head)} or {tail}" if head else tail


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name an operator most likely meant, or None."""
    spellings = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), spellings, n=1, cutoff=0.6)
    return spellings[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return the fix for an unknown name."""
    match = closest(name, known)
    return f"did you mean {match!r}?" if match else otherwise
