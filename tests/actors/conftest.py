"""One cluster for all tests of this folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actors.cluster import Cluster, started


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    # Not below pytest's folder: the paths of Ray's sockets would be too long.
    folder = Path(tempfile.mkdtemp(prefix="sq", dir="/tmp"))
    try:
        with started(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def trading(cluster: Cluster) -> Cluster:
    """Return the cluster with two symbols trading."""
    answer = cluster.run("--config", str(cluster.config))
    assert answer.returncode == 0, answer.stderr
    for symbol in ("BTCUSDT:perp", "ETHUSDT:perp"):
        cluster.trades_again(symbol, after_ms=0)
    return cluster
