"""The mailbox of one unit: three lanes with three laws.

* control: bounded, first; a full lane is a bug of the sender and raises;
* facts: bounded, in order, never dropped one by one - when full, the lane says *overflow*, is
  emptied as a whole and the unit must reconcile with the venue;
* price: one place, the newest wins.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from opensqt.core.facts import PriceTicked

ControlT = TypeVar("ControlT")
FactT = TypeVar("FactT")

CONTROL_MAX: Final = 1_000
FACTS_MAX: Final = 10_000


class MailboxFullError(Exception):
    """More control messages wait than any operator can have meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail(Generic[ControlT, FactT]):
    """Everything that had arrived when the owner looked."""

    control: tuple[ControlT, ...]
    facts: tuple[FactT, ...]
    price: PriceTicked | None
    overflowed: bool


class Mailbox(Generic[ControlT, FactT]):
    """Many senders, one owner, one event loop; putting never waits."""

    def __init__(self, *, facts_max: int = FACTS_MAX) -> None:
        """Start empty."""
        self._control: deque[ControlT] = deque()
        self._facts: deque[FactT] = deque()
        self._price: PriceTicked | None = None
        self._facts_max = facts_max
        self._overflowed = False
        self._ready = asyncio.Event()

    @property
    def facts_waiting(self) -> int:
        """Return the length of the fact lane: the overflow gauge."""
        return len(self._facts)

    def put_control(self, message: ControlT) -> None:
        """Add a control message."""
        if len(self._control) >= CONTROL_MAX:
            message_text = f"{CONTROL_MAX} control messages wait already"
            raise MailboxFullError(message_text)
        self._control.append(message)
        self._ready.set()

    def put_fact(self, fact: FactT) -> None:
        """Add a fact; on overflow the whole lane is given up, never a part of it."""
        if len(self._facts) >= self._facts_max:
            self._overflowed = True
            self._facts.clear()
        if not self._overflowed:
            self._facts.append(fact)
        self._ready.set()

    def put_price(self, price: PriceTicked) -> None:
        """Replace the newest price."""
        self._price = price
        self._ready.set()

    def wake(self) -> None:
        """Let the owner look again, although nothing was put."""
        self._ready.set()

    async def take(self, *, timeout_ms: int) -> Mail[ControlT, FactT]:
        """Return all mail, waiting for some for at most ``timeout_ms``; may be empty."""
        if not self._ready.is_set() and timeout_ms > 0:
            # Cheaper than ``asyncio.timeout``: an empty mail says that the time is over.
            alarm = asyncio.get_running_loop().call_later(timeout_ms / 1_000, self._ready.set)
            try:
                await self._ready.wait()
            finally:
                alarm.cancel()
        self._ready.clear()
        mail = Mail(
            control=tuple(self._control),
            facts=tuple(self._facts),
            price=self._price,
            overflowed=self._overflowed,
        )
        self._control.clear()
        self._facts.clear()
        self._price = None
        self._overflowed = False
        return mail
