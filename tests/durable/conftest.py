"""A server for the stores that are not files."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.fakes import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Run a PostgreSQL server of our own and return its address without a database."""
    if not postgres.has_programs():
        pytest.skip("no PostgreSQL server programs")
    with postgres.running_server() as started:
        yield started


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database."""
    name = f"d{abs(hash(request.node.nodeid))}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"
