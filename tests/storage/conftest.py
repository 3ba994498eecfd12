"""The kinds of stores the contract suites run against."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fakes import postgres
from tests.storage.contract import (
    JournalBench,
    RegistryBench,
    memory_bench,
    memory_registry_bench,
    sql_bench,
    sql_registry_bench,
)

KINDS = ("memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.pg))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Run a PostgreSQL server of our own and return its address without a database."""
    if not postgres.has_programs():
        pytest.skip("no PostgreSQL server programs")
    with postgres.running_server() as address:
        yield address


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database."""
    name = f"t{abs(hash(request.node.nodeid))}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


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
