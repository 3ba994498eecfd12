"""Nothing grows past what a reader can hold in view."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.arch.source_tree import Function, place, python_files, tree

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500
HAND_WRITTEN = ("opensqt", "actors", "tests", ".ci")


def long_functions(path: Path, module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{place(path, node)} {node.name} has {lines} lines"


def test_no_function_is_longer_than_sixty_lines() -> None:
    found = [
        line for path in python_files(*HAND_WRITTEN) for line in long_functions(path, tree(path))
    ]

    assert found == []


def test_no_module_is_longer_than_five_hundred_lines() -> None:
    sizes = {path: path.read_text("utf-8").count("\n") for path in python_files(*HAND_WRITTEN)}

    found = [f"{path}: {lines} lines" for path, lines in sizes.items() if lines > MODULE_LINES_MAX]

    assert sizes
    assert found == []


def test_a_long_function_would_be_found() -> None:
    source = "async def f() -> None:\n" + "    pass\n" * FUNCTION_LINES_MAX

    assert len(list(long_functions(Path(__file__), ast.parse(source)))) == 1
