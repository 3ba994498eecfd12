"""Identities. Everything that must survive a crash is derived from journaled facts, never drawn.

A client order id is a hash of the intent it belongs to, so that a replay derives the same id and a
checker can re-derive every id the venue has seen. Ids are never reused.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NewType

AccountName = NewType("AccountName", str)
"""Our name of a venue account, such as ``paper``."""
Symbol = NewType("Symbol", str)
"""Unified symbol with its market suffix, such as ``BTCUSDT:perp``."""
InstanceName = NewType("InstanceName", str)
"""Strategy instance on a symbol; ``grid`` unless several run side by side."""
ClientOrderId = NewType("ClientOrderId", str)
VenueOrderId = NewType("VenueOrderId", str)
TradeId = NewType("TradeId", str)
UnixMs = NewType("UnixMs", int)
"""Wall-clock milliseconds since 1970."""

CLIENT_ORDER_ID_LENGTH: Final = 25
_ID_VERSION: Final = "1"
_TAG_LENGTH: Final = 3
_HASH_LENGTH: Final = 20
# Lower-case base 32 without the letters that read like digits; valid on every venue we know.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_FORCED: Final = "forced-"
MARKETS: Final = ("perp", "spot")


class IdError(ValueError):
    """A name cannot be an identity."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class UnitId:
    """Identity of one trading unit: who trades what, by which strategy instance."""

    account: AccountName
    symbol: Symbol
    instance: InstanceName = InstanceName("grid")

    @property
    def text(self) -> str:
        """Return ``account/symbol`` or ``account/symbol#instance`` for a non-default instance."""
        base = f"{self.account}/{self.symbol}"
        return base if self.instance == "grid" else f"{base}#{self.instance}"

    @property
    def path(self) -> str:
        """Return a name usable as folder and actor name: ``paper-BTCUSDT-perp-grid``."""
        return f"{self.account}-{self.symbol.replace(':', '-')}-{self.instance}"


@lru_cache(maxsize=1_024)
def split_symbol(symbol: Symbol) -> tuple[str, str]:
    """Return ``("BTCUSDT", "perp")``; raise ``IdError`` when the market suffix is missing."""
    base, _, market = symbol.partition(":")
    if not base.isalnum() or base != base.upper() or market not in MARKETS:
        message = f"expected a symbol such as BTCUSDT:perp, got {symbol!r}"
        raise IdError(message)
    return base, market


def deployment_tag(random_bytes: bytes) -> str:
    """Return the three-character tag of a deployment from bytes drawn once, at creation."""
    return _base32(int.from_bytes(random_bytes[:4], "big"), _TAG_LENGTH)


def client_order_id(
    *,
    deployment: str,
    unit: UnitId,
    slot: int,
    side: str,
    generation: int,
    attempt: int,
) -> ClientOrderId:
    """Return the id of one attempt of one intent: 25 lower-case alphanumerics, first letter q."""
    if len(deployment) != _TAG_LENGTH or not set(deployment) <= set(_ALPHABET):
        message = f"expected a deployment tag of {_TAG_LENGTH} base-32 letters, got {deployment!r}"
        raise IdError(message)
    parts = (unit.account, unit.instance, unit.symbol, slot, side, generation, attempt)
    text = "\x1f".join((deployment, *map(str, parts)))
    digest = hashlib.blake2b(text.encode(), digest_size=13).digest()
    return ClientOrderId(
        f"q{_ID_VERSION}{deployment}{_base32(int.from_bytes(digest, 'big'), _HASH_LENGTH)}"
    )


def decision_id(unit: UnitId, *, epoch: int, sequence: int, attempt: int = 1) -> str:
    """Return the id of the workflow that carries out what was decided at a journal's sequence.

    A workflow that did not begin in time is not waited for: its decision is begun anew.
    """
    first = f"{unit.path}:{epoch}:{sequence}"
    return first if attempt == 1 else f"{first}:{attempt}"


def is_ours(client_order_id: str, *, deployment: str) -> bool:
    """Tell whether an id was made by this deployment."""
    return _has_shape(client_order_id) and client_order_id[2 : 2 + _TAG_LENGTH] == deployment


def tag_of(prefix: str) -> str | None:
    """Return the deployment tag of an id, given its first five letters at least, or None."""
    tag = prefix[2 : 2 + _TAG_LENGTH]
    has_shape = prefix.startswith(f"q{_ID_VERSION}") and set(tag) <= set(_ALPHABET)
    return tag if has_shape and len(tag) == _TAG_LENGTH else None


def is_sibling(client_order_id: str, *, deployment: str) -> bool:
    """Tell whether an id was made by another deployment of this program."""
    return _has_shape(client_order_id) and client_order_id[2 : 2 + _TAG_LENGTH] != deployment


def is_forced(client_order_id: str) -> bool:
    """Tell whether the venue made the order itself: liquidation, deleveraging, settlement."""
    return client_order_id.startswith(_FORCED)


def forced_id(name: str) -> ClientOrderId:
    """Return our name of an order the venue made itself and calls ``name``."""
    return ClientOrderId(f"{_FORCED}{name}")


def _has_shape(text: str) -> bool:
    return (
        len(text) == CLIENT_ORDER_ID_LENGTH and text[0] == "q" and set(text[1:]) <= set(_ALPHABET)
    )


def _base32(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        letters.append(_ALPHABET[digit])
    return "".join(letters)
