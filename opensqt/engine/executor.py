"""Performing intents that are committed: each order is sent once, each answer becomes a fact."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Protocol

from opensqt.core.facts import CancelIntended, Evidence, Fact, OrderIntended
from opensqt.core.ids import ClientOrderId, Symbol, UnixMs
from opensqt.core.orders import Purpose
from opensqt.engine.evidence import excesses, placed, reported
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import CancelRequest, Outcome, PlaceRequest, VenueCode
from opensqt.ports.telemetry import LogPort

HANDED_KEPT: Final = 1_000
"""Of how many orders it is known when they were handed over; older ones are long settled."""


class OrderGateway(Protocol):
    """The part of the link that carries orders."""

    def place(
        self, request: PlaceRequest, *, purpose: Purpose = Purpose.OPEN
    ) -> Awaitable[Outcome]:
        """Send an order once, before this returns; await the answer."""

    async def cancel(self, request: CancelRequest) -> Outcome:
        """Send a cancel once."""


class Executor:
    """Sends what the journal holds and nothing else; never twice.

    ``sent`` is called with the fact each answer amounts to; ``doubted`` with the id of an order
    whose cancel was answered in a way that only a look-up can clear up.
    """

    def __init__(  # noqa: PLR0913 - collaborators, each used
        self,
        gateway: OrderGateway,
        *,
        symbol: Symbol,
        epoch: int,
        clock: ClockPort,
        log: LogPort,
        sent: Callable[[Fact], None],
        doubted: Callable[[ClientOrderId], None],
    ) -> None:
        """Send for one unit under one epoch."""
        self._gateway = gateway
        self._symbol = symbol
        self._epoch = epoch
        self._clock = clock
        self._log = log
        self._sent = sent
        self._doubted = doubted
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight: set[ClientOrderId] = set()
        self._handed_ms: dict[ClientOrderId, int] = {}

    def cancel(self, intended: CancelIntended) -> asyncio.Task[None]:
        """Send a cancel in the background."""
        return self._spawn(self._cancel(intended.client_order_id))

    def withdraw(self, client_order_id: ClientOrderId) -> None:
        """Cancel an order that the journal does not know; nothing about it is committed."""
        _ = self._spawn(self._cancel(client_order_id))

    def place(self, intended: OrderIntended) -> asyncio.Task[None]:
        """Send an order in the background."""
        # Before the first byte: what is older than this moment knows all of the order's way.
        self._handed_ms[intended.client_order_id] = self._clock.monotonic_ms()
        if len(self._handed_ms) > HANDED_KEPT:
            del self._handed_ms[next(iter(self._handed_ms))]
        return self._spawn(self._place(intended))

    def handed_ms(self, client_order_id: ClientOrderId) -> int | None:
        """Return the monotonic time at which an order was handed over; None when not by us."""
        return self._handed_ms.get(client_order_id)

    def abandon(self) -> None:
        """Stop waiting for answers: the process gives the unit up."""
        for task in tuple(self._tasks):
            task.cancel()

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _place(self, intended: OrderIntended) -> Coroutine[object, object, None]:
        """Send an order now; what is returned waits for its answer."""
        request = PlaceRequest(
            symbol=self._symbol,
            client_order_id=intended.client_order_id,
            side=intended.side,
            price=intended.price,
            quantity=intended.quantity,
            time_in_force=intended.time_in_force,
            reduce_only=intended.reduce_only,
            deadline_ms=intended.deadline_ms,
            symbol_epoch=self._epoch,
        )
        self.in_flight.add(intended.client_order_id)
        return self._placed(intended, self._gateway.place(request, purpose=intended.purpose))

    async def _placed(self, intended: OrderIntended, answer: Awaitable[Outcome]) -> None:
        try:
            outcome = await answer
        finally:
            # Whatever happens here, the resolver may ask about the order from now on.
            self.in_flight.discard(intended.client_order_id)
        self._log.info(
            "order.placed",
            client_order_id=intended.client_order_id,
            slot=intended.slot,
            side=intended.side,
            price=intended.price,
            quantity=intended.quantity,
            outcome=outcome.outcome,
            code=outcome.code,
        )
        self._sent(placed(intended.client_order_id, outcome, at_ms=self._now()))
        for fact in excesses(intended.client_order_id, outcome, at_ms=self._now()):
            self._sent(fact)

    async def _cancel(self, client_order_id: ClientOrderId) -> None:
        outcome = await self._gateway.cancel(
            CancelRequest(
                symbol=self._symbol, client_order_id=client_order_id, symbol_epoch=self._epoch
            )
        )
        self._log.info(
            "order.cancel_sent",
            client_order_id=client_order_id,
            outcome=outcome.outcome,
            code=outcome.code,
        )
        if outcome.order is not None:
            self._sent(reported(outcome.order, evidence=Evidence.REPLY, at_ms=self._now()))
        elif outcome.code is VenueCode.NOT_FOUND:
            # Filled, canceled, or not visible yet: the answer to a cancel is never an outcome.
            self._doubted(client_order_id)

    def _now(self) -> UnixMs:
        return self._clock.now_ms()
