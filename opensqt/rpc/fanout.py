"""One venue stream, many subscribers: facts to all, prices to whoever watches the symbol.

Prices are conflated per symbol, nothing else ever is: a subscriber that lets too many facts wait is
ended as a whole, and its client reports a gap and reconciles. Those who join later first hear the
present state of both streams.
"""

import asyncio
from typing import Final

from opensqt.core.ids import Symbol
from opensqt.ports.exchange import (
    EventSource,
    PriceUpdate,
    StreamKind,
    StreamPhase,
    StreamState,
    VenueEvent,
)
from opensqt.rpc.outbox import Outbox, OutboxFullError

FACTS_MAX: Final = 10_000
"""Events that wait for one subscriber; more mean that it is not reading."""


class Subscriber:
    """One receiver; make it with ``Fanout.subscribe``."""

    def __init__(self, name: str, symbols: frozenset[Symbol]) -> None:
        """Want prices of ``symbols``."""
        self.name = name
        self.symbols = symbols
        self.end_reason = ""
        self._outbox: Outbox[VenueEvent] = Outbox(waiting_max=FACTS_MAX)

    def offer(self, event: VenueEvent) -> None:
        """Take an event; never waits."""
        if isinstance(event, PriceUpdate):
            if event.symbol in self.symbols:
                self._outbox.put_latest(event.symbol, event)
            return
        try:
            self._outbox.put(event)
        except OutboxFullError as error:
            self.end(str(error))

    def end(self, reason: str) -> None:
        """Send nothing more after what waits; the first reason stays."""
        self.end_reason = self.end_reason or reason
        self._outbox.end()

    async def take(self) -> list[VenueEvent]:
        """Return all that waits; empty means the end."""
        return await self._outbox.take()


class Fanout:
    """Reads the event stream of a venue and hands it out."""

    def __init__(self, source: EventSource) -> None:
        """Read ``source`` once ``run`` is awaited."""
        self._source = source
        self._subscribers: dict[str, Subscriber] = {}
        self._states: dict[StreamKind, StreamState] = {}
        self._prices: dict[Symbol, PriceUpdate] = {}
        self._watched: frozenset[Symbol] = frozenset()
        self._watching = asyncio.Lock()

    @property
    def subscribers(self) -> int:
        """Return how many receivers there are."""
        return len(self._subscribers)

    def price(self, symbol: Symbol) -> PriceUpdate | None:
        """Return the newest price of a symbol that somebody watches."""
        return self._prices.get(symbol)

    async def run(self) -> None:
        """Read until the source fails, which ends every subscription and is raised."""
        try:
            async for batch in self._source.events():
                for event in batch:
                    self._publish(event)
        finally:
            for subscriber in tuple(self._subscribers.values()):
                subscriber.end("the venue stream has ended")

    async def subscribe(self, name: str, symbols: frozenset[Symbol]) -> Subscriber:
        """Add a receiver; an older one of the same name is ended.

        Raise what the source raises when it cannot watch; then there is no receiver.
        """
        older = self._subscribers.get(name)
        if older is not None:
            older.end("a newer subscription has the same name")
        subscriber = Subscriber(name, symbols)
        for state in self._states.values():
            subscriber.offer(state)
        self._subscribers[name] = subscriber
        try:
            await self._watch()
        except BaseException:
            if self._subscribers.get(name) is subscriber:
                del self._subscribers[name]
            raise
        self._offer_known_prices(subscriber, symbols)
        return subscriber

    async def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a receiver; idempotent."""
        if self._subscribers.get(subscriber.name) is subscriber:
            del self._subscribers[subscriber.name]
            await self._watch()

    async def watch(self, name: str, symbols: frozenset[Symbol]) -> bool:
        """Replace the symbols a receiver wants; False when there is no such receiver."""
        subscriber = self._subscribers.get(name)
        if subscriber is None:
            return False
        added = symbols - subscriber.symbols
        subscriber.symbols = symbols
        await self._watch()
        self._offer_known_prices(subscriber, added)
        return True

    def _publish(self, event: VenueEvent) -> None:
        if isinstance(event, PriceUpdate):
            if event.symbol in self._watched:
                self._prices[event.symbol] = event
        elif isinstance(event, StreamState) and event.phase is not StreamPhase.GAP:
            # A gap is a moment, not a state: whoever subscribes anew reconciles in any case.
            self._states[event.kind] = event
        for subscriber in self._subscribers.values():
            subscriber.offer(event)

    def _offer_known_prices(self, subscriber: Subscriber, symbols: frozenset[Symbol]) -> None:
        for symbol in symbols:
            price = self._prices.get(symbol)
            if price is not None:
                subscriber.offer(price)

    async def _watch(self) -> None:
        # One at a time, each with the newest union: the last call leaves the truth at the source.
        async with self._watching:
            wanted = frozenset[Symbol]().union(*(s.symbols for s in self._subscribers.values()))
            if wanted == self._watched:
                return
            await self._source.watch(wanted)
            self._watched = wanted
            # A price that nobody followed since would be offered as the newest one later.
            self._prices = {s: price for s, price in self._prices.items() if s in wanted}
