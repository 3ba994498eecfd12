"""Everything stored can be read back exactly, and what is stored never changes its name."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core import codec
from opensqt.core.codec import CodecError
from opensqt.core.facts import (
    JOURNAL_SCHEMA,
    Directive,
    DirectiveGiven,
    Evidence,
    OrderReported,
    PriceTicked,
)
from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    InstanceName,
    Symbol,
    UnitId,
    UnixMs,
)
from opensqt.core.intents import CancelOrder, CancelReason
from opensqt.core.orders import OrderStatus
from opensqt.core.position import PositionBook
from opensqt.core.symbol import Slot, SymbolState
from tests.core.stored_values import (
    FACTS,
    INTENTS,
    ROWS,
    STORED,
    enums_and_records,
    example,
    has_default,
    values_of,
)

GOLDEN = Path(__file__).with_name("golden_facts.json")
UNIT = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
REPORT = OrderReported(
    client_order_id=ClientOrderId("q1abc00000000000000000000"),
    status=OrderStatus.WORKING,
    evidence=Evidence.STREAM,
    at_ms=UnixMs(7),
)


def body(value: object) -> dict[str, Any]:
    """Return the JSON object of an encoded value, to be tampered with."""
    parsed: dict[str, Any] = json.loads(codec.encode(value))
    return parsed


# --------------------------------------------------------------------------------------- round trip
@pytest.mark.property
@pytest.mark.parametrize("cls", STORED, ids=lambda cls: cls.__name__)
def test_every_stored_value_is_read_back_equal_and_written_the_same_again(cls: type) -> None:
    @given(value=values_of(cls))
    def check(value: object) -> None:
        text = codec.encode(value)

        read: object = codec.decode(text, cls)

        assert read == value
        assert codec.encode(read) == text

    check()


@pytest.mark.property
@given(fact=st.one_of([values_of(cls) for cls in FACTS]))
def test_a_fact_is_told_by_its_tag(fact: object) -> None:
    assert codec.decode_fact(codec.encode(fact)) == fact


@pytest.mark.property
@given(intent=st.one_of([values_of(cls) for cls in INTENTS]))
def test_an_intent_is_told_by_its_tag(intent: object) -> None:
    assert codec.decode_intent(codec.encode(intent)) == intent


def test_the_text_is_canonical() -> None:
    text = codec.encode(replace(REPORT, cumulative_quantity=Decimal("1.500"), reason="ü"))

    assert text == (
        '{"at_ms":7,"client_order_id":"q1abc00000000000000000000","cumulative_quantity":"1.5",'
        '"evidence":"stream","reason":"\\u00fc","said":"","status":"working",'
        '"t":"OrderReported","v":1,"venue_order_id":null}'
    )


def test_equal_decimals_have_one_text() -> None:
    texts = {
        codec.encode(replace(REPORT, cumulative_quantity=Decimal(text)))
        for text in ("1000", "1E+3", "1000.0", "10E+2")
    }

    assert len(texts) == 1


@pytest.mark.parametrize("text", ["0", "-0", "0.00", "-0.0", "0E+5", "0E-30"])
def test_there_is_one_zero(text: str) -> None:
    written = body(replace(REPORT, cumulative_quantity=Decimal(text)))

    assert written["cumulative_quantity"] == "0"


def test_a_mapping_keeps_its_order_because_the_oldest_entry_is_forgotten_first() -> None:
    slots = {index: Slot(index=index, generation=1) for index in (5, -3, 11, 2)}
    state = SymbolState(unit=UNIT, deployment="abc", slots=slots)

    read = codec.decode(codec.encode(state), SymbolState)

    assert list(read.slots) == [5, -3, 11, 2]


# --------------------------------------------------------------------------------------- refusals
def test_a_missing_field_with_a_default_gets_it() -> None:
    old = body(REPORT)
    del old["reason"], old["cumulative_quantity"]

    assert codec.decode_fact(json.dumps(old)) == REPORT


def refusals() -> list[tuple[dict[str, object], str]]:
    return [
        ({"t": "OrderRumoured"}, "unknown fact 'OrderRumoured'"),
        ({"t": None}, "expected a tag 't', got null"),
        ({"v": None}, "OrderReported: expected a schema version 'v', got None"),
        ({"v": True}, "OrderReported: expected a schema version 'v', got True"),
        ({"v": 0}, "OrderReported: expected a schema version 'v', got 0"),
        (
            {"v": JOURNAL_SCHEMA + 1},
            (
                f"OrderReported: written by a newer build: schema {JOURNAL_SCHEMA + 1}, "
                f"this one reads up to {JOURNAL_SCHEMA}"
            ),
        ),
        ({"colour": 1}, "OrderReported: unknown field colour"),
        ({"at_ms": "7"}, "OrderReported.at_ms: expected an integer, got str '7'"),
        ({"at_ms": True}, "OrderReported.at_ms: expected an integer, got bool True"),
        ({"reason": 1}, "OrderReported.reason: expected a text, got int 1"),
        (
            {"cumulative_quantity": "1e5"},
            "OrderReported.cumulative_quantity: expected a decimal text, got str '1e5'",
        ),
        (
            {"cumulative_quantity": 5},
            "OrderReported.cumulative_quantity: expected a decimal text, got int 5",
        ),
        (
            {"cumulative_quantity": "NaN"},
            "OrderReported.cumulative_quantity: expected a decimal text, got str 'NaN'",
        ),
        (
            {"cumulative_quantity": "1" * 101},
            f"OrderReported.cumulative_quantity: expected a decimal text, got str '{'1' * 36}...",
        ),
        (
            {"status": "lost"},
            (
                "OrderReported.status: expected one of intent, unknown, working, filled, "
                "canceled, expired, rejected, not_sent, absent, got str 'lost'"
            ),
        ),
    ]


@pytest.mark.parametrize(("change", "message"), refusals())
def test_a_wrong_text_is_refused_with_what_and_where(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(CodecError) as caught:
        codec.decode_fact(json.dumps({**body(REPORT), **change}))

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON text: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "expected an object, got list []"),
        ('{"t":"A","v":1,"x":1.5}', "expected decimals as text, got the number 1.5"),
        ('{"t":"A","v":1,"x":NaN}', "expected decimals as text, got the number NaN"),
    ],
)
def test_what_is_no_text_of_ours_is_refused(text: str, message: str) -> None:
    with pytest.raises(CodecError) as caught:
        codec.decode_fact(text)

    assert str(caught.value) == message


def test_a_text_nested_without_end_is_refused() -> None:
    with pytest.raises(CodecError, match="not a JSON text"):
        codec.decode_fact("[" * 100_000)


def test_the_path_leads_into_nested_values() -> None:
    slots = {4: Slot(index=4, generation=1)}
    state = body(SymbolState(unit=UNIT, deployment="abc", slots=slots))
    state["slots"][0][1]["quantity"] = None

    with pytest.raises(CodecError) as caught:
        codec.decode(json.dumps(state), SymbolState)

    assert str(caught.value) == ("SymbolState.slots[4].quantity: expected a decimal text, got null")


def test_a_key_that_occurs_twice_is_refused() -> None:
    state = body(SymbolState(unit=UNIT, deployment="abc", slots={4: Slot(index=4, generation=1)}))
    state["slots"] *= 2

    with pytest.raises(CodecError, match=r"SymbolState\.slots: a key occurs twice"):
        codec.decode(json.dumps(state), SymbolState)


def test_a_fact_is_not_read_as_an_intent_nor_as_another_class() -> None:
    text = codec.encode(REPORT)

    with pytest.raises(CodecError, match="unknown intent 'OrderReported'"):
        codec.decode_intent(text)
    with pytest.raises(CodecError, match="expected the tag 'SymbolState', got 'OrderReported'"):
        codec.decode(text, SymbolState)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (replace(REPORT, cumulative_quantity=1.5), "OrderReported.cumulative_quantity: expected"),  # type: ignore[arg-type]
        (replace(REPORT, cumulative_quantity=Decimal("NaN")), "expected a finite decimal"),
        (replace(REPORT, cumulative_quantity=Decimal("1E+999999")), "expected a finite decimal"),
        (replace(REPORT, at_ms="7"), "OrderReported.at_ms: expected an integer, got str '7'"),  # type: ignore[arg-type]
        (replace(REPORT, status="working"), "OrderReported.status: expected a member of"),  # type: ignore[arg-type]
        (
            SymbolState(unit=UNIT, deployment="abc", position=PositionBook(fees={"USDT": 1})),  # type: ignore[dict-item]
            r"SymbolState.position.fees\[USDT\]: expected a decimal, got int 1",
        ),
    ],
)
def test_what_could_not_be_read_back_is_not_written(value: object, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        codec.encode(value)


def test_what_is_no_dataclass_has_no_text() -> None:
    with pytest.raises(CodecError, match="no format for the type dict"):
        codec.encode({"a": 1})


# ---------------------------------------------------------------------- types of other modules
@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A value with a union inside, as workflows carry them."""

    intents: tuple[DirectiveGiven | CancelOrder, ...]
    bounds: Mapping[str, Decimal]
    only: CancelOrder | None = None


def test_a_union_inside_a_value_is_told_by_tags() -> None:
    cancel = CancelOrder(client_order_id=ClientOrderId("q"), reason=CancelReason.STOPPED)
    given_ = DirectiveGiven(directive=Directive.DRAIN, by="me", reason="", at_ms=UnixMs(1))
    value = Decided(intents=(cancel, given_), bounds={"a": Decimal(1)}, only=cancel)

    text = codec.encode(value)

    assert codec.decode(text, Decided) == value
    assert [item["t"] for item in json.loads(text)["intents"]] == ["CancelOrder", "DirectiveGiven"]


def test_a_member_the_union_does_not_name_is_refused() -> None:
    cancel = CancelOrder(client_order_id=ClientOrderId("q"), reason=CancelReason.STOPPED)
    text = codec.encode(Decided(intents=(cancel,), bounds={})).replace("CancelOrder", "UnitId")

    with pytest.raises(CodecError, match=r"Decided.intents\[0\]: expected a tag of"):
        codec.decode(text, Decided)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A field that would hide the tag."""

    t: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inexact:
    """A field of a type without a format."""

    price: float


@pytest.mark.parametrize("value", [Reserved(t="x"), Inexact(price=0.5)])
def test_a_class_that_cannot_be_stored_is_refused_at_its_first_use(value: object) -> None:
    with pytest.raises(CodecError, match=r"reserved field name|no format for the type"):
        codec.encode(value)


# ----------------------------------------------------------------------------------- stored names
def described() -> dict[str, Any]:
    """Return the names, fields and one example of everything that is stored."""
    return {
        "schema": JOURNAL_SCHEMA,
        "stored": {name: what for name, _, what in enums_and_records(STORED)},
        "facts": sorted(cls.__name__ for cls in FACTS),
        "intents": sorted(cls.__name__ for cls in INTENTS),
        "rows": sorted(cls.__name__ for cls in ROWS),
        "examples": {cls.__name__: codec.encode(example(cls)) for cls in STORED},
    }


def golden() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return stored


def covers(new: object, old: object) -> bool:
    """Tell whether ``new`` says all that ``old`` says, at any depth; it may say more."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(covers(new.get(key), old[key]) for key in old)
    if isinstance(old, list):
        return isinstance(new, list) and all(map(covers, new, old)) and len(new) == len(old)
    return new == old


def test_no_stored_name_has_changed_or_gone() -> None:
    now = {name: (cls, what) for name, cls, what in enums_and_records(STORED)}

    for name, before in golden()["stored"].items():
        assert name in now, f"{name} is stored in journals and cannot go"
        cls, what = now[name]
        if isinstance(what, list):
            assert set(before) <= set(what), f"a value of {name} is gone"
            continue
        changed = {key: kind for key, kind in before.items() if what.get(key) != kind}
        assert changed == {}, f"stored fields of {name} are gone or have another type"
        for field in fields(cls):
            assert field.name in before or has_default(field), (
                f"{name}.{field.name} is new and needs a default: older journals lack it"
            )
    for kind in ("facts", "intents", "rows"):
        assert set(golden()[kind]) <= set(described()[kind])


@pytest.mark.parametrize("name", sorted(golden()["examples"]))
def test_a_text_of_an_older_build_is_still_read(name: str) -> None:
    text = golden()["examples"][name]
    cls = {cls.__name__: cls for cls in STORED}[name]

    read: object = codec.decode(text, cls)

    assert covers(body(read), json.loads(text))
    assert codec.decode(codec.encode(read), cls) == read


def test_additions_are_written_down() -> None:
    """Run once with OPENSQT_WRITE_GOLDEN=1 after adding a fact or a field, and commit the file."""
    if os.environ.get("OPENSQT_WRITE_GOLDEN"):
        test_no_stored_name_has_changed_or_gone()
        old = golden()["examples"]
        GOLDEN.write_text(
            json.dumps({**described(), "examples": {**described()["examples"], **old}}, indent=1)
            + "\n",
            "utf-8",
        )

    assert {**described(), "examples": None} == {**golden(), "examples": None}
    assert described()["examples"].keys() == golden()["examples"].keys()


def test_a_price_is_a_fact_by_type_but_has_a_text_too() -> None:
    price = PriceTicked(
        bid=Decimal(1), ask=Decimal(2), last=Decimal(1), at_ms=UnixMs(1), read_ms=UnixMs(2)
    )

    assert codec.decode_fact(codec.encode(price)) == price


def test_the_unit_of_a_row_may_have_an_instance() -> None:
    unit = replace(UNIT, instance=InstanceName("second"))

    assert codec.decode(codec.encode(unit), UnitId) == unit
