"""How people name trading units: ``[ACCOUNT/]SYMBOL[:perp|:spot][#INSTANCE]``."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from opensqt.core.ids import (
    MARKETS,
    AccountName,
    IdError,
    InstanceName,
    Symbol,
    UnitId,
    split_symbol,
)

DEFAULT_MARKET: Final = "perp"
DEFAULT_INSTANCE: Final = InstanceName("grid")


class AmbiguousTargetError(IdError):
    """Several units match; the message lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target as written; what was left out is None."""

    account: AccountName | None
    base: str
    market: str | None
    instance: InstanceName | None

    def matches(self, unit: UnitId) -> bool:
        """Tell whether the unit is one of those the target may mean."""
        base, market = split_symbol(unit.symbol)
        return (
            base == self.base
            and self.market in {None, market}
            and self.account in {None, unit.account}
            and self.instance in {None, unit.instance}
        )

    def unit(self, *, account: AccountName) -> UnitId:
        """Return the unit meant, with the defaults for what was left out."""
        return UnitId(
            account=self.account or account,
            symbol=Symbol(f"{self.base}:{self.market or DEFAULT_MARKET}"),
            instance=self.instance or DEFAULT_INSTANCE,
        )


def parse_target(text: str) -> Target:
    """Return the parts of a target; raise ``IdError`` when it has another form."""
    head, _, instance = text.strip().partition("#")
    account, slash, symbol = head.rpartition("/")
    base, colon, market = symbol.partition(":")
    base = base.upper()
    is_wrong = (
        not base.isalnum()
        or not base.isascii()
        or (bool(colon) and market not in MARKETS)
        or (bool(slash) and not _is_name(account))
        or ("#" in text and not _is_name(instance))
    )
    if is_wrong:
        message = f"expected [ACCOUNT/]SYMBOL[:perp|:spot] such as BTCUSDT:perp, got {text!r}"
        raise IdError(message)
    return Target(
        account=AccountName(account) if account else None,
        base=base,
        market=market or None,
        instance=InstanceName(instance) if instance else None,
    )


def find_unit(target: Target, units: Iterable[UnitId]) -> UnitId | None:
    """Return the one unit meant, or None; raise ``AmbiguousTargetError`` for several."""
    found = sorted(unit for unit in units if target.matches(unit))
    if len(found) > 1:
        names = ", ".join(unit.text for unit in found)
        message = f"several units match: {names}; name one of them in full"
        raise AmbiguousTargetError(message)
    return found[0] if found else None


def unit_of_path(path: str) -> UnitId | None:
    """Return the unit whose ``path`` this is, or None for any other name."""
    parts = path.rsplit("-", 3)
    if len(parts) != 4 or parts[2] not in MARKETS:  # noqa: PLR2004 - account, base, market, instance
        return None
    account, base, market, instance = parts
    return UnitId(
        account=AccountName(account),
        symbol=Symbol(f"{base}:{market}"),
        instance=InstanceName(instance),
    )


def _is_name(text: str) -> bool:
    return bool(text) and text.isascii() and all(c.isalnum() or c in "_." for c in text)
