"""Generate the protobuf modules from proto/, or check that the committed ones are current.

`proto.py` writes, `proto.py --check` changes nothing: it runs buf's lint, format and breaking
checks and compares what would be generated with what is in the tree. Both work without network.
The contract is compared with the newest release tag, or with HEAD while there is none.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
PACKAGE = Path("opensqt/market_maker/v1")
DECIMAL = Path("google/type/decimal.proto")
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
        # Servers here serve what they need and leave the rest to answer UNIMPLEMENTED.
        f"--mypy_grpc_out=only_async,generate_concrete_servicer_stubs:{into}",
        *(
            str(path.relative_to(SOURCES))
            for path in sorted((SOURCES / "opensqt").rglob("*.proto"))
        ),
    ]
    done = subprocess.run(arguments, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"protoc failed:\n{done.stderr}")
    for source in (SOURCES / PACKAGE).glob("*.proto"):
        if "\nservice " not in source.read_text(encoding="utf-8"):
            for stub in (into / PACKAGE).glob(f"{source.stem}_pb2_grpc.py*"):
                stub.unlink()
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


def git(*arguments: str) -> str:
    """Return what git prints, or nothing where it fails or is not installed."""
    program = shutil.which("git")
    if program is None:
        return ""
    command = [program, *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True).stdout


def breaking() -> int:
    """Return 0 unless the contract breaks the newest release's (HEAD's while there is none)."""
    against = git("describe", "--tags", "--abbrev=0", "--match=v*").strip() or "HEAD"
    if not git("ls-tree", "-r", "--name-only", against, "--", "buf.yaml", "proto").strip():
        return 0  # a source archive, or a history without the contract: nothing to compare with
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "contract.tar"
        git("archive", "--format=tar", f"--output={archive}", against, "buf.yaml", "proto")
        return buf("breaking", "--against", str(archive))


def vendored() -> int:
    """Return 0 when the committed google.type.Decimal is the installed one, comments aside."""
    from google.type import decimal_pb2

    copy = (SOURCES / "third_party" / DECIMAL).read_text(encoding="utf-8")
    installed = (Path(decimal_pb2.__file__).parent / DECIMAL.name).read_text(encoding="utf-8")
    if code_lines(copy) == code_lines(installed):
        return 0
    print(f"proto/third_party/{DECIMAL}: differs from the installed googleapis-common-protos")
    return 1


def code_lines(text: str) -> list[str]:
    """Return the lines of a .proto file that are not comments."""
    return [line for line in text.splitlines() if not line.lstrip().startswith("//")]


def check() -> int:
    """Return 0 when sources are clean and the committed modules are what they generate."""
    failed = buf("lint") or buf("format", "--diff", "--exit-code") or breaking() or vendored()
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
