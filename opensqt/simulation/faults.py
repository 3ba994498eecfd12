"""Which faults a seed draws. Magnitudes vary too: a protocol can be lucky with one size."""

import random
from dataclasses import dataclass, fields
from typing import Final

NOTHING: Final = "nothing"
"""What a world without faults is called in a text."""
PERFECT_WORLDS: Final = 0.1
"""Fraction of seeds without any fault: what fails there is no protocol problem."""


class FaultsError(ValueError):
    """A text that names no faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Probabilities per request or event, durations in milliseconds."""

    safety_ms: int = 30_000
    """How long all this goes on."""
    drop_request: float = 0.0
    drop_reply: float = 0.0
    late_landing: float = 0.0
    """A request that reaches the venue long after its sender gave up, or after it has expired."""
    late_ms_max: int = 4_000
    inner_wait: float = 0.0
    """An order that passed the venue's door and waits inside before it takes effect."""
    inner_wait_ms_max: int = 0
    """Below what H leaves for it, and longer than the patience of whoever counts to three."""
    reject: float = 0.0
    query_failure: float = 0.0
    latency_ms_max: int = 40
    lookup_lag_ms_max: int = 0
    """How long accepted orders and trades may stay invisible to queries; below V."""
    stale_ms_max: int = 0
    """How old what a query tells of an order may be: open although it has ended; below V."""
    forget_ms: int = 0
    """How long an order that has ended is found by our id; 0 = for ever."""
    partial_list: float = 0.0
    """A list of orders or trades that is cut short, and says so."""
    late_reject: float = 0.0
    """An order that is taken, and refused after all before it has traded."""
    denial: float = 0.0
    """An order that is taken, and answered as refused; the symbol halts."""
    drop_event: float = 0.0
    duplicate_event: float = 0.0
    event_delay_ms_max: int = 20
    stream_cuts: int = 0
    manager_crashes: int = 0
    exchange_crashes: int = 0
    link_cuts: int = 0
    unprovable_death: float = 0.0
    """An exchange process that died where nobody can see it: its lease must run out."""
    connector_crashes: int = 0
    blind_connector: bool = False
    """A connector that cannot read the control store: it knows what it is told by a fence."""
    orchestrator_crashes: int = 0
    operations: int = 0
    """Times in which an operator adds, removes, pauses or resumes a unit."""
    spawn_failure: float = 0.0
    """Calls between orchestrator and processes that are lost, or whose answers are."""
    human_orders: int = 0
    """Orders a human places on our symbols, far from the market; nobody may touch them."""
    forced: int = 0
    """Times in which the venue sells a part of a position by itself; the symbol halts."""
    mass_cancels: int = 0
    """Times in which the venue takes all our orders on a symbol back by itself."""
    cluster_kills: int = 0
    """Times in which every process dies at the same moment."""
    outages: int = 0
    """Times in which the control store answers nobody."""
    manager_pauses: int = 0
    """Processes that are stopped for a while; half of them are replaced meanwhile."""
    exchange_pauses: int = 0
    connector_pauses: int = 0
    silences: int = 0
    """Times in which the private stream stays connected and says nothing."""
    kills: int = 0
    """Kill switches engaged and released; processes die in between."""
    skew_ms_max: int = 0
    """Largest error of a manager's wall clock; below what an attach refuses."""
    clock_jumps: int = 0
    """Times in which the wall clock of a manager's host is set, and set right again later."""
    bans: int = 0
    """Times in which the venue answers every request with 429 or 418."""
    requests_max: int = 0
    """Requests per ten seconds the venue takes before it answers 429; 0 = any number."""
    facts_max: int = 10_000
    """Length of a unit's queue of facts; a short one runs over."""
    workflow_again: float = 0.0
    """A handler that runs a second time: at once, later, or in the next process."""
    workflow_failure: float = 0.0
    """A store of workflows that does not answer, before or after the handler ran."""
    workflow_lost: float = 0.0
    """A run that a crash left unfinished and that nobody ever takes up again."""
    commit_ms_max: int = 0
    commit_failure: float = 0.0
    commit_reply_lost: float = 0.0
    """A commit that became durable and says that it failed."""
    commit_crash: float = 0.0
    """Crash of the process at a commit, before or after it became durable."""

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Return the faults that ``name=value,name=value`` names, ``nothing`` none at all.

        >>> Faults.parse("kills=1,drop_reply=0.25") == Faults(kills=1, drop_reply=0.25)
        True
        """
        kinds = {knob.name: int if isinstance(knob.default, int) else float for knob in fields(cls)}
        chosen: dict[str, int | float] = {}
        for part in () if text == NOTHING else text.split(","):
            name, _, value = part.strip().partition("=")
            if name not in kinds:
                message = f"got {name!r}, expected one of {', '.join(kinds)}"
                raise FaultsError(message)
            try:
                chosen[name] = kinds[name](value)
            except ValueError:
                message = f"got {part.strip()!r}, expected {name}=NUMBER"
                raise FaultsError(message) from None
        return cls(**chosen)  # type: ignore[arg-type]  # each of its knob's own type

    @classmethod
    def draw(cls, rng: random.Random) -> "Faults":
        """Return one seed's world."""
        if rng.random() < PERFECT_WORLDS:
            return cls()
        return cls(
            safety_ms=rng.choice((20_000, 25_000, 45_000)),
            drop_request=rng.random() * 0.15,
            drop_reply=rng.random() * 0.2,
            late_landing=rng.random() * 0.1,
            late_ms_max=rng.choice((500, 4_000, 15_000)),
            inner_wait=rng.random() * 0.1,
            inner_wait_ms_max=rng.choice((0, 1_500, 10_000)),
            reject=rng.random() * 0.05,
            query_failure=rng.random() * 0.15,
            latency_ms_max=rng.choice((5, 50, 300)),
            lookup_lag_ms_max=rng.choice((0, 500, 4_900)),
            stale_ms_max=rng.choice((0, 0, 1_000, 4_900)),
            forget_ms=rng.choice((0, 0, 1, 3_000)),
            partial_list=rng.choice((0.0, 0.1, 0.4)),
            late_reject=rng.choice((0.0, 0.0, 0.1)),
            drop_event=rng.random() * 0.2,
            duplicate_event=rng.random() * 0.2,
            event_delay_ms_max=rng.choice((5, 100, 1_500)),
            stream_cuts=rng.randint(0, 2),
            manager_crashes=rng.randint(0, 4),
            exchange_crashes=rng.randint(0, 2),
            link_cuts=rng.randint(0, 2),
            connector_crashes=rng.randint(0, 1),
            orchestrator_crashes=rng.randint(0, 2),
            operations=rng.choice((0, 0, 1, 3, 6)),
            spawn_failure=rng.choice((0.0, 0.05, 0.2)),
            human_orders=rng.randint(0, 1),
            forced=rng.choice((0, 0, 0, 0, 0, 1)),
            mass_cancels=rng.choice((0, 0, 1)),
            cluster_kills=rng.choice((0, 0, 0, 1)),
            outages=rng.choice((0, 0, 1)),
            manager_pauses=rng.randint(0, 2),
            exchange_pauses=rng.randint(0, 2),
            connector_pauses=rng.choice((0, 0, 1)),
            silences=rng.randint(0, 1),
            kills=rng.randint(0, 1),
            skew_ms_max=rng.choice((0, 0, 400)),
            clock_jumps=rng.choice((0, 0, 1)),
            bans=rng.choice((0, 0, 1)),
            requests_max=rng.choice((0, 0, 0, 60, 150)),
            facts_max=rng.choice((4, 20, 10_000)),
            workflow_again=rng.choice((0.0, 0.02, 0.2)),
            workflow_failure=rng.choice((0.0, 0.02)),
            workflow_lost=rng.choice((0.0, 0.5, 1.0)),
            commit_ms_max=rng.choice((0, 0, 30, 400)),
            commit_failure=rng.random() * 0.02,
            commit_reply_lost=rng.random() * 0.005,
            commit_crash=rng.random() * 0.01,
            unprovable_death=rng.choice((0.0, 0.0, 0.5)),
            blind_connector=rng.random() < 1 / 3,
            denial=rng.choice((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1)),
        )
