"""YAML text as a tree that remembers where every value was written.

A deliberately small YAML: mappings, lists and scalars. Anchors, aliases, merge keys and tags are
refused (they are how a small file becomes a bomb or runs code), a key may appear once, ``on`` and
``no`` are not booleans, and a number with a fraction stays text, for money is never a float.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml

from opensqt.config.problems import Problem, Where, quoted

SIZE_MAX: Final = 256 * 1024
DEPTH_MAX: Final = 16
INTEGER_DIGITS_MAX: Final = 30

_INTEGER: Final = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(
    r"[+-]?(\d[\d_,]*\.?[\d_,]*|\.\d[\d_,]*)(e[+-]?\d+)?|[+-]?\.?(inf|nan)", re.IGNORECASE
)
_WORD_BOOLEANS: Final = frozenset({"on", "off", "yes", "no", "y", "n"})


@dataclass(frozen=True, slots=True)
class Fraction:
    """An unquoted number that is not a plain integer: exact only as the text it was written as."""

    text: str


Scalar: TypeAlias = str | int | bool | Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A scalar."""

    value: Scalar
    where: Where
    key: str
    is_plain: bool = False
    """Written without quotes."""
    is_from_variable: bool = False
    """Some of the text came from the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A mapping."""

    children: Mapping[str, "Node"]
    where: Where
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A list."""

    items: Sequence["Node"]
    where: Where
    key: str


Node: TypeAlias = Leaf | Branch | Series
Plain: TypeAlias = Scalar | dict[str, "Plain"] | list["Plain"]


def plain(node: Node) -> Plain:
    """Return the values without their places."""
    match node:
        case Leaf():
            return node.value
        case Branch():
            return {name: plain(child) for name, child in node.children.items()}
        case Series():
            return [plain(item) for item in node.items]


def find(node: Node, path: Sequence[str | int]) -> tuple[Node, bool]:
    """Return the node at the path, or the deepest one on the way to it and False."""
    for step in path:
        match node:
            case Branch() if isinstance(step, str) and step in node.children:
                node = node.children[step]
            case Series() if isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            case _:
                return node, False
    return node, True


def read_tree(data: bytes, *, source: str) -> tuple[Branch | None, list[Problem]]:
    """Return the tree of a document and what is wrong with it; never raises.

    The tree is None when the text could not be read to its end.
    """
    reader = _Reader(source)
    text = reader.decode(data)
    root = reader.document(text) if text is not None else None
    if reader.is_broken:
        return None, reader.problems
    if isinstance(root, Branch):
        return root, reader.problems
    empty = root is None or (isinstance(root, Leaf) and root.value is None)
    reader.report(
        Where(source=source, line=1),
        got="an empty file" if empty else "no mapping",
        expected="a mapping of sections",
        fix="start from configs/paper.yaml",
    )
    return None, reader.problems


def resolve_plain(text: str) -> Scalar:
    """Return what an unquoted scalar means here.

    >>> [resolve_plain(text) for text in ("7", "true", "no", "", "BTCUSDT:perp", "0.02")]
    [7, True, 'no', None, 'BTCUSDT:perp', Fraction(text='0.02')]
    """
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) <= INTEGER_DIGITS_MAX:
        return int(text)
    if _NUMBER.fullmatch(text):
        return Fraction(text)
    return text


class _Reader:
    """One document's way from bytes to a tree."""

    def __init__(self, source: str) -> None:
        self.problems: list[Problem] = []
        self.is_broken = False
        self._source = source

    def report(self, where: Where, *, key: str = "", got: str, expected: str, fix: str) -> None:
        self.problems.append(Problem(where=where, key=key, got=got, expected=expected, fix=fix))

    def _give_up(self, where: Where, *, got: str, expected: str, fix: str) -> None:
        self.is_broken = True
        self.report(where, got=got, expected=expected, fix=fix)

    def decode(self, data: bytes) -> str | None:
        here = Where(source=self._source, line=1)
        if len(data) > SIZE_MAX:
            self._give_up(
                here,
                got=f"{len(data)} bytes",
                expected=f"at most {SIZE_MAX} bytes",
                fix="is this the right file?",
            )
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._give_up(
                Where(source=self._source, line=line),
                got=f"byte 0x{data[error.start]:02x}",
                expected="UTF-8 text",
                fix="save the file as UTF-8",
            )
            return None

    def document(self, text: str) -> Node | None:
        try:
            events = yaml.parse(text, Loader=yaml.SafeLoader)
            return self._documents(self._guarded(events))
        except yaml.YAMLError as error:
            self._syntax(error)
            return None

    def _guarded(self, events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
        # The parser itself does not recurse, so the depth is limited before anything that does.
        depth = 0
        for event in events:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:
                self._give_up(
                    self._where(event),
                    got=f"more than {DEPTH_MAX} nested levels",
                    expected="sections, keys and lists",
                    fix="flatten it",
                )
                return
            yield event

    def _documents(self, events: Iterator[yaml.Event]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self.report(
                    self._where(event),
                    got="a second document",
                    expected="one document in a file",
                    fix="remove the '---' line",
                )
                break
            if isinstance(event, (yaml.NodeEvent)):
                root = self._node(event, events, "")
        return root

    def _node(
        self,
        event: yaml.Event,
        events: Iterator[yaml.Event],
        key: str,
        *,
        at: Where | None = None,
    ) -> Node:
        # The line of a key says more than the line on which its value happens to begin.
        where = at or self._where(event)
        self._refuse_cleverness(event, where, key)
        match event:
            case yaml.MappingStartEvent():
                return self._mapping(events, where, key)
            case yaml.SequenceStartEvent():
                return self._sequence(events, where, key)
            case yaml.ScalarEvent():
                is_plain = event.style is None
                value = resolve_plain(event.value) if is_plain else event.value
                return Leaf(value=value, where=where, key=key, is_plain=is_plain)
            case _:
                return Leaf(value=None, where=where, key=key)

    def _mapping(self, events: Iterator[yaml.Event], where: Where, key: str) -> Branch:
        children: dict[str, Node] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            name_node = self._node(event, events, key)
            name = self._name(name_node, key)
            path = f"{key}.{name}" if key else name
            value = next(events, None)
            if value is None:
                break
            child = self._node(value, events, path, at=name_node.where)
            if name in children:
                first = children[name].where.line
                self.report(
                    name_node.where,
                    key=path,
                    got=f"the key a second time (first in line {first})",
                    expected="every key once",
                    fix="remove one of them",
                )
                continue
            children[name] = child
        return Branch(children=children, where=where, key=key)

    def _sequence(self, events: Iterator[yaml.Event], where: Where, key: str) -> Series:
        items: list[Node] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, f"{key}[{len(items)}]"))
        return Series(items=tuple(items), where=where, key=key)

    def _name(self, node: Node, key: str) -> str:
        if isinstance(node, Leaf) and isinstance(node.value, str):
            return node.value
        shown = quoted(str(node.value)) if isinstance(node, Leaf) else "a collection"
        self.report(
            node.where,
            key=key,
            got=f"{shown} as a key",
            expected="a name",
            fix="write a plain word before the colon",
        )
        return str(node.value) if isinstance(node, Leaf) else "?"

    def _refuse_cleverness(self, event: yaml.Event, where: Where, key: str) -> None:
        fix = "write the value out"
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            got = quoted(f"{sign}{anchor}")
            self.report(where, key=key, got=got, expected="no anchors or aliases", fix=fix)
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.report(where, key=key, got=quoted(tag), expected="no tags", fix=fix)
        if isinstance(event, yaml.ScalarEvent) and event.style is None:
            self._refuse_words(event.value, where, key)

    def _refuse_words(self, text: str, where: Where, key: str) -> None:
        if text.lower() in _WORD_BOOLEANS:
            self.report(
                where,
                key=key,
                got=text,
                expected="true, false or text in quotes (other readers take it for a boolean)",
                fix=f'write true, false or "{text}"',
            )
        elif text == "<<":
            self.report(
                where, key=key, got="<<", expected="no merge keys", fix="write the keys out"
            )

    def _where(self, event: yaml.Event) -> Where:
        mark = event.start_mark
        return Where(source=self._source, line=mark.line + 1 if mark else 0)

    def _syntax(self, error: yaml.YAMLError) -> None:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = str(getattr(error, "problem", None) or "a character that cannot be printed")
        is_tab = "\\t" in said or "'\t'" in said
        self._give_up(
            Where(source=self._source, line=mark.line + 1 if mark else 1),
            got="a tab" if is_tab else said.splitlines()[0],
            expected="YAML",
            fix="indent with spaces" if is_tab else "check indentation, colons and quotes here",
        )
