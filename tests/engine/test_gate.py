"""The gate lets nothing pass that must not, says why, and never lets a cancel wait for an order."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt.core.facts import PriceTicked
from opensqt.core.ids import AccountName, ClientOrderId, TradeId, UnitId, UnixMs, VenueOrderId
from opensqt.core.orders import OrderStatus, Side
from opensqt.core.registry import KillRow
from opensqt.core.risk.limits import Limits
from opensqt.engine.exposure import UnitExposure
from opensqt.engine.gate import CONTROL_AGE_MS_MAX, Gate, Market
from opensqt.engine.limiter import Limiter, Rate
from opensqt.ports.exchange import (
    CancelRequest,
    Outcome,
    OutcomeClass,
    VenueCode,
    VenueTrade,
)
from opensqt.ports.link import Declare, Place, Reserved
from tests.engine.doubles import (
    INSTRUMENT,
    SYMBOL,
    HandClock,
    ObedientVenue,
    QuietLog,
    order_of,
    request_of,
)

UNIT = UnitId(account=AccountName("paper"), symbol=SYMBOL)
LIMITS = Limits.from_capital(Decimal(10_000), venue_orders_open_max=200)


class Setting:
    """An open gate with one unit admitted under epoch 1."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.venue = ObedientVenue()
        self.log = QuietLog()
        self.gate = Gate(self.venue, clock=self.clock, log=self.log)
        self.exposure = self.gate.admit(UNIT, epoch=1)
        self.gate.confirm(kill=KillRow(), account_epoch=7)
        self.market = Market(
            instrument=INSTRUMENT,
            price=PriceTicked(
                bid=Decimal("100.1"),
                ask=Decimal("100.2"),
                last=Decimal("100.1"),
                at_ms=UnixMs(self.clock.ms),
                read_ms=UnixMs(self.clock.ms),
            ),
            is_live=True,
        )

    async def place(self, purpose: str = "open", **knobs: object) -> Outcome:
        request = request_of(**knobs)  # type: ignore[arg-type]
        message = Place(request_id=1, request=request, purpose=purpose)
        return await self.gate.place(UNIT, message, market=self.market, limits=LIMITS)

    async def cancel(self, *, epoch: int = 1) -> Outcome:
        request = CancelRequest(
            symbol=SYMBOL, client_order_id=ClientOrderId("q"), symbol_epoch=epoch
        )
        return await self.gate.cancel(UNIT, request)


def fresh_price(setting: Setting) -> PriceTicked:
    assert setting.market.price is not None
    return replace(setting.market.price, read_ms=UnixMs(setting.clock.ms))


def stale_price(setting: Setting) -> None:
    assert setting.market.price is not None
    old = replace(setting.market.price, read_ms=UnixMs(setting.clock.ms - 3_001))
    setting.market = replace(setting.market, price=old)


def engage(setting: Setting) -> None:
    setting.gate.confirm(kill=KillRow(epoch=1, is_engaged=True), account_epoch=7)


def unconfirmed(setting: Setting) -> None:
    setting.clock.ms += CONTROL_AGE_MS_MAX + 1


def newer_process(setting: Setting) -> None:
    setting.gate.admit(UNIT, epoch=2)


SHUT: list[tuple[Callable[[Setting], None], VenueCode]] = [
    (lambda s: s.gate.lose(), VenueCode.STALE_EPOCH),
    (newer_process, VenueCode.STALE_EPOCH),
    (engage, VenueCode.KILLED),
    (unconfirmed, VenueCode.GATE_SHUT),
    (lambda s: s.gate.close_down(), VenueCode.GATE_SHUT),
    (lambda s: setattr(s, "market", replace(s.market, is_live=False)), VenueCode.GATE_SHUT),
    (stale_price, VenueCode.RISK),
    (lambda s: setattr(s, "market", replace(s.market, price=None)), VenueCode.RISK),
    (lambda s: setattr(s, "market", replace(s.market, instrument=None)), VenueCode.RISK),
]


async def test_an_open_gate_writes_the_order_once_with_the_account_epoch() -> None:
    setting = Setting()

    outcome = await setting.place()

    assert outcome.outcome is OutcomeClass.ACCEPTED
    assert [one.account_epoch for one in setting.venue.placed] == [7]


async def test_a_gate_that_never_saw_the_control_store_is_shut() -> None:
    setting = Setting()
    setting.gate = Gate(setting.venue, clock=setting.clock, log=QuietLog())
    setting.gate.admit(UNIT, epoch=1)

    assert (await setting.place()).code is VenueCode.GATE_SHUT
    assert setting.gate.shut_reason


@pytest.mark.parametrize(("shut", "code"), SHUT)
async def test_what_shuts_the_gate_is_a_sure_refusal(
    shut: Callable[[Setting], None], code: VenueCode
) -> None:
    setting = Setting()
    shut(setting)

    outcome = await setting.place()

    assert (outcome.outcome, outcome.code) == (OutcomeClass.NOT_SENT, code)
    assert setting.venue.placed == []


@pytest.mark.parametrize("shut", [shut for shut, _ in SHUT if shut is not newer_process])
async def test_nothing_but_a_newer_process_keeps_a_cancel_from_leaving(
    shut: Callable[[Setting], None],
) -> None:
    setting = Setting()
    shut(setting)

    assert (await setting.cancel()).outcome is OutcomeClass.ACCEPTED


async def test_an_old_process_may_not_even_cancel() -> None:
    setting = Setting()
    newer_process(setting)

    assert (await setting.cancel(epoch=1)).code is VenueCode.STALE_EPOCH
    assert (await setting.cancel(epoch=2)).outcome is OutcomeClass.ACCEPTED


async def test_a_passed_deadline_is_a_sure_refusal() -> None:
    setting = Setting()

    assert (await setting.place(deadline_ms=setting.clock.ms - 1)).code is VenueCode.DEADLINE


async def test_a_closing_order_passes_a_gate_that_is_closing_down_or_has_old_prices() -> None:
    for shut in (lambda s: s.gate.close_down(), stale_price):
        setting = Setting()
        setting.exposure.declare(Declare(position=Decimal(1), reserved=()))
        shut(setting)

        outcome = await setting.place("close", side=Side.SELL, price="100.3", reduce_only=True)

        assert outcome.outcome is OutcomeClass.ACCEPTED


async def test_the_kill_switch_lets_only_flattening_orders_pass_and_never_goes_back() -> None:
    setting = Setting()
    setting.exposure.declare(Declare(position=Decimal(1), reserved=()))
    engage(setting)
    setting.gate.confirm(kill=KillRow(epoch=0), account_epoch=7)

    knobs = {"side": Side.SELL, "price": "100.1", "reduce_only": True}
    assert (await setting.place("close", **knobs)).code is VenueCode.KILLED
    assert (await setting.place("flatten", **knobs)).outcome is OutcomeClass.ACCEPTED

    setting.gate.confirm(kill=KillRow(epoch=2, is_engaged=False), account_epoch=7)
    assert (await setting.place(number=2)).outcome is OutcomeClass.ACCEPTED


async def test_orders_of_unknown_outcome_keep_their_exposure() -> None:
    setting = Setting()
    setting.venue.outcome = Outcome(outcome=OutcomeClass.UNKNOWN)

    for number in range(5):
        await setting.place(number=number, quantity="5")
    sixth = await setting.place(number=9, quantity="5")

    assert len(setting.venue.placed) == 5, "25 % of 10,000 is five orders of 500"
    assert sixth.code is VenueCode.RISK


@pytest.mark.parametrize("outcome", [OutcomeClass.REJECTED, OutcomeClass.NOT_SENT])
async def test_sure_refusals_give_their_exposure_back(outcome: OutcomeClass) -> None:
    setting = Setting()
    setting.venue.outcome = Outcome(outcome=outcome)

    for number in range(12):
        assert (await setting.place(number=number, quantity="5")).outcome is outcome


def test_a_look_at_the_store_is_as_old_as_its_question() -> None:
    setting = Setting()
    asked_ms = setting.clock.monotonic_ms()
    setting.clock.ms += 2_001

    setting.gate.confirm(kill=KillRow(), account_epoch=7, asked_ms=asked_ms)
    assert setting.gate.shut_reason == "the control store does not answer"

    setting.gate.confirm(kill=KillRow(), account_epoch=7, asked_ms=setting.clock.monotonic_ms())
    assert setting.gate.shut_reason == ""


async def test_cancels_have_tokens_when_orders_have_none() -> None:
    setting = Setting()
    rate = Rate(burst=10, per_second=0.0)
    setting.gate = Gate(setting.venue, clock=setting.clock, log=QuietLog(), rate=rate)
    setting.gate.admit(UNIT, epoch=1)
    setting.gate.confirm(kill=KillRow(), account_epoch=7)

    placed = [(await setting.place(number=n, quantity="0.1")).code for n in range(8)]

    assert placed == [VenueCode.NONE] * 7 + [VenueCode.RATE_LIMITED]
    assert [(await setting.cancel()).code for _ in range(4)] == [
        *[VenueCode.NONE] * 3,
        VenueCode.RATE_LIMITED,
    ]


def test_a_bucket_fills_with_time_and_never_overflows() -> None:
    limiter = Limiter(Rate(burst=10, per_second=10.0, cancel_share=0.0), now_ms=0)

    assert sum(limiter.take(now_ms=0, is_cancel=False) for _ in range(20)) == 10
    assert sum(limiter.take(now_ms=500, is_cancel=False) for _ in range(20)) == 5
    assert sum(limiter.take(now_ms=100_000, is_cancel=False) for _ in range(20)) == 10


def test_a_ban_blocks_orders_but_not_cancels() -> None:
    limiter = Limiter(Rate(burst=10, per_second=10.0), now_ms=0)
    limiter.block(until_ms=1_000)

    assert not limiter.take(now_ms=999, is_cancel=False)
    assert limiter.take(now_ms=999, is_cancel=True)
    assert limiter.take(now_ms=1_000, is_cancel=False)


def trade(number: int, quantity: str) -> VenueTrade:
    return VenueTrade(
        symbol=SYMBOL,
        trade_id=TradeId(str(number)),
        venue_order_id=VenueOrderId("1"),
        client_order_id=request_of().client_order_id,
        side=Side.BUY,
        price=Decimal(100),
        quantity=Decimal(quantity),
        fee=Decimal(0),
        fee_asset="USDT",
        is_maker=True,
        at_ms=UnixMs(1),
    )


@given(st.permutations(["t1", "t2", "t1", "end"]))
def test_reports_in_any_order_leave_the_executed_quantity_and_nothing_else(
    order: list[str],
) -> None:
    exposure = UnitExposure()
    exposure.reserve(request_of(quantity="1"))
    for what in order:
        if what == "end":
            exposure.on_order(order_of(request_of(), OrderStatus.CANCELED, cumulative="0.5"))
        else:
            exposure.on_trade(trade(int(what[1:]), {"t1": "0.2", "t2": "0.3"}[what]))

    view = exposure.view(ClientOrderId(""), side=Side.BUY, instrument=None, price=None)
    assert view.position == Decimal("0.5")
    assert view.reserved == ()


END = order_of(request_of(), OrderStatus.CANCELED, cumulative="0.5")


def worst(exposure: UnitExposure) -> Decimal:
    return exposure.view(
        ClientOrderId(""), side=Side.BUY, instrument=None, price=None
    ).worst_quantity(Side.BUY)


@given(st.lists(st.sampled_from(["t1", "t2", "end"])))
def test_lost_late_and_repeated_reports_never_make_the_exposure_too_small(
    order: list[str],
) -> None:
    exposure = UnitExposure()
    exposure.reserve(request_of(quantity="1"))
    for what in order:
        if what == "end":
            exposure.on_order(END)
        else:
            exposure.on_trade(trade(int(what[1:]), {"t1": "0.2", "t2": "0.3"}[what]))

        assert worst(exposure) >= Decimal("0.5")


def test_a_fill_after_the_end_of_its_order_counts_until_the_manager_declares_it() -> None:
    exposure = UnitExposure()
    exposure.reserve(request_of(quantity="1"))
    exposure.on_order(order_of(request_of(), OrderStatus.CANCELED))
    assert worst(exposure) == 0

    exposure.on_trade(trade(1, "0.2"))
    exposure.on_trade(trade(1, "0.2"))
    assert worst(exposure) == Decimal("0.2")

    exposure.declare(Declare(position=Decimal("0.2"), reserved=()))
    assert worst(exposure) == Decimal("0.2")


def test_a_trade_of_somebody_else_counts_nothing() -> None:
    exposure = UnitExposure()
    exposure.on_trade(trade(1, "0.2"))

    assert worst(exposure) == 0


def test_a_declaration_replaces_what_the_gate_believed() -> None:
    exposure = UnitExposure()
    exposure.reserve(request_of(1))
    kept = Reserved(
        client_order_id=request_of(2).client_order_id,
        signed_quantity=Decimal("0.4"),
        price=Decimal(100),
    )
    exposure.declare(Declare(position=Decimal(3), reserved=(kept,)))

    view = exposure.view(ClientOrderId(""), side=Side.BUY, instrument=None, price=None)
    assert view.position == Decimal(3)
    assert [one.client_order_id for one in view.reserved] == [kept.client_order_id]


def test_a_sell_that_was_declared_and_is_reported_again_does_not_make_the_exposure_too_small() -> (
    None
):
    exposure = UnitExposure()
    selling = Reserved(
        client_order_id=request_of().client_order_id,
        signed_quantity=Decimal("-0.3"),
        price=Decimal(100),
    )
    # 1 was held and 0.2 of it are sold; the declaration knows that, the stream says it again.
    exposure.declare(Declare(position=Decimal("0.8"), reserved=(selling,)))
    exposure.on_trade(replace(trade(1, "0.2"), side=Side.SELL))

    assert worst(exposure) == Decimal("0.8")
    closing = exposure.view(ClientOrderId(""), side=Side.SELL, instrument=None, price=None)
    assert closing.position == Decimal("0.6"), "and what may be closed is not overstated either"
