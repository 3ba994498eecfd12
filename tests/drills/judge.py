"""What a live deployment's journals say against the venue's ledger."""

import time
from collections.abc import Sequence
from decimal import Decimal

from opensqt.core.symbol import SymbolState, replay
from opensqt.storage.reading import read_registry
from tests.drills.deployment import BALANCE, Deployment, DrillError
from tests.e2e.agreement import Witnesses, crimes, differences, doubled_levels, underived
from tests.e2e.ledger import ZERO, earned

_PATIENCE_S = 120.0
_LOOK_S = 0.5
_TOLERANCE = Decimal("0.00001")


def doubles(running: Deployment, symbols: Sequence[str]) -> list[str]:
    """Return the levels with more than one open order at this moment."""
    found = []
    for symbol in symbols:
        # The ledger first: whatever it shows was intended before.
        ledger = running.ledger(symbol)
        facts = running.facts(symbol)
        found += [f"{symbol}: {one}" for one in doubled_levels(facts, ledger)]
    return found


def at_rest(running: Deployment, symbols: Sequence[str]) -> None:
    """Wait until ledger and books agree; raise ``DrillError`` with what is wrong if they do not."""
    give_up = time.monotonic() + _PATIENCE_S
    while found := verdict(running, symbols):
        if time.monotonic() >= give_up:
            raise DrillError(f"ledger and books do not agree: {found}")
        time.sleep(_LOOK_S)


def verdict(running: Deployment, symbols: Sequence[str]) -> list[str]:
    """Return everything that is wrong once the deployment is at rest."""
    found, total = [], ZERO
    deployment, units = read_registry(running.location)
    for symbol in symbols:
        ledger = running.ledger(symbol)
        facts = running.facts(symbol)
        unit = next(one.unit for one in units if one.unit.symbol == f"{symbol}:perp")
        state = replay(SymbolState(unit=unit, deployment=deployment), facts)
        said = Witnesses(snapshot=state, replayed=state, facts=facts, ledger=ledger)
        problems = [*crimes(deployment, facts, ledger), *differences(deployment, said)]
        problems += underived(deployment, facts, state)
        if state.quarantine:
            problems.append(f"quarantined: {state.quarantine}")
        found += [f"{symbol}: {one}" for one in problems]
        total += earned(ledger.fills)
    held = running.wallet()
    if abs(held - Decimal(BALANCE) - total) > _TOLERANCE:
        found.append(f"the wallet holds {held}, the fills leave {BALANCE} + {total}")
    return found
