"""What a live deployment's journals say against the venue's ledger."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from opensqt.core import codec
from opensqt.core.facts import Fact
from opensqt.core.registry import UnitRecord
from opensqt.core.symbol import SymbolState, replay
from opensqt.storage.location import control_path, journal_paths
from tests.drills.deployment import ACCOUNT, BALANCE, Deployment, DrillError
from tests.e2e.agreement import Witnesses, crimes, differences, doubled_levels, underived
from tests.e2e.ledger import ZERO, earned

_TOLERANCE = Decimal("0.00001")


def read(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Return rows of a store that others write."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(statement).fetchall()


def journal_of(running: Deployment, symbol: str) -> tuple[Fact, ...]:
    """Return all facts of a symbol's journal."""
    for path in journal_paths(running.data):
        if path.parent.name.startswith(f"{ACCOUNT}-{symbol}-"):
            rows = read(path, "SELECT body FROM facts ORDER BY sequence")
            return tuple(codec.decode_fact(str(row[0])) for row in rows)
    raise DrillError(f"{symbol} has no journal in {running.data}")


def deployment_tag(running: Deployment) -> str:
    """Return the tag that our order ids carry."""
    rows = read(control_path(running.data), "SELECT value FROM meta WHERE name = 'deployment'")
    return str(rows[0][0])


def doubles(running: Deployment, symbols: Sequence[str]) -> list[str]:
    """Return the levels with more than one open order at this moment."""
    found = []
    for symbol in symbols:
        # The ledger first: whatever it shows was intended before.
        ledger = running.ledger(symbol)
        facts = journal_of(running, symbol)
        found += [f"{symbol}: {one}" for one in doubled_levels(facts, ledger)]
    return found


def verdict(running: Deployment, symbols: Sequence[str]) -> list[str]:
    """Return everything that is wrong once the deployment is at rest."""
    found, total = [], ZERO
    deployment = deployment_tag(running)
    for symbol in symbols:
        ledger = running.ledger(symbol)
        facts = journal_of(running, symbol)
        state = replay(_blank(running, symbol, deployment), facts)
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


def _blank(running: Deployment, symbol: str, deployment: str) -> SymbolState:
    rows = read(control_path(running.data), "SELECT body FROM units")
    units = [codec.decode(str(row[0]), UnitRecord).unit for row in rows]
    unit = next(one for one in units if one.symbol == f"{symbol}:perp")
    return SymbolState(unit=unit, deployment=deployment)
