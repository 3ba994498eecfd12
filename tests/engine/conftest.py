"""An orchestrator with everything it starts made of dictionaries."""

from collections.abc import AsyncIterator

import pytest

from opensqt.engine.orchestrator import Orchestrator
from tests.engine.fleet import Scene


@pytest.fixture
def scene() -> Scene:
    """Return what the orchestrator starts and asks."""
    return Scene()


@pytest.fixture
async def orchestrator(scene: Scene) -> AsyncIterator[Orchestrator]:
    """Return one that runs until the test ends."""
    running = scene.orchestrator()
    await running.start()
    yield running
    await running.stop()
