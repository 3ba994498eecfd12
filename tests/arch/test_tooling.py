"""One entry point for every task, the same for a person, a hook and continuous integration."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from tests.arch.source_tree import ROOT

TARGETS = "audit bench build certify clean help lint proto run setup test test-fast".split()


def make(*arguments: str) -> str:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout.decode("utf-8")


def test_make_alone_explains_every_target() -> None:
    printed = re.findall(r"^  make (\S+) +\S", make(), re.MULTILINE)

    assert set(TARGETS) <= set(printed)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned(target: str) -> None:
    assert make("--dry-run", "--always-make", target)


def test_make_test_is_lint_and_then_pytest() -> None:
    plan = make("--dry-run", "--always-make", "test")

    steps = [
        "ruff check",
        "ruff format --check",
        "/mypy",
        "lint-imports",
        "proto.py --check",
        "-m pytest",
    ]
    places = [plan.index(step) for step in steps]
    assert places == sorted(places)


def test_continuous_integration_runs_make_test_without_input() -> None:
    script = ROOT / ".ci/run"

    assert os.access(script, os.X_OK)
    assert script.read_text("utf-8").rstrip().endswith("make test < /dev/null")


def test_hooks_are_local_and_run_what_exists() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))

    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    entries = [hook["entry"].split() for hook in config["repos"][0]["hooks"]]
    scripts = [word for entry in entries for word in entry if word.startswith(".ci/")]
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)
