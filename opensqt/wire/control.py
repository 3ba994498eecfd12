"""Operator requests and answers, to and from ``control.proto``.

Answers are mappings of plain values, so one table-free translation serves all of them: a field of
the message is a key of the mapping, an absent optional field is ``None``, an enum is its lower-case
name, and keys without a field of their own travel in ``extra`` as JSON texts.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from opensqt.market_maker.v1 import control_pb2
from opensqt.wire.errors import WireError
from opensqt.wire.scalars import EnumMap

MessageT = TypeVar("MessageT", bound=Message)

STOP_MODE: Final = EnumMap(
    {
        "drain": control_pb2.STOP_MODE_DRAIN,
        "cancel": control_pb2.STOP_MODE_CANCEL,
        "flatten": control_pb2.STOP_MODE_FLATTEN,
    }
)
ORDERS_AT_SHUTDOWN: Final = EnumMap(
    {
        "cancel": control_pb2.ORDERS_AT_SHUTDOWN_CANCEL,
        "keep": control_pb2.ORDERS_AT_SHUTDOWN_KEEP,
    }
)

_EXTRA: Final = "extra"
_PLAIN_TYPES: Final[Mapping[int, type]] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_INT32: int,
    FieldDescriptor.TYPE_INT64: int,
}


def encode_config(config: Mapping[str, object] | None) -> str | None:
    """Return the settings of a symbol as JSON text; None stays None."""
    return None if config is None else json.dumps(config, sort_keys=True, allow_nan=False)


def decode_config(text: str) -> dict[str, object]:
    """Return the settings of a symbol; raise ``WireError`` unless the text is a JSON object."""
    try:
        config = json.loads(text)
    except ValueError as error:
        raise WireError("config", expected=f"JSON ({error})", got=text) from None
    if not isinstance(config, dict):
        raise WireError("config", expected="a JSON object", got=text)
    return config


def encode_answer(
    answer: Mapping[str, object], kind: type[MessageT], at: str = "answer"
) -> MessageT:
    """Return ``answer`` as a message; raise ``WireError`` for missing keys and wrong types."""
    message = kind()
    fields = {field.name: field for field in _fields(message)}
    for name, field in fields.items():
        if name != _EXTRA:
            _put(message, field, answer.get(name), f"{at}.{name}")
    for key in answer.keys() - fields.keys():
        if _EXTRA not in fields:
            raise WireError(at, expected="only " + ", ".join(fields), got=key)
        getattr(message, _EXTRA)[key] = json.dumps(answer[key], sort_keys=True, allow_nan=False)
    return message


def decode_answer(message: Message, at: str = "answer") -> dict[str, object]:
    """Return the mapping ``message`` was made from."""
    answer: dict[str, object] = {}
    for field in _fields(message):
        if field.name == _EXTRA:
            answer |= {key: json.loads(text) for key, text in getattr(message, _EXTRA).items()}
        else:
            answer[field.name] = _get(message, field, f"{at}.{field.name}")
    return answer


def _fields(message: Message) -> Sequence[FieldDescriptor]:
    # The stubs name two classes of descriptor, of which only one is usable as a type.
    return cast("Sequence[FieldDescriptor]", message.DESCRIPTOR.fields)


def _put(message: Message, field: FieldDescriptor, value: object, at: str) -> None:
    if field.is_repeated:
        if not isinstance(value, list | tuple):
            raise WireError(at, expected="a list", got=value)
        for index, one in enumerate(value):
            item = f"{at}[{index}]"
            if field.message_type is None:
                getattr(message, field.name).append(_plain(field, one, item))
            else:
                getattr(message, field.name).append(_nested(field, one, item))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_nested(field, value, at))
    elif value is None and field.has_presence:
        return
    else:
        setattr(message, field.name, _plain(field, value, at))


def _nested(field: FieldDescriptor, value: object, at: str) -> Message:
    if not isinstance(value, Mapping):
        raise WireError(at, expected="a mapping", got=value)
    return encode_answer(value, _class_of(field), at)


def _class_of(field: FieldDescriptor) -> type[Message]:
    assert field.message_type is not None
    kind: type[Message] = getattr(control_pb2, field.message_type.name)
    return kind


def _plain(field: FieldDescriptor, value: object, at: str) -> object:
    if field.enum_type is not None:
        return _enum_number(field.enum_type, value, at)
    wanted = _PLAIN_TYPES[field.type]
    # True is an int to Python, never to a reader of the answer.
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise WireError(at, expected=f"{wanted.__name__}", got=value)
    return str(value) if wanted is str else value


def _enum_number(enum: EnumDescriptor, value: object, at: str) -> int:
    names = _names(enum)
    for number, name in names.items():
        if name == value:
            return number
    raise WireError(at, expected="one of " + ", ".join(names.values()), got=value)


def _get(message: Message, field: FieldDescriptor, at: str) -> object:
    value = getattr(message, field.name)
    if field.is_repeated:
        if field.message_type is None:
            return list(value)
        return [decode_answer(one, f"{at}[{index}]") for index, one in enumerate(value)]
    if field.message_type is not None:
        return decode_answer(value, at)
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.enum_type is not None:
        names = _names(field.enum_type)
        if value not in names:
            raise WireError(at, expected="one of " + ", ".join(names.values()), got=value)
        return names[value]
    return value


def _names(enum: EnumDescriptor) -> dict[int, str]:
    # STOP_MODE_DRAIN -> drain; the zero value has no meaning and no name.
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        value.number: value.name.removeprefix(prefix).lower()
        for value in enum.values
        if value.number
    }
