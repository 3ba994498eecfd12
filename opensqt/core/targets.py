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
_PATH_PARTS: Final = 4
_DEFAULT_INSTANCE: Final = InstanceName("grid")


class TargetError(ValueError):
    """A target is malformed, unknown or ambiguous; ``fix`` says what to write instead."""

    def __init__(self, message: str, *, fix: str) -> None:
        """Keep the advice apart from the complaint."""
        super().__init__(f"{message}; {fix}")
        self.fix = fix


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
        account, slash, rest = text.rpartition("/")
        base, colon, market = rest.partition(":")
        upper = f"{account}{slash}{base.upper()}{colon}{market}"
        message = f"expected [ACCOUNT/]SYMBOL[:spot|:perp][#INSTANCE], got {text!r}"
        fix = f"did you mean {upper!r}?" if _FORM.fullmatch(upper) else "such as BTCUSDT:perp"
        raise TargetError(message, fix=fix)
    market = match["market"]
    if market is not None and market not in MARKETS:
        message = f"expected the market spot or perp, got {market!r} in {text!r}"
        raise TargetError(message, fix="write :perp or :spot, or leave it out")
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
            raise TargetError(message, fix=_one_of(unit.text for unit in known))
        case _:
            message = f"{text!r} is ambiguous"
            raise TargetError(message, fix=_one_of(map(_full, meant)))


def _full(unit: UnitId) -> str:
    return f"{unit.account}/{unit.symbol}#{unit.instance}"


def complete(text: str, markets: Mapping[str, Sequence[str]]) -> UnitId:
    """Return the unit a new target names; ``markets`` lists what each account can trade."""
    target = parse_target(text)
    if target.account is not None and target.account not in markets:
        message = f"account {target.account!r} is not configured"
        raise TargetError(message, fix=_one_of(markets))
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
            message = f"no account trades what {text!r} names"
            traded = (f"{name}: {', '.join(of)}" for name, of in sorted(markets.items()))
            raise TargetError(message, fix=_one_of(traded))
        case _:
            message = f"{text!r} is ambiguous"
            raise TargetError(message, fix=_one_of(unit.text for unit in meant))


def _one_of(names: Iterable[str]) -> str:
    known = [*names]
    return f"one of: {', '.join(known)}" if known else "there is none"


def unit_of_path(path: str) -> UnitId | None:
    """Return the unit whose ``path`` this is, or None for any other name.

    >>> unit_of_path("paper-BTCUSDT-perp-grid").text
    'paper/BTCUSDT:perp'
    """
    parts = path.rsplit("-", 3)
    if len(parts) != _PATH_PARTS or parts[2] not in MARKETS:
        return None
    account, base, market, instance = parts
    return UnitId(
        account=AccountName(account),
        symbol=Symbol(f"{base}:{market}"),
        instance=InstanceName(instance),
    )
