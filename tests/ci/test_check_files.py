import pytest

from tests.arch.source_tree import ROOT, tracked
from tests.ci.scripts import load

check_files = load("check_files")
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.yaml", b"a: [1\n", "does not parse"),
        ("a.toml", b"a =\n", "does not parse"),
        ("a.json", b"{,}\n", "does not parse"),
        ("a.py", b"x = 1 \n", "trailing whitespace"),
        ("a.py", b"x = 1\r\n", "trailing whitespace"),
        ("a.md", b"no end", "exactly one line end"),
        ("a.md", b"two ends\n\n", "exactly one line end"),
        ("a.txt", KEY.encode(), "private key"),
        ("a.bin", b"\xff" * (512 * 1024 + 1), "at most"),
    ],
)
def test_a_bad_file_is_one_line_with_its_name(name: str, content: bytes, problem: str) -> None:
    found = list(check_files.problems(name, content))

    assert len(found) == 1
    assert found[0].startswith(f"{name}:")
    assert problem in found[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", b"a: 1\n---\nb: 2\n"),
        ("a.toml", b"a = 1\n"),
        ("a.json", b"{}\n"),
        ("empty.py", b""),
        ("x_pb2.py", b"generated \n\n"),
    ],
)
def test_a_good_file_has_no_problem(name: str, content: bytes) -> None:
    assert list(check_files.problems(name, content)) == []


def test_every_file_of_the_repository_is_good() -> None:
    found = [
        line
        for name in tracked()
        for line in check_files.problems(name, (ROOT / name).read_bytes())
    ]

    assert found == []
