"""What the supervisor is told to run: names, order, ports, environment."""

import os
import shutil
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from opensqt.cli.children import (
    Layout,
    Playback,
    child_specs,
    choose_ports,
    forget_ports,
    make_token,
)
from opensqt.cli.serve import connector_config, paper_config
from opensqt.cli.supervision import ChildSpec, Kind
from opensqt.config.load import load, load_keys
from opensqt.config.overrides import PAPER_CA, overrides
from opensqt.system.rundir import RunDir

CONFIG = Path(__file__).parents[2] / "configs/paper.yaml"


def layout(run: RunDir, data: Path, environment: Mapping[str, str], *files: Path) -> Layout:
    deployment = load(CONFIG, {"OPENSQT_DATA_DIR": str(data), **environment})
    return Layout(
        deployment=deployment,
        run=run,
        ports=choose_ports(run, deployment),
        playback=Playback(files=files, speed="2", is_looping=True) if files else Playback(),
    )


def specs(made: Layout) -> dict[str, ChildSpec]:
    return {spec.name: spec for spec in child_specs(made)}


def test_a_paper_deployment_has_four_children_and_ray_waits_for_nobody(
    run: RunDir, tmp_path: Path
) -> None:
    found = specs(layout(run, tmp_path, {}))

    assert {name: spec.needs for name, spec in found.items()} == {
        "paper-venue": (),
        "connector-paper": ("paper-venue",),
        "ray": (),
        "actors": ("ray",),
    }
    assert found["actors"].kind is Kind.TASK
    assert all(spec.ready_text for name, spec in found.items() if name != "actors")


def test_a_connector_somewhere_else_is_not_started(run: RunDir, tmp_path: Path) -> None:
    environment = {"OPENSQT_REMOTE__ADDRESS": "unix:/run/other.sock"}

    assert "connector-paper" not in specs(layout(run, tmp_path, environment))


def test_a_paper_venue_somewhere_else_is_not_started(run: RunDir, tmp_path: Path) -> None:
    environment = {"OPENSQT_ACCOUNTS__PAPER__BASE_URL": "https://127.0.0.1:4444"}

    found = specs(layout(run, tmp_path, environment))

    assert "paper-venue" not in found
    assert found["connector-paper"].needs == ()


def test_what_is_played_is_handed_to_the_venue_only(run: RunDir, tmp_path: Path) -> None:
    found = specs(layout(run, tmp_path, {}, tmp_path / "a.gz", tmp_path / "b.gz"))

    playback = ["--replay", f"{tmp_path}/a.gz", "--replay", f"{tmp_path}/b.gz"]
    assert [*found["paper-venue"].arguments][-7:] == [*playback, "--speed", "2", "--loop"]
    assert "--replay" not in found["connector-paper"].arguments


def test_every_process_finds_the_completed_configuration(run: RunDir, tmp_path: Path) -> None:
    made = layout(run, tmp_path, {})

    for spec in child_specs(made):
        deployment = load(CONFIG, spec.environment)
        assert deployment.data_dir == tmp_path
        assert deployment.paper.port == made.ports.paper
        assert deployment.accounts[0].base_url == f"https://127.0.0.1:{made.ports.paper}"


def test_the_head_is_ours_alone(run: RunDir, tmp_path: Path) -> None:
    made = layout(run, tmp_path, {})

    head = specs(made)["ray"]

    assert head.environment["RAY_AUTH_MODE"] == "token"
    assert head.environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_ADDRESS" not in head.environment
    assert f"--temp-dir={run.path}/ray" in head.arguments
    assert f"--object-store-memory={80 * 1024 * 1024}" in head.arguments
    assert "--dashboard-host=127.0.0.1" in head.arguments
    assert specs(made)["actors"].environment["RAY_ADDRESS"] == f"127.0.0.1:{made.ports.head}"


def test_ports_are_free_distinct_and_kept_until_forgotten(run: RunDir, tmp_path: Path) -> None:
    deployment = load(CONFIG, {"OPENSQT_DATA_DIR": str(tmp_path)})
    first = choose_ports(run, deployment)
    with socket.socket() as taken:
        # Another deployment of this machine may have been faster: it is taken all the same.
        with suppress(OSError):
            taken.bind(("", first.head))

        assert choose_ports(run, deployment) == first
        forget_ports(run)
        second = choose_ports(run, deployment)

    assert len(set(asdict(first).values())) == len(asdict(first))
    assert second.head != first.head


def test_two_deployments_choose_different_ports(run: RunDir, tmp_path: Path) -> None:
    deployment = load(CONFIG, {})
    other = RunDir(tmp_path / "other", {})
    try:
        first, second = choose_ports(run, deployment), choose_ports(other, deployment)
    finally:
        shutil.rmtree(other.path)

    assert set(asdict(first).values()).isdisjoint(asdict(second).values())


def test_the_token_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "ray.token"

    make_token(path)
    first = path.read_text()
    path.chmod(0o644)
    make_token(path)

    assert path.read_text() == first
    assert len(first) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_venue_and_connector_are_given_the_same_keys_and_port(tmp_path: Path) -> None:
    environment = {"OPENSQT_PAPER_KEY": "id-of-key", "OPENSQT_PAPER_SECRET": "hush-hush"}
    deployment = load(CONFIG, {"OPENSQT_DATA_DIR": str(tmp_path)})
    completed = environment | overrides(deployment, port=4444, control_port=4445)
    deployment, keys = load(CONFIG, completed), load_keys(CONFIG, completed)

    venue = paper_config(deployment, keys)
    connector = connector_config(deployment, deployment.accounts[0], keys)

    (account,) = venue.accounts
    credentials = connector.keys()
    assert (account.api_key, account.api_secret) == (credentials.api_key, credentials.secret)
    assert (venue.port, venue.control_port) == (4444, 4445)
    assert connector.paper is not None
    assert connector.paper.port == 4444
    assert connector.paper.ca_file == tmp_path / PAPER_CA
    assert account.maker_fee == 0
    assert "hush-hush" not in repr(venue) + repr(connector)
    assert os.environ.get("OPENSQT_PAPER_SECRET") is None
