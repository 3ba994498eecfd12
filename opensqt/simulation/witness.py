"""Everything in a world that sees something tells the witness, and the witness has it judged."""

from collections.abc import Callable, Sequence

from opensqt.core.facts import Fact
from opensqt.core.ids import TradeId, UnitId
from opensqt.core.registry import UnitRecord
from opensqt.engine.exposure import UnitExposure
from opensqt.market.types import BookOrder
from opensqt.ports.exchange import CancelRequest, PlaceRequest
from opensqt.simulation.checker import Checker, Violation


class Witness:
    """Calls the checker; the first violation ends the world."""

    def __init__(self, checker: Checker, *, failed: Callable[[str], None]) -> None:
        """Tell ``failed`` what an invariant has to say."""
        self.checker = checker
        self.fail = failed

    def _judge(self, check: Callable[[], None]) -> None:
        try:
            check()
        except Violation as violation:
            self.fail(str(violation))

    def accepted(self, order: BookOrder, exposure: UnitExposure | None) -> None:
        """The venue has accepted an order; the gate believes ``exposure`` of its unit."""
        self._judge(lambda: self.checker.on_accepted(order, exposure))

    def canceled(self, request: CancelRequest) -> None:
        """A cancel has arrived at the venue."""
        self._judge(lambda: self.checker.on_canceled(request))

    def denied(self, order: BookOrder) -> None:
        """The venue has accepted an order and says that it refused it."""
        self.checker.halts.deny(order.symbol, order.client_order_id)

    def written(self, request: PlaceRequest) -> None:
        """The connector writes an order to the venue's socket."""
        self._judge(lambda: self.checker.on_written(request))

    def sent(self, request: PlaceRequest) -> None:
        """The gate lets an order go."""
        self._judge(lambda: self.checker.on_sent(request))

    def fenced(self, account_epoch: int) -> None:
        """The connector has answered a fence."""
        self.checker.on_fenced(account_epoch)

    def committed(self, unit: UnitId, facts: Sequence[Fact]) -> None:
        """Facts have become durable."""
        self._judge(lambda: self.checker.on_committed(unit, facts))

    def acknowledged(self, unit: UnitId, trades: Sequence[TradeId]) -> None:
        """A unit has told the exchange side that it need not keep these fills."""
        self._judge(lambda: self.checker.on_acknowledged(unit, trades))

    def withheld(self, unit: UnitId) -> None:
        """The exchange side has kept a price back without a band that allows it."""
        self._judge(lambda: self.checker.on_withheld(unit))

    def stored(self, record: UnitRecord) -> None:
        """The orchestrator has stored a row of the registry."""
        self._judge(lambda: self.checker.on_stored(record))
