"""Valid values of every message that crosses a process boundary."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    InstanceName,
    Symbol,
    TradeId,
    UnitId,
    UnixMs,
    VenueOrderId,
)
from opensqt.core.instrument import Instrument
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce
from opensqt.ports.exchange import (
    Balance,
    CancelRequest,
    FrameAge,
    Listing,
    OrderUpdate,
    Outcome,
    OutcomeClass,
    PlaceRequest,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    TradeUpdate,
    VenueCode,
    VenueOrder,
    VenuePosition,
    VenueTrade,
)
from opensqt.ports.link import (
    Ack,
    Answer,
    Band,
    Cancel,
    Declare,
    Gap,
    Heartbeat,
    Hello,
    LinkFact,
    LinkPrice,
    Place,
    Query,
    QueryKind,
    Reply,
    Reserved,
    Welcome,
)

# Thirty digits each side are what the money rules allow.
DIGITS_MAX = 30
texts = st.text(max_size=12)
names = st.text(alphabet="abcXYZ019-_", min_size=1, max_size=12)
numbers = st.integers(min_value=0, max_value=2**63 - 1)
small = st.integers(min_value=0, max_value=2**31 - 1)
times = st.integers(min_value=0, max_value=4_102_444_800_000).map(UnixMs)


def _decimal(digits: int, places: int, sign: int) -> Decimal:
    return sign * Decimal(digits).scaleb(-places)


decimals = st.builds(
    _decimal,
    st.integers(min_value=0, max_value=10**18),
    st.integers(min_value=0, max_value=DIGITS_MAX),
    st.sampled_from((1, -1)),
)
symbols = st.sampled_from(("BTCUSDT:perp", "ETHUSDT:spot", "1000PEPEUSDT:perp")).map(Symbol)
client_order_ids = names.map(ClientOrderId)
venue_order_ids = (names | st.integers(min_value=1, max_value=2**70).map(str)).map(VenueOrderId)
venue_statuses = st.sampled_from(
    (
        OrderStatus.WORKING,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
    )
)
codes = st.sampled_from(VenueCode)
sides = st.sampled_from(Side)

prices = st.builds(
    PriceUpdate,
    symbol=symbols,
    bid=decimals,
    ask=decimals,
    last=decimals,
    mark=st.none() | decimals,
    venue_ms=times,
    read_ms=times,
)
orders = st.builds(
    VenueOrder,
    symbol=symbols,
    client_order_id=client_order_ids | st.just(ClientOrderId("")),
    venue_order_id=venue_order_ids,
    side=sides,
    price=decimals,
    quantity=decimals,
    cumulative_quantity=decimals,
    status=venue_statuses,
    reduce_only=st.booleans(),
    updated_ms=times,
    reason=codes,
)
trades = st.builds(
    VenueTrade,
    symbol=symbols,
    trade_id=names.map(TradeId),
    venue_order_id=venue_order_ids,
    client_order_id=client_order_ids | st.just(ClientOrderId("")),
    side=sides,
    price=decimals,
    quantity=decimals,
    fee=decimals,
    fee_asset=texts,
    is_maker=st.booleans(),
    at_ms=times,
)
outcomes = st.builds(
    Outcome,
    outcome=st.sampled_from(OutcomeClass),
    code=codes,
    message=texts,
    order=st.none() | orders,
)
listings = st.builds(
    Listing,
    orders=st.lists(orders, max_size=3).map(tuple),
    trades=st.lists(trades, max_size=3).map(tuple),
    is_complete=st.booleans(),
)
positions = st.builds(
    VenuePosition,
    symbol=symbols,
    quantity=decimals,
    average_price=decimals,
    mark_price=st.none() | decimals,
)
balances = st.builds(Balance, asset=names, free=decimals, locked=decimals)
instruments = st.builds(
    Instrument,
    symbol=symbols,
    venue_symbol=names,
    base_asset=names,
    quote_asset=names,
    tick_size=decimals,
    lot_size=decimals,
    quantity_min=decimals,
    quantity_max=decimals,
    notional_min=decimals,
    contract_size=decimals,
    orders_open_max=small,
    reduce_only_exempt=st.booleans(),
    price_band=decimals,
)
stream_states = st.builds(
    StreamState,
    kind=st.sampled_from(StreamKind),
    phase=st.sampled_from(StreamPhase),
    reason=texts,
    at_ms=times,
)
frame_ages = st.builds(
    FrameAge,
    public_ms=numbers,
    private_ms=numbers,
    at_ms=times,
    stale=st.lists(symbols, max_size=3).map(tuple),
)
order_updates = st.builds(OrderUpdate, order=orders)
trade_updates = st.builds(TradeUpdate, trade=trades)
EVENTS: dict[type, SearchStrategy[Any]] = {
    PriceUpdate: prices,
    OrderUpdate: order_updates,
    TradeUpdate: trade_updates,
    StreamState: stream_states,
    FrameAge: frame_ages,
}
events = st.one_of(*EVENTS.values())

place_requests = st.builds(
    PlaceRequest,
    symbol=symbols,
    client_order_id=client_order_ids,
    side=sides,
    price=decimals,
    quantity=decimals,
    time_in_force=st.sampled_from(TimeInForce),
    reduce_only=st.booleans(),
    deadline_ms=times,
    symbol_epoch=numbers,
    account_epoch=numbers,
)
cancel_requests = st.builds(
    CancelRequest,
    symbol=symbols,
    client_order_id=client_order_ids,
    venue_order_id=st.none() | venue_order_ids,
    symbol_epoch=numbers,
    account_epoch=numbers,
)

units = st.builds(
    UnitId,
    account=names.map(AccountName),
    symbol=symbols,
    instance=names.map(InstanceName),
)
reserved = st.lists(
    st.builds(Reserved, client_order_id=client_order_ids, signed_quantity=decimals, price=decimals),
    max_size=3,
).map(tuple)
UPWARD: dict[type, SearchStrategy[Any]] = {
    Hello: st.builds(
        Hello,
        unit=units,
        host=texts,
        pid=small,
        epoch=numbers,
        build=texts,
        session=texts,
        acked_seq=numbers,
        now_ms=times,
        position=decimals,
        reserved=reserved,
        capital=decimals,
    ),
    Band: st.builds(
        Band,
        reference=st.sampled_from(("last", "mid", "mark", "bid", "ask")),
        low=st.none() | decimals,
        high=st.none() | decimals,
        valid_until_ms=times,
        after_seq=numbers,
    ),
    Ack: st.builds(Ack, seq=numbers),
    Declare: st.builds(Declare, position=decimals, reserved=reserved),
    Place: st.builds(
        Place, request_id=numbers, request=place_requests, purpose=st.sampled_from(Purpose)
    ),
    Cancel: st.builds(Cancel, request_id=numbers, request=cancel_requests),
    Query: st.builds(
        Query,
        request_id=numbers,
        kind=st.sampled_from(QueryKind),
        symbol=symbols,
        client_order_id=st.none() | client_order_ids,
        venue_order_id=st.none() | venue_order_ids,
        since_ms=times,
        deadline_ms=times,
    ),
}
DOWNWARD: dict[type, SearchStrategy[Any]] = {
    Welcome: st.builds(
        Welcome, session=names, resumed=st.booleans(), account_epoch=numbers, now_ms=times
    ),
    Gap: st.builds(Gap, reason=texts),
    LinkPrice: st.builds(LinkPrice, price=prices, age_ms=numbers),
    LinkFact: st.builds(LinkFact, seq=numbers, update=order_updates | trade_updates),
    Heartbeat: st.builds(
        Heartbeat,
        price=st.none() | prices,
        public_live=st.booleans(),
        private_live=st.booleans(),
        frame_age_ms=numbers,
        last_seq=numbers,
        gate_open=st.booleans(),
        gate_reason=texts,
    ),
    Reply: st.builds(Reply, request_id=numbers, outcome=outcomes),
    Answer: st.builds(
        Answer,
        request_id=numbers,
        error=texts,
        order=st.none() | orders,
        listing=st.none() | listings,
        position=st.none() | positions,
        instrument=st.none() | instruments,
        balances=st.lists(balances, max_size=2).map(tuple),
        time_ms=times,
        unsent_ms=numbers,
    ),
}
upward = st.one_of(*UPWARD.values())
downward = st.one_of(*DOWNWARD.values())
