"""What every journal and every control store must do, whatever it is made of: the test benches."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Generic, Protocol, TypeAlias, TypeVar

from opensqt.core.facts import (
    Evidence,
    Fact,
    OrderIntended,
    OrderReported,
    ProcessStarted,
    TradeFilled,
)
from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    Symbol,
    TradeId,
    UnitId,
    UnixMs,
    VenueOrderId,
)
from opensqt.core.orders import OrderStatus, Purpose, Side, TimeInForce
from opensqt.core.symbol import SymbolState, replay
from opensqt.ports.journal import JournalPort
from opensqt.ports.registry import RegistryPort
from opensqt.simulation.journal import JournalDisk, MemoryJournal
from opensqt.simulation.registry import MemoryRegistry
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from opensqt.storage.location import Location

UNIT = UnitId(account=AccountName("paper"), symbol=Symbol("BTCUSDT:perp"))
OTHER = UnitId(account=AccountName("paper"), symbol=Symbol("ETHUSDT:perp"))
EMPTY = SymbolState(unit=UNIT, deployment="abc")
RANDOM = bytes(range(8))


class ClosableJournal(JournalPort, Protocol):
    """A journal a test opened and closes."""

    def close(self) -> None:
        """Release it; what was committed stays."""


class ClosableRegistry(RegistryPort, Protocol):
    """A control store a test opened and closes."""

    def close(self) -> None:
        """Release it; what was stored stays."""


class _Memory(MemoryJournal):
    def close(self) -> None:
        self.kill()


class _MemoryRegistry(MemoryRegistry):
    def close(self) -> None:
        """Keep everything: there is nothing below this object."""


class Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class Bench(Generic[C]):
    """Opens connections to one store; all of them see the same durable content."""

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._opened: list[C] = []

    def open(self) -> C:
        opened = self._connect()
        self._opened.append(opened)
        return opened

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


JournalBench: TypeAlias = Bench[ClosableJournal]
RegistryBench: TypeAlias = Bench[ClosableRegistry]


def memory_bench() -> JournalBench:
    disk = JournalDisk(unit=UNIT)
    return Bench(lambda: _Memory(disk))


def sql_bench(location: Location) -> JournalBench:
    return Bench(lambda: open_journal(location, UNIT))


def memory_registry_bench() -> RegistryBench:
    registry = _MemoryRegistry(deployment="abc")
    return Bench(lambda: registry)


def sql_registry_bench(location: Location) -> RegistryBench:
    return Bench(lambda: open_control(location, writer="test", random_bytes=RANDOM))


# ---------------------------------------------------------------------------------------- builders
def started(epoch: int = 1) -> ProcessStarted:
    return ProcessStarted(epoch=epoch, build="test", at_ms=UnixMs(1))


def intended(client_order_id: str, *, slot: int = 1, epoch: int = 1) -> OrderIntended:
    return OrderIntended(
        client_order_id=ClientOrderId(client_order_id),
        slot=slot,
        side=Side.BUY,
        purpose=Purpose.OPEN,
        generation=1,
        attempt=1,
        price=Decimal("100.5"),
        quantity=Decimal("0.010"),
        time_in_force=TimeInForce.GTX,
        reduce_only=False,
        epoch=epoch,
        deadline_ms=UnixMs(3_000),
        at_ms=UnixMs(5),
    )


def reported(client_order_id: str, *, venue_order_id: str | None = None) -> OrderReported:
    return OrderReported(
        client_order_id=ClientOrderId(client_order_id),
        status=OrderStatus.WORKING,
        venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
        evidence=Evidence.REPLY,
        at_ms=UnixMs(6),
    )


def traded(trade_id: str, client_order_id: str = "a", *, venue_order_id: str = "v") -> TradeFilled:
    return TradeFilled(
        trade_id=TradeId(trade_id),
        client_order_id=ClientOrderId(client_order_id),
        venue_order_id=VenueOrderId(venue_order_id),
        side=Side.BUY,
        price=Decimal("100.5"),
        quantity=Decimal("0.004"),
        fee=Decimal("-0.00002"),
        fee_asset="USDT",
        is_maker=True,
        at_ms=UnixMs(7),
    )


def state_after(*facts: Fact) -> SymbolState:
    return replay(EMPTY, facts)


def at_sequence(sequence: int) -> SymbolState:
    return replace(EMPTY, sequence=sequence)
