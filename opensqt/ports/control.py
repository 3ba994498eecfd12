"""What an operator can ask for, in plain strings and mappings.

Served by the orchestrator; reached through gRPC by the CLI and through Ray by scripts. Answers hold
only str, int, bool, None, lists and mappings of them; decimals are strings. A target is
``[ACCOUNT/]SYMBOL[:spot|:perp]``; an ambiguous one is refused with the candidates.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol, TypeAlias

Answer: TypeAlias = dict[str, object]


class ControlCode(StrEnum):
    """Why a request was not done."""

    INVALID = "invalid"
    """The request itself is wrong: unknown target form, bad configuration."""
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """The present state does not allow it; nothing was changed."""
    NOT_READY = "not_ready"
    """Cannot be told or done now; asking again later is harmless."""
    DENIED = "denied"
    """The caller did not prove who it is."""
    INTERNAL = "internal"


class ControlError(Exception):
    """The request was refused or failed; ``code`` is stable, the message is for people."""

    def __init__(self, code: ControlCode, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code
        self.message = message


class ControlPort(Protocol):
    """All methods are idempotent: asking twice gives the same answer. Raise ``ControlError``."""

    async def add_symbol(
        self, target: str, config: Mapping[str, object] | None = None, *, dry_run: bool = False
    ) -> Answer:
        """Register a symbol and start it; ``config`` None = the deployment's settings for it.

        Return ``{"target", "state", "created"}``.
        """

    async def remove_symbol(
        self, target: str, mode: str = "drain", *, wait_ms: int = 0, dry_run: bool = False
    ) -> Answer:
        """Stop a symbol (``drain``, ``cancel`` or ``flatten``) and forget it.

        Wait up to ``wait_ms`` for the end. Return ``{"target", "state", "done", "position",
        "open_orders"}``; ``done`` = the venue was seen without an order of ours.
        """

    async def pause(self, target: str, mode: str = "cancel") -> Answer:
        """Stop quoting, keep the symbol. Return ``{"target", "state"}``."""

    async def resume(self, target: str) -> Answer:
        """Quote again. Return ``{"target", "state"}``."""

    async def status(self, targets: tuple[str, ...] = ()) -> Answer:
        """Return what ``status --json`` prints; all symbols when no target is given."""

    async def list_symbols(self) -> Answer:
        """Return all registered symbols as one list under ``symbols``.

        Each is ``{"target", "account", "symbol", "instance", "desired", "observed", "config"}``;
        ``config`` is canonical JSON text.
        """

    async def explain(self, target: str) -> Answer:
        """Return why each level of a symbol has no order, highest level first.

        Return ``{"target", "state", "reason", "detail", "price", "top_level", "levels": [{"level",
        "price", "role", "inventory", "reason", "detail", "client_order_id", "order_status",
        "until_ms"}]}``; ``reason`` = what is in the way of all levels, empty when nothing is.
        """

    async def adopt(
        self,
        target: str,
        *,
        operator: str,
        reason: str,
        quantity: str | None = None,
        price: str | None = None,
        dry_run: bool = False,
    ) -> Answer:
        """Book a difference to the venue that nobody journaled, and end the quarantine.

        ``quantity`` is what the operator expects to be booked; another difference is a conflict.
        Return ``{"target", "state", "adopted", "steps": [sentences], "book", "venue", "difference",
        "price", "quarantine"}``; ``adopted`` = something was changed.
        """

    async def shutdown(self, *, orders: str = "cancel", wait_ms: int = 0) -> Answer:
        """Stop all trading without changing what shall run after the next start.

        ``orders`` is ``cancel`` or ``keep``. Return ``{"orders_empty", "open_orders":
        [client order ids], "positions": [{"account", "symbol", "quantity"}]}``.
        """
