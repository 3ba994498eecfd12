"""What must make a unit stand still, told from its journal: the venue trades, or lies."""

from collections import defaultdict
from decimal import Decimal

from opensqt.core.facts import (
    Fact,
    InventorySeeded,
    OrderIntended,
    OrderReported,
    PositionAdjusted,
    QuarantineLifted,
    TradeFilled,
)
from opensqt.core.ids import ClientOrderId, Symbol, is_forced
from opensqt.core.money import ZERO
from opensqt.core.orders import Anomaly, Purpose


class Halts:
    """Which symbols stand still until a human decides, and what is left of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._halted: set[Symbol] = set()
        self._denied: dict[Symbol, set[ClientOrderId]] = defaultdict(set)
        self._excess: dict[Symbol, Decimal] = defaultdict(Decimal)
        self.fills = 0
        """Executions by the venue itself that were booked."""

    def is_halted(self, symbol: Symbol) -> bool:
        """Tell whether the unit has learned of it, and no human has decided since."""
        return symbol in self._halted

    def deny(self, symbol: Symbol, own: ClientOrderId) -> None:
        """Note that the venue has taken an order and says that it refused it."""
        self._denied[symbol].add(own)

    def denied(self, symbol: Symbol) -> frozenset[ClientOrderId]:
        """Return the orders the venue has lied about."""
        return frozenset(self._denied[symbol])

    def excess(self, symbol: Symbol) -> Decimal:
        """Return what the levels hold beyond the position: what the venue sold, not they."""
        return self._excess[symbol]

    def problem(self, symbol: Symbol, fact: Fact, *, quarantine: str) -> str:
        """Note a fact; return what is wrong with it, ``quarantine`` being that after it."""
        self._note_exposed(symbol, fact, quarantine)
        match fact:
            case TradeFilled() if is_forced(fact.client_order_id):
                self.fills += 1
                self._halted.add(symbol)
                self._excess[symbol] -= fact.side.sign * fact.quantity
                is_still_for_another = bool(quarantine and self._denied[symbol])
                if Anomaly.VENUE_FORCED not in quarantine and not is_still_for_another:
                    return f"F27: {symbol} goes on after {fact.client_order_id}: {quarantine!r}"
            case OrderIntended() if fact.purpose is Purpose.OPEN and symbol in self._halted:
                return f"F27: {fact.client_order_id} opens although {symbol} is halted"
            case QuarantineLifted():
                self._halted.discard(symbol)
            case InventorySeeded():
                self._excess[symbol] += fact.quantity
            case PositionAdjusted():
                self._excess[symbol] -= fact.quantity
            case _:
                pass
        if self._excess[symbol] == ZERO:
            del self._excess[symbol]
        return ""

    def _note_exposed(self, symbol: Symbol, fact: Fact, quarantine: str) -> None:
        """Note when a lie has come out: the unit stands still because of that order."""
        if isinstance(fact, OrderReported | TradeFilled):
            own = fact.client_order_id
            if own in self._denied[symbol] and own in quarantine:
                self._halted.add(symbol)
