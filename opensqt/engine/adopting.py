"""Adopting, as the loop of one unit does it: look, show, and only then book.

The venue is asked in the caller's task. What is to be booked is decided again in the unit's loop,
on the state of that moment, because the loop is the only writer: if the book has moved since the
venue was asked, nothing is booked and the operator asks again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opensqt.core.facts import InstrumentLoaded, TradeFilled, UnitQuarantined
from opensqt.core.grid.adopting import Adoption, AdoptionWish, Holding, adoption
from opensqt.core.symbol import SymbolState
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.reconciler import Findings, Reconciler, venue_position
from opensqt.engine.recorder import Recorder
from opensqt.ports.clock import ClockPort
from opensqt.ports.exchange import ExchangePort, UnknownSymbolError, VenueUnavailableError

PRICE_WAIT_MS: Final = 3_000
PRICE_LOOK_MS: Final = 50


class AdoptionError(Exception):
    """Nothing can be told or done now; asking again later is harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    wish: AdoptionWish
    findings: Findings
    answer: "asyncio.Future[Adoption]"


class Adopting:
    """One unit's adoptions. ``ask`` from any task, ``step`` from the loop only."""

    def __init__(
        self,
        venue: ExchangePort,
        recorder: Recorder,
        config: Callable[[], UnitConfig],
        *,
        clock: ClockPort,
        wake: Callable[[], None],
    ) -> None:
        """Ask ``venue``, book through ``recorder``; ``wake`` makes the loop take a step."""
        self._venue = venue
        self._recorder = recorder
        self._config = config
        self._clock = clock
        self._wake = wake
        self._asked: _Asked | None = None
        self._is_busy = False

    async def ask(self, wish: AdoptionWish, *, dry_run: bool) -> Adoption:
        """Return what was done, or would be; raise ``AdoptionError`` when it cannot be told."""
        if self._is_busy:
            raise AdoptionError("another adoption of this symbol is under way")
        self._is_busy = True
        try:
            return await self._ask(wish, dry_run=dry_run)
        finally:
            self._is_busy = False

    async def _ask(self, wish: AdoptionWish, *, dry_run: bool) -> Adoption:
        await self._price_seen()
        findings = await self._looked()
        proposal = self._decide(wish, findings)
        if dry_run or proposal.refusal or not proposal.facts:
            return proposal
        answer: asyncio.Future[Adoption] = asyncio.get_running_loop().create_future()
        self._asked = _Asked(wish=wish, findings=findings, answer=answer)
        self._wake()
        try:
            return await answer
        finally:
            self._asked = None

    async def step(self) -> bool:
        """Book what was asked for, if anything was; return whether the book has changed.

        Raise what the journal raises: the request then stays and the next step tries again.
        """
        asked = self._asked
        if asked is None or asked.answer.done():
            return False
        if self._recorder.state.position != asked.findings.book:
            asked.answer.set_exception(AdoptionError("the position has just moved; try again"))
            return False
        decided = self._decide(asked.wish, asked.findings)
        if not decided.refusal:
            await self._recorder.record(decided.facts)
        if not asked.answer.done():
            asked.answer.set_result(decided)
        return bool(decided.facts)

    def abandon(self) -> None:
        """Answer whoever waits: this engine ends."""
        if self._asked is not None and not self._asked.answer.done():
            self._asked.answer.set_exception(AdoptionError("the unit is starting anew; try again"))

    async def _price_seen(self) -> None:
        """Wait for a price: the loop forgets its own with every directive, for a second at most."""
        give_up_ms = self._clock.monotonic_ms() + PRICE_WAIT_MS
        while self._recorder.state.price is None and self._clock.monotonic_ms() < give_up_ms:
            await self._clock.sleep_ms(PRICE_LOOK_MS)

    async def _looked(self) -> Findings:
        reconciler = Reconciler(
            self._venue,
            state=lambda: self._recorder.state,
            journal=self._recorder.journal,
            clock=self._clock,
            visibility_ms=self._config().visibility_ms,
        )
        try:
            return await reconciler.full()
        except (VenueUnavailableError, UnknownSymbolError) as error:
            reason = str(error) or type(error).__name__
            raise AdoptionError(f"the venue could not be asked: {reason}") from error

    def _decide(self, wish: AdoptionWish, findings: Findings) -> Adoption:
        position = venue_position(findings, reserve=self._config().reserve)
        holding = Holding(
            quantity=position.quantity,
            average_price=position.average_price,
            doubts=_doubts(self._recorder.state, findings),
        )
        return adoption(
            self._recorder.state,
            self._config().grid,
            wish,
            holding,
            now_ms=self._clock.now_ms(),
        )


def _doubts(state: SymbolState, findings: Findings) -> tuple[str, ...]:
    """Return what keeps the pass from being the whole truth, or the quarantine from ending."""
    doubts = [fact.reason for fact in findings.facts if isinstance(fact, UnitQuarantined)]
    doubts += [
        f"the venue has a trade {fact.trade_id} of ours that is not booked yet"
        for fact in findings.facts
        if isinstance(fact, TradeFilled)
    ]
    doubts += [
        f"an order {orphan} of ours that the journal does not know is still open at the venue"
        for orphan in findings.orphans
    ]
    doubts += [
        f"an order {suspect} of ours that had ended is listed as open at the venue"
        for suspect in findings.suspects
    ]
    doubts += [
        f"another deployment has the order {sibling} on this symbol"
        for sibling in findings.siblings
    ]
    if state.instrument is None and any(isinstance(f, InstrumentLoaded) for f in findings.facts):
        doubts.append("the rules of the symbol are not journaled yet")
    return tuple(doubts)
