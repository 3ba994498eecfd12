"""The invariants, judged from the venue's truth and the journals, never from the engine's word."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from opensqt.core.facts import Fact, GridAnchored, OrderIntended, OrderReported, TradeFilled
from opensqt.core.ids import (
    AccountName,
    ClientOrderId,
    Symbol,
    TradeId,
    UnitId,
    client_order_id,
    is_forced,
    is_ours,
)
from opensqt.core.orders import OrderStatus, Side
from opensqt.core.registry import UnitRecord
from opensqt.core.symbol import SymbolState, apply
from opensqt.engine.exposure import UnitExposure
from opensqt.market.types import BookOrder
from opensqt.market.venue import VenueModel
from opensqt.ports.exchange import CancelRequest, PlaceRequest
from opensqt.simulation.halts import Halts
from opensqt.simulation.journal import JournalDisk

# Capital 10,000 at 25 %, the default symbol limit; prices stay below 2,000.
EXPOSURE_MAX = Decimal(2_500)


class Violation(Exception):  # noqa: N818 - the word of the field
    """An invariant does not hold; the text names it."""


class Checker:
    """Watches every accepted order, and compares everything at the end."""

    def __init__(
        self,
        *,
        deployment: str,
        disks: Mapping[Symbol, JournalDisk],
        model: VenueModel,
        account: AccountName,
    ) -> None:
        """Judge ``account`` of ``model`` against the journals ``disks``."""
        self._deployment = deployment
        self._disks = disks
        self._model = model
        self._account = account
        self._shadows: dict[Symbol, SymbolState] = {}
        """What each journal amounts to, fact by fact."""
        self._accepted: dict[ClientOrderId, BookOrder] = {}
        self._by_intent: dict[tuple[object, ...], list[ClientOrderId]] = defaultdict(list)
        self._sent: set[ClientOrderId] = set()
        self._written: set[ClientOrderId] = set()
        self._epochs: dict[Symbol, int] = {}
        self._account_epoch = 0
        self._removed: set[Symbol] = set()
        self.halts = Halts()
        self.orders = 0
        self.is_killed = False
        """Whether a kill is acknowledged and not yet released."""

    @property
    def fills(self) -> int:
        """Return how many executions there were."""
        return len(self._model.fills(self._account))

    def is_quoting(self, unit: UnitId) -> bool:
        """Tell whether an order of the unit rests at the venue."""
        return bool(self._open_orders(unit.symbol))

    def _open_orders(self, symbol: Symbol) -> list[BookOrder]:
        """Return our own open orders; those of humans are none of our business."""
        orders = self._model.open_orders(self._account, symbol)
        return [one for one in orders if is_ours(one.client_order_id, deployment=self._deployment)]

    def on_committed(self, unit: UnitId, facts: Sequence[Fact]) -> None:
        """Check I5 and I8 at the moment facts become durable."""
        known = self._shadows.get(unit.symbol)
        state = known or SymbolState(unit=unit, deployment=self._deployment)
        for fact in facts:
            before, state = state, apply(state, fact)
            self._shadows[unit.symbol] = state
            problem = self.halts.problem(unit.symbol, fact, quarantine=state.quarantine)
            if problem:
                raise Violation(problem)
            match fact:
                case OrderReported() | TradeFilled():
                    if fact.client_order_id not in self.halts.denied(unit.symbol):
                        _check_order(before, state, fact.client_order_id)
                case GridAnchored() if before.anchor is not None:
                    raise Violation("the lattice was anchored twice")
                case _:
                    pass

    def on_acknowledged(self, unit: UnitId, trades: Sequence[TradeId]) -> None:
        """Check I7: what the exchange side may forget is in the journal, or known to be lost."""
        lost = [trade for trade in trades if trade not in self._disks[unit.symbol].trades]
        if lost:
            raise Violation(f"I7: fills {lost} were acknowledged and never committed")

    def on_withheld(self, unit: UnitId) -> None:
        """Report that the exchange side kept a price back although a fact had dropped the band."""
        raise Violation(f"band: {unit.symbol} was not told a price after a fact")

    def on_sent(self, request: PlaceRequest) -> None:
        """Check I10 when the gate lets an order go: each intent leaves once, if at all."""
        if request.client_order_id in self._sent:
            raise Violation(f"I10: {request.client_order_id} was sent twice")
        self._sent.add(request.client_order_id)

    def on_fenced(self, account_epoch: int) -> None:
        """Note that the connector has answered a fence: nothing older may leave it."""
        self._account_epoch = max(self._account_epoch, account_epoch)

    def on_written(self, request: PlaceRequest) -> None:
        """Check I3 and I7 when the first byte of an order leaves for the venue."""
        own = request.client_order_id
        if own in self._written:
            raise Violation(f"I10: {own} was written twice")
        self._written.add(own)
        if self.is_killed and not request.reduce_only:
            raise Violation(f"I3: {own} was written after the kill was acknowledged")
        if request.account_epoch < self._account_epoch:
            raise Violation(f"I7: {own} was written under account epoch {request.account_epoch}")
        newest = self._epochs.get(request.symbol, 0)
        if request.symbol_epoch < newest:
            raise Violation(f"I7: {own} was written under epoch {request.symbol_epoch}")
        self._epochs[request.symbol] = request.symbol_epoch

    def on_accepted(self, order: BookOrder, exposure: UnitExposure | None) -> None:
        """Check I1, I4 and I7 at the moment the venue accepts an order.

        ``exposure`` is what the gate believes of the unit, None while it need not know.
        """
        self.orders += 1
        own = order.client_order_id
        if own in self._accepted:
            raise Violation(f"I1a: {own} accepted twice")
        self._accepted[own] = order
        if order.symbol in self._removed:
            raise Violation(f"I3b: {own} was accepted after its unit had been removed")
        intent = self._intent_of(order)
        if intent is None:
            raise Violation(f"I7: {own} has no committed intent")
        if (intent.side, intent.price, intent.quantity) != (
            order.side,
            order.price,
            order.quantity,
        ):
            raise Violation(f"I7: {own} is not what was intended")
        key = (order.symbol, intent.slot, intent.side, intent.generation)
        self._by_intent[key].append(own)
        self._check_intent(order, intent, key)
        self._check_exposure(order.symbol, exposure)

    def _intent_of(self, order: BookOrder) -> OrderIntended | None:
        disk = self._disks[order.symbol]
        for fact in reversed(disk.facts):
            if isinstance(fact, OrderIntended) and fact.client_order_id == order.client_order_id:
                derived = client_order_id(
                    deployment=self._deployment,
                    unit=disk.unit,
                    slot=fact.slot,
                    side=fact.side,
                    generation=fact.generation,
                    attempt=fact.attempt,
                )
                if derived != fact.client_order_id:
                    raise Violation(f"I7: {fact.client_order_id} is not derived from its key")
                return fact
        return None

    def _check_intent(
        self, order: BookOrder, intent: OrderIntended, key: tuple[object, ...]
    ) -> None:
        """I1b: open plus filled over all attempts of one intent stays within what it was for."""
        total = Decimal(0)
        largest = Decimal(0)
        live = 0
        for own in set(self._by_intent[key]) - self.halts.denied(order.symbol):
            now = self._model.order(self._account, order.symbol, client_order_id=own)
            if now is None:
                continue
            live += now.is_open
            total += now.quantity if now.is_open else now.filled_quantity
            largest = max(largest, now.quantity)
        if live > 1:
            raise Violation(f"I1b: two live orders for level {intent.slot} {intent.side}")
        # What a lie had bought twice is sold twice.
        if total > largest and not self.halts.denied(order.symbol):
            raise Violation(f"I1b: {total} ordered for level {intent.slot}, intended {largest}")

    def _check_exposure(self, symbol: Symbol, exposure: UnitExposure | None) -> None:
        """I4: position plus every open buy stays within the limit, and within what is believed."""
        if self.halts.denied(symbol):
            return  # nobody can count what the venue denies
        held = self._model.position(self._account, symbol).quantity
        orders = self._open_orders(symbol)
        buys = sum((o.remaining for o in orders if o.side.sign > 0), Decimal(0))
        sells = sum((o.remaining for o in orders if o.side.sign < 0), Decimal(0))
        price = self._model.last_price(symbol) or Decimal(0)
        if (held + buys) * price > EXPOSURE_MAX:
            raise Violation(f"I4: {held} held and {buys} on order")
        if exposure is not None and self._worst(exposure) < held + buys:
            raise Violation(f"I4: the gate believes {self._worst(exposure)}, it is {held + buys}")
        if sells > max(held, Decimal(0)) and not self._forced(symbol):
            raise Violation(f"I4: a long grid offers {sells} of {held}")

    def _forced(self, symbol: Symbol) -> list[TradeId]:
        """Return the executions the venue made by itself."""
        fills = self._model.fills(self._account, symbol)
        return [fill.trade_id for fill in fills if is_forced(fill.client_order_id)]

    def knows_forced(self, unit: UnitId) -> bool:
        """Tell whether the unit has booked what the venue did by itself."""
        return self._disks[unit.symbol].trades.issuperset(self._forced(unit.symbol))

    def knows_denied(self, unit: UnitId) -> bool:
        """Tell whether the unit knows every order to be open that is, though it was denied."""
        state = self._shadows.get(unit.symbol)
        known = {} if state is None else state.orders
        resting = {order.client_order_id for order in self._open_orders(unit.symbol)}
        left = resting & self.halts.denied(unit.symbol)
        return all(own in known and known[own].is_live for own in left)

    def on_canceled(self, request: CancelRequest) -> None:
        """Check F27 and F29 when a cancel arrives: what is not ours stays where it is."""
        own = request.client_order_id
        if not is_ours(own, deployment=self._deployment):
            number = "F27" if is_forced(own) else "F29"
            raise Violation(f"{number}: {own} is not ours and was to be taken back")

    @staticmethod
    def _worst(exposure: UnitExposure) -> Decimal:
        view = exposure.view(ClientOrderId(""), side=Side.BUY, instrument=None, price=None)
        return view.worst_quantity(Side.BUY)

    def on_stored(self, record: UnitRecord) -> None:
        """Check that a removal, once stored as complete, has left nothing of ours at the venue."""
        symbol = record.unit.symbol
        self._removed.discard(symbol)
        if record.is_removed:
            self._removed.add(symbol)
            left = self._open_orders(symbol)
            if left:
                raise Violation(f"I3b: {symbol} was removed with {len(left)} open orders")

    def at_end(self) -> str:
        """Return what is wrong after everything has settled, empty if nothing."""
        for symbol, disk in self._disks.items():
            empty = SymbolState(unit=disk.unit, deployment=self._deployment)
            problem = self._unit_problem(self._shadows.get(symbol, empty), disk)
            if problem:
                return f"{symbol}: {problem}"
        return ""

    def replay_problem(self, state: SymbolState) -> str:
        """Return how the state of a unit's last process differs from its journal, if it does."""
        symbol = state.unit.symbol
        rebuilt = self._shadows.get(symbol)
        if rebuilt is None or rebuilt.sequence != state.sequence:
            # It was ended between a commit and what follows.
            return ""
        if (rebuilt.position, rebuilt.slots, rebuilt.anchor) != (
            state.position,
            state.slots,
            state.anchor,
        ):
            return f"{symbol}: the state is not the replay of its journal"
        return ""

    def _unit_problem(self, state: SymbolState, disk: JournalDisk) -> str:
        symbol = state.unit.symbol
        if self._open_orders(symbol):
            return "I3b: orders of ours are open after the stop"
        at_venue = {fill.trade_id for fill in self._model.fills(self._account, symbol)}
        booked = [fact.trade_id for fact in disk.facts if isinstance(fact, TradeFilled)]
        if len(booked) != len(set(booked)):
            return "I5: a trade was booked twice"
        if set(booked) != at_venue:
            lost, invented = at_venue - set(booked), set(booked) - at_venue
            return f"I2: lost fills {sorted(lost)}, invented {sorted(invented)}"
        position = self._model.position(self._account, symbol).quantity
        if position != state.position.quantity:
            return f"I2: book {state.position.quantity}, venue {position}"
        if state.quarantine and self.halts.is_halted(symbol):
            return ""  # a human decides what becomes of the order in question
        return self._rest_problem(state)

    def _rest_problem(self, state: SymbolState) -> str:
        if state.quarantine:
            return f"I9: quarantined without cause: {state.quarantine}"
        left = [o.client_order_id for o in state.orders.values() if not o.is_settled]
        if left:
            return f"I9: never settled: {left}"
        inventory = sum((slot.quantity for slot in state.slots.values()), Decimal(0))
        excess = self.halts.excess(state.unit.symbol)
        if inventory != state.position.quantity + excess:
            held = state.position.quantity
            return f"levels hold {inventory}, the position is {held}, forced executions {excess}"
        return ""


def _check_order(before: SymbolState, after: SymbolState, own: ClientOrderId) -> None:
    """I8: an order only moves up the lattice, and its executed quantity never falls."""
    was, now = before.orders.get(own), after.orders.get(own)
    if was is None or now is None:
        return
    if _rank(now.status) < _rank(was.status) or (was.status.is_terminal and now.is_live):
        raise Violation(f"I8: {own} went from {was.status} to {now.status}")
    if now.cumulative_quantity < was.cumulative_quantity:
        was_executed, is_executed = was.cumulative_quantity, now.cumulative_quantity
        raise Violation(f"I8: {own} was executed {was_executed}, then {is_executed}")


def _rank(status: OrderStatus) -> int:
    lower = (OrderStatus.INTENT, OrderStatus.UNKNOWN, OrderStatus.WORKING)
    return lower.index(status) if status in lower else len(lower)
