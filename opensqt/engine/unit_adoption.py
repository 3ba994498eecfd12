"""Adopting in plain words and strings, as it travels between processes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from opensqt.core.grid.adopting import Adoption, AdoptionWish
from opensqt.core.money import MoneyError, parse_decimal, to_text

_SHOWN: Final = 40


class WishError(ValueError):
    """What the operator says cannot be read; one line says what and what was expected."""


def wish_of(wish: Mapping[str, str | None]) -> AdoptionWish:
    """Return the wish of a request; raise ``WishError``."""
    for name in ("operator", "reason"):
        if not (wish.get(name) or "").strip():
            raise WishError(f"--{name}: expected a text, got {wish.get(name) or ''!r}")
    price = _decimal("price", wish.get("price"))
    if price is not None and price <= 0:
        raise WishError(f"--price: expected a number above 0, got {wish.get('price')!r}")
    return AdoptionWish(
        operator=str(wish["operator"]).strip(),
        reason=str(wish["reason"]).strip(),
        quantity=_decimal("quantity", wish.get("quantity")),
        price=price,
    )


def plain_adoption(found: Adoption, *, dry_run: bool) -> dict[str, object]:
    """Return the answer that ``SpawnPort.adopt_unit`` describes."""
    if found.refusal:
        return {"refused": found.refusal}
    return {
        "adopted": bool(found.facts) and not dry_run,
        "steps": list(found.steps),
        "book": to_text(found.book),
        "venue": to_text(found.venue),
        "difference": to_text(found.difference),
        "price": None if found.price is None else to_text(found.price),
        "quarantine": found.quarantine,
    }


def _decimal(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return parse_decimal(text)
    except MoneyError as error:
        message = f"--{name}: expected a decimal such as 0.015, got {text[:_SHOWN]!r}"
        raise WishError(message) from error
