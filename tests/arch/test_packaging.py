"""What is packaged is what the repository holds, and nothing hides behind an ignore pattern."""

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from tests.arch.source_tree import ROOT, git, tracked

PACKAGES = ("opensqt/", "actors/")


def packaged(builder: WheelBuilder | SdistBuilder) -> list[str]:
    return sorted(str(file.relative_path) for file in builder.recurse_included_files())


def test_the_wheel_holds_exactly_the_tracked_files_of_the_packages() -> None:
    expected = [name for name in tracked() if name.startswith(PACKAGES)]

    assert "opensqt/core/__init__.py" in expected
    assert packaged(WheelBuilder(str(ROOT))) == expected


def test_the_source_archive_holds_only_tracked_files_and_all_of_the_packages() -> None:
    listed = packaged(SdistBuilder(str(ROOT)))

    assert set(listed) <= set(tracked())
    assert {name for name in tracked() if name.startswith(PACKAGES)} <= set(listed)


@pytest.mark.parametrize("folder", ["opensqt", "actors", "tests", "proto", "configs", "docs"])
def test_no_ignore_pattern_swallows_a_source(folder: str) -> None:
    ignored = git("ls-files", "--others", "--ignored", "--exclude-standard", "--", folder)

    found = [name for name in ignored if "__pycache__" not in name and not name.endswith(".pyc")]

    assert found == []
