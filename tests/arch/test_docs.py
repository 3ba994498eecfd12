"""The documents name only what exists, and map every requirement."""

import re
from collections.abc import Iterator

import pytest

from opensqt.cli.main import main
from tests.arch.source_tree import ROOT, tracked

TOP = r"(?:opensqt|actors|tests|proto|configs|deploy|docs|\.ci)/"
PATH = re.compile(rf"`({TOP}[\w./-]+?)(?:::(\w+))?`")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
REQUIREMENTS = tuple(
    "1 1.1 1.2 1.3 1.4 1.5 1.6 1.6.1 1.6.2 1.6.3 1.6.4 1.7 1.8 "
    "2 2.1 2.2 3 3.1 3.2 3.3 4 4.1 4.2 4.3 5 6 6.1 6.2 6.3 6.3.1 6.3.2 "
    "6.4 6.5 6.6 6.6.1 6.6.2 6.7 6.7.1 6.7.2 6.7.3 6.7.4 6.8 6.8.1 6.8.2 "
    "6.9 6.9.1 6.9.2 6.9.3 6.9.4 6.10 6.10.1 6.10.2 6.12 6.14 6.15a 6.15b 6.15c "
    "6.16 6.16.1 6.16.2 6.16.3 7 7.1 7.2 7.3 7.4 7.5 8 8.1 8.2 8.3".split()
)
"""Every section of the requirements document; 6.15 stands there three times, hence the letters."""


def documents() -> list[str]:
    return [name for name in tracked() if name.endswith(".md")]


def is_tracked(path: str) -> bool:
    folder = path.rstrip("/") + "/"
    return path in tracked() or any(name.startswith(folder) for name in tracked())


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("opensqt ")]


def dangling(name: str, text: str) -> Iterator[str]:
    for path, test in PATH.findall(text):
        if not is_tracked(path):
            yield f"{name}: {path} does not exist"
        elif test and f"def {test}(" not in (ROOT / path).read_text("utf-8"):
            yield f"{name}: {path} has no {test}"
    for target in LINK.findall(text):
        if not (ROOT / name).parent.joinpath(target).exists():
            yield f"{name}: link to {target} leads nowhere"


def coverage() -> list[list[str]]:
    lines = (ROOT / "docs/spec-coverage.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if re.match(r"^\| \d", line)]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_path_and_link_in_a_document_exists() -> None:
    found = [
        line for name in documents() for line in dangling(name, (ROOT / name).read_text("utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize("text", ["`opensqt/nowhere.py`", "[x](nowhere.md)"])
def test_a_dangling_path_would_be_found(text: str) -> None:
    assert len(list(dangling("README.md", text))) == 1


def test_a_test_that_does_not_exist_would_be_found() -> None:
    assert list(dangling("README.md", "`tests/arch/test_docs.py::test_gone`"))


def test_every_command_of_the_readme_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    shown = commands((ROOT / "README.md").read_text("utf-8"))

    assert "opensqt down" in shown
    for line in shown:
        assert main([*line.split()[1:], "--help"]) == 0, capsys.readouterr().err


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert main(["down", "--no-such-option", "--help"]) == 2


def test_every_requirement_is_mapped_exactly_once() -> None:
    assert sorted(row[0] for row in coverage()) == sorted(REQUIREMENTS)


def test_a_built_requirement_names_code_and_test_and_a_planned_one_names_none() -> None:
    for number, title, state, module, test in coverage():
        assert title, number
        assert state in {"built", "partly", "planned", "replaced"}, number
        if state in {"built", "partly"}:
            assert PATH.search(module), f"{number} names no module"
            assert "`tests/" in test, f"{number} names no test"
        if state == "planned":
            assert not PATH.search(module + test), f"{number} is planned but names paths"
