"""A paper venue in a process of its own, for tests that kill or measure it.

``python -m tests.paper.venue_process DATA_DIR [synthetic | FILE…]`` prints where it listens.
Without a market it is scripted; recordings play twice as fast as they were made, for ever.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from opensqt.bootstrap.paper import serve_forever
from opensqt.paper.config import Endpoint, PaperConfig


def announce(endpoint: Endpoint) -> None:
    line = orjson.dumps(asdict(endpoint), default=str)
    sys.stdout.write(f"{line.decode()}\n")
    sys.stdout.flush()


def config(data_dir: str, *market: str) -> PaperConfig:
    directory = Path(data_dir)
    if not market:
        return PaperConfig(data_dir=directory, tls=False, is_scripted=True)
    if market == ("synthetic",):
        return PaperConfig(data_dir=directory)
    return PaperConfig(data_dir=directory, replay=tuple(map(Path, market)), speed=2.0, loop=True)


if __name__ == "__main__":
    serve_forever(config(*sys.argv[1:]), announce)
