"""The run directory is short, private, and changed by one process at a time."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opensqt.system import locks, process
from opensqt.system.locks import FileLock, LockHeldError, account_lock_path, lock_holder
from opensqt.system.process import ProcessName
from opensqt.system.rundir import (
    SOCKET_PATH_BYTES_MAX,
    RunDir,
    RunDirError,
    data_dir,
    run_dir_path,
    write_atomically,
)


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    # Not below tmp_path, which is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="osq-", dir="/tmp") as runtime:
        yield {"XDG_RUNTIME_DIR": runtime}


@pytest.fixture
def run_dir(tmp_path: Path, environ: dict[str, str]) -> RunDir:
    return RunDir(tmp_path / "data", environ)


def test_the_data_directory_is_given_or_named_or_the_default(tmp_path: Path) -> None:
    named = {"OPENSQT_DATA_DIR": str(tmp_path / "named")}

    assert data_dir(named, given=tmp_path) == tmp_path
    assert data_dir(named) == tmp_path / "named"
    assert data_dir({}) == Path.cwd() / "data"
    assert data_dir({"OPENSQT_DATA_DIR": ""}) == Path.cwd() / "data"


def test_every_data_directory_has_a_run_directory_of_its_own(tmp_path: Path) -> None:
    paths = {run_dir_path(tmp_path / name, {}) for name in ("a", "b", "c/../a")}

    assert len(paths) == 2
    assert {path.parent for path in paths} == {Path(f"/tmp/opensqt-{os.getuid()}")}


def test_a_socket_fits_whatever_the_environment_says(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": "/run/" + "long/" * 30}

    path = run_dir_path(tmp_path, environ)

    assert len(str(path)) + 49 <= SOCKET_PATH_BYTES_MAX
    assert path.parent.parent == Path("/tmp")


def test_the_directory_is_private_and_names_its_data(run_dir: RunDir, tmp_path: Path) -> None:
    assert run_dir.path.stat().st_mode & 0o777 == 0o700
    assert run_dir.path.parent.stat().st_mode & 0o777 == 0o700
    assert (run_dir.path / "data").read_text() == str(tmp_path / "data")


def test_a_directory_that_was_open_to_others_is_closed(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    path = run_dir_path(tmp_path, environ)
    assert path.is_relative_to(environ["XDG_RUNTIME_DIR"])
    path.mkdir(parents=True)
    path.chmod(0o777)

    RunDir(tmp_path, environ)

    assert path.stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_the_directory_is_refused(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    path = run_dir_path(tmp_path, environ)
    path.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(RunDirError, match="is not a directory of this user"):
        RunDir(tmp_path, environ)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    path = run_dir_path(tmp_path, environ)
    path.mkdir(parents=True, mode=0o700)
    os.chown(path, 65534, 65534)

    with pytest.raises(RunDirError, match="is not a directory of this user"):
        RunDir(tmp_path, environ)


def test_endpoints_are_announced_and_taken_back(
    run_dir: RunDir, tmp_path: Path, environ: dict[str, str]
) -> None:
    run_dir.set_endpoint("control", "unix:/x.sock")
    run_dir.set_endpoint("live", "http://127.0.0.1:1")
    run_dir.set_endpoint("live", None)
    run_dir.set_endpoint("never", None)

    assert RunDir(tmp_path / "data", environ).endpoints() == {"control": "unix:/x.sock"}


def test_processes_are_announced_with_their_start(run_dir: RunDir) -> None:
    me, dead = process.current(), ProcessName(pid=process.current().pid, start=1)
    run_dir.set_process("connector-paper", me)
    run_dir.set_process("paper-venue", dead)

    assert run_dir.processes() == {"connector-paper": me, "paper-venue": dead}
    assert run_dir.live_processes() == {"connector-paper": me}

    run_dir.set_process("connector-paper", None)
    assert run_dir.live_processes() == {}
    assert json.loads((run_dir.path / "pids.json").read_text()) == {
        "paper-venue": {"pid": dead.pid, "start": 1}
    }


def test_no_announcement_is_lost_when_many_come_at_once(run_dir: RunDir) -> None:
    names = [f"p{number}" for number in range(40)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: run_dir.set_endpoint(name, "x"), names))

    assert sorted(run_dir.endpoints()) == sorted(names)


def test_a_file_that_was_damaged_is_an_error_not_an_empty_answer(run_dir: RunDir) -> None:
    (run_dir.path / "endpoints.json").write_text("{")
    with pytest.raises(RunDirError, match=r"endpoints\.json is not a JSON text"):
        run_dir.endpoints()
    (run_dir.path / "endpoints.json").write_text("[]")
    with pytest.raises(RunDirError, match=r"endpoints\.json does not hold an object"):
        run_dir.endpoints()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "f"
    write_atomically(file, "old")
    reader = file.open()
    write_atomically(file, "new")

    assert reader.read() == "old"
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    reader.close()


def test_a_full_disk_leaves_the_old_file_and_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f"
    write_atomically(file, "old")
    monkeypatch.setattr(os, "fsync", no_space)

    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, "new")

    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# -------------------------------------------------------------------------------------------- locks
def test_a_lock_names_its_holder_and_comes_free(run_dir: RunDir) -> None:
    first, second = run_dir.lock("supervisor"), run_dir.lock("supervisor")

    with first:
        assert first.is_held
        assert (
            lock_holder(run_dir.path / "supervisor.lock") == f"process {os.getpid()} (supervisor)"
        )
        with pytest.raises(LockHeldError, match=rf"held by process {os.getpid()} \(supervisor\)"):
            second.acquire()

    assert not first.is_held
    assert lock_holder(run_dir.path / "supervisor.lock") is None
    with second:
        assert second.is_held


def test_a_lock_is_free_where_no_file_is(tmp_path: Path) -> None:
    assert lock_holder(tmp_path / "none") is None


def test_a_lock_outlives_no_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys, pathlib; from opensqt.system.locks import FileLock;"
        "FileLock(pathlib.Path(sys.argv[1]), purpose='child').acquire();"
        "print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(LockHeldError, match=rf"held by process {child.pid} \(child\)"):
            FileLock(path, purpose="parent").acquire()
        child.kill()
        child.wait()

    with FileLock(path, purpose="parent") as lock:
        assert lock.is_held


def test_a_holder_that_has_not_said_who_it_is_is_still_a_holder(tmp_path: Path) -> None:
    assert locks._described(b"") == "another process"
    assert locks._described(b"[]") == "another process"


def test_an_account_has_one_lock_per_user_without_its_key_id(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}

    path = account_lock_path(environ, venue="binance", key_id="AKIA123")

    assert path.parent == tmp_path / "opensqt" / "locks"
    assert path.name.startswith("binance-")
    assert "AKIA123" not in path.name
    assert path != account_lock_path(environ, venue="binance", key_id="AKIA124")
    assert account_lock_path({"HOME": "/h"}, venue="v", key_id="k").is_relative_to(
        "/h/.local/state/opensqt/locks"
    )
