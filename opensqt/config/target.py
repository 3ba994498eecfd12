"""Names of trading units as an operator types them: ``[ACCOUNT/]SYMBOL[:spot|:perp][#instance]``.

The short form is accepted while only one unit can be meant; otherwise the candidates are listed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from opensqt.core.ids import MARKETS, AccountName, InstanceName, Symbol, UnitId

NAME_FORM: Final = re.compile(r"[a-z][a-z0-9_]{0,19}")
"""Accounts and instances: safe in paths, actor names and metric labels."""

_FORM: Final = re.compile(
    r"(?:(?P<account>[a-z][a-z0-9_]{0,19})/)?"
    r"(?P<base>[A-Z0-9]{2,24})"
    r"(?::(?P<market>[a-z]+))?"
    r"(?:#(?P<instance>[a-z][a-z0-9_]{0,19}))?"
)
_DEFAULT_INSTANCE: Final = InstanceName("grid")


class TargetError(ValueError):
    """A target is malformed, unknown or ambiguous; ``candidates`` are what could be meant."""

    def __init__(self, message: str, candidates: Iterable[str] = ()) -> None:
        """Keep the candidates beside the message."""
        self.candidates = tuple(candidates)
        listed = f": {', '.join(self.candidates)}" if self.candidates else ""
        super().__init__(f"{message}{listed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target with the parts the operator left out being None."""

    account: str | None
    base: str
    market: str | None
    instance: str | None

    def covers(self, unit: UnitId) -> bool:
        """Tell whether the operator can have meant this unit."""
        base, _, market = unit.symbol.partition(":")
        return (
            base == self.base
            and self.account in {None, unit.account}
            and self.market in {None, market}
            and self.instance in {None, unit.instance}
        )


def parse_target(text: str) -> Target:
    """Return the parts of a target.

    >>> parse_target("paper/BTCUSDT:perp").market
    'perp'
    """
    match = _FORM.fullmatch(text)
    if match is None:
        upper = text.upper()
        hint = f"; did you mean {upper}?" if _FORM.fullmatch(upper) else ""
        message = f"expected [ACCOUNT/]SYMBOL[:spot|:perp][#INSTANCE], got {text!r}{hint}"
        raise TargetError(message)
    market = match["market"]
    if market is not None and market not in MARKETS:
        message = f"expected the market spot or perp, got {market!r} in {text!r}"
        raise TargetError(message)
    return Target(
        account=match["account"],
        base=match["base"],
        market=market,
        instance=match["instance"],
    )


def resolve(text: str, units: Iterable[UnitId]) -> UnitId:
    """Return the one existing unit that is meant; raise ``TargetError`` otherwise."""
    target = parse_target(text)
    known = sorted(units)
    meant = [unit for unit in known if target.covers(unit)]
    match meant:
        case [unit]:
            return unit
        case []:
            message = f"no unit {text!r} is registered"
            raise TargetError(message, (unit.text for unit in known))
        case _:
            message = f"{text!r} is ambiguous"
            raise TargetError(message, map(_full, meant))


def _full(unit: UnitId) -> str:
    return f"{unit.account}/{unit.symbol}#{unit.instance}"


def complete(text: str, markets: Mapping[str, Sequence[str]]) -> UnitId:
    """Return the unit a new target names; ``markets`` lists what each account can trade."""
    target = parse_target(text)
    if target.account is not None and target.account not in markets:
        message = f"account {target.account!r} is not configured"
        raise TargetError(message, markets)
    accounts = [target.account] if target.account is not None else sorted(markets)
    instance = InstanceName(target.instance or _DEFAULT_INSTANCE)
    meant = [
        UnitId(
            account=AccountName(account),
            symbol=Symbol(f"{target.base}:{market}"),
            instance=instance,
        )
        for account in accounts
        for market in markets[account]
        if target.market in {None, market}
    ]
    match meant:
        case [unit]:
            return unit
        case []:
            message = f"no account trades {target.market or 'this'} markets for {text!r}"
            raise TargetError(message)
        case _:
            message = f"{text!r} is ambiguous"
            raise TargetError(message, (unit.text for unit in meant))
