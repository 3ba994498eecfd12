"""Two deployments of one user never trade one account, also from different data directories."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest

from opensqt.config.overrides import PAPER_CA
from opensqt.system.rundir import run_dir_path

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "opensqt.cli.main"]
URL = "https://127.0.0.1:9"


class User:
    """Somebody of this machine, with a home of their own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._started: list[subprocess.Popen[str]] = []

    def environment(self, data: str, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "XDG_STATE_HOME": str(self._home / "state"),
            "OPENSQT_DATA_DIR": str(self._home / data),
            "OPENSQT_ACCOUNTS__PAPER__BASE_URL": URL,
            **more,
        }

    def call(self, data: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            check=False,
            cwd=ROOT,
            env=self.environment(data, **more),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def connector(self, data: str) -> subprocess.Popen[str]:
        """Start a connector; it says on stderr that its venue does not answer."""
        authority = self._home / data / PAPER_CA
        authority.parent.mkdir(parents=True)
        shutil.copy(certifi.where(), authority)
        process = subprocess.Popen(
            [*COMMAND, "serve", "connector"],
            cwd=ROOT,
            env=self.environment(data),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
        for data in ("one", "two"):
            shutil.rmtree(run_dir_path(self._home / data, os.environ), ignore_errors=True)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    found = User(tmp_path)
    yield found
    found.end()


def test_a_second_deployment_is_refused_and_told_who_holds_the_account(user: User) -> None:
    first = user.connector("one")
    assert first.stderr is not None
    assert "connector.venue_unavailable" in first.stderr.readline()

    for command in (("serve", "connector"), ("up", "--detach")):
        refused = user.call("two", *command)
        assert refused.returncode == 5, refused.stdout + refused.stderr
        last = refused.stderr.strip().splitlines()[-1]
        assert f"process {first.pid}" in last
        assert "its key trades already" in last
        assert str(user.environment("one")["OPENSQT_DATA_DIR"]) in last
    assert not (Path(user.environment("two")["OPENSQT_DATA_DIR"]) / "control.db").exists()


def test_the_lock_ends_with_its_process_and_is_per_key(user: User) -> None:
    first = user.connector("one")
    assert first.stderr is not None
    first.stderr.readline()
    other = user.call("two", "serve", "connector", OPENSQT_ACCOUNTS__PAPER__VENUE="okx")
    assert "trades already" not in other.stderr
    first.kill()
    first.wait()

    second = user.connector("two")

    assert second.stderr is not None
    assert "connector.venue_unavailable" in second.stderr.readline()
