"""What every test shares: how generated examples are drawn, and a database server."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Verbosity, settings

from tests.fakes.postgres import PostgresServer, started_server

# Continuous integration draws the same examples every time: a change is blamed for what it breaks
# only. A person draws fresh ones, and a failure prints how to see it again.
# No deadline per example: two busy cores are slow at random, and a slow example is not a bug.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.register_profile(
    "debug", settings.get_profile("default"), max_examples=10, verbosity=Verbosity.verbose
)
settings.load_profile(os.environ.get("OPENSQT_EXAMPLES", "default"))


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server all tests share; who wants to stop it starts one of his own."""
    with started_server() as started:
        yield started


@pytest.fixture
def database(server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database."""
    return server.create(f"t{abs(hash(request.node.nodeid))}")
