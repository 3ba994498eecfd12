"""Whatever a file holds, reading it ends in a deployment or in a list of problems."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opensqt.config.deployment import AccountConfig
from opensqt.config.load import load
from opensqt.config.problems import ConfigError, Problem
from opensqt.config.settings import AppSettings, Settings, UnitSettings
from opensqt.config.tree import read_tree

pytestmark = pytest.mark.property

NAMES = [*Settings.model_fields, *UnitSettings.model_fields, "paper", "venue", "capital", "target"]
NAMES += ["template", "replay", "files", "api_key", "mode", "on", "no", "${A}", "&a", "*a", "!!str"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["BTCUSDT:perp", "paper", "0.02", "percent", "${A:-1}", "${A}", "${", "200"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), inner, max_size=6)
    ),
    max_leaves=25,
)
PIECES = """: |- |{|}|[|]|, |'|"|#|&a |*a|!!int |---|? |<<: |%YAML 1.2|${|0.1|true"""
FRAGMENTS = st.sampled_from(
    ["\n", "  ", "\t", "|", "\ufeff", "\x00", "\x85", *PIECES.split("|"), *NAMES]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=4), max_size=40).map("".join)


NASTY = SCALARS | st.sampled_from(
    ["\0", "~nobody-of-that-name", "/dev/zero", "..", "Europe", "1" * 40]
)
PLAUSIBLE = st.fixed_dictionaries(
    {
        "accounts": st.just({"paper": {"venue": "paper", "capital": "10000"}}),
        "app": st.dictionaries(st.sampled_from([*AppSettings.model_fields]), NASTY, max_size=2),
        "paper": st.fixed_dictionaries(
            {},
            optional={
                "host": NASTY,
                "port": NASTY,
                "replay": st.fixed_dictionaries({}, optional={"files": st.lists(NASTY)}),
            },
        ),
        "trading": st.dictionaries(
            st.sampled_from([*UnitSettings.model_fields]), NASTY, max_size=3
        ),
        "symbols": st.lists(
            NASTY | st.fixed_dictionaries({"target": NASTY}, optional={"template": NASTY}),
            max_size=3,
        ),
    }
)


def read(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(data)
        problems, accounts = outcome(path)
    assert bool(problems) != bool(accounts)
    assert all("\n" not in problem.text for problem in problems)


def outcome(path: Path) -> tuple[tuple[Problem, ...], tuple[AccountConfig, ...]]:
    try:
        return (), load(path, {"A": "x"}).accounts
    except ConfigError as error:
        return error.problems, ()


@given(TREES)
def test_any_tree_gives_a_deployment_or_problems(tree: object) -> None:
    read(yaml.safe_dump(tree).encode())


@given(PLAUSIBLE)
def test_a_plausible_tree_with_nasty_values_gives_a_deployment_or_problems(tree: object) -> None:
    read(yaml.safe_dump(tree).encode())


@given(TEXTS)
def test_any_text_gives_a_deployment_or_problems(text: str) -> None:
    read(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_tree_or_problems(data: bytes) -> None:
    tree, problems = read_tree(data, source="c.yaml")

    assert (tree is None) <= bool(problems)


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? ", b"a:\n "])
def test_depth_never_ends_in_a_recursion_error(opening: bytes) -> None:
    _, problems = read_tree(opening * 2_000, source="c.yaml")

    assert problems
