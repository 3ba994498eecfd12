"""What a unit tells the exchange side of its exposure, so that the gate can count it."""

from opensqt.core.facts import Evidence, Fact, OrderReported
from opensqt.core.symbol import SymbolState
from opensqt.ports.link import Declare, Reserved


def declared(state: SymbolState) -> Declare:
    """Return position and reserved exposure as the journal knows them."""
    return Declare(position=state.position.quantity, reserved=reserved_by(state))


def reserved_by(state: SymbolState) -> tuple[Reserved, ...]:
    """Return the exposure of every unsettled order."""
    return tuple(
        Reserved(
            client_order_id=order.client_order_id,
            signed_quantity=order.reserved_quantity * order.side.sign,
            price=order.price,
        )
        for order in state.unsettled_orders
    )


def is_unheard(fact: Fact) -> bool:
    """Tell whether the exchange side may not know what a fact says."""
    return isinstance(fact, OrderReported) and fact.evidence is not Evidence.STREAM
