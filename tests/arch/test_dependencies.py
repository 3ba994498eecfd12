"""Every vendor that is imported is declared, locked by hash, and locked without an address."""

import re
import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.arch.source_tree import ROOT, imported, python_files, tracked

DISTRIBUTION = {
    "annotated_types": "pydantic",
    "google": "protobuf",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "opentelemetry": "opentelemetry-sdk",
    "prometheus_client": "opentelemetry-exporter-prometheus",
    "psycopg_pool": "psycopg",
    "pydantic_core": "pydantic",
    "pydantic_settings": "pydantic-settings",
    "yaml": "pyyaml",
}
"""Import name to distribution, where they differ by more than - and _, or one ships the other."""

HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("conda", "anaconda", "org"),
        ("deb", "debian", "org"),
    )
)
"""Spelled in parts so that this file passes its own test."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    runtime = [
        *project["dependencies"],
        *(line for name in extras.keys() - {"dev"} for line in extras[name]),
    ]
    return {canonical(re.split(r"[\[<>=~! ]", line)[0]) for line in runtime}


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([a-zA-Z0-9._-]+)==(\S+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    return {canonical(package): version for package, version in pins}


def undeclared() -> Iterator[str]:
    ours = {"opensqt", "actors", *sys.stdlib_module_names}
    known = declared()
    for path in python_files("opensqt", "actors"):
        for _, name in imported(path):
            top = name.split(".")[0]
            if top not in ours and canonical(DISTRIBUTION.get(top, top)) not in known:
                yield f"{path.relative_to(ROOT)} imports {top}"


def test_every_imported_vendor_is_a_declared_dependency() -> None:
    assert sorted(set(undeclared())) == []


def test_every_declared_dependency_is_locked() -> None:
    assert declared() - locked("requirements.lock").keys() == set()


def test_both_locks_name_the_same_versions() -> None:
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")

    assert runtime
    assert runtime.items() <= development.items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_hashes_and_no_address_or_option(name: str) -> None:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith(" ")]

    assert all(re.match(r"^[a-z0-9._-]+==\S+( ; .+)? \\$", line) for line in pins)
    assert all(
        re.match(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", line)
        for line in lines
        if line not in pins
    )


def test_no_file_names_the_host_of_a_package_registry() -> None:
    found = [
        f"{name}: {host}"
        for name in tracked()
        for host in HOSTS
        if host.encode() in (ROOT / name).read_bytes()
    ]

    assert found == []
