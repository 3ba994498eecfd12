"""The kinds of stores the contract suites run against."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opensqt.storage.location import Location
from tests.storage.contract import (
    JournalBench,
    RegistryBench,
    memory_bench,
    memory_registry_bench,
    sql_bench,
    sql_registry_bench,
)

KINDS = ("memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.pg))


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JournalBench]:
    makers: dict[str, Callable[[], JournalBench]] = {
        "memory": memory_bench,
        "sqlite": lambda: sql_bench(tmp_path),
        "postgresql": lambda: sql_bench(request.getfixturevalue("database")),
    }
    made = makers[request.param]()
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def registry_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryBench]:
    makers: dict[str, Callable[[], RegistryBench]] = {
        "memory": memory_registry_bench,
        "sqlite": lambda: sql_registry_bench(tmp_path),
        "postgresql": lambda: sql_registry_bench(request.getfixturevalue("database")),
    }
    made = makers[request.param]()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """Return where a deployment keeps its stores: a folder nobody has made, or a database."""
    if request.param == "sqlite":
        return tmp_path / "data"
    address: str = request.getfixturevalue("database")
    return address
