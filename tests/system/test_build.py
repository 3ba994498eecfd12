"""A build is known by its files: any change of one is another build, a copy elsewhere is not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import opensqt
from opensqt.system.build import build_of, installed_build


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "part").mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Empty."""\n')
    (folder / "part" / "one.py").write_text("ONE = 1\n")
    (folder / "part" / "two.py").write_text("TWO = 2\n")
    return folder


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line": lambda folder: (folder / "part/one.py").write_text("ONE = 2\n"),
    "a new file": lambda folder: (folder / "part/three.py").write_text(""),
    "a missing file": lambda folder: (folder / "part/two.py").unlink(),
    "another name": lambda folder: (folder / "part/two.py").rename(folder / "part/zwei.py"),
    "swapped files": lambda folder: (
        (folder / "part/one.py").write_text("TWO = 2\n"),
        (folder / "part/two.py").write_text("ONE = 1\n"),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_of_the_sources_is_another_build(
    package: Path, change: Callable[[Path], object]
) -> None:
    before = build_of(package)

    change(package)

    assert build_of(package) != before
    assert len(before) == 12


def test_a_copy_elsewhere_with_compiled_files_is_the_same_build(
    package: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere" / "package"
    shutil.copytree(package, copy, copy_function=shutil.copyfile)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "one.cpython-311.pyc").write_bytes(b"compiled")

    assert build_of(copy) == build_of(package)


def test_the_installed_build_is_that_of_this_package() -> None:
    assert installed_build() == installed_build() == build_of(Path(opensqt.__file__).parent)
