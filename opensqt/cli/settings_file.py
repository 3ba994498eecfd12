"""Settings of one symbol from a file and from `--set KEY=VALUE`."""

import os
from collections.abc import Sequence
from pathlib import Path

from opensqt.cli.exits import CommandError, Exit
from opensqt.config.problems import ConfigError, Problem, Where
from opensqt.config.schema import check
from opensqt.config.settings import UnitSettings
from opensqt.config.symbols import read_template
from opensqt.config.tree import Branch, Fraction, Leaf, Node, plain, resolve_plain


def read_settings(file: Path | None, sets: Sequence[str]) -> dict[str, object] | None:
    """Return what was set, money as text, or None if nothing was.

    Raise ``ConfigError`` with every problem of file and options at once.
    """
    if file is None and not sets:
        return None
    tree = Branch(children={}, where=Where(source="--set"), key="")
    problems: list[Problem] = []
    if file is not None:
        tree, problems = read_template(file, os.environ)
    children: dict[str, Node] = {**tree.children, **dict(map(_setting, sets))}
    merged = Branch(children=children, where=tree.where, key="")
    # What is missing here comes from the settings the deployment has already.
    problems += [found for found in check(UnitSettings, merged)[1] if found.got != "nothing"]
    if problems:
        raise ConfigError(problems)
    values = plain(merged)
    assert isinstance(values, dict)
    return {**values}


def _setting(text: str) -> tuple[str, Leaf]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise CommandError(Exit.USAGE, f"--set: expected KEY=VALUE, got {text!r}")
    # An argument is text already, so a fraction in it is exact.
    found = resolve_plain(value)
    exact = found.text if isinstance(found, Fraction) else found
    return name, Leaf(value=exact, where=Where(source="--set"), key=name)
