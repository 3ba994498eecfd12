"""``${VAR}`` and ``${VAR:-default}`` in scalar values, filled from the environment.

The tree is built before anything is filled in, so a value from outside cannot change its shape.
"""

import re
from collections.abc import Mapping
from typing import Final

from opensqt.config.problems import Problem, Where, did_you_mean
from opensqt.config.tree import Branch, Fraction, Leaf, Node, Scalar, Series, resolve_plain

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")


def expand(node: Node, environment: Mapping[str, str]) -> tuple[Node, list[Problem]]:
    """Return the tree with every variable filled in, and what could not be."""
    problems: list[Problem] = []
    return _expand(node, environment, problems), problems


def refuse_wrapping(value: str, *, name: str, where: Where, key: str) -> Problem | None:
    """Return the problem of a value that carries quotes or blanks it was not meant to carry."""
    if value == value.strip() and not (
        len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    ):
        return None
    return Problem(
        where=where,
        key=key,
        got=f"{name} with blanks, a line break or quotes around its value",
        expected="the bare value",
        fix=f"export {name} again without them",
    )


def _expand(node: Node, environment: Mapping[str, str], problems: list[Problem]) -> Node:
    match node:
        case Branch():
            children = {
                name: _expand(child, environment, problems) for name, child in node.children.items()
            }
            return Branch(children=children, where=node.where, key=node.key)
        case Series():
            items = tuple(_expand(item, environment, problems) for item in node.items)
            return Series(items=items, where=node.where, key=node.key)
        case Leaf(value=str(text)) if "${" in text:
            return _filled(node, text, environment, problems)
        case Leaf():
            return node


def _filled(leaf: Leaf, text: str, environment: Mapping[str, str], problems: list[Problem]) -> Leaf:
    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        value = environment.get(name)
        if not value and default is not None:
            return default
        if not value:
            problems.append(_unset(name, leaf, environment))
            return ""
        wrapped = refuse_wrapping(value, name=name, where=leaf.where, key=leaf.key)
        if wrapped is not None:
            problems.append(wrapped)
        return value

    filled = _VARIABLE.sub(fill, text)
    if "${" in _VARIABLE.sub("", text):
        problems.append(
            Problem(
                where=leaf.where,
                key=leaf.key,
                got=f"an unreadable variable in {text!r}",
                expected="${NAME} or ${NAME:-default}",
                fix="close the brace and use letters, digits and _ in the name",
            )
        )
    return Leaf(
        value=_typed(filled) if leaf.is_plain else filled,
        where=leaf.where,
        key=leaf.key,
        is_plain=leaf.is_plain,
        is_from_variable=True,
    )


def _typed(text: str) -> Scalar:
    # The environment knows only text, so a fraction from it is exact already.
    value = resolve_plain(text)
    return value.text if isinstance(value, Fraction) else value


def _unset(name: str, leaf: Leaf, environment: Mapping[str, str]) -> Problem:
    return Problem(
        where=leaf.where,
        key=leaf.key,
        got=f"${{{name}}}, which is {'empty' if name in environment else 'not set'}",
        expected="a value in the environment",
        fix=did_you_mean(
            name,
            [known for known in environment if known.upper() == name.upper()],
            otherwise=f"export {name}=... or write ${{{name}:-default}}",
        ),
    )
