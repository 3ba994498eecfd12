"""Goal: a server's address cannot be taken over silently, and nobody else can open it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from opensqt.rpc.auth import SecurityError, ServerSecurity, check_token, load_token
from opensqt.rpc.endpoint import (
    SOCKET_PATH_BYTES_MAX,
    Endpoint,
    EndpointError,
    EndpointTakenError,
    FixedLocator,
    UnixLocator,
)
from opensqt.rpc.server import RpcServer

NAME = "exchange-paper"


async def test_a_served_name_cannot_be_taken(run_dir: Path) -> None:
    server = RpcServer([])
    first = Endpoint(run_dir, NAME)
    server.listen(first)
    await server.start()

    with pytest.raises(EndpointTakenError, match=str(os.getpid())):
        Endpoint(run_dir, NAME)

    assert UnixLocator(run_dir, NAME)() == first.address
    assert first.path.exists()
    await server.stop(grace_ms=10)


def test_another_process_cannot_take_it_either(run_dir: Path) -> None:
    held = Endpoint(run_dir, NAME)
    program = (
        "import sys, pathlib\n"
        "from opensqt.rpc.endpoint import Endpoint, EndpointTakenError\n"
        "try:\n"
        f"    Endpoint(pathlib.Path(sys.argv[1]), {NAME!r})\n"
        "except EndpointTakenError:\n"
        "    sys.exit(17)\n"
    )

    command = [sys.executable, "-c", program, str(run_dir)]
    taken = subprocess.run(command, check=False, timeout=60)
    held.release()
    free = subprocess.run(command, check=False, timeout=60)

    assert (taken.returncode, free.returncode) == (17, 0)


def test_each_incarnation_has_its_own_path(run_dir: Path) -> None:
    paths = []
    for _ in range(3):
        with Endpoint(run_dir, NAME) as endpoint:
            paths.append(endpoint.path)

    assert len(set(paths)) == 3


def test_a_crash_leaves_nothing_that_stops_the_next_one(run_dir: Path) -> None:
    """The socket and address of a killed server stay behind; its lock does not."""
    program = (
        "import os, sys, pathlib\n"
        "from opensqt.rpc.endpoint import Endpoint\n"
        f"endpoint = Endpoint(pathlib.Path(sys.argv[1]), {NAME!r})\n"
        "endpoint.path.touch()\n"
        "endpoint.publish()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(run_dir)], check=False, timeout=60)
    left_behind = UnixLocator(run_dir, NAME)()

    with Endpoint(run_dir, NAME) as endpoint:
        assert endpoint.address != left_behind
        assert not Path(left_behind.removeprefix("unix:")).exists()


async def test_only_the_owner_can_open_the_socket(run_dir: Path) -> None:
    server = RpcServer([])
    endpoint = Endpoint(run_dir, NAME)
    server.listen(endpoint)
    await server.start()

    assert stat.S_IMODE(endpoint.path.stat().st_mode) == 0o600
    await server.stop(grace_ms=10)
    assert not endpoint.path.exists()
    with pytest.raises(EndpointError, match="no server has published"):
        UnixLocator(run_dir, NAME)()


def test_a_run_directory_that_others_can_enter_is_refused(run_dir: Path) -> None:
    run_dir.chmod(0o755)

    with pytest.raises(EndpointError, match="expected mode 0700"):
        Endpoint(run_dir, NAME)


def test_a_missing_run_directory_is_made_private(run_dir: Path) -> None:
    with Endpoint(run_dir / "new", NAME):
        assert stat.S_IMODE((run_dir / "new").stat().st_mode) == 0o700


def test_a_path_that_is_too_long_is_named_with_its_length(run_dir: Path) -> None:
    deep = run_dir / ("x" * SOCKET_PATH_BYTES_MAX)

    with pytest.raises(EndpointError, match=f"at most {SOCKET_PATH_BYTES_MAX} are possible"):
        Endpoint(deep, NAME)
    with pytest.raises(EndpointError, match="at most"):
        Endpoint(deep, NAME)  # the first failure must have given the lock free


def test_the_longest_possible_path_is_taken(run_dir: Path) -> None:
    suffix = f"/{NAME}.1.sock"
    folder = run_dir / ("y" * (SOCKET_PATH_BYTES_MAX - len(suffix) - len(str(run_dir)) - 1))

    with Endpoint(folder, NAME) as endpoint:
        assert len(str(endpoint.path)) == SOCKET_PATH_BYTES_MAX


def test_a_release_does_not_unpublish_a_successor(run_dir: Path) -> None:
    first = Endpoint(run_dir, NAME)
    first.path.touch()
    first.publish()
    (run_dir / f"{NAME}.address").write_text("unix:/somebody/else.sock")

    first.release()
    first.release()

    assert UnixLocator(run_dir, NAME)() == "unix:/somebody/else.sock"


def test_a_configured_address_is_used_as_it_is() -> None:
    assert FixedLocator("connector.internal:50051")() == "connector.internal:50051"


async def test_tcp_without_a_token_or_tls_is_refused() -> None:
    server = RpcServer([])

    with pytest.raises(SecurityError, match="needs a token or TLS"):
        server.listen_tcp("127.0.0.1:0")
    with pytest.raises(EndpointError, match="expected host:port"):
        server.listen_tcp("unix:/tmp/x.sock")


async def test_a_tcp_port_cannot_be_shared() -> None:
    security = ServerSecurity(token="a" * 32)
    first, second = RpcServer([], security=security), RpcServer([], security=security)
    port = first.listen_tcp("127.0.0.1:0")

    with pytest.raises(EndpointError, match="cannot listen on"):
        second.listen_tcp(f"127.0.0.1:{port}")

    await first.stop(grace_ms=0)
    await second.stop(grace_ms=0)


@pytest.mark.parametrize("token", ["short", "x" * 31, "x" * 32 + " ", "ä" * 32, "x" * 32 + "\n"])
def test_a_token_that_could_be_guessed_or_not_sent_is_refused(token: str) -> None:
    with pytest.raises(SecurityError):
        check_token(token, "here")


def test_a_token_file_is_read_only_if_it_is_private(run_dir: Path) -> None:
    file = run_dir / "token"
    file.write_text("t" * 40 + "\n")
    file.chmod(0o644)
    with pytest.raises(SecurityError, match="expected mode 0600, got 0644"):
        load_token(file)

    file.chmod(0o600)
    assert load_token(file) == "t" * 40


def test_secrets_are_not_printed() -> None:
    assert "a" * 32 not in repr(ServerSecurity(token="a" * 32))
