"""Composition root of the paper venue process."""

import asyncio
import signal
from collections.abc import Callable

import uvloop

from opensqt.paper.config import Endpoint, PaperConfig
from opensqt.paper.server import serve


async def run(config: PaperConfig, ready: Callable[[Endpoint], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called once, when both ports listen.

    The book is durable: orders rest again after the next start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(config, ready, stop)


def serve_forever(config: PaperConfig, ready: Callable[[Endpoint], None]) -> None:
    """Run a paper venue to its end on a loop of its own, the fast one: the body of a process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(config, ready))
