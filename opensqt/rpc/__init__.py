"""gRPC clients and servers, and nothing else."""

import importlib
import os
from typing import Final

_EXPERIMENTS: Final = "GRPC_EXPERIMENTS"
_OLD_POLLING: Final = "-event_engine_client,-event_engine_listener"


def _load() -> None:
    """Load the library with its older way of polling.

    With the newer one each message crosses two threads more: a round trip takes twice as long and
    twice the processor time (docs/decisions/0004). A library that has dropped the names ignores
    them. They are read while it is loaded, and are no business of the processes we start.
    """
    if _EXPERIMENTS in os.environ:
        importlib.import_module("grpc.aio")
        return
    os.environ[_EXPERIMENTS] = _OLD_POLLING
    try:
        importlib.import_module("grpc.aio")
    finally:
        del os.environ[_EXPERIMENTS]


_load()
