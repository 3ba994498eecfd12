"""What the planner wants done. Values only: wanting is not doing."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from opensqt.core.ids import ClientOrderId
from opensqt.core.orders import Purpose, Side, TimeInForce


class CancelReason(StrEnum):
    """Why an order is taken back."""

    OUT_OF_WINDOW = "out_of_window"
    STOPPED = "stopped"
    FLATTENING = "flattening"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """Place one attempt of one intent; the id is derived, never drawn."""

    client_order_id: ClientOrderId
    slot: int
    """Lattice index of the level that owns the order."""
    side: Side
    purpose: Purpose
    generation: int
    attempt: int
    price: Decimal
    quantity: Decimal
    time_in_force: TimeInForce
    reduce_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Take one of our orders back."""

    client_order_id: ClientOrderId
    reason: CancelReason


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveInventory:
    """Merge inventory too small to be offered alone into another level; moves no position."""

    source: int
    target: int
    quantity: Decimal
    """Signed base units."""


Intent: TypeAlias = PlaceOrder | CancelOrder | MoveInventory
