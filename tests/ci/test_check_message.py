import pytest

from tests.ci.scripts import load

check_message = load("check_message")


@pytest.mark.parametrize(
    "message",
    ["Add a thing", "Feed prices to the band\n\nBecause they were lost.\n# a comment\n", "Seed it"],
)
def test_an_imperative_subject_is_accepted(message: str) -> None:
    assert check_message.problems(message) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("", "empty"),
        ("x" * 73, "73 characters"),
        ("Add a thing.", "period"),
        ("Added a thing", "imperative"),
        ("Fixes a thing", "imperative"),
        ("Add a thing\nwithout a gap", "blank"),
    ],
)
def test_anything_else_is_refused_with_its_reason(message: str, problem: str) -> None:
    found = check_message.problems(message)

    assert len(found) == 1
    assert problem in found[0]
