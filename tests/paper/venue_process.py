"""A paper venue in a process of its own, for tests that kill it: prints where it listens."""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from opensqt.bootstrap.paper import run
from opensqt.paper.config import Endpoint, PaperConfig


def announce(endpoint: Endpoint) -> None:
    line = orjson.dumps(asdict(endpoint), default=str)
    sys.stdout.write(f"{line.decode()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(PaperConfig(data_dir=Path(sys.argv[1]), tls=False, is_scripted=True), announce))
