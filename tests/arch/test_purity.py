"""The core decides from its arguments alone, and money is never a binary fraction."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.arch.source_tree import imported, place, python_files, tree

IMPURE = frozenset(
    {
        "asyncio",
        "concurrent",
        "datetime",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "uuid",
    }
)
"""Modules of the standard library that read a clock, randomness or the world."""


def impure_imports(path: Path) -> list[str]:
    return [
        f"{place(path, node)} imports {name}"
        for node, name in imported(path)
        if name.split(".")[0] in IMPURE
    ]


def floats(module: ast.Module, path: Path) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.Constant(value=float(value)):
                yield f"{place(path, node)} float literal {value}"
            case ast.Name(id="float"):
                yield f"{place(path, node)} float"
            case _:
                pass


@pytest.mark.parametrize("package", ["opensqt/core", "opensqt/ports"])
def test_core_and_ports_reach_no_clock_randomness_or_io(package: str) -> None:
    files = list(python_files(package))

    found = [line for path in files for line in impure_imports(path)]

    assert files
    assert found == []


def test_core_has_no_float_literal_annotation_or_conversion() -> None:
    found = [line for path in python_files("opensqt/core") for line in floats(tree(path), path)]

    assert found == []


@pytest.mark.parametrize("source", ["x = 0.5", "def f(x: float) -> None: ...", "y = float('1')"])
def test_a_float_would_be_found(source: str) -> None:
    assert list(floats(ast.parse(source), Path(__file__)))
