"""What a pydantic error means to an operator: place, value, expectation, fix."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from opensqt.config.problems import Problem, did_you_mean, listing, quoted
from opensqt.config.settings import PLANNED
from opensqt.config.tree import Branch, Fraction, Leaf, Node, Plain, Scalar, Series, find, plain
from opensqt.core.money import to_text


def check(model: type[BaseModel], root: Branch) -> tuple[BaseModel | None, list[Problem]]:
    """Return the model built from the tree, or None with every reason why not."""
    try:
        return model.model_validate(_for_pydantic(plain(root))), []
    except ValidationError as error:
        return None, [_problem(detail, model, root) for detail in error.errors()]


def expectation(field: FieldInfo, name: str = "") -> str:
    """Return what a field accepts, in words; ``name`` adds what is designed but not built.

    An integer from 1 to 200, decimal text above 0, true or false, one of the listed words.
    """
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        planned = ", ".join(PLANNED.get(name, ()))
        words = listing(get_args(annotation))
        return f"{words} (not built yet: {planned})" if planned else words
    if annotation is Decimal:
        return f"decimal text{_bounds(field)}"
    if annotation is int:
        return f"an integer{_bounds(field)}"
    if annotation is bool:
        return "true or false"
    if annotation is SecretStr:
        return "text from ${VAR}"
    if annotation is str:
        return "text"
    return "a list" if get_origin(annotation) is list else "a mapping"


def _bounds(field: FieldInfo) -> str:
    low = high = ""
    for limit in field.metadata:
        match limit:
            case annotated_types.Gt():
                low = f" above {_number(limit.gt)}"
            case annotated_types.Ge():
                low = f" from {_number(limit.ge)}"
            case annotated_types.Lt():
                high = f" below {_number(limit.lt)}"
            case annotated_types.Le():
                high = f" to {_number(limit.le)}"
            case _:
                pass
    if low and high and "above" in low:
        return f"{low} and at most{high.removeprefix(' to')}"
    return low + high


def _number(value: object) -> str:
    return to_text(value) if isinstance(value, Decimal) else str(value)


def _for_pydantic(value: Plain) -> Plain:
    # A section with nothing under its name is an empty mapping, not a wrong type.
    if isinstance(value, dict):
        return {name: _for_pydantic(child) for name, child in value.items() if child is not None}
    return value


def _problem(detail: ErrorDetails, model: type[BaseModel], root: Branch) -> Problem:
    path = tuple(step for step in detail["loc"] if step != "[key]")
    node, is_there = find(root, path)
    key = node.key if is_there else _joined(node.key, path)
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(node, key, model, path)
        case "missing":
            return _missing_key(node, key, model, path)
        case _:
            return _bad_value(detail, node, key, _field(model, path))


def _unknown_key(
    node: Node, key: str, model: type[BaseModel], path: Sequence[str | int]
) -> Problem:
    known = _names(model, path[:-1])
    name = str(path[-1])
    return Problem(
        where=node.where,
        key=key,
        got=f"unknown key {quoted(name)}",
        expected=listing(known),
        fix=did_you_mean(name, known, otherwise="remove it"),
    )


def _missing_key(
    node: Node, key: str, model: type[BaseModel], path: Sequence[str | int]
) -> Problem:
    field = _field(model, path)
    expected = expectation(field, str(path[-1])) if field else "a value"
    meaning = f" ({field.description})" if field and field.description else ""
    return Problem(
        where=node.where,
        key=key,
        got="nothing",
        expected=expected,
        fix=f"add {path[-1]}{meaning}",
    )


def _bad_value(detail: ErrorDetails, node: Node, key: str, field: FieldInfo | None) -> Problem:
    got = _shown(node, is_secret=field is not None and field.annotation is SecretStr)
    name = key.rpartition(".")[2]
    expected = expectation(field, name) if field else detail["msg"].lower()
    if field is not None and expected in {"text", "a list", "a mapping"}:
        expected = f"{expected}: {field.description}" if field.description else expected
    return Problem(
        where=node.where, key=key, got=got, expected=expected, fix=_fix(detail, node, key, field)
    )


def _fix(detail: ErrorDetails, node: Node, key: str, field: FieldInfo | None) -> str:
    name = key.rpartition(".")[2]
    text = str(node.value) if isinstance(node, Leaf) else ""
    if detail["type"] == "unquoted_money" and isinstance(node, Leaf):
        raw = node.value.text if isinstance(node.value, Fraction) else text
        return f'write {name}: "{raw}"'
    if text in PLANNED.get(name, ()):
        return f"{text} is not built yet"
    if detail["type"] == "literal_error" and field is not None:
        return did_you_mean(text, get_args(field.annotation), otherwise="use one of these")
    if detail["type"] == "money":
        return "write a plain number without exponent, sign +, blanks or commas"
    if field is None or field.default is PydanticUndefined:
        return "correct the value"
    return f"the default is {_default(field)}"


def _default(field: FieldInfo) -> str:
    match field.default:
        case Decimal() as value:
            return f'"{to_text(value)}"'
        case bool() as value:
            return str(value).lower()
        case str() | int() as value:
            return repr(value)
        case _:
            return "to leave it out"


def _shown(node: Node, *, is_secret: bool) -> str:
    match node:
        case _ if is_secret:
            return "a hidden value"
        case Branch():
            return "a mapping"
        case Series():
            return "a list"
        case Leaf():
            return _scalar(node.value)


def _scalar(value: Scalar) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case Fraction(text=text):
            return f"{text} without quotes"
        case int():
            return str(value)


def _joined(base: str, path: Sequence[str | int]) -> str:
    last = path[-1] if path else ""
    return f"{base}.{last}" if base else str(last)


def _field(model: type[BaseModel], path: Sequence[str | int]) -> FieldInfo | None:
    annotation: Any = model
    field: FieldInfo | None = None
    for step in path:
        fields = _fields(annotation)
        if fields is not None:
            field = fields.get(str(step))
            annotation = field.annotation if field else None
        elif get_origin(annotation) in {dict, list}:
            annotation = get_args(annotation)[-1]
        else:
            return None
    if field is not None and annotation is not field.annotation:
        return FieldInfo(annotation=annotation, description=field.description)
    return field


def _names(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    field = _field(model, path)
    return [*(_fields(field.annotation if field else model) or {})]


def _fields(annotation: Any) -> Mapping[str, FieldInfo] | None:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation.model_fields if is_model else None
