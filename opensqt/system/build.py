"""Which build runs here: the content of the package's files, whatever its version says."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import opensqt


def build_of(package: Path) -> str:
    """Return 12 digits that change with any source file under ``package``, wherever it lies."""
    digest = hashlib.blake2b(digest_size=6)
    root = str(package)
    for path in sorted(_sources(root)):
        # Unbuffered: a process computes this while it starts.
        with io.FileIO(path) as file:
            content = file.read()
        digest.update(f"{path[len(root) :]}\x00{len(content)}\x00".encode())
        digest.update(content)
    return digest.hexdigest()


def installed_build() -> str:
    """Return the build a process would have that starts now."""
    return build_of(Path(opensqt.__file__).parent)


def _sources(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry.path
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)
