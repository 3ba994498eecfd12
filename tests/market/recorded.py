"""Recorded market data, where a checkout has it beside it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2].parent / "shared" / "data"


def recording(name: str) -> Path:
    """Return a recorded file, or skip the test with the reason."""
    path = FOLDER / f"{name}_20240808.gz"
    if not path.exists():
        pytest.skip(f"no recorded market data at {path}")
    return path
