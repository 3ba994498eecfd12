"""No two builds trade together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opensqt.ports.link import Hello

WRONG_BUILD = "ErrBuild"
"""The refusal of a process that is not of the build that is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which build this process is."""

    own: str
    installed: Callable[[], Awaitable[str]]
    """Asks which one a process would be that starts now."""

    async def refusal_of(self, hello: Hello) -> tuple[str, str]:
        """Return code and text for a process of another build; no code when this one must end.

        Whoever is not of the installed build ends and is started again, so both agree in the end.
        """
        installed = await self.installed()
        text = (
            f"{hello.unit.text}: process {hello.pid} on {hello.host} is of build {hello.build}, "
            f"the exchange process of {self.own}, installed is {installed}"
        )
        return (WRONG_BUILD if installed == self.own else ""), text
