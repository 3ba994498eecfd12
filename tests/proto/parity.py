"""Compare compiled descriptors with the committed table of the surface clients rely on."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

Table: TypeAlias = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Section (enums, messages, services) to name to number or method to its declaration."""

_SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
}


def surface(files: Iterable[FileDescriptor]) -> Table:
    """Return the table of everything the files declare."""
    enums: dict[str, Mapping[str, str]] = {}
    messages: dict[str, Mapping[str, str]] = {}
    services: dict[str, Mapping[str, str]] = {}
    for file in files:
        enums |= {name: _values(enum) for name, enum in file.enum_types_by_name.items()}
        messages |= {name: _fields(message) for name, message in file.message_types_by_name.items()}
        services |= {name: _methods(service) for name, service in file.services_by_name.items()}
    return {"enums": enums, "messages": messages, "services": services}


def breaks(promised: Table, present: Table) -> Iterator[str]:
    """Yield a line for each promised declaration that is missing or different."""
    for section, names in promised.items():
        for name, members in names.items():
            found = present[section].get(name)
            if found is None:
                yield f"{section}: {name} is missing"
                continue
            for key, declared in members.items():
                if found.get(key) != declared:
                    yield f"{name}: expected {key} = {declared!r}, found {found.get(key)!r}"


def _values(enum: EnumDescriptor) -> Mapping[str, str]:
    return {str(value.number): value.name for value in enum.values}


def _fields(message: Descriptor) -> Mapping[str, str]:
    return {str(field.number): _declaration(field) for field in message.fields}


def _declaration(field: FieldDescriptor) -> str:
    kind = _kind(field)
    if kind.startswith("map<"):
        return f"{kind} {field.name}"
    if field.is_repeated:
        return f"repeated {kind} {field.name}"
    is_optional = field.has_presence and field.message_type is None
    return f"{'optional' if is_optional else 'singular'} {kind} {field.name}"


def _kind(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            return f"map<{_kind(key)}, {_kind(value)}>"
        return _short(field.message_type.full_name)
    if field.enum_type is not None:
        return _short(field.enum_type.full_name)
    return _SCALARS[field.type]


def _methods(service: ServiceDescriptor) -> Mapping[str, str]:
    return {method.name: _signature(method) for method in service.methods}


def _signature(method: MethodDescriptor) -> str:
    takes = ("stream " if method.client_streaming else "") + _short(method.input_type.full_name)
    gives = ("stream " if method.server_streaming else "") + _short(method.output_type.full_name)
    return f"{takes} -> {gives}"


def _short(full_name: str) -> str:
    return full_name.removeprefix("opensqt.market_maker.v1.")
