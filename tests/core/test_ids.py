"""Ids are storage: the golden values here may never change."""

from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import (
    CLIENT_ORDER_ID_LENGTH,
    AccountName,
    ClientOrderId,
    IdError,
    InstanceName,
    Symbol,
    UnitId,
    client_order_id,
    deployment_tag,
    forced_id,
    is_forced,
    is_ours,
    is_sibling,
    split_symbol,
)

PERP = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
SPOT = UnitId(
    account=AccountName("main"), symbol=Symbol("BTCUSDT:spot"), instance=InstanceName("b")
)


Key: TypeAlias = tuple[UnitId, int, str, int, int]

KEYS = st.tuples(
    st.sampled_from([PERP, SPOT]),
    st.integers(-3, 3),
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 30),
    st.integers(0, 30),
)


def derive(key: Key, deployment: str = "0a1") -> ClientOrderId:
    unit, slot, side, generation, attempt = key
    return client_order_id(
        deployment=deployment,
        unit=unit,
        slot=slot,
        side=side,
        generation=generation,
        attempt=attempt,
    )


@pytest.mark.parametrize(
    ("deployment", "key", "expected"),
    [
        ("000", (PERP, 0, "buy", 1, 0), "q1000dbzr6k7rqref674ccp4y"),
        ("zz9", (SPOT, 0, "buy", 1, 0), "q1zz9pjakzpyzs9zbn5ztyvk3"),
        ("000", (PERP, -7, "sell", 12, 3), "q1000g01k5n0n1s102fbzb0ah"),
        ("zz9", (SPOT, -7, "sell", 12, 3), "q1zz9g3wpfz7t7f92kqrxsd60"),
    ],
)
def test_client_order_ids_are_fixed_for_ever(deployment: str, key: Key, expected: str) -> None:
    assert derive(key, deployment) == expected


@given(KEYS, KEYS)
def test_ids_are_equal_exactly_when_their_keys_are(left: Key, right: Key) -> None:
    assert (derive(left) == derive(right)) == (left == right)


@given(KEYS)
def test_ids_are_valid_at_every_venue_and_tell_whose_they_are(
    key: Key,
) -> None:
    found = derive(key)

    assert len(found) == CLIENT_ORDER_ID_LENGTH
    assert found.isalnum()
    assert found == found.lower()
    assert is_ours(found, deployment="0a1")
    assert not is_sibling(found, deployment="0a1")
    assert is_sibling(found, deployment="0a2")


@pytest.mark.parametrize("text", ["", "x-zdfVM8vY1234567890abcdef", "q1000", "web_abc", "q" * 26])
def test_foreign_ids_belong_to_nobody_here(text: str) -> None:
    assert not is_ours(text, deployment="000")
    assert not is_sibling(text, deployment="000")


@pytest.mark.parametrize("tag", ["", "0a", "0a1b", "0A1", "0l1"])
def test_a_malformed_deployment_tag_is_refused(tag: str) -> None:
    with pytest.raises(IdError):
        derive((PERP, 0, "buy", 1, 0), tag)


@pytest.mark.parametrize(
    ("drawn", "tag"), [(b"\0\0\0\0", "000"), (b"\xff\xff\xff\xff", "zzz"), (b"\1\2\3\4", "4r0")]
)
def test_a_tag_is_derived_from_drawn_bytes(drawn: bytes, tag: str) -> None:
    assert deployment_tag(drawn) == tag


def test_a_symbol_says_its_market() -> None:
    assert split_symbol(Symbol("BTCUSDT:perp")) == ("BTCUSDT", "perp")


@pytest.mark.parametrize("text", ["BTCUSDT", "btcusdt:perp", "BTC/USDT:perp", "BTCUSDT:swap", ":"])
def test_any_other_symbol_is_refused(text: str) -> None:
    with pytest.raises(IdError):
        split_symbol(Symbol(text))


def test_units_are_named_for_people_and_for_folders() -> None:
    assert PERP.path == "paper-BTCUSDT-perp-grid"
    assert SPOT.path == "main-BTCUSDT-spot-b"
    assert PERP.text == "paper/BTCUSDT:perp"
    assert SPOT.text == "main/BTCUSDT:spot#b"


@pytest.mark.parametrize("name", ["autoclose-1700000000000", "x", "q1abc" + "0" * 20])
def test_orders_of_the_venue_itself_are_told_from_all_others(name: str) -> None:
    assert is_forced(forced_id(name))
    assert not is_ours(forced_id(name), deployment="abc")


@pytest.mark.parametrize("text", ["", "web_1", "my-autoclose-1", "q1abc" + "0" * 20])
def test_orders_of_people_are_not_forced(text: str) -> None:
    assert not is_forced(text)
