"""Compile once what the processes of a deployment import.

An installer leaves sources only. Fifteen processes that start together would each compile the same
two thousand modules, and would do so at every start where Python is told not to keep the result
(PYTHONDONTWRITEBYTECODE). Importing everything here, with keeping switched on, takes a few seconds
once and more than halves the processor time of every later start.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator

OURS = ("opensqt", "actors")
# What the processes that Ray starts run, and where its dashboard looks for modules by itself.
RAY = (
    "ray.scripts.scripts",
    "ray._private.workers.default_worker",
    "ray._private.runtime_env.agent.main",
    "ray.autoscaler._private.monitor",
    "ray.dashboard.agent",
    "ray.dashboard.dashboard",
    "ray.util.client.server.proxier",
)
RAY_MODULES = "ray.dashboard.modules"
# Built by name when it is needed, without the hundred others of its library.
VENUE = "binanceusdm"


def names() -> Iterator[str]:
    """Yield the modules to import."""
    yield from RAY
    for package in (*OURS, RAY_MODULES):
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}.", onerror=lambda _: None):
            if ".tests" not in module.name and not module.name.endswith("__main__"):
                yield module.name


def main() -> None:
    """Import all of it; what cannot be imported here is not needed here."""
    sys.dont_write_bytecode = False
    # First, because nobody must have imported the whole library before.
    from opensqt.venues.slim_ccxt import exchange_class

    exchange_class(VENUE)
    for name in names():
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - a cache: a module less is only slower
            print(f"not compiled: {name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
