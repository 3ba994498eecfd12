"""An account has one holder, and its connector never forgets who that is for long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from opensqt.core import codec
from opensqt.core.facts import Directive
from opensqt.core.ids import AccountName, ClientOrderId, UnitId, UnixMs
from opensqt.core.registry import Desire, KillRow, UnitRecord
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.account_holder import (
    LEASE_TTL_MS,
    POLL_MS,
    AccountHolder,
    AccountLostError,
    OutdatedBuildError,
    take_account,
)
from opensqt.engine.cancel_all import WAIT_MS as CANCEL_MS
from opensqt.engine.connector_guard import ConnectorGuard, GuardConfig
from opensqt.engine.gate import CONTROL_AGE_MS_MAX, HORIZON_MS
from opensqt.ports.exchange import (
    CancelRequest,
    FenceRefusedError,
    Outcome,
    PlaceRequest,
    VenueUnavailableError,
)
from opensqt.ports.registry import LeaseHeldError, RegistryError
from opensqt.simulation.loop import VirtualClock, VirtualLoop, run_virtual
from opensqt.simulation.registry import MemoryRegistry
from tests.engine.doubles import SYMBOL, ObedientVenue, QuietLog, build_of
from tests.engine.stage import CONFIG

ACCOUNT = AccountName("paper")
UNIT = UnitId(account=ACCOUNT, symbol=SYMBOL)


class Store(MemoryRegistry):
    is_down = False

    async def kill_row(self) -> KillRow:
        if self.is_down:
            raise RegistryError("down")
        return await super().kill_row()

    async def next_symbol_epoch(self, unit: UnitId) -> int:
        if self.is_down:
            raise RegistryError("down")
        return await super().next_symbol_epoch(unit)


class Connector(ObedientVenue):
    """A connector process that can be started again, be frozen, or be gone."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.is_frozen = self.is_gone = self.is_right = self.is_taken = False
        self.start()

    def start(self) -> None:
        self.guard = ConnectorGuard(ObedientVenue(), clock=self._clock, config=GuardConfig())

    async def fence(self, *, account_epoch: int, kill_epoch: int) -> tuple[ClientOrderId, ...]:
        if self.is_gone:
            raise VenueUnavailableError("gone")
        if self.is_taken:
            raise FenceRefusedError("another deployment")
        if self.is_frozen:
            await asyncio.get_running_loop().create_future()
        return await self.guard.fence(account_epoch=account_epoch, kill_epoch=kill_epoch)

    async def server_time_ms(self) -> UnixMs:
        if self.is_frozen:
            await asyncio.get_running_loop().create_future()
        return self._clock.now_ms() if self.is_right else UnixMs(1)

    async def place(self, request: PlaceRequest) -> Outcome:
        return await self.guard.place(request)

    async def cancel(self, request: CancelRequest) -> Outcome:
        return await self.guard.cancel(request)


@dataclass
class Place:
    """A store, a connector, and one exchange process after the other."""

    clock: VirtualClock
    store: Store = field(default_factory=lambda: Store(deployment="abc"))
    running: "list[asyncio.Task[None]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connector = Connector(self.clock)

    async def hold(self, *, name: str = "a") -> AccountHolder:
        lease = await take_account(
            ACCOUNT,
            registry=self.store,
            holder=name,
            is_dead=lambda _: True,
            clock=self.clock,
        )
        holder = AccountHolder(
            lease,
            deployment="abc",
            build=build_of("new"),
            registry=self.store,
            venue=self.connector,
            clock=self.clock,
            log=QuietLog(),
        )
        self.running.append(asyncio.get_running_loop().create_task(holder.run()))
        await self.clock.sleep_ms(POLL_MS // 2)
        return holder

    async def look(self) -> None:
        await self.clock.sleep_ms(POLL_MS)


def play(story: Callable[[Place], Awaitable[None]]) -> None:
    loop = VirtualLoop()

    async def main() -> None:
        await story(Place(VirtualClock(loop)))

    run_virtual(main(), loop)


def test_a_connector_that_is_started_again_is_told_epoch_and_kill_again() -> None:
    async def story(place: Place) -> None:
        killed = KillRow(epoch=3, is_engaged=True, operator="t", reason="r")
        await place.store.set_kill(killed, expected_epoch=0)
        holder = await place.hold()

        place.connector.start()
        await place.look()

        guard = place.connector.guard
        assert (guard.account_epoch, guard.is_killed, holder.confirmed_kill) == (1, True, 3)

    play(story)


def test_the_gate_opens_only_behind_a_fenced_connector() -> None:
    async def story(place: Place) -> None:
        place.connector.is_gone = True
        holder = await place.hold()
        await place.look()
        assert holder.gate.shut_reason
        assert holder.confirmed_kill == -1

        place.connector.is_gone = False
        await place.look()

        assert not holder.gate.shut_reason

    play(story)


def test_a_connector_that_serves_another_deployment_shuts_the_gate() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        await place.look()
        assert not holder.gate.shut_reason

        place.connector.is_taken = True
        await place.clock.sleep_ms(CONTROL_AGE_MS_MAX + POLL_MS)

        assert holder.gate.shut_reason

    play(story)


def test_a_kill_is_not_confirmed_while_the_connector_has_not_heard_of_it() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        place.connector.is_gone = True
        await place.store.set_kill(KillRow(epoch=1, is_engaged=True), expected_epoch=0)
        await place.look()

        assert "kill" in holder.gate.shut_reason
        assert holder.confirmed_kill == 0

    play(story)


def test_a_frozen_connector_does_not_cost_the_account_its_lease() -> None:
    async def story(place: Place) -> None:
        await place.hold()
        place.clock.set_by(60_000)  # asks the venue for the time, too
        place.connector.is_frozen = True
        await place.clock.sleep_ms(LEASE_TTL_MS)

        for _ in range(10):
            await place.clock.sleep_ms(LEASE_TTL_MS // 3)
            lease = await place.store.account_lease(ACCOUNT)
            assert lease is not None
            assert lease.expires_ms > place.clock.now_ms()

    play(story)


def test_who_was_replaced_ends_with_its_gate_shut_and_fences_nobody() -> None:
    async def story(place: Place) -> None:
        former = await place.hold(name="a")
        present = await place.hold(name="b")
        await place.look()

        with pytest.raises(AccountLostError, match="taken over"):
            await place.running[0]

        assert former.gate.shut_reason == "another process holds the account"
        assert not present.gate.shut_reason
        assert place.connector.guard.account_epoch == 2

    play(story)


def test_a_lease_is_taken_at_once_only_from_the_dead() -> None:
    async def story(place: Place) -> None:
        async def take(*, is_dead: bool) -> int:
            lease = await take_account(
                ACCOUNT,
                registry=place.store,
                holder="b",
                is_dead=lambda name: is_dead and name == "a",
                clock=place.clock,
            )
            return lease.epoch

        await place.hold(name="a")
        with pytest.raises(LeaseHeldError):
            await take(is_dead=False)
        assert await take(is_dead=True) == 2

    play(story)


def test_the_gate_shuts_while_the_store_does_not_answer_and_opens_again() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        place.store.is_down = True
        await place.clock.sleep_ms(CONTROL_AGE_MS_MAX + POLL_MS)
        assert holder.gate.shut_reason

        place.store.is_down = False
        await place.look()

        assert not holder.gate.shut_reason

    play(story)


def test_an_unexpected_failure_shuts_the_gate_and_is_raised_as_it_is() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        place.store.account_lease = None  # type: ignore[assignment,method-assign]

        with pytest.raises(TypeError):
            await place.running[0]

        assert holder.gate.shut_reason

    play(story)


def test_orders_are_taken_back_without_the_store_too() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        holder.gate.admit(UNIT, epoch=4)
        await place.clock.sleep_ms(HORIZON_MS)
        place.store.is_down = True

        assert await holder.cancel_orders(UNIT) == ()
        assert holder.gate.epoch_of(UNIT) >= 4

    play(story)


@pytest.mark.parametrize(
    ("config", "late_ms"),
    [
        (replace(CONFIG, order_ttl_ms=10_000, horizon_ms=60_000), 70_000),
        (None, HORIZON_MS),
    ],
)
def test_orders_of_a_unit_that_never_spoke_may_appear_as_late_as_its_row_says(
    config: UnitConfig | None, late_ms: int
) -> None:
    async def story(place: Place) -> None:
        text = "{}" if config is None else codec.encode(config)
        row = UnitRecord(
            unit=UNIT,
            desire=Desire.REMOVED,
            directive=Directive.CANCEL,
            config_text=text,
            config_version=1,
            revision=1,
            updated_ms=UnixMs(0),
        )
        await place.store.put_unit(row, expected_revision=0)
        holder = await place.hold()
        started_ms = place.clock.monotonic_ms()

        while True:
            try:
                assert await holder.cancel_orders(UNIT) == ()
                break
            except VenueUnavailableError:
                assert place.clock.monotonic_ms() - started_ms < late_ms + 2 * CANCEL_MS

        assert place.clock.monotonic_ms() - started_ms >= late_ms - POLL_MS

    play(story)


def test_a_clock_that_was_set_is_trusted_when_the_venue_says_the_same_time() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        place.clock.set_by(60_000)
        await place.look()
        await place.look()
        assert holder.gate.is_adrift
        assert "venue's says another" in holder.gate.shut_reason
        await place.clock.sleep_ms(2 * HORIZON_MS)
        assert holder.gate.is_adrift

        place.connector.is_right = True
        await place.look()

        assert not holder.gate.is_adrift
        assert not holder.gate.shut_reason

    play(story)


def test_an_outdated_process_shuts_its_gate_and_ends() -> None:
    async def story(place: Place) -> None:
        holder = await place.hold()
        assert not holder.gate.shut_reason

        holder.hub.outdated.set()

        with pytest.raises(OutdatedBuildError, match="another build is installed"):
            await asyncio.wait_for(place.running[0], 5)
        assert holder.gate.shut_reason

    play(story)
