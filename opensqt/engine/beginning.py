"""What a process journals before anything else: that it is there, and what it cannot know."""

from opensqt.core import codec
from opensqt.core.facts import ConfigApplied, Evidence, Fact, OrderReported, ProcessStarted
from opensqt.core.ids import UnixMs
from opensqt.core.orders import OrderStatus
from opensqt.core.symbol import SymbolState
from opensqt.core.unit_config import UnitConfig
from opensqt.engine.decider import Identity


def first_facts(
    state: SymbolState,
    identity: Identity,
    config: UnitConfig,
    *,
    config_version: int,
    now_ms: UnixMs,
) -> list[Fact]:
    """Return the facts with which a process takes a unit over; ``state`` is the journal's."""
    facts: list[Fact] = [ProcessStarted(epoch=identity.epoch, build=identity.build, at_ms=now_ms)]
    # What an earlier process had committed and perhaps sent is unknown, whatever it was doing.
    facts += [
        OrderReported(
            client_order_id=order.client_order_id,
            status=OrderStatus.UNKNOWN,
            reason="restarted",
            evidence=Evidence.LOCAL,
            at_ms=now_ms,
        )
        for order in state.orders.values()
        if order.status is OrderStatus.INTENT
    ]
    if state.config_version != config_version:
        text = codec.encode(config)
        facts.append(ConfigApplied(version=config_version, text=text, at_ms=now_ms))
    return facts
