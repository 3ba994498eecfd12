"""Real sockets in a private folder with a short path."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Return a folder whose socket paths fit, whatever pytest's own folders are called."""
    folder = Path(tempfile.mkdtemp(prefix="oq-"))
    yield folder
    shutil.rmtree(folder)
