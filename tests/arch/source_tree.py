"""What the architecture tests look at: the files of the checkout and their syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "opensqt" / "market_maker"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def git(*arguments: str) -> tuple[str, ...]:
    """Return the lines git prints at the root; skip the test outside of a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    output = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True)
    return tuple(output.stdout.decode("utf-8").splitlines())


@cache
def tracked() -> tuple[str, ...]:
    """Return the paths git tracks, or would with the next `git add`, that exist."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard")
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def python_files(*folders: str) -> Iterator[Path]:
    """Yield every hand-written Python file below the folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if GENERATED not in path.parents:
                yield path


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, node: ast.AST) -> str:
    """Return `file:line` of a node, relative to the root."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def imported(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    """Yield the dotted name of everything a file imports, also inside functions."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from ((node, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node, module
            case _:
                pass
