"""Generate the protobuf modules from proto/, or check that the committed ones are current.

`proto.py` writes, `proto.py --check` changes nothing: it runs buf's lint and format checks and
compares what would be generated with what is in the tree. Both work without network.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
PACKAGE = Path("opensqt/market_maker/v1")
HEADER = '"""Generated protobuf messages and services, version 1; do not edit."""\n'


def generate(into: Path) -> None:
    """Write the modules of every file under proto/ below `into`."""
    from grpc_tools import protoc

    bin_dir = Path(sys.executable).parent
    include = Path(protoc.__file__).parent / "_proto"
    arguments = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{SOURCES}",
        f"-I{include}",
        f"-I{SOURCES / 'third_party'}",
        f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
        f"--python_out={into}",
        f"--pyi_out={into}",
        f"--grpc_python_out={into}",
        f"--mypy_grpc_out={into}",
        *(
            str(path.relative_to(SOURCES))
            for path in sorted((SOURCES / "opensqt").rglob("*.proto"))
        ),
    ]
    subprocess.run(arguments, check=True, cwd=ROOT)
    (into / PACKAGE / "__init__.py").write_text(HEADER, encoding="utf-8")


def modules(below: Path) -> dict[str, str]:
    """Return name and text of the generated package's files below a folder."""
    files = sorted((below / PACKAGE).glob("*.py*"))
    return {path.name: path.read_text(encoding="utf-8") for path in files if path.is_file()}


def differences(fresh: dict[str, str], present: dict[str, str]) -> list[str]:
    """Return one line for each file that is missing, superfluous or different."""
    missing = [f"missing: {name}" for name in fresh if name not in present]
    superfluous = [f"superfluous: {name}" for name in present if name not in fresh]
    changed = [
        f"out of date: {name}"
        for name, text in fresh.items()
        if name in present and present[name] != text
    ]
    return missing + superfluous + changed


def buf(*arguments: str) -> int:
    """Run buf at the root and return its exit code."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "buf"), *arguments], check=False, cwd=ROOT
    ).returncode


def check() -> int:
    """Return 0 when sources are clean and the committed modules are what they generate."""
    failed = buf("lint") or buf("format", "--diff", "--exit-code")
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        lines = differences(modules(Path(folder)), modules(ROOT))
    for line in lines:
        print(f"{PACKAGE}: {line}; run `make proto`")
    return 1 if failed or lines else 0


def write() -> int:
    """Generate into the tree, touching only what differs, and return 0."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, present = modules(Path(folder)), modules(ROOT)
    for name in present.keys() - fresh.keys():
        (ROOT / PACKAGE / name).unlink()
    for name, text in fresh.items():
        if present.get(name) != text:
            (ROOT / PACKAGE / name).write_text(text, encoding="utf-8")
            print(f"wrote {PACKAGE / name}")
    return 0


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    arguments = parser.parse_args()
    if not any(SOURCES.rglob("*.proto")):
        print("no .proto files yet")
        return 0
    return check() if arguments.check else write()


if __name__ == "__main__":
    sys.exit(main())
