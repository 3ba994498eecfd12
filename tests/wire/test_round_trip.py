"""Goal: what is sent is what arrives. Method: generated values through bytes and back."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.ids import UnixMs
from opensqt.market_maker.v1 import link_pb2
from opensqt.ports import exchange as venue
from opensqt.ports import link
from opensqt.wire import exchange as resources
from opensqt.wire import facts
from opensqt.wire.link import decode_downward, decode_upward, encode_downward, encode_upward
from tests.wire import strategies as some

pytestmark = pytest.mark.property

NOW = UnixMs(1_790_000_000_000)
Pair = tuple[Any, Callable[[Any], Message], Callable[[Any], Any]]

PAIRS: dict[str, Pair] = {
    "price": (some.prices, facts.encode_price, facts.decode_price),
    "order": (some.orders, facts.encode_order, facts.decode_order),
    "trade": (some.trades, facts.encode_trade, facts.decode_trade),
    "outcome": (some.outcomes, facts.encode_outcome, facts.decode_outcome),
    "listing": (some.listings, facts.encode_listing, facts.decode_listing),
    "position": (some.positions, facts.encode_position, facts.decode_position),
    "balance": (some.balances, facts.encode_balance, facts.decode_balance),
    "instrument": (some.instruments, facts.encode_instrument, facts.decode_instrument),
    "event": (some.events, facts.encode_event, facts.decode_event),
    "place": (some.place_requests, resources.encode_place, resources.decode_place),
    "cancel": (some.cancel_requests, resources.encode_cancel, resources.decode_cancel),
    "order resource": (
        some.orders,
        resources.encode_order_resource,
        resources.decode_order_resource,
    ),
    "order update": (
        some.orders,
        lambda order: resources.encode_order_update(order, exchange="paper"),
        resources.decode_order_update,
    ),
    "trade resource": (
        some.trades,
        resources.encode_trade_resource,
        resources.decode_trade_resource,
    ),
    "price change": (
        some.prices,
        lambda price: resources.encode_price_change(
            price, exchange="paper", sequence=1, now_ms=NOW
        ),
        lambda message: resources.decode_price_change(message, now_ms=NOW),
    ),
    "position resource": (
        some.positions,
        resources.encode_position_resource,
        resources.decode_position_resource,
    ),
    "symbol info": (some.instruments, resources.encode_symbol_info, resources.decode_symbol_info),
}


@pytest.mark.parametrize("name", PAIRS)
@given(data=st.data())
def test_a_value_survives_the_wire(name: str, data: st.DataObject) -> None:
    strategy, encode, decode = PAIRS[name]
    value = data.draw(strategy)

    message = encode(value)
    arrived = type(message).FromString(message.SerializeToString())

    assert decode(arrived) == value


def test_every_message_of_the_ports_is_generated() -> None:
    """A message added to the ports must be added to the strategies, or it would go untested."""
    assert set(some.UPWARD) == set(get_args(link.Upward))
    assert set(some.DOWNWARD) == set(get_args(link.Downward))
    assert set(some.EVENTS) == set(get_args(venue.VenueEvent))


@pytest.mark.parametrize("kind", [*some.UPWARD, *some.DOWNWARD], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_link_message_survives_the_wire(kind: type, data: st.DataObject) -> None:
    if kind in some.UPWARD:
        value = data.draw(some.UPWARD[kind])
        up = link_pb2.UpwardMessage.FromString(encode_upward(value).SerializeToString())
        assert decode_upward(up) == value
    else:
        value = data.draw(some.DOWNWARD[kind])
        down = link_pb2.DownwardMessage.FromString(encode_downward(value).SerializeToString())
        assert decode_downward(down) == value
