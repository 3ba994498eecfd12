"""One file that holds a deployment: a tar of a manifest and of a copy of each store.

The copies are SQLite files of the schema of their store, wherever that lives: what a server held
can be put back into files and the other way round. Nothing is believed before its checksum is
right, and nothing is extracted by the archive's own names.
"""

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from opensqt.core.ids import UnitId, UnixMs
from opensqt.core.targets import unit_of_path

KIND: Final = "opensqt-backup"
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
CONTROL_NAME: Final = "control.db"
_JOURNAL_NAME: Final = re.compile(r"symbols/([A-Za-z0-9_-]{1,120})/journal\.db")
_MANIFEST_BYTES_MAX: Final = 1 << 22
_CHUNK_BYTES: Final = 1 << 20


class BackupError(Exception):
    """A backup cannot be made or used; nothing was changed. One line: what and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One store inside the archive."""

    name: str
    """Name inside the archive, such as ``symbols/paper-BTCUSDT-perp-grid/journal.db``."""
    sha256: str
    size: int
    sequence: int = 0
    """Facts of a journal; 0 for the control store."""

    @property
    def unit(self) -> UnitId | None:
        """Return whose journal it is, None for the control store."""
        found = _JOURNAL_NAME.fullmatch(self.name)
        return None if found is None else unit_of_path(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive holds, and who made it when."""

    build: str
    deployment: str
    """Tag of the deployment."""
    created_ms: UnixMs
    """Before the first store was read: what happened later may be missing."""
    control_schema: int
    journal_schema: int
    copies: tuple[Copy, ...]

    def encoded(self) -> str:
        """Return the text that is stored."""
        return json.dumps({"kind": KIND, "format": FORMAT, **asdict(self)}, indent=2)


def journal_name(unit: UnitId) -> str:
    """Return the name of a unit's journal inside the archive."""
    return f"symbols/{unit.path}/journal.db"


def checked(path: Path, *, name: str, sequence: int = 0) -> Copy:
    """Return the entry of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return Copy(name=name, sha256=digest.hexdigest(), size=path.stat().st_size, sequence=sequence)


def write_archive(target: Path, manifest: Manifest, folder: Path) -> None:
    """Write the archive of the copies in ``folder``; whole or not at all, for its owner only."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch.write_text(manifest.encoded(), "utf-8")
        text = folder / MANIFEST
        scratch.replace(text)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar:
                for name in (MANIFEST, *(copy.name for copy in manifest.copies)):
                    tar.add(folder / name, arcname=name, filter=_anonymous)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise BackupError(f"cannot write {target}: {error.strerror or error}") from error


def read_manifest(path: Path) -> Manifest:
    """Return what an archive says it holds; raise ``BackupError`` unless it is one of ours."""
    with _opened(path) as tar:
        member = tar.next()
        if member is None or member.name != MANIFEST or not 0 < member.size <= _MANIFEST_BYTES_MAX:
            raise BackupError(f"{path} is no backup of this program: it begins with no manifest")
        stream = tar.extractfile(member)
        text = b"" if stream is None else stream.read()
    try:
        return _decoded(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} is no backup of this program: {error}") from error


def unpack(path: Path, manifest: Manifest, folder: Path) -> None:
    """Write the copies into ``folder``, each with the right checksum; raise ``BackupError``."""
    with _opened(path) as tar:
        members = {member.name: member for member in tar.getmembers()}
        for copy in manifest.copies:
            member = members.get(copy.name)
            stream = tar.extractfile(member) if member is not None and member.isreg() else None
            if stream is None:
                raise BackupError(f"{path} lacks {copy.name}, which its manifest names")
            _extract(stream, folder / copy.name)
            found = checked(folder / copy.name, name=copy.name, sequence=copy.sequence)
            if found != copy:
                raise BackupError(
                    f"{path} is damaged: {copy.name} has the checksum {found.sha256[:12]}..., "
                    f"its manifest says {copy.sha256[:12]}..."
                )


def _extract(stream: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        while chunk := stream.read(_CHUNK_BYTES):
            sink.write(chunk)
        sink.flush()
        os.fsync(sink.fileno())


def _decoded(body: Mapping[str, object]) -> Manifest:
    if not isinstance(body, dict) or body.get("kind") != KIND:
        raise ValueError("its manifest is of another kind")
    if body["format"] != FORMAT:
        raise ValueError(f"it has the format {body['format']}, this build reads {FORMAT}")
    copies = tuple(Copy(**one) for one in body["copies"])
    names = [copy.name for copy in copies]
    if CONTROL_NAME not in names or len(set(names)) != len(names):
        raise ValueError("its manifest does not name each store once")
    for copy in copies:
        if copy.name != CONTROL_NAME and copy.unit is None:
            raise ValueError(f"its manifest names {copy.name!r}")
    return Manifest(
        build=str(body["build"]),
        deployment=str(body["deployment"]),
        created_ms=UnixMs(int(body["created_ms"])),
        control_schema=int(body["control_schema"]),
        journal_schema=int(body["journal_schema"]),
        copies=copies,
    )


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise BackupError(f"{path} is no backup of this program: {error}") from error
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror or error}") from error


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member
