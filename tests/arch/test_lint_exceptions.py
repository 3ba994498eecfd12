"""An exception to a lint rule says why."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.arch.source_tree import ROOT, python_files

EXCEPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?!\w)(.*)$")
WITH_REASON = re.compile(r"^(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*\s+- \S|\[[a-z, -]+\]\s+# \S)")


TYPES = re.compile(r"#\s*type:\s*ignore\[[a-z, -]+\]")


def unexplained(text: str) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), start=1):
        found = EXCEPTION.search(line)
        if found and not WITH_REASON.match(found.group(1)):
            yield number


def relaxed(path: Path) -> str:
    text = path.read_text("utf-8")
    is_test = path.is_relative_to(ROOT / "tests")
    return TYPES.sub("", text) if is_test else text  # tests pass wrong types on purpose


def test_every_lint_exception_names_its_rule_and_its_reason() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in python_files("opensqt", "actors", "tests", ".ci")
        for number in unexplained(relaxed(path))
    ]

    assert found == []


@pytest.mark.parametrize("rest", [": E501", "", ": E501 long", "[misc]", "[misc] # "])
@pytest.mark.parametrize("mark", ["noqa", "type: ignore"])
def test_an_unexplained_exception_would_be_found(mark: str, rest: str) -> None:
    assert list(unexplained(f"x = 1  # {mark}{rest}")) == [1]


@pytest.mark.parametrize(
    "exception",
    ["noqa: E501 - a table", "noqa: C901, PLR0912 - flat", "type: ignore[misc]  # untyped base"],
)
def test_an_explained_exception_is_accepted(exception: str) -> None:
    assert list(unexplained(f"x = 1  # {exception}")) == []
