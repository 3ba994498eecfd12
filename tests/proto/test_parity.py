"""Goal: a client of the published surface keeps working. Method: descriptors against a table."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor

from opensqt.market_maker.v1 import (
    control_pb2,
    events_pb2,
    exchange_pb2,
    facts_pb2,
    link_pb2,
    portfolio_pb2,
    position_pb2,
    resources_pb2,
    risk_pb2,
    state_pb2,
    types_pb2,
)
from tests.proto.parity import breaks, surface

PROMISED = json.loads((Path(__file__).parent / "old_surface.json").read_text(encoding="utf-8"))
TABLE = {section: PROMISED[section] for section in ("enums", "messages", "services")}
FILES = (
    control_pb2.DESCRIPTOR,
    events_pb2.DESCRIPTOR,
    exchange_pb2.DESCRIPTOR,
    facts_pb2.DESCRIPTOR,
    link_pb2.DESCRIPTOR,
    portfolio_pb2.DESCRIPTOR,
    position_pb2.DESCRIPTOR,
    resources_pb2.DESCRIPTOR,
    risk_pb2.DESCRIPTOR,
    state_pb2.DESCRIPTOR,
    types_pb2.DESCRIPTOR,
)

Edit = Callable[[descriptor_pb2.FileDescriptorProto], None]


def planted(file: FileDescriptor, edit: Edit) -> FileDescriptor:
    """Return the descriptor of a file after an edit, compiled in a pool of its own."""
    pool = descriptor_pool.DescriptorPool()
    pending = [file]
    ordered: list[FileDescriptor] = []
    while pending:
        one = pending.pop()
        ordered = [one, *(other for other in ordered if other.name != one.name)]
        pending.extend(one.dependencies)
    for one in ordered:
        proto = descriptor_pb2.FileDescriptorProto()
        one.CopyToProto(proto)
        if one.name == file.name:
            edit(proto)
        pool.Add(proto)
    return pool.FindFileByName(file.name)


def message(proto: descriptor_pb2.FileDescriptorProto, name: str) -> descriptor_pb2.DescriptorProto:
    return next(one for one in proto.message_type if one.name == name)


def test_every_promised_declaration_is_unchanged() -> None:
    assert {file.package for file in FILES} == {PROMISED["package"]}
    assert list(breaks(TABLE, surface(FILES))) == []


def test_the_table_holds_the_whole_old_surface() -> None:
    counts = {name: len(methods) for name, methods in TABLE["services"].items()}

    assert counts == {
        "ExchangeService": 28,
        "PositionService": 10,
        "RiskService": 10,
        "PortfolioService": 4,
    }
    assert len(TABLE["enums"]) == 9
    assert len(TABLE["messages"]) == 123


def test_additions_pass() -> None:
    def add(proto: descriptor_pb2.FileDescriptorProto) -> None:
        message(proto, "Position").field.add(
            name="colour",
            number=99,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
        proto.message_type.add(name="Extra")

    changed = surface([planted(resources_pb2.DESCRIPTOR, add)])

    assert changed["messages"]["Position"]["99"] == "singular string colour"
    assert list(breaks({"messages": {"Position": TABLE["messages"]["Position"]}}, changed)) == []


def renumber(proto: descriptor_pb2.FileDescriptorProto) -> None:
    message(proto, "Order").field[0].number = 77


def rename(proto: descriptor_pb2.FileDescriptorProto) -> None:
    message(proto, "Order").field[1].name = "oid"


def retype(proto: descriptor_pb2.FileDescriptorProto) -> None:
    message(proto, "Order").field[0].type = descriptor_pb2.FieldDescriptorProto.TYPE_STRING


def relabel(proto: descriptor_pb2.FileDescriptorProto) -> None:
    trades = next(field for field in message(proto, "Order").field if field.name == "trades")
    trades.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL


def remove(proto: descriptor_pb2.FileDescriptorProto) -> None:
    del message(proto, "Order").field[2]


@pytest.mark.parametrize("edit", [renumber, rename, retype, relabel, remove])
def test_a_planted_field_change_is_caught(edit: Edit) -> None:
    changed = surface([planted(resources_pb2.DESCRIPTOR, edit)])

    found = list(breaks({"messages": {"Order": TABLE["messages"]["Order"]}}, changed))

    assert len(found) == 1
    assert found[0].startswith("Order: expected ")


def test_planted_changes_of_enums_and_services_are_caught() -> None:
    def swap(proto: descriptor_pb2.FileDescriptorProto) -> None:
        proto.enum_type[1].value[1].number, proto.enum_type[1].value[2].number = 2, 1

    def unstream(proto: descriptor_pb2.FileDescriptorProto) -> None:
        method = next(one for one in proto.service[0].method if one.name == "SubscribePrice")
        method.server_streaming = False

    sides = surface([planted(types_pb2.DESCRIPTOR, swap)])
    methods = surface([planted(exchange_pb2.DESCRIPTOR, unstream)])

    assert len(list(breaks({"enums": TABLE["enums"]}, sides))) == 2
    promised = {"services": {"ExchangeService": TABLE["services"]["ExchangeService"]}}
    assert len(list(breaks(promised, methods))) == 1


def test_a_lost_message_is_caught() -> None:
    present: dict[str, Any] = copy.deepcopy({k: dict(v) for k, v in surface(FILES).items()})
    del present["messages"]["Candle"]

    assert list(breaks(TABLE, present)) == ["messages: Candle is missing"]
