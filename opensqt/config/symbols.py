"""The list of symbols: each entry on top of its template, on top of ``trading``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from opensqt.config.expand import expand
from opensqt.config.files import read_file
from opensqt.config.problems import ConfigError, Problem, quoted
from opensqt.config.schema import check
from opensqt.config.settings import UnitSettings
from opensqt.config.target import TargetError, complete, parse_target
from opensqt.config.tree import Branch, Leaf, Node, Plain, Series, plain, read_tree
from opensqt.core.ids import AccountName, Symbol, UnitId

_ENTRY_KEYS: Final = ("target", "template")
_TARGET: Final = "a target such as BTCUSDT:perp"
_FIX: Final = 'write "BTCUSDT:perp", or target: and settings below it'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    target: Leaf
    settings: UnitSettings | None
    """None when something is wrong with them."""
    tree: Branch


@dataclass(slots=True, kw_only=True)
class Merged:
    """The symbols of a file with their complete settings."""

    entries: list[_Entry] = field(default_factory=list)
    defaults: Mapping[str, object] = field(default_factory=dict)
    """What ``trading`` says, for symbols added later."""
    units: list[tuple[UnitId, UnitSettings, Branch]] = field(default_factory=list)
    """Filled by ``name_units``."""

    def name_units(self, markets: Mapping[str, Sequence[str]]) -> Iterable[Problem]:
        """Give every entry its identity; yield unknown, ambiguous and duplicate targets."""
        # Two units of one account and symbol would trade one position.
        first: dict[tuple[AccountName, Symbol], Leaf] = {}
        for entry in self.entries:
            try:
                unit = complete(str(entry.target.value), markets)
            except TargetError as error:
                yield _target_problem(entry.target, error)
                continue
            place = (unit.account, unit.symbol)
            if place in first:
                yield Problem(
                    where=entry.target.where,
                    key=entry.target.key,
                    got=f"{unit.text} a second time (first in {first[place].where.text})",
                    expected="one strategy for each account and symbol",
                    fix="remove one of them",
                )
                continue
            first[place] = entry.target
            if entry.settings is not None:
                self.units.append((unit, entry.settings, entry.tree))


def merge_symbols(
    root: Branch, path: Path, environment: Mapping[str, str]
) -> tuple[Merged, list[Problem]]:
    """Return every symbol with its settings, and what is wrong with them."""
    merged = Merged()
    problems: list[Problem] = []
    trading = root.children.get("trading")
    defaults = trading if isinstance(trading, Branch) else None
    if defaults is not None:
        merged.defaults = _mapping(plain(defaults))
        problems += _complete_or_not(defaults)
    listed = root.children.get("symbols")
    for node in listed.items if isinstance(listed, Series) else ():
        entry, found = _entry(node, defaults, path, environment)
        problems += found
        if entry is not None:
            merged.entries.append(entry)
    return merged, problems


def read_template(path: Path, environment: Mapping[str, str]) -> tuple[Branch, list[Problem]]:
    """Return the settings a template file holds, and what is wrong with its text."""
    try:
        data = read_file(path)
    except ConfigError as error:
        return Branch(children={}, where=error.problems[0].where, key=""), [*error.problems]
    tree, problems = read_tree(data, source=str(path))
    if tree is None:
        return Branch(children={}, where=problems[0].where, key=""), problems
    filled, unset = expand(tree, environment)
    assert isinstance(filled, Branch)
    return filled, problems + unset


def _complete_or_not(defaults: Branch) -> list[Problem]:
    # The defaults may leave out what every symbol says itself.
    _, problems = check(UnitSettings, defaults)
    return [problem for problem in problems if problem.got != "nothing"]


def _entry(
    node: Node, defaults: Branch | None, path: Path, environment: Mapping[str, str]
) -> tuple[_Entry | None, list[Problem]]:
    match node:
        case Leaf():
            target, own = node, Branch(children={}, where=node.where, key=node.key)
        case Branch() if isinstance(leaf := node.children.get("target"), Leaf):
            target, own = leaf, node
        case _:
            return None, [_no_target(node)]
    if problems := _bad_target(target):
        target = Leaf(value=None, where=target.where, key=target.key)
    template: Branch | None = None
    if "template" in own.children:
        template, found = _template(own.children["template"], path, environment)
        problems += found
    layers = (layer.children for layer in (defaults, template) if layer is not None)
    children: dict[str, Node] = {name: child for layer in layers for name, child in layer.items()}
    children |= {name: child for name, child in own.children.items() if name not in _ENTRY_KEYS}
    tree = Branch(children=children, where=own.where, key=own.key)
    settings, found = check(UnitSettings, tree)
    chosen = settings if isinstance(settings, UnitSettings) else None
    entry = _Entry(target=target, settings=chosen, tree=tree) if target.value else None
    return entry, problems + found


def _template(
    node: Node, path: Path, environment: Mapping[str, str]
) -> tuple[Branch | None, list[Problem]]:
    if isinstance(node, Leaf) and isinstance(node.value, str) and node.value:
        return read_template(path.parent / node.value, environment)
    problem = Problem(
        where=node.where,
        key=node.key,
        got="no file name",
        expected="a file beside the configuration",
        fix="write template: symbols/NAME.yaml",
    )
    return None, [problem]


def _bad_target(target: Leaf) -> list[Problem]:
    if not isinstance(target.value, str):
        return [_no_target(target)]
    try:
        parse_target(target.value)
    except TargetError as error:
        return [_target_problem(target, error)]
    return []


def _no_target(node: Node) -> Problem:
    shown = quoted(str(node.value)) if isinstance(node, Leaf) else "an entry without target"
    return Problem(
        where=node.where,
        key=node.key,
        got=shown,
        expected=_TARGET,
        fix=_FIX,
    )


def _target_problem(target: Leaf, error: TargetError) -> Problem:
    text = str(target.value)
    return Problem(
        where=target.where,
        key=target.key,
        got=quoted(text),
        expected=_TARGET,
        fix=error.fix,
    )


def _mapping(value: Plain) -> dict[str, object]:
    return {**value} if isinstance(value, dict) else {}
