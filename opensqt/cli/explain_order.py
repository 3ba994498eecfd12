"""The story of an order for people and for programs."""

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

from opensqt.cli.exits import CommandError, Exit
from opensqt.cli.printing import table
from opensqt.core.facts import PriceTicked
from opensqt.core.ids import ClientOrderId
from opensqt.core.money import to_text
from opensqt.core.order_story import Cause, Change, OrderStory
from opensqt.storage.database import DatabaseError
from opensqt.storage.location import Location
from opensqt.storage.reading import open_journals


def read_story(location: Location, client_order_id: str) -> OrderStory:
    """Return the story of an order; raise ``CommandError`` when no journal knows it."""
    own = ClientOrderId(client_order_id)
    problems: list[str] = []
    try:
        with open_journals(location, refused=problems.append) as journals:
            for journal in journals:
                story = journal.story_of(own)
                if story is not None:
                    return story
    except DatabaseError as error:
        raise CommandError(Exit.UNEXPECTED, str(error)) from error
    if problems:
        message = f"{client_order_id} is in no journal that can be read; {problems[0]}"
        raise CommandError(Exit.UNEXPECTED, message)
    searched = f"{len(journals)} journals" if len(journals) != 1 else "1 journal"
    message = (
        f"no order {client_order_id} in {searched} of {_shown(location)}; "
        "the ids of open orders are shown by: opensqt explain TARGET"
    )
    raise CommandError(Exit.USAGE, message)


def plain_story(story: OrderStory) -> dict[str, object]:
    """Return the story as plain values; money as text, times in milliseconds."""
    order = story.order
    return {
        "client_order_id": order.client_order_id,
        "target": story.unit.text,
        "venue_order_id": order.venue_order_id,
        "slot": order.slot,
        "side": str(order.side),
        "purpose": str(order.purpose),
        "generation": order.generation,
        "attempt": order.attempt,
        "price": to_text(order.price),
        "quantity": to_text(order.quantity),
        "intended_at": story.intended_at,
        "epoch": order.epoch,
        "workflow_id": story.workflow_id or None,
        "config_version": story.config_version,
        "config": story.config_text or None,
        "trigger": _plain_cause(story.cause),
        "review": {
            "verdict": story.judgement.verdict,
            "final": story.judgement.final or None,
            "repeated": story.judgement.is_repeated,
            "note": story.judgement.note,
        },
        "changes": [_plain_change(change) for change in story.changes],
        "status": str(order.status),
        "filled": to_text(order.cumulative_quantity),
        "booked": to_text(order.applied_quantity),
        "trades": [str(trade) for trade in order.trade_ids],
        "is_settled": order.is_settled,
        "settled_at": story.settled_at,
        "reason": order.reason,
    }


def order_lines(story: OrderStory) -> list[str]:
    """Return the story for people."""
    order = story.order
    version = "unknown" if story.config_version is None else str(story.config_version)
    generation = f"generation {order.generation}, attempt {order.attempt}"
    lines = table(
        [
            ["order", order.client_order_id, f"of {story.unit.text}"],
            [
                "intent",
                f"{order.side} {to_text(order.quantity)} at {to_text(order.price)}",
                f"{order.purpose}, level {order.slot}, {generation}",
            ],
            ["decided", _when(story.intent.at_ms), _because(story.cause)],
            ["saw", _prices(story.cause.seen), ""],
            ["config", f"version {version}", f"epoch {order.epoch}"],
            ["workflow", story.workflow_id or "unknown: journaled by an older build", ""],
            ["review", f"{story.judgement.verdict} by the unit", _repeated(story)],
            ["gate", story.judgement.final or "unknown", ""],
        ]
    )
    rows = [
        [
            str(change.sequence),
            _when(change.at_ms),
            change.fact,
            change.evidence,
            _arrow(change),
            change.detail,
        ]
        for change in story.changes
    ]
    head = ["fact", "time", "what", "evidence", "state", "detail"]
    lines += ["", *table([head, *rows]), ""]
    end = f"settled with fact {story.settled_at}" if order.is_settled else "not settled yet"
    filled = f"filled {to_text(order.cumulative_quantity)} of {to_text(order.quantity)}"
    return [*lines, f"now: {order.status}, {filled}, {end}"]


def _plain_cause(cause: Cause) -> dict[str, object]:
    return {
        "kind": cause.trigger or None,
        "fact": cause.kind or None,
        "sequence": cause.sequence,
        "at_ms": cause.at_ms,
        "prices": None if cause.seen is None else _plain_prices(cause.seen),
    }


def _plain_prices(seen: PriceTicked) -> dict[str, object]:
    values = {field.name: getattr(seen, field.name) for field in fields(seen)}
    return {
        name: to_text(value) if isinstance(value, Decimal) else value
        for name, value in values.items()
    }


def _plain_change(change: Change) -> dict[str, object]:
    return {
        "sequence": change.sequence,
        "at_ms": change.at_ms,
        "fact": change.fact,
        "evidence": change.evidence,
        "from": None if change.was is None else str(change.was),
        "to": str(change.status),
        "filled": to_text(change.filled),
        "is_late": change.is_late,
        "detail": change.detail,
    }


def _because(cause: Cause) -> str:
    match cause.trigger:
        case "price":
            return f"because the price moved; newest fact was {cause.sequence}, {cause.kind}"
        case "fact":
            return f"because of fact {cause.sequence}, {cause.kind}"
        case "time":
            return f"because a wait had ended; newest fact was {cause.sequence}, {cause.kind}"
        case _:
            return "why is unknown: journaled by an older build"


def _prices(seen: PriceTicked | None) -> str:
    if seen is None:
        return "unknown"
    mark = "" if seen.mark is None else f", mark {to_text(seen.mark)}"
    touch = f"bid {to_text(seen.bid)}, ask {to_text(seen.ask)}"
    return f"{touch}, last {to_text(seen.last)}{mark}, read {_when(seen.read_ms)}"


def _repeated(story: OrderStory) -> str:
    again = story.judgement
    if again.is_repeated is None:
        return f"cannot be decided again: {again.note or 'journaled by an older build'}"
    said = "the same order" if again.is_repeated else "another result"
    return f"decided again from the journal: {said}{': ' * bool(again.note)}{again.note}"


def _arrow(change: Change) -> str:
    if change.is_late:
        return f"{change.status} (late)"
    if change.was is None or change.was is change.status:
        return str(change.status)
    return f"{change.was} -> {change.status}"


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _shown(location: Location) -> str:
    text = str(location)
    return text if "@" not in text else f"...@{text.rpartition('@')[2]}"
