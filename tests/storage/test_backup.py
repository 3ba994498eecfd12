"""A backup is one consistent moment; putting it back is whole or not at all, and never believed."""

import asyncio
import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from opensqt.cli.main import main
from opensqt.core.facts import JournalRestored
from opensqt.core.ids import AccountName, UnixMs
from opensqt.core.registry import KillRow
from opensqt.core.symbol import SymbolState, replay
from opensqt.ports.registry import RegistryError
from opensqt.storage import restore as module
from opensqt.storage.archive import BackupError, Manifest, read_manifest
from opensqt.storage.backup import create_backup
from opensqt.storage.beyond import begin_beyond
from opensqt.storage.control import open_control
from opensqt.storage.journal import open_journal
from opensqt.storage.location import Location, control_path, restoring_path
from opensqt.storage.restore import Restored, finish, restore
from opensqt.system.rundir import run_dir_path
from tests.engine.stage import UNIT
from tests.fakes.lived import lived, store_life
from tests.storage.contract import OTHER, started

BACKUP_MS, NOW_MS = UnixMs(1_700_000_000_000), UnixMs(1_700_000_100_000)


def backed_up(location: Location, target: Path) -> Manifest:
    return create_backup(location, target, build="test", now_ms=BACKUP_MS, told=lambda _: None)


def put_back(
    location: Location, data: Path, archive: Path, *, now_ms: int = NOW_MS, is_trial: bool = False
) -> Restored:
    data.mkdir(exist_ok=True)
    return restore(location, data, archive, now_ms=UnixMs(now_ms), is_trial=is_trial)


def trade_on(location: Location) -> None:
    """Let the deployment go on after its backup."""

    async def write() -> None:
        registry = open_control(location, writer="test", random_bytes=bytes(8))
        for _ in range(3):
            await registry.next_symbol_epoch(UNIT)
        await registry.acquire_account(
            AccountName("paper"), holder="h:1:1", now_ms=1, ttl_ms=10**15, take_over=True
        )
        kill = KillRow(epoch=5, is_engaged=True, operator="ann", reason="drill")
        await registry.set_kill(kill, expected_epoch=0)
        registry.close()
        journal = open_journal(location, UNIT)
        await journal.commit([started(7)], epoch=7, expected_sequence=len(lived()))
        journal.close()
        other = open_journal(location, OTHER, may_migrate=True)
        await other.commit([started(1)], epoch=1, expected_sequence=0)
        other.close()

    asyncio.run(write())


def history(location: Location) -> tuple[object, ...]:
    with closing(open_journal(location, UNIT)) as journal:
        return asyncio.run(journal.history())


def files(data: Path) -> dict[str, bytes]:
    """Return every stored byte; logs of databases that are empty do not count."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_what_was_saved_comes_back_and_knows_that_it_did(
    location: Location, tmp_path: Path
) -> None:
    store_life(location)
    archive, data = tmp_path / "b.tar", tmp_path / "data"
    manifest = backed_up(location, archive)
    trade_on(location)

    found = put_back(location, data, archive)

    assert [copy.sequence for copy in manifest.copies] == [0, len(lived())]
    assert history(location)[:-1] == lived()
    told = history(location)[-1]
    assert told == JournalRestored(backup_ms=BACKUP_MS, generation=NOW_MS, at_ms=NOW_MS)
    assert found.missing == (OTHER,)
    assert found.kept
    assert list(data.glob(".restore-*")) == []


def test_epochs_leases_and_the_kill_switch_do_not_go_back(
    location: Location, tmp_path: Path
) -> None:
    store_life(location)
    archive = tmp_path / "b.tar"
    backed_up(location, archive)
    trade_on(location)

    put_back(location, tmp_path / "data", archive)

    with closing(open_control(location, writer="test", random_bytes=bytes(8))) as registry:
        assert asyncio.run(registry.symbol_epoch(UNIT)) >= 4
        assert asyncio.run(registry.kill_row()).is_engaged
        assert asyncio.run(registry.restored_ms()) == NOW_MS
        assert asyncio.run(registry.next_symbol_epoch(UNIT)) > 3
        (row, *_) = asyncio.run(registry.audit(count_max=1))
        assert row.what == "deployment.restored"
        # Nobody holds the account: its next holder need not wait.
        asyncio.run(
            registry.acquire_account(
                AccountName("paper"), holder="h:2:2", now_ms=5, ttl_ms=1, take_over=False
            )
        )


@pytest.mark.pg
def test_a_server_is_saved_into_files_and_put_back_into_a_folder(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database: str = request.getfixturevalue("database")
    store_life(database)
    backed_up(database, tmp_path / "b.tar")
    data = tmp_path / "elsewhere"

    found = put_back(data, data, tmp_path / "b.tar")

    assert history(data)[:-1] == lived()
    assert found.kept == ""


@pytest.mark.pg
def test_commands_save_and_restore_a_server_that_nobody_uses(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database: str = request.getfixturevalue("database")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    store_life(database)
    archive, folder = str(tmp_path / "b.tar"), str(tmp_path / "data")
    where = ["--store", database, "--data-dir", folder]

    assert main(["backup", archive, *where]) == 0
    with closing(open_control(database, writer="test", random_bytes=bytes(8))):
        assert main(["restore", archive, *where]) == 5
    assert "1 sessions on the server" in capsys.readouterr().err
    Path(folder).mkdir(exist_ok=True)
    assert main(["restore", archive, *where]) == 0

    assert history(database)[:-1] == lived()
    assert "the former state is kept in schemas before-" in capsys.readouterr().out
    shutil.rmtree(run_dir_path(Path(folder), {}))


def test_the_former_state_is_kept_aside(tmp_path: Path) -> None:
    data = tmp_path / "data"
    store_life(data)
    (data / "hosts" / "x").mkdir(parents=True)
    backed_up(data, tmp_path / "b.tar")
    trade_on(data)
    former = control_path(data).read_bytes()

    found = put_back(data, data, tmp_path / "b.tar")

    kept = Path(found.kept)
    assert (kept / "control.db").read_bytes() == former
    assert (kept / "symbols" / OTHER.path / "journal.db").exists()
    assert (kept / "hosts" / "x").is_dir()
    assert not (data / "hosts").exists()
    assert not restoring_path(data).exists()


def test_generations_rise_from_one_restore_to_the_next_whatever_the_clock_says(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    store_life(data)
    backed_up(data, tmp_path / "b.tar")

    generations = []
    for now_ms in (NOW_MS, NOW_MS - 86_400_000, NOW_MS + 5):
        put_back(data, data, tmp_path / "b.tar", now_ms=now_ms)
        told = history(data)[-1]
        assert isinstance(told, JournalRestored)
        generations.append(told.generation)

    assert generations == sorted(set(generations))
    state = replay(SymbolState(unit=UNIT, deployment="000"), history(data))  # type: ignore[arg-type]
    assert state.generation_next >= generations[-1]
    assert all(slot.generation >= generations[-1] for slot in state.slots.values())


def test_a_journal_that_begins_after_a_restore_begins_beyond_it(tmp_path: Path) -> None:
    async def begin(restored_ms: int) -> tuple[object, ...]:
        journal = open_journal(tmp_path, UNIT, may_migrate=True)
        await begin_beyond(journal, restored_ms, epoch=1, now_ms=UnixMs(1))
        facts = await journal.history()
        journal.close()
        return facts

    assert asyncio.run(begin(0)) == ()
    (told,) = asyncio.run(begin(NOW_MS))
    assert isinstance(told, JournalRestored)
    assert told.generation == NOW_MS
    assert asyncio.run(begin(NOW_MS)) == (told,)


def test_a_backup_of_a_busy_deployment_is_one_moment_of_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    store_life(data)
    stop = threading.Event()

    async def write() -> None:
        journal = open_journal(data, UNIT)
        sequence = len(lived())
        while not stop.is_set():
            await journal.commit([started(7)] * 5, epoch=7, expected_sequence=sequence)
            sequence += 5
        journal.close()

    writer = threading.Thread(target=lambda: asyncio.run(write()))
    writer.start()
    try:
        manifests = [backed_up(data, tmp_path / f"{n}.tar") for n in range(5)]
    finally:
        stop.set()
        writer.join()

    for n, manifest in enumerate(manifests):
        target = tmp_path / f"data{n}"
        put_back(target, target, tmp_path / f"{n}.tar")
        facts = history(target)
        assert len(facts) == manifest.copies[1].sequence + 1
        assert (len(facts) - 1 - len(lived())) % 5 == 0


def test_a_backup_is_for_its_owner_and_overwrites_nothing(tmp_path: Path) -> None:
    data, archive = tmp_path / "data", tmp_path / "deep" / "b.tar"
    store_life(data)

    backed_up(data, archive)

    assert archive.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="overwrites nothing"):
        backed_up(data, archive)
    assert [path.name for path in archive.parent.iterdir()] == ["b.tar"]


def test_without_a_deployment_there_is_nothing_to_back_up(
    location: Location, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        backed_up(location, tmp_path / "b.tar")

    assert not (tmp_path / "b.tar").exists()


def rewritten(archive: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Change the members of an archive."""
    with tarfile.open(archive) as tar:
        members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(archive, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def manifest_with(**changes: object) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps({**manifest, **changes}).encode()

    return change


def other_name(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["copies"][1]["name"] = "../../escape/journal.db"
    members["manifest.json"] = json.dumps(manifest).encode()


def flipped(members: dict[str, bytes]) -> None:
    name = f"symbols/{UNIT.path}/journal.db"
    content = bytearray(members[name])
    content[len(content) // 2] ^= 1
    members[name] = bytes(content)


def newer_journal(members: dict[str, bytes]) -> None:
    _with_sum(members, "UPDATE meta SET value = '99' WHERE name = 'schema'")


def other_kind(members: dict[str, bytes]) -> None:
    _with_sum(members, "UPDATE meta SET value = 'cookbook' WHERE name = 'kind'")


def fewer_facts(members: dict[str, bytes]) -> None:
    _with_sum(members, "DELETE FROM facts WHERE sequence > 5")


def _with_sum(members: dict[str, bytes], statement: str) -> None:
    """Change a journal and make its checksum right again."""
    name = f"symbols/{UNIT.path}/journal.db"
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(members[name])
        with closing(sqlite3.connect(file.name)) as database, database:
            database.execute(statement)
        members[name] = Path(file.name).read_bytes()
    manifest = json.loads(members["manifest.json"])
    digest = hashlib.sha256(members[name]).hexdigest()
    manifest["copies"][1] |= {"sha256": digest, "size": len(members[name])}
    members["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flipped, "is damaged: symbols/"),
        (lambda members: members.pop(f"symbols/{UNIT.path}/journal.db"), "lacks symbols/"),
        (lambda members: members.pop("manifest.json"), "begins with no manifest"),
        (manifest_with(kind="cookbook"), "its manifest is of another kind"),
        (manifest_with(format=2), "it has the format 2, this build reads 1"),
        (manifest_with(copies=[]), "does not name each store once"),
        (manifest_with(copies=7), "is no backup of this program"),
        (manifest_with(deployment="zzz"), "is of the deployment zzz"),
        (other_name, "names '../../escape/journal.db'"),
        (newer_journal, "written by a newer build: schema 99"),
        (other_kind, "is of kind cookbook, expected journal"),
        (fewer_facts, "holds 5 facts, the manifest says"),
    ],
)
def test_what_is_not_what_it_says_is_refused_and_nothing_changes(
    tmp_path: Path, change: Callable[[dict[str, bytes]], None], said: str
) -> None:
    data, archive = tmp_path / "data", tmp_path / "b.tar"
    store_life(data)
    backed_up(data, archive)
    rewritten(archive, change)
    before = files(data)

    with pytest.raises(BackupError) as refused:
        put_back(data, data, archive)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert files(data) == before
    assert not (tmp_path.parent / "escape").exists()


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.tar").write_bytes(content)

    with pytest.raises(BackupError, match="no backup of this program"):
        read_manifest(tmp_path / "b.tar")
    with pytest.raises(BackupError, match="cannot read"):
        read_manifest(tmp_path / "none.tar")


def test_a_trial_checks_everything_and_changes_nothing(tmp_path: Path) -> None:
    data, archive = tmp_path / "data", tmp_path / "b.tar"
    store_life(data)
    backed_up(data, archive)
    trade_on(data)
    before = files(data)

    found = put_back(data, data, archive, is_trial=True)

    assert found.missing == (OTHER,)
    assert files(data) == before


def test_a_damaged_control_store_is_replaced(tmp_path: Path) -> None:
    data, archive = tmp_path / "data", tmp_path / "b.tar"
    store_life(data)
    backed_up(data, archive)
    control_path(data).write_bytes(b"rubbish" * 1000)

    put_back(data, data, archive)

    assert history(data)[:-1] == lived()


class CutError(Exception):
    """The machine lost its power."""


@pytest.mark.parametrize("step", range(7))
def test_a_restore_that_is_cut_anywhere_is_finished_or_never_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    data, archive = tmp_path / "data", tmp_path / "b.tar"
    store_life(data)
    (data / "hosts").mkdir()
    backed_up(data, archive)
    trade_on(data)
    steps, is_cut = 0, False

    def rename(source: Path, target: Path) -> None:
        nonlocal steps
        if source.exists():
            if steps == step:
                raise CutError
            steps += 1
            source.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_rename", rename)
        try:
            put_back(data, data, archive)
        except CutError:
            is_cut = True
            with pytest.raises(RegistryError, match="was interrupted"):
                open_control(data, writer="test", random_bytes=bytes(8), may_migrate=True)
            with pytest.raises(BackupError, match="was interrupted"):
                put_back(data, data, archive)

    assert finish(data) is is_cut
    assert history(data)[:-1] == lived()
    assert isinstance(history(data)[-1], JournalRestored)
    assert finish(data) is False
    assert not restoring_path(data).exists()
