"""What commands print: JSON for programs, aligned columns for people."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

_DIGITS: Final = 8
_COLUMNS: Final = (
    "account",
    "symbol",
    "state",
    "position",
    "open_orders",
    "fills",
    "realized_pnl",
    "fees",
    "price",
    "price_age_ms",
    "pid",
    "restarts",
    "idle_reason",
)


def say(text: str) -> None:
    """Print one line for people, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_if_heard(text: str) -> None:
    """Print one line; for work that goes on when terminal or pipe are gone."""
    try:
        say(text)
    except OSError:
        with suppress(OSError, ValueError):
            # What is still buffered would fail again at the end of the program.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Print one line to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def print_json(answer: object) -> None:
    """Print one JSON document."""
    say(json.dumps(answer, indent=2, default=str))


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return lines with the cells of a column below each other."""
    cells = [tuple(row) for row in rows]
    if not cells:
        return []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def status_lines(status: Mapping[str, object]) -> list[str]:
    """Return the lines of a status for people."""
    kill = _mapping(status.get("kill"))
    lines = [f"mode {status.get('mode')}   kill {kill.get('state')}", ""]
    symbols = [_mapping(entry) for entry in _list(status.get("symbols"))]
    header = [name.replace("_", " ") for name in _COLUMNS]
    lines += table([header, *([_cell(entry.get(name)) for name in _COLUMNS] for entry in symbols)])
    processes = [_mapping(entry) for entry in _list(status.get("processes"))]
    if processes:
        names = ("name", "pid", "restarts")
        rows = [[_cell(entry.get(name)) for name in names] for entry in processes]
        lines += ["", *table([["process", "pid", "restarts"], *rows])]
    endpoints = [
        [name.replace("_", " "), str(address)]
        for name, address in _mapping(status.get("endpoints")).items()
        if address
    ]
    return [*lines, "", *table(endpoints)] if endpoints else lines


class Progress:
    """One line that is replaced as things move on; separate lines where there is no terminal."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, text: str) -> None:
        """Show what is going on unless it is shown already."""
        if text == self._last:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
        else:
            complain(text)
        self._last = text

    def end(self) -> None:
        """Leave the last line standing."""
        if self._last and sys.stderr.isatty():
            sys.stderr.write("\n")
        self._last = ""


def _cell(value: object) -> str:
    if value in {None, ""}:
        return "-"
    text = str(value)
    # A profit may carry thirty digits; programs get them all, people the first eight.
    whole, dot, digits = text.partition(".")
    return f"{whole}{dot}{digits[:_DIGITS]}" if whole.lstrip("-").isdecimal() else text


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return [*value] if isinstance(value, (list, tuple)) else []
